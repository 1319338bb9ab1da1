package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// group is the members of a consumer group, each a goroutine of its own.
type group struct {
	name    string
	service *service
	cancel  context.CancelFunc
	ctx     context.Context
	members sync.WaitGroup
	readers []*kafka.Reader
	// last is when a message came, in nanoseconds.
	last int64
}

// configuration is a member's. Failures and rebalancing take less than their usual time.
func (s *service) configuration(group string, topics ...string) kafka.ReaderConfig {
	for i := range topics {
		topics[i] = s.prefix + topics[i]
	}
	return kafka.ReaderConfig{
		Brokers: []string{s.broker}, GroupID: s.prefix + group, GroupTopics: topics, StartOffset: kafka.FirstOffset,
		MaxWait: 100 * time.Millisecond, HeartbeatInterval: 200 * time.Millisecond, JoinGroupBackoff: 100 * time.Millisecond,
		RebalanceTimeout: 2 * time.Second, SessionTimeout: 6 * time.Second, Logger: kafka.LoggerFunc(s.settled),
	}
}

// settled is told what a reader does, and notes each commit that reached the broker.
func (s *service) settled(format string, arguments ...interface{}) {
	if !strings.HasPrefix(format, "committed offsets for group") {
		return
	}
	line := done{What: "offset_commit", Group: arguments[0].(string)}
	var topic string
	var partition int
	var next int64
	report := arguments[1].(string)
	count, _ := fmt.Sscanf(report, "\ttopic: %s\n\t\tpartition %d: %d", &topic, &partition, &next)
	if count == 3 && strings.Count(report, "topic:") == 1 {
		line.Topic = topic
		if strings.Count(report, "partition ") == 1 {
			offset := next - 1
			line.Partition, line.Offset = &partition, &offset
		}
	}
	s.journal.Write(line)
}

// startGroup begins with one member.
func (s *service) startGroup(r *http.Request, number int) error {
	s.group = &group{name: "packers", service: s}
	s.group.ctx, s.group.cancel = context.WithCancel(context.Background())
	s.group.join()
	return nil
}

// growGroup adds one: the group is balanced anew.
func (s *service) growGroup(r *http.Request, number int) error {
	s.group.join()
	return nil
}

// idle comes back when nothing has come for a while.
func (s *service) idle(r *http.Request, number int) error {
	atomic.StoreInt64(&s.group.last, time.Now().UnixNano())
	for time.Since(time.Unix(0, atomic.LoadInt64(&s.group.last))) < 1500*time.Millisecond {
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// stopGroup comes back when every call has returned.
func (s *service) stopGroup(r *http.Request, number int) error {
	s.group.cancel()
	s.group.members.Wait()
	for _, reader := range s.group.readers {
		if err := reader.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) join() {
	reader := kafka.NewReader(g.service.configuration(g.name, "bills"))
	g.readers = append(g.readers, reader)
	g.members.Add(1)
	// Timers' goroutines are nobody's; one that was made here would be this request's until it has been answered.
	time.AfterFunc(0, func() {
		defer g.members.Done()
		for g.ctx.Err() == nil {
			g.fetch(reader)
		}
	})
}

// fetch takes one message and hands it back.
func (g *group) fetch(reader *kafka.Reader) {
	message, err := reader.FetchMessage(g.ctx)
	line := done{What: "poll", Group: reader.Config().GroupID, Error: class(err)}
	if err == nil {
		line = line.of(message)
	}
	g.service.journal.Write(line)
	if err != nil {
		return
	}
	atomic.StoreInt64(&g.last, time.Now().UnixNano())
	g.service.committed("", reader, message, reader.CommitMessages(context.Background(), message))
}

func (s *service) committed(from string, reader *kafka.Reader, message kafka.Message, err error) {
	line := done{What: "commit", From: from, Group: reader.Config().GroupID, Topic: message.Topic, Error: class(err)}
	line.Partition, line.Offset = &message.Partition, &message.Offset
	s.journal.Write(line)
}

// makeTaker makes the only member of a group.
func (s *service) makeTaker() *kafka.Reader {
	return kafka.NewReader(s.configuration("takers", "stock"))
}

// take lets the library hand a message back: the call is a poll and a commit.
func (s *service) take(r *http.Request, number int) error {
	message, err := s.taker.ReadMessage(r.Context())
	if err != nil {
		return err
	}
	s.journal.Write(done{What: "poll", From: r.URL.Path, Group: s.taker.Config().GroupID}.of(message))
	s.committed(r.URL.Path, s.taker, message, nil)
	return nil
}

// settle hands messages back to a reader that has no group.
func (s *service) settle(r *http.Request, number int) error {
	topic := s.prefix + "direct"
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{s.broker}, Topic: topic})
	defer reader.Close()
	err := reader.CommitMessages(r.Context(), kafka.Message{Topic: topic, Offset: 7}, kafka.Message{Topic: topic})
	s.journal.Write(done{What: "commit", From: r.URL.Path, Topic: topic, Count: 2, Error: class(err)})
	return expect(err)
}

// generation is a member of a group without a reader, and commits by itself.
func (s *service) generation(r *http.Request, number int) error {
	name, topic := fmt.Sprint(s.prefix, "makers-", number), s.prefix+"direct"
	members, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: name, Brokers: []string{s.broker}, Topics: []string{topic}, HeartbeatInterval: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer members.Close()
	generation, err := members.Next(r.Context())
	if err != nil {
		return err
	}
	partition, offset := number%partitions, int64(number)
	err = generation.CommitOffsets(map[string]map[int]int64{topic: {partition: offset + 1}})
	s.journal.Write(done{
		What: "offset_commit", From: r.URL.Path, Group: name, Topic: topic, Partition: &partition, Offset: &offset, Error: class(err),
	})
	return err
}
