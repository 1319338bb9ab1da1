//go:build sdk

package main

import (
	"context"
	"log"

	otelkafka "github.com/Trendyol/otel-kafka-konsumer"
	"github.com/segmentio/kafka-go"
)

func writes(writer *kafka.Writer) func(kafka.Message) error {
	tracing, err := otelkafka.NewWriter(writer)
	if err != nil {
		log.Fatal(err)
	}
	return func(message kafka.Message) error { return tracing.WriteMessage(context.Background(), message) }
}

func reads(reader *kafka.Reader) func() error {
	tracing, err := otelkafka.NewReader(reader)
	if err != nil {
		log.Fatal(err)
	}
	return func() error {
		_, err := tracing.ReadMessage(context.Background())
		return err
	}
}
