// Go-kafka-sdk writes to and reads from a Kafka broker with the OpenTelemetry SDK and an instrumentation of kafka-go compiled in: a witness
// that knows nothing of uprobed. When it is told to, by SIGUSR1, it makes one call after another and writes down each, one JSON object a
// line, with the SDK's spans of it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// span is what the tests compare.
type span struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Trace  string `json:"trace"`
	Parent string `json:"parent"`
	Error  bool   `json:"error"`
	// Lasted is in nanoseconds.
	Lasted     int64          `json:"lasted"`
	Attributes map[string]any `json:"attributes"`
}

// call is a line of the journal. What is `send`, `poll` or `commit`.
type call struct {
	What   string `json:"what"`
	Failed bool   `json:"failed"`
	// Contexts are those in the messages that were handed over, `TRACE/SPAN`.
	Contexts []string `json:"contexts"`
	Spans    []span   `json:"spans"`
}

// journal keeps the SDK's spans until the call that they are of has returned. All calls are made by one goroutine.
type journal struct {
	encoder *json.Encoder
	spans   []span
}

func (j *journal) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, s := range spans {
		attributes := map[string]any{}
		for _, each := range s.Attributes() {
			attributes[string(each.Key)] = each.Value.AsInterface()
		}
		line := span{
			Name: s.Name(), Kind: s.SpanKind().String(), ID: s.SpanContext().SpanID().String(), Trace: s.SpanContext().TraceID().String(),
			Error: s.Status().Code.String() == "Error", Attributes: attributes,
			Lasted: s.EndTime().Sub(s.StartTime()).Nanoseconds(),
		}
		if s.Parent().IsValid() {
			line.Parent = s.Parent().SpanID().String()
		}
		j.spans = append(j.spans, line)
	}
	return nil
}

func (j *journal) Shutdown(context.Context) error { return nil }

// returned notes a call, and what the SDK has said since the one before it.
func (j *journal) returned(what string, err error, contexts ...string) {
	line := call{What: what, Failed: err != nil, Contexts: append([]string{}, contexts...), Spans: append([]span{}, j.spans...)}
	j.spans = nil
	if err := j.encoder.Encode(line); err != nil {
		log.Fatal(err)
	}
}

func main() {
	logPath := flag.String("log", "", "where the calls and their spans go")
	broker := flag.String("broker", "", "address of the broker")
	flag.Parse()
	out, err := os.Create(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	journal := &journal{encoder: json.NewEncoder(out)}
	// The instrumentation takes nothing but the global provider.
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(journal)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if err := topics(*broker); err != nil {
		log.Fatal(err)
	}
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("ready")
	<-begin
	work := &work{journal: journal, broker: *broker}
	work.write()
	work.read()
	work.settle()
	fmt.Println("done")
	<-stop
	if err := out.Close(); err != nil {
		log.Fatal(err)
	}
}

// topics makes the topics that are used, before anybody watches.
func topics(broker string) error {
	connection, err := kafka.Dial("tcp", broker)
	if err != nil {
		return err
	}
	defer connection.Close()
	for topic, partitions := range partitions {
		err := connection.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1})
		if err != nil {
			return err
		}
		for {
			known, err := connection.ReadPartitions(topic)
			if err == nil && len(known) == partitions && known[0].Leader.Host != "" {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// place puts a message into the partition that its key's last character names.
var place = kafka.BalancerFunc(func(message kafka.Message, partitions ...int) int {
	if len(message.Key) == 0 {
		return partitions[0]
	}
	digit, err := strconv.Atoi(string(message.Key[len(message.Key)-1:]))
	if err != nil {
		return partitions[0]
	}
	return partitions[digit%len(partitions)]
})
