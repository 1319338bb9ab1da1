// Load sends requests with paths of their own to a service, and notes what came back.
//
// Each connection is one goroutine that writes a request and waits for its answer, straight on the socket: that costs
// little beside the service under measurement, and never sends a request twice on its own account.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"uprobed.test/journal"
)

// sent is the journal's line for one request.
type sent struct {
	Path        string `json:"path"`
	Status      int    `json:"status"`
	Error       string `json:"error,omitempty"`
	Traceparent string `json:"traceparent,omitempty"`
}

type summary struct {
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	Seconds  float64 `json:"seconds"`
}

type load struct {
	target      *url.URL
	insecure    bool
	templates   []string
	limit       int64
	until       time.Time
	interval    time.Duration
	start       time.Time
	traceparent bool
	journal     *journal.Journal

	next   atomic.Int64
	done   atomic.Int64
	errors atomic.Int64
	over   atomic.Bool
}

func main() {
	target := flag.String("url", "", "base URL of the service")
	paths := flag.String("paths", "/plain/{i}", "paths, separated by commas and taken in turn; {i} is the request's number")
	limit := flag.Int64("n", 1<<62, "requests in all")
	duration := flag.Duration("for", time.Hour, "how long at most")
	connections := flag.Int("c", 16, "keep-alive connections, one request at a time on each")
	rate := flag.Float64("rate", 0, "requests a second in all; 0: as fast as they are answered")
	traceparent := flag.Bool("traceparent", false, "send a traceparent of its own with each request")
	logPath := flag.String("log", "", "journal")
	insecure := flag.Bool("insecure", false, "accept any certificate")
	flag.Parse()

	base, err := url.Parse(*target)
	if err != nil {
		log.Fatal(err)
	}
	journal, err := journal.Open(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	start := time.Now()
	l := &load{
		target: base, insecure: *insecure, templates: strings.Split(*paths, ","), limit: *limit, until: start.Add(*duration),
		start: start, traceparent: *traceparent, journal: journal,
	}
	if *rate > 0 {
		l.interval = time.Duration(float64(time.Second) / *rate)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		l.over.Store(true)
	}()
	var all sync.WaitGroup
	for i := 0; i < *connections; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			l.work()
		}()
	}
	all.Wait()
	journal.Flush()
	json.NewEncoder(os.Stdout).Encode(summary{l.done.Load(), l.errors.Load(), time.Since(start).Seconds()})
}

// work sends requests over one connection, made anew where it broke, until there are no more.
func (l *load) work() {
	var c *connection
	for {
		number := l.next.Add(1) - 1
		if number >= l.limit || l.over.Load() || time.Now().After(l.until) {
			return
		}
		if l.interval > 0 {
			time.Sleep(time.Until(l.start.Add(time.Duration(number) * l.interval)))
		}
		line := sent{Path: strings.ReplaceAll(l.templates[number%int64(len(l.templates))], "{i}", strconv.FormatInt(number, 10))}
		if l.traceparent {
			line.Traceparent = fmt.Sprintf("00-%032x-%016x-01", number+1, number+1)
		}
		var err error
		if c == nil {
			c, err = l.connect()
		}
		var reusable bool
		if err == nil {
			line.Status, reusable, err = c.exchange(l.target.Host, line.Path, line.Traceparent)
		}
		if err != nil {
			line.Error = err.Error()
			l.errors.Add(1)
		}
		if c != nil && (err != nil || !reusable) {
			c.socket.Close()
			c = nil
		}
		l.done.Add(1)
		if l.journal != nil {
			l.journal.Write(line)
		}
	}
}

type connection struct {
	socket net.Conn
	reader *bufio.Reader
	buffer []byte
}

func (l *load) connect() (*connection, error) {
	var socket net.Conn
	var err error
	if l.target.Scheme == "https" {
		socket, err = tls.Dial("tcp", l.target.Host, &tls.Config{InsecureSkipVerify: l.insecure})
	} else {
		socket, err = net.Dial("tcp", l.target.Host)
	}
	if err != nil {
		return nil, err
	}
	return &connection{socket: socket, reader: bufio.NewReader(socket)}, nil
}

// exchange sends one request and reads its answer; the connection can be used again unless the service closes it.
func (c *connection) exchange(host, path, traceparent string) (status int, reusable bool, err error) {
	b := append(c.buffer[:0], "GET "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\nUser-Agent: load/1\r\nAccept: */*\r\n"...)
	if traceparent != "" {
		b = append(b, "Traceparent: "+traceparent+"\r\n"...)
	}
	b = append(b, "\r\n"...)
	c.buffer = b
	c.socket.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.socket.Write(b); err != nil {
		return 0, false, err
	}
	return c.answer()
}

func (c *connection) answer() (status int, reusable bool, err error) {
	first, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(first) < 12 {
		return 0, false, errors.New("a short status line")
	}
	if status, err = strconv.Atoi(string(first[9:12])); err != nil {
		return 0, false, err
	}
	length := 0
	reusable = true
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return status, false, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		if value, found := strings.CutPrefix(text, "Content-Length: "); found {
			if length, err = strconv.Atoi(value); err != nil {
				return status, false, err
			}
		}
		if text == "Connection: close" {
			reusable = false
		}
	}
	_, err = io.CopyN(io.Discard, c.reader, int64(length))
	return status, reusable, err
}
