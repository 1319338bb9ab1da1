// The two ends of the gRPC measurement: a server, and a client that makes unary calls.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"uprobed.test/bench/work"
)

const method = "/bench.Echo/Once"

func main() {
	call := flag.String("call", "", "address of a server to call; without it this is the server")
	collector := flag.String("collector", "", "host and port of a collector; with it the SDK is in use")
	flag.Parse()
	if *collector != "" {
		work.Trace(*collector)
	}
	if *call == "" {
		serve(*collector != "")
	} else {
		client(*call, *collector != "")
	}
}

func serve(traced bool) {
	var options []grpc.ServerOption
	if traced {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler()))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Once", Handler: once}},
	}, struct{}{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr())
	log.Fatal(server.Serve(listener))
}

func once(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	return in, nil
}

func client(address string, traced bool) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if traced {
		options = append(options, grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	}
	connection, err := grpc.NewClient(address, options...)
	if err != nil {
		log.Fatal(err)
	}
	work.OnDemand(16, func(int) error {
		return connection.Invoke(context.Background(), method, wrapperspb.String("an order"), new(wrapperspb.StringValue))
	})
}
