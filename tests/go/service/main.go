// Service is an ordinary HTTP service of the standard library: it answers, and it calls another one. What it did, and
// which call was made on behalf of which request, goes into its journal.
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
	"syscall"
	"time"

	"uprobed.test/journal"
)

type service struct {
	journal  *journal.Journal
	upstream string
	self     string
	client   *http.Client
	mux      *http.ServeMux
}

// handled is the journal's line for a request that was answered.
type handled struct {
	What   string `json:"what"`
	Method string `json:"method"`
	Path   string `json:"path"`
	// Status is 0 where the handler panicked or took the connection over.
	Status int `json:"status"`
}

// called is the journal's line for a request that was made.
type called struct {
	What   string `json:"what"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
	// From is the path of the request on whose behalf the call was made.
	From string `json:"from"`
	// OrRoot says that the call may also be a trace of its own: nothing that is certain ties it to From.
	OrRoot bool `json:"or_root"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	upstream := flag.String("upstream", "", "base URL of the service to call")
	logPath := flag.String("log", "", "journal")
	secure := flag.Bool("tls", false, "serve HTTPS with a certificate made now")
	flag.Parse()

	journal, err := journal.Open(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	scheme := "http://"
	if *secure {
		scheme = "https://"
	}
	s := &service{
		journal:  journal,
		upstream: *upstream,
		self:     scheme + listener.Addr().String(),
		client:   &http.Client{Transport: transport(), Timeout: 30 * time.Second},
		mux:      http.NewServeMux(),
	}
	s.routes()
	s.patterns()
	fmt.Println("listening", s.self)
	server := &http.Server{Handler: s.logged(s.copying(s.mux)), ErrorLog: log.New(io.Discard, "", 0)}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	go func() {
		<-stop.Done()
		journal.Flush()
		os.Exit(0)
	}()
	if *secure {
		err = serveTLS(server, listener)
	} else {
		err = server.Serve(listener)
	}
	log.Fatal(err)
}

// logged writes every request into the journal, whichever way its handler ends.
func (s *service) logged(next http.Handler) http.Handler {
	if s.journal == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &statusWriter{ResponseWriter: w}
		line := handled{What: "server", Method: r.Method, Path: r.URL.Path}
		defer func() {
			line.Status = watched.status
			s.journal.Write(line)
		}()
		next.ServeHTTP(watched, r)
		if watched.status == 0 && !watched.hijacked {
			watched.status = http.StatusOK
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status   int
	hijacked bool
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(bytes []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(bytes)
}

func (w *statusWriter) Unwrap() http.ResponseWriter {
	w.hijacked = true
	return w.ResponseWriter
}

// call makes one request on behalf of the one at from, and notes it.
func (s *service) call(ctx context.Context, url, from string, orRoot bool) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	line := called{What: "call", Method: request.Method, Path: request.URL.Path, From: from, OrRoot: orRoot}
	response, err := s.client.Do(request)
	if err != nil {
		line.Error = err.Error()
	} else {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		line.Status = response.StatusCode
	}
	s.journal.Write(line)
	return line.Status
}
