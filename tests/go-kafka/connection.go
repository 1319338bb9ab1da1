package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/segmentio/kafka-go"
)

// direct writes to a partition, and reads it back, without a writer or reader.
func (s *service) direct(r *http.Request, number int) error {
	connection, err := kafka.DialLeader(r.Context(), "tcp", s.broker, s.prefix+"direct", number%2)
	if err != nil {
		return err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(10 * time.Second))
	// Without a message nothing is sent, and there is no line.
	if _, err := connection.WriteMessages(); err != nil {
		return err
	}
	written := message(number, "")
	_, partition, offset, _, err := connection.WriteCompressedMessagesAt(nil, written)
	size := len(written.Value)
	part := int(partition)
	line := done{What: "send", From: r.URL.Path, Topic: s.prefix + "direct", Partition: &part, Offset: &offset, Size: &size}
	line.Key, line.Links, line.Error = string(written.Key), contexts(written), class(err)
	line.Created = len(line.Links) > 0
	s.journal.Write(line)
	if err != nil {
		return err
	}
	if _, err := connection.Seek(offset, kafka.SeekAbsolute); err != nil {
		return err
	}
	got, err := connection.ReadMessage(1 << 20)
	line = done{What: "poll", From: r.URL.Path, Topic: s.prefix + "direct", Partition: &part, Error: class(err)}
	if err == nil {
		line = line.of(got)
	}
	s.journal.Write(line)
	if err == nil && string(got.Key) != string(written.Key) {
		return fmt.Errorf("read %s, wrote %s", got.Key, written.Key)
	}
	return err
}

// client makes requests by itself, with what the writers of a topic send through.
func (s *service) client(r *http.Request, number int) error {
	client := &kafka.Client{Addr: kafka.TCP(s.broker), Transport: s.writers["orders"].Transport}
	topic, part := s.prefix+"direct", 2
	written := message(number, "")
	record := kafka.Record{Value: kafka.NewBytes(written.Value), Headers: written.Headers}
	// One or two.
	records := []kafka.Record{record, record}[number%2:]
	answer, err := client.Produce(r.Context(), &kafka.ProduceRequest{
		Topic: topic, Partition: part, RequiredAcks: kafka.RequireOne, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = answer.Error
	}
	line := done{What: "send", From: r.URL.Path, Topic: topic, Partition: &part, Count: len(records), Error: class(err)}
	line.Links = contexts(written)
	line.Created = len(line.Links) > 0
	if err == nil && len(records) == 1 {
		line.Offset = &answer.BaseOffset
	}
	s.journal.Write(line)
	if err != nil {
		return err
	}
	// Every other asks for a partition that does not exist.
	part += number % 2 * 100
	got, err := client.Fetch(r.Context(), &kafka.FetchRequest{
		Topic: topic, Partition: part, Offset: answer.BaseOffset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second,
	})
	if err == nil {
		err = got.Error
	}
	s.journal.Write(done{What: "poll", From: r.URL.Path, Topic: topic, Partition: &part, Error: class(err)})
	return nil
}

// worker hands its work, with a context of its own, to a goroutine that was there before.
func (s *service) worker(r *http.Request, number int) error {
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	result := make(chan error)
	s.work <- func() { result <- s.write(ctx, r.URL.Path, "orders", message(number, "")) }
	return <-result
}

// workers do what they are handed.
func (s *service) workers() {
	s.work = make(chan func())
	for i := 0; i < 8; i++ {
		go func() {
			for work := range s.work {
				work()
			}
		}()
	}
}
