// Twin is a server and a client with the OpenTelemetry SDK and its gRPC instrumentation compiled in: a witness that knows nothing of
// uprobed. When it is told to, by SIGUSR1, it makes one call of each kind and writes down the SDK's spans, one JSON object a line.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"uprobed.test/grpc/shop"
)

// span is what the tests compare.
type span struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	ID         string         `json:"id"`
	Trace      string         `json:"trace"`
	Parent     string         `json:"parent"`
	Error      bool           `json:"error"`
	Attributes map[string]any `json:"attributes"`
}

// file exports spans as lines.
type file struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (f *file) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range spans {
		attributes := map[string]any{}
		for _, each := range s.Attributes() {
			attributes[string(each.Key)] = each.Value.AsInterface()
		}
		line := span{
			Name: s.Name(), Kind: s.SpanKind().String(), ID: s.SpanContext().SpanID().String(), Trace: s.SpanContext().TraceID().String(),
			Error: s.Status().Code.String() == "Error", Attributes: attributes,
		}
		if s.Parent().IsValid() {
			line.Parent = s.Parent().SpanID().String()
		}
		if err := f.encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) Shutdown(context.Context) error { return nil }

// worker answers with the code that the order asks for.
type worker struct{}

func (worker) Once(ctx context.Context, order string) (string, error) {
	if order == "wait" {
		<-ctx.Done()
		return "", status.FromContextError(ctx.Err()).Err()
	}
	var code codes.Code
	if _, err := fmt.Sscanf(order, "code %d", &code); err == nil {
		return "", status.Error(code, "as you wished")
	}
	return order, nil
}

func (worker) Many(stream grpc.ServerStream) error {
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
}

func main() {
	logPath := flag.String("log", "", "where the spans go")
	flag.Parse()
	out, err := os.Create(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithSyncer(&file{encoder: json.NewEncoder(out)}))
	options := []otelgrpc.Option{otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagation.TraceContext{})}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(options...)))
	server.RegisterService(&shop.Service, worker{})
	go server.Serve(listener)
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(options...)))
	if err != nil {
		log.Fatal(err)
	}
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Printf("listening %s\n", listener.Addr())
	<-begin
	calls(connection)
	// The server's last span may end after its client's.
	time.Sleep(200 * time.Millisecond)
	fmt.Println("done")
	<-stop
	if err := out.Close(); err != nil {
		log.Fatal(err)
	}
}

func calls(connection *grpc.ClientConn) {
	ctx := context.Background()
	once := func(ctx context.Context, method, order string) {
		connection.Invoke(ctx, method, wrapperspb.String(order), new(wrapperspb.StringValue))
	}
	once(ctx, "/shop.Work/Once", "ok")
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		once(ctx, "/shop.Work/Once", fmt.Sprintf("code %d", code))
	}
	once(ctx, "/shop.Work/Nothing", "ok")
	once(ctx, "/shop.Nothing/Once", "ok")
	late, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	once(late, "/shop.Work/Once", "wait")

	stream, err := connection.NewStream(ctx, shop.Stream("Both"), "/shop.Work/Both")
	if err != nil {
		log.Fatal(err)
	}
	for i := 0; i < 3; i++ {
		if err := stream.SendMsg(wrapperspb.String("ok")); err != nil {
			log.Fatal(err)
		}
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
			log.Fatal(err)
		}
	}
	stream.CloseSend()
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != io.EOF {
		log.Fatal(err)
	}
}
