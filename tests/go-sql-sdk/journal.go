package main

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
)

// span is what the tests compare.
type span struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Parent     bool           `json:"parent"`
	Start      int64          `json:"start"`
	End        int64          `json:"end"`
	Error      bool           `json:"error"`
	Attributes map[string]any `json:"attributes"`
	// Exception is the type of the error that the SDK wrote down as an event.
	Exception string `json:"exception"`
}

// called is the journal's line for a call.
type called struct {
	Call string `json:"call"`
	// Wrapped says that the SDK could see it.
	Wrapped bool  `json:"wrapped"`
	Start   int64 `json:"start"`
	End     int64 `json:"end"`
	// Error is what the program was told, Rows what it was told while it read rows.
	Error string `json:"error"`
	Rows  string `json:"rows"`
	Spans []span `json:"spans"`
}

// journal exports spans with the call that they belong to.
type journal struct {
	mu      sync.Mutex
	file    *os.File
	encoder *json.Encoder
	spans   []span
}

func create(path string) (*journal, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &journal{file: file, encoder: json.NewEncoder(file), spans: []span{}}, nil
}

func (j *journal) close() error { return j.file.Close() }

func (j *journal) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range spans {
		line := span{
			Name: s.Name(), Kind: s.SpanKind().String(), Parent: s.Parent().IsValid(),
			Start: s.StartTime().UnixNano(), End: s.EndTime().UnixNano(),
			Error: s.Status().Code.String() == "Error", Attributes: map[string]any{},
		}
		for _, each := range s.Attributes() {
			line.Attributes[string(each.Key)] = each.Value.AsInterface()
		}
		for _, event := range s.Events() {
			for _, each := range event.Attributes {
				if each.Key == "exception.type" {
					line.Exception = each.Value.AsString()
				}
			}
		}
		j.spans = append(j.spans, line)
	}
	return nil
}

func (j *journal) Shutdown(context.Context) error { return nil }

// apart is how long nothing happens between two calls, so that a span's time tells which it belongs to.
const apart = 2 * time.Millisecond

// note makes a call and writes down what came of it.
func (j *journal) note(line called, do func() (err, rows error)) error {
	time.Sleep(apart)
	line.Start = time.Now().UnixNano()
	err, rows := do()
	line.End = time.Now().UnixNano()
	if err != nil {
		line.Error = err.Error()
	}
	if rows != nil {
		line.Rows = rows.Error()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	line.Spans, j.spans = j.spans, []span{}
	if err := j.encoder.Encode(line); err != nil {
		panic(err)
	}
	return err
}
