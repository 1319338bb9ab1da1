//go:build sdk

package work

import (
	"context"
	"flag"
	"log"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Parse parses the flags, and sets the SDK up as one would: a batch processor and OTLP over HTTP.
func Parse() {
	collector := flag.String("collector", "", "host and port of a collector")
	flag.Parse()
	exporter, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpoint(*collector), otlptracehttp.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithBatcher(exporter)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
}
