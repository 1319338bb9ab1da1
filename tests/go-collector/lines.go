package main

import (
	"context"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// lines writes each batch that the pipeline hands on as one line of OTLP/JSON.
type lines struct {
	mu   sync.Mutex
	file *os.File
}

type linesConfig struct {
	Path string `mapstructure:"path"`
}

func linesFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("lines"),
		func() component.Config { return &linesConfig{} },
		exporter.WithTraces(newLines, component.StabilityLevelStable),
	)
}

func newLines(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
	file, err := os.Create(config.(*linesConfig).Path)
	if err != nil {
		return nil, err
	}
	l := &lines{file: file}
	return exporterhelper.NewTraces(ctx, set, config, l.write)
}

func (l *lines) write(_ context.Context, traces ptrace.Traces) error {
	line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.file.Write(append(line, '\n'))
	return err
}
