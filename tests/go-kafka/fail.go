package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// expect makes an error of a call that did not fail.
func expect(err error) error {
	if err == nil {
		return fmt.Errorf("the call succeeded")
	}
	return nil
}

// failing is a call that fails before a partition is chosen.
func (s *service) failing(ctx context.Context, from, writer string, message kafka.Message) error {
	size := len(message.Value)
	line := done{What: "send", From: from, Topic: s.writers[writer].Topic + message.Topic, Links: contexts(message), Created: len(contexts(message)) > 0}
	line.Size, line.Key = &size, string(message.Key)
	err := s.writers[writer].WriteMessages(ctx, message)
	line.Error = class(err)
	s.journal.Write(line)
	return expect(err)
}

func (s *service) unknown(r *http.Request, number int) error {
	missing := message(number, "")
	missing.Topic = fmt.Sprint(s.prefix, "nowhere-", number%5)
	return s.failing(r.Context(), r.URL.Path, "any", missing)
}

// large is refused by the library.
func (s *service) large(r *http.Request, number int) error {
	large := message(number, "")
	large.Value = make([]byte, 2<<20)
	return s.failing(r.Context(), r.URL.Path, "orders", large)
}

// refusedByBroker is refused by the broker.
func (s *service) refusedByBroker(r *http.Request, number int) error {
	large := message(number, "")
	large.Value = []byte(strings.Repeat("v", 5000))
	return expect(s.write(r.Context(), r.URL.Path, "small", large))
}

// cancelled gives up while it waits for its batch, unless that is sent just then.
func (s *service) cancelled(r *http.Request, number int) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
	s.write(ctx, r.URL.Path, "slow", message(number, ""))
	return nil
}

// late does so when its time is up.
func (s *service) late(r *http.Request, number int) error {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
	defer cancel()
	s.write(ctx, r.URL.Path, "slow", message(number, ""))
	return nil
}

// gone may find the broker gone, and is content with either.
func (s *service) gone(r *http.Request, number int) error {
	s.write(r.Context(), r.URL.Path, "gone", message(number, ""))
	return nil
}
