package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// spread puts a message into the partition that the last byte of its key names, and remembers that it came to that.
var spread = kafka.BalancerFunc(func(message kafka.Message, partitions ...int) int {
	spreadKeys.Store(string(message.Key), true)
	return partitions[place(message)%len(partitions)]
})

var spreadKeys sync.Map

func place(message kafka.Message) int {
	if len(message.Key) == 0 {
		return 0
	}
	return int(message.Key[len(message.Key)-1])
}

// makeWriters makes one for each way to write; all requests of the way share it.
func (s *service) makeWriters() {
	s.writers = map[string]*kafka.Writer{
		"orders": {Topic: "orders"},
		"any":    {},
		"later":  {Topic: "later", Async: true},
		"small":  {Topic: "small", BatchBytes: 1 << 20},
		"slow":   {Topic: "orders", BatchTimeout: 300 * time.Millisecond, BatchSize: 1000},
		"gone":   {Topic: "orders", ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second},
	}
	for name, codec := range map[string]kafka.Compression{
		"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	} {
		s.writers[name] = &kafka.Writer{Topic: "packed", Compression: codec}
	}
	for name, writer := range s.writers {
		if writer.Topic != "" {
			writer.Topic = s.prefix + writer.Topic
		}
		writer.Addr = kafka.TCP(s.broker)
		writer.Balancer = spread
		writer.MaxAttempts = 2
		writer.RequiredAcks = kafka.RequireOne
		writer.Transport = &kafka.Transport{ClientID: "shop-" + name}
		if writer.BatchTimeout == 0 {
			writer.BatchTimeout = 5 * time.Millisecond
		}
		writer.Logger = kafka.LoggerFunc(s.attempt)
		writer.Completion = s.completed
	}
}

// attempt is told what a writer does, and notes each request.
func (s *service) attempt(format string, arguments ...interface{}) {
	if !strings.HasPrefix(format, "writing %d messages to %s") {
		return
	}
	partition := int(arguments[2].(int32))
	s.journal.Write(done{What: "produce", Topic: arguments[1].(string), Partition: &partition, Count: arguments[0].(int)})
}

// completed is told of each batch.
func (s *service) completed(messages []kafka.Message, err error) {
	first := messages[0]
	line := done{What: "batch", Topic: first.Topic, Partition: &first.Partition, Count: len(messages), Error: class(err)}
	if err == nil && len(messages) == 1 {
		line.Offset = &first.Offset
	}
	s.journal.Write(line)
}

// message has a key of its own, and every third a context.
func message(number int, part string) kafka.Message {
	key := fmt.Sprintf("key-%s%d", part, number)
	message := kafka.Message{Key: []byte(key), Value: []byte(strings.Repeat("v", 10+number%100))}
	if number%3 == 0 {
		context := fmt.Sprintf("00-%032x-%016x-01", number+1, place(message)+1000*number+1)
		message.Headers = []kafka.Header{
			{Key: "tenant", Value: []byte("a")},
			{Key: "traceparent", Value: []byte(context)},
		}
	}
	return message
}

// write calls a writer and notes the call.
func (s *service) write(ctx context.Context, from, writer string, messages ...kafka.Message) error {
	line := done{What: "send", From: from, Links: contexts(messages...), Created: len(contexts(messages[0])) > 0}
	topic := func(message kafka.Message) string {
		return s.writers[writer].Topic + message.Topic
	}
	line.Topic = topic(messages[0])
	chosen := place(messages[0]) % partitions
	line.Partition = &chosen
	for _, message := range messages {
		if topic(message) != topic(messages[0]) {
			line.Topic, line.Partition = "", nil
		}
		if place(message)%partitions != chosen {
			line.Partition = nil
		}
	}
	if len(messages) == 1 {
		size := len(messages[0].Value)
		line.Size, line.Key = &size, string(messages[0].Key)
	} else {
		line.Count = len(messages)
	}
	err := s.writers[writer].WriteMessages(ctx, messages...)
	line.Error = class(err)
	// It may have failed before.
	if _, spread := spreadKeys.LoadAndDelete(string(messages[len(messages)-1].Key)); !spread {
		line.Partition = nil
	}
	s.journal.Write(line)
	return err
}

func (s *service) one(r *http.Request, number int) error {
	return s.write(r.Context(), r.URL.Path, "orders", message(number, ""))
}

// bare has nothing but its goroutine to tell whose it is.
func (s *service) bare(r *http.Request, number int) error {
	return s.write(context.Background(), r.URL.Path, "orders", message(number, ""))
}

// nothing is no message, with which a writer does nothing: there is no line for it.
func (s *service) nothing(r *http.Request, number int) error {
	return s.writers["orders"].WriteMessages(r.Context())
}

func (s *service) many(r *http.Request, number int) error {
	messages := []kafka.Message{message(number, "a"), message(number+1, "b"), message(number+2, "c")}
	return s.write(r.Context(), r.URL.Path, "orders", messages...)
}

func (s *service) severalTopics(r *http.Request, number int) error {
	messages := []kafka.Message{message(number, "a"), message(number, "b"), message(number, "c")}
	for i, topic := range []string{"orders", "bills", "stock"} {
		messages[i].Topic = s.prefix + topic
	}
	return s.write(r.Context(), r.URL.Path, "any", messages...)
}

func (s *service) async(r *http.Request, number int) error {
	return s.write(r.Context(), r.URL.Path, "later", message(number, ""))
}

func (s *service) packed(r *http.Request, number int) error {
	codec := []string{"gzip", "snappy", "lz4", "zstd"}[number%4]
	return s.write(r.Context(), r.URL.Path, codec, message(number, ""), message(number, ""))
}
