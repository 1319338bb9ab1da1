package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// readers hands out messages of single partitions to requests. The first request for a partition makes its reader.
type readers struct {
	service *service
	mu      sync.Mutex
	byPart  [partitions]*kafka.Reader
}

func (r *readers) of(number int) *kafka.Reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	part := number % partitions
	if r.byPart[part] == nil {
		r.byPart[part] = kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{r.service.broker}, Topic: r.service.prefix + "orders", Partition: part, MaxWait: 100 * time.Millisecond,
			Dialer: &kafka.Dialer{ClientID: "shop-reader", Timeout: 5 * time.Second},
		})
	}
	return r.byPart[part]
}

// poll reads the next message of a partition, in one of the two ways.
func (r *readers) poll(request *http.Request, number int) error {
	reader := r.of(number)
	read := reader.ReadMessage
	if number%2 == 0 {
		read = reader.FetchMessage
	}
	message, err := read(request.Context())
	line := done{What: "poll", From: request.URL.Path, Topic: r.service.prefix + "orders", Error: class(err)}
	if err == nil {
		line = line.of(message)
	}
	r.service.journal.Write(line)
	return err
}

// none waits where nothing comes.
func (r *readers) none(request *http.Request, number int) error {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{r.service.broker}, Topic: r.service.prefix + "direct", Partition: 3, MaxWait: 50 * time.Millisecond,
	})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(request.Context(), 60*time.Millisecond)
	defer cancel()
	if number%2 == 0 {
		cancel()
	}
	_, err := reader.FetchMessage(ctx)
	line := done{What: "poll", From: request.URL.Path, Topic: r.service.prefix + "direct", Error: class(err)}
	r.service.journal.Write(line)
	return expect(err)
}

// closed asks a reader that is closed, which is no failure.
func (r *readers) closed(request *http.Request, number int) error {
	topic := r.service.prefix + "direct"
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{r.service.broker}, Topic: topic})
	reader.Close()
	_, err := reader.FetchMessage(request.Context())
	r.service.journal.Write(done{What: "poll", From: request.URL.Path, Topic: topic})
	if err != io.EOF {
		return fmt.Errorf("a closed reader said %v", err)
	}
	return nil
}

// missing reads from a topic that there is not.
func (r *readers) missing(request *http.Request, number int) error {
	topic := fmt.Sprint(r.service.prefix, "nowhere-", number%5)
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{r.service.broker}, Topic: topic, MaxAttempts: 1})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(request.Context(), 5*time.Second)
	defer cancel()
	_, err := reader.FetchMessage(ctx)
	r.service.journal.Write(done{What: "poll", From: request.URL.Path, Topic: topic, Error: class(err)})
	return expect(err)
}
