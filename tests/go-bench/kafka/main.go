// The program of the Kafka measurement: writes messages, or reads those that it wrote first, over and over.
package main

import (
	"context"
	"flag"
	"log"
	"time"

	"github.com/segmentio/kafka-go"

	"uprobed.test/bench/work"
)

const (
	// goroutines is how many write at once; the writer puts what they write at a time into one batch.
	goroutines = 16
	// stock is how many messages there are to read.
	stock = 100_000
)

func main() {
	broker := flag.String("broker", "", "address of a broker")
	topic := flag.String("topic", "", "topic, made if there is none")
	read := flag.Bool("read", false, "read, and not write")
	work.Parse()
	connection, err := kafka.Dial("tcp", *broker)
	if err != nil {
		log.Fatal(err)
	}
	if err := connection.CreateTopics(kafka.TopicConfig{Topic: *topic, NumPartitions: 1, ReplicationFactor: 1}); err != nil {
		log.Fatal(err)
	}
	connection.Close()
	writer := &kafka.Writer{
		Addr: kafka.TCP(*broker), Topic: *topic, BatchSize: goroutines, BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireOne,
	}
	if *read {
		fill(writer)
		reading(kafka.NewReader(kafka.ReaderConfig{Brokers: []string{*broker}, Topic: *topic, MaxBytes: 1 << 20}))
	} else {
		writing(writer)
	}
}

// message is one whose key and value are like an order's.
func message() kafka.Message {
	return kafka.Message{Key: []byte("customer 17"), Value: make([]byte, 100)}
}

func writing(writer *kafka.Writer) {
	write := writes(writer)
	work.OnDemand(goroutines, func(int) error { return write(message()) })
}

func fill(writer *kafka.Writer) {
	messages := make([]kafka.Message, stock)
	for i := range messages {
		messages[i] = message()
	}
	writer.BatchSize = 1000
	for err := writer.WriteMessages(context.Background(), messages...); err != nil; err = writer.WriteMessages(context.Background(), messages...) {
		log.Print(err)
		time.Sleep(100 * time.Millisecond)
	}
}

func reading(reader *kafka.Reader) {
	read := reads(reader)
	left := stock
	work.OnDemand(1, func(int) error {
		if left == 0 {
			left = stock
			if err := reader.SetOffset(kafka.FirstOffset); err != nil {
				return err
			}
		}
		left--
		return read()
	})
}
