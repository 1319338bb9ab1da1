// Go-kafka is a service that writes to and reads from a Kafka broker when it is asked to, in every way that kafka-go has. What it did, and
// for which request, goes into its journal: the tests take their expected values from it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"uprobed.test/journal"
)

// partitions is how many each topic has.
const partitions = 4

// names of topics; those of one service begin with what it was told.
var names = []string{"orders", "bills", "stock", "later", "packed", "direct", "small"}

type service struct {
	journal *journal.Journal
	broker  string
	prefix  string
	writers map[string]*kafka.Writer
	readers *readers
	group   *group
	taker   *kafka.Reader
	work    chan func()
}

func main() {
	logPath := flag.String("log", "", "what an HTTP service would write; this one's file stays empty")
	callsPath := flag.String("calls", "", "journal")
	broker := flag.String("broker", "", "address of the broker")
	prefix := flag.String("prefix", "", "what names of topics and groups begin with")
	flag.Parse()

	if _, err := journal.Open(*logPath); err != nil {
		log.Fatal(err)
	}
	journal, err := journal.Open(*callsPath)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &service{journal: journal, broker: *broker, prefix: *prefix}
	if err := s.topics(); err != nil {
		log.Fatal(err)
	}
	s.makeWriters()
	s.workers()
	s.readers = &readers{service: s}
	s.taker = s.makeTaker()
	server := &http.Server{Handler: s.routes(), ErrorLog: log.New(io.Discard, "", 0)}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	go func() {
		<-stop.Done()
		journal.Flush()
		os.Exit(0)
	}()
	fmt.Println("listening", "http://"+listener.Addr().String())
	log.Fatal(server.Serve(listener))
}

// topics makes the topics that are used, before anybody watches.
func (s *service) topics() error {
	connection, err := kafka.Dial("tcp", s.broker)
	if err != nil {
		return err
	}
	defer connection.Close()
	for _, topic := range names {
		configuration := kafka.TopicConfig{Topic: s.prefix + topic, NumPartitions: partitions, ReplicationFactor: 1}
		if topic == "small" {
			configuration.ConfigEntries = []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: "1000"}}
		}
		if err := connection.CreateTopics(configuration); err != nil {
			return err
		}
	}
	for _, topic := range names {
		for {
			known, err := connection.ReadPartitions(s.prefix + topic)
			if err == nil && len(known) == partitions && known[0].Leader.Host != "" {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// routes answers `/WHAT/NUMBER`.
func (s *service) routes() http.Handler {
	ways := map[string]func(r *http.Request, number int) error{
		"one":       s.one,
		"bare":      s.bare,
		"nothing":   s.nothing,
		"many":      s.many,
		"topics":    s.severalTopics,
		"async":     s.async,
		"packed":    s.packed,
		"unknown":   s.unknown,
		"large":     s.large,
		"refused":   s.refusedByBroker,
		"cancelled": s.cancelled,
		"late":      s.late,
		"gone":      s.gone,
		"direct":    s.direct,
		"client":    s.client,
		"worker":    s.worker,
		"poll":      s.readers.poll,
		"none":      s.readers.none,
		"closed":    s.readers.closed,
		"missing":   s.readers.missing,
		"start":     s.startGroup,
		"grow":      s.growGroup,
		"stop":      s.stopGroup,
		"idle":      s.idle,
		"take":      s.take,
		"settle":    s.settle,
		"generate":  s.generation,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what, digits, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		number, err := strconv.Atoi(digits)
		way, known := ways[what]
		if err != nil || !known {
			http.NotFound(w, r)
			return
		}
		// An error that belongs to the program's own work, not to what it provoked.
		if err := way(r, number); err != nil {
			log.Print(r.URL.Path, ": ", err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
