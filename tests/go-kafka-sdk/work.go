package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	otelkafka "github.com/Trendyol/otel-kafka-konsumer"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// partitions are the topics, and how many each has.
var partitions = map[string]int{"orders": 3, "bills": 1, "stock": 1, "slow": 1}

type work struct {
	journal *journal
	broker  string
}

func (w *work) writer(change func(*kafka.Writer)) *otelkafka.Writer {
	inner := &kafka.Writer{
		Addr: kafka.TCP(w.broker), Balancer: place, MaxAttempts: 3, RequiredAcks: kafka.RequireOne, BatchTimeout: time.Millisecond,
		Transport: &kafka.Transport{ClientID: "twin"},
	}
	change(inner)
	return must(otelkafka.NewWriter(inner))
}

func (w *work) reader(configuration kafka.ReaderConfig) *otelkafka.Reader {
	configuration.Brokers = []string{w.broker}
	configuration.MaxWait = 50 * time.Millisecond
	configuration.StartOffset = kafka.FirstOffset
	configuration.JoinGroupBackoff = 100 * time.Millisecond
	return must(otelkafka.NewReader(kafka.NewReader(configuration)))
}

// write is all calls that write. The instrumentation has spans for those of one message.
func (w *work) write() {
	ctx := context.Background()
	any := w.writer(func(*kafka.Writer) {})
	one := func(ctx context.Context, writer *otelkafka.Writer, message kafka.Message) error {
		err := writer.WriteMessage(ctx, message)
		w.journal.returned("send", err)
		return err
	}
	for i := 0; i < 6; i++ {
		succeeds(one(ctx, any, message("orders", fmt.Sprint("order-", i))))
	}
	succeeds(one(ctx, any, message("bills", "")))
	succeeds(one(ctx, any, message("bills", "\xff\xfe")))
	// Below a span of the program's own.
	above, span := otel.Tracer("twin").Start(ctx, "above")
	succeeds(one(above, any, message("bills", "above-0")))
	span.End()
	w.journal.spans = nil
	// The topic is the writer's.
	succeeds(one(ctx, w.writer(func(writer *kafka.Writer) { writer.Topic = "bills" }), message("", "bill-0")))

	batch := func(messages ...kafka.Message) {
		var contexts []string
		for _, message := range messages {
			contexts = append(contexts, contextIn(message)...)
		}
		err := any.WriteMessages(ctx, messages)
		w.journal.returned("send", err, contexts...)
		succeeds(err)
	}
	batch(message("stock", "item-0"), message("stock", "item-1"), message("stock", "item-2"))
	batch(w.created("orders", "created-0"), w.created("bills", "created-1"))
	batch(w.created("stock", "created-2"), w.created("stock", "created-3"))

	fails(one(ctx, any, message("nowhere", "lost-0")))
	large := message("orders", "large-0")
	large.Value = make([]byte, 2<<20)
	fails(one(ctx, any, large))
	slow := w.writer(func(writer *kafka.Writer) { writer.BatchTimeout = 2 * time.Second })
	cancelled, cancel := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	fails(one(cancelled, slow, message("slow", "cancelled-0")))
	late, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	fails(one(late, slow, message("slow", "late-0")))
	// Waits for what it still has.
	succeeds(slow.Close())
	fails(one(ctx, slow, message("slow", "closed-0")))
}

// read is calls without a group.
func (w *work) read() {
	ctx := context.Background()
	reader := w.reader(kafka.ReaderConfig{Topic: "bills"})
	for i := 0; i < 5; i++ {
		if i%2 == 0 {
			_, err := reader.ReadMessage(ctx)
			w.journal.returned("poll", err)
			succeeds(err)
			continue
		}
		err := reader.FetchMessage(ctx, new(kafka.Message))
		w.journal.returned("poll", err)
		succeeds(err)
	}
	late, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := reader.ReadMessage(late)
	w.journal.returned("poll", err)
	fails(err)
	err = reader.CommitMessages(ctx, kafka.Message{Topic: "bills", Offset: 1})
	w.journal.returned("commit", err)
	fails(err)
	succeeds(reader.Close())
	// A reader's orderly end is none of its failures.
	_, err = reader.ReadMessage(ctx)
	if !errors.Is(err, io.EOF) {
		log.Fatalf("a closed reader said %v", err)
	}
	w.journal.returned("poll", nil)
}

// settle is calls of a group's members.
func (w *work) settle() {
	ctx := context.Background()
	orders := w.reader(kafka.ReaderConfig{GroupID: "packers", GroupTopics: []string{"orders"}})
	var kept []kafka.Message
	for i := 0; i < 7; i++ {
		message := new(kafka.Message)
		w.receive(func() error { return orders.FetchMessage(ctx, message) })
		if kept = append(kept, *message); i < 4 && i != 1 {
			err := orders.CommitMessages(ctx, kept...)
			w.journal.returned("commit", err)
			succeeds(err)
			kept = nil
		}
	}
	// Those of one partition, in the order in which they came.
	err := orders.CommitMessages(ctx, kept...)
	w.journal.returned("commit", err)
	succeeds(err)
	succeeds(orders.Close())

	// The library hands back what it reads.
	stock := w.reader(kafka.ReaderConfig{GroupID: "counters", Topic: "stock"})
	for i := 0; i < 5; i++ {
		w.receive(func() error {
			_, err := stock.ReadMessage(ctx)
			return err
		})
		w.journal.returned("commit", nil)
	}
	succeeds(stock.Close())
}

// receive polls until a message comes: a group that is just being made may have no coordinator yet.
func (w *work) receive(poll func() error) {
	for attempt := 0; ; attempt++ {
		err := poll()
		w.journal.returned("poll", err)
		if err == nil {
			return
		}
		if attempt == 20 {
			log.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func message(topic, key string) kafka.Message {
	message := kafka.Message{Topic: topic, Value: []byte("value of " + key)}
	if key != "" {
		message.Key = []byte(key)
	}
	return message
}

// created is a message with a context of its own, as a program writes it that has a span for each.
func (w *work) created(topic, key string) kafka.Message {
	ctx, span := otel.Tracer("twin").Start(context.Background(), "create", trace.WithSpanKind(trace.SpanKindProducer))
	message := message(topic, key)
	otel.GetTextMapPropagator().Inject(ctx, otelkafka.NewMessageCarrier(&message))
	span.End()
	w.journal.spans = nil
	return message
}

func contextIn(message kafka.Message) []string {
	parts := strings.Split(otelkafka.NewMessageCarrier(&message).Get("traceparent"), "-")
	if len(parts) != 4 {
		return nil
	}
	return []string{parts[1] + "/" + parts[2]}
}

func must[T any](made T, err error) T {
	succeeds(err)
	return made
}

func succeeds(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func fails(err error) {
	if err == nil {
		log.Fatal("a call that had to fail did not")
	}
}
