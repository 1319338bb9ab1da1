// The program of the matrix that uses kafka-go: a writer, a reader of a partition, and one of a consumer group. Without a broker, which
// KAFKA names, it writes into a transport of its own, where its profile comes from.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"uprobed.test/matrix/load"
)

func main() {
	writer := &kafka.Writer{
		Addr:         kafka.TCP("127.0.0.1:9092"),
		Topic:        "orders",
		Balancer:     &kafka.Hash{},
		BatchTimeout: time.Millisecond,
		Transport:    nowhere{},
	}
	load.Run(func() error { return writer.WriteMessages(context.Background(), messages()...) })
	if broker := os.Getenv("KAFKA"); broker != "" {
		if err := use(broker); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func messages() []kafka.Message {
	var all []kafka.Message
	for _, key := range strings.Fields("a b c d e f g h") {
		header := kafka.Header{Key: "tenant", Value: []byte("a")}
		all = append(all, kafka.Message{Key: []byte(key), Value: []byte("seven"), Headers: []kafka.Header{header}})
	}
	return all
}

func use(broker string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	writer := kafka.NewWriter(kafka.WriterConfig{Brokers: []string{broker}, Topic: "orders"})
	defer writer.Close()
	if err := writer.WriteMessages(ctx, messages()...); err != nil {
		return err
	}
	partition := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: "orders"})
	defer partition.Close()
	if _, err := partition.ReadMessage(ctx); err != nil {
		return err
	}
	group := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: "orders", GroupID: "matrix"})
	defer group.Close()
	message, err := group.FetchMessage(ctx)
	if err != nil {
		return err
	}
	if err := group.CommitMessages(ctx, message); err != nil {
		return err
	}
	connection, err := kafka.DialLeader(ctx, "tcp", broker, "orders", 0)
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.WriteMessages(messages()...)
	return err
}
