//go:build !sdk

package main

import (
	"context"

	"github.com/segmentio/kafka-go"
)

func writes(writer *kafka.Writer) func(kafka.Message) error {
	return func(message kafka.Message) error { return writer.WriteMessages(context.Background(), message) }
}

func reads(reader *kafka.Reader) func() error {
	return func() error {
		_, err := reader.ReadMessage(context.Background())
		return err
	}
}
