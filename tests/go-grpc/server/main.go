// Server serves the shop's work over gRPC, and over `net/http` at a second address. What is to be done stands in the message: `ID WORD …`.
package main

import (
	"context"
	"crypto/tls"
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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"uprobed.test/grpc/shop"
)

// rounds is how many messages a stream of the server's has.
const rounds = 3

type worker struct {
	journal *shop.Journal
	// lifetime is how many calls are left, if it was positive.
	lifetime int64
	// self is a connection to this server.
	self *grpc.ClientConn

	mu       sync.Mutex
	attempts map[string]int
}

func main() {
	logPath := flag.String("log", "", "journal")
	withTLS := flag.Bool("tls", false, "serve over TLS")
	workers := flag.Uint("workers", 0, "goroutines that serve streams")
	lifetime := flag.Int64("lifetime", 0, "calls after which the server is gone at once; 0: never")
	flag.Parse()

	journal, err := shop.Open(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := shop.Certificate()
	if err != nil {
		log.Fatal(err)
	}
	work := &worker{journal: journal, lifetime: *lifetime, attempts: map[string]int{}}
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if _, rejected := first(ctx, "x-reject"); rejected {
				return nil, work.ended(ctx, status.Error(codes.PermissionDenied, "rejected"))
			}
			return handler(ctx, in)
		}),
		grpc.NumStreamWorkers(uint32(*workers)),
	}
	behindHTTP := grpc.NewServer(options...)
	clientSide := insecure.NewCredentials()
	if *withTLS {
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
		clientSide = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&shop.Service, work)
	behindHTTP.RegisterService(&shop.Service, work)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	work.self, err = grpc.Dial(listener.Addr().String(), grpc.WithTransportCredentials(clientSide))
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	web := &http.Server{Handler: behindHTTP, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	go web.ServeTLS(second, "", "")
	fmt.Printf("listening %s %s\n", listener.Addr(), second.Addr())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	time.Sleep(50 * time.Millisecond)
	if err := journal.Close(); err != nil {
		log.Fatal(err)
	}
}

// Once does what the order says.
func (w *worker) Once(ctx context.Context, order string) (string, error) {
	out, err := w.do(ctx, order)
	return out, w.ended(ctx, err)
}

// Many answers what it is sent, in streams of the server's several times. Its sending half runs on a goroutine of its own.
func (w *worker) Many(stream grpc.ServerStream) error {
	answers := make(chan string, 16)
	sent := make(chan error, 1)
	go func() {
		var failed error
		for answer := range answers {
			if err := stream.SendMsg(wrapperspb.String(answer)); err != nil && failed == nil {
				failed = err
			}
		}
		sent <- failed
	}()
	err := w.receive(stream, answers)
	close(answers)
	if failed := <-sent; err == nil {
		err = failed
	}
	return w.ended(stream.Context(), err)
}

func (w *worker) receive(stream grpc.ServerStream, answers chan<- string) error {
	method, _ := grpc.Method(stream.Context())
	count := 0
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		count++
		answer, err := w.do(stream.Context(), in.GetValue())
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(method, "/Both"):
			answers <- answer
		case strings.HasSuffix(method, "/Down"):
			for i := 0; i < rounds; i++ {
				answers <- answer
			}
			return nil
		}
	}
	if strings.HasSuffix(method, "/Up") {
		answers <- strconv.Itoa(count)
	}
	return nil
}

func (w *worker) do(ctx context.Context, order string) (string, error) {
	if atomic.AddInt64(&w.lifetime, -1) == 0 {
		os.Exit(1)
	}
	words := strings.Fields(order)
	id, word := words[0], words[1]
	switch word {
	case "code":
		code, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		return "", status.Error(codes.Code(code), "as you wished")
	case "plain-error":
		return "", fmt.Errorf("not a status")
	case "wait":
		<-ctx.Done()
		return "", status.FromContextError(ctx.Err()).Err()
	case "third":
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.attempts[id]++; w.attempts[id] < 3 {
			return "", status.Error(codes.Unavailable, "not yet")
		}
	case "nested":
		ctx = metadata.AppendToOutgoingContext(ctx, "x-id", id+"-nested")
		method := shop.Name + "/Once"
		err := w.self.Invoke(ctx, "/"+method, wrapperspb.String(id+" ok"), new(wrapperspb.StringValue))
		w.journal.Write(shop.Called{
			What: "called", From: "grpc " + id, ID: id + "-nested", Method: method, Code: uint32(status.Code(err)), Target: w.self.Target(),
		})
	}
	return id, nil
}

// ended notes how a call is answered.
func (w *worker) ended(ctx context.Context, err error) error {
	method, _ := grpc.Method(ctx)
	id, _ := first(ctx, "x-id")
	w.journal.Write(shop.Served{What: "served", ID: id, Method: strings.TrimPrefix(method, "/"), Code: uint32(status.Code(err))})
	return err
}

func first(ctx context.Context, key string) (string, bool) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	if values := incoming.Get(key); len(values) > 0 {
		return values[0], true
	}
	return "", false
}
