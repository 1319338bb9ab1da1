// Front makes the gRPC calls that are asked for by HTTP: `/KIND/…/ID`.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"uprobed.test/grpc/shop"
)

const retry = `{"methodConfig": [{"name": [{"service": "` + shop.Name + `", "method": "` + shop.Retried + `"}], "retryPolicy":
	{"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.002s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

type front struct {
	journal *shop.Journal
	// server, behind net/http, and nobody.
	server, web, nobody *grpc.ClientConn
	// left are streams that outlive the request that began them.
	left sync.WaitGroup
}

func main() {
	logPath := flag.String("log", "", "journal")
	address := flag.String("server", "", "address of the server")
	webAddress := flag.String("web", "", "address of the server behind net/http")
	withTLS := flag.Bool("tls", false, "the server speaks TLS")
	flag.Parse()

	journal, err := shop.Open(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	secure := credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	plain := insecure.NewCredentials()
	if *withTLS {
		plain = secure
	}
	// A port where nobody listens: it stays bound.
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	f := &front{
		journal: journal,
		server:  dial(*address, plain),
		web:     dial("passthrough:///"+*webAddress, secure),
		nobody:  dial("dns:///"+nobody, plain),
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(listener, f)
	fmt.Printf("listening http://%s\n", listener.Addr())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	f.left.Wait()
	if err := journal.Close(); err != nil {
		log.Fatal(err)
	}
}

func dial(target string, credentials credentials.TransportCredentials) *grpc.ClientConn {
	connection, err := grpc.Dial(target, grpc.WithTransportCredentials(credentials), grpc.WithDefaultServiceConfig(retry),
		grpc.WithChainUnaryInterceptor(answer))
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

// answer is an interceptor that answers itself where it is asked to: nothing is sent.
func answer(ctx context.Context, method string, in, out any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	if len(outgoing.Get("x-answer")) > 0 {
		return status.Error(codes.ResourceExhausted, "answered early")
	}
	return invoke(ctx, method, in, out, connection, options...)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	words := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	job := job{front: f, path: r.URL.Path, id: words[len(words)-1], connection: f.server}
	if words[0] == "web" {
		job.connection, words = f.web, words[1:]
	}
	do := kinds[words[0]]
	if do == nil {
		http.NotFound(w, r)
		return
	}
	do(r.Context(), job, words[1:])
}
