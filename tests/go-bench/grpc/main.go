// A gRPC server or client: as many programs are both, this one has the code of both.
package main

import (
	"context"
	"flag"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"uprobed.test/bench/grpc/echo"
	"uprobed.test/bench/work"
)

func main() {
	call := flag.String("call", "", "address of a server to call; without it this is the server")
	work.Parse()
	if *call == "" {
		echo.Serve()
	}
	connection, err := grpc.NewClient(*call, append(options(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		log.Fatal(err)
	}
	work.OnDemand(16, func(int) error {
		return connection.Invoke(context.Background(), echo.Method, wrapperspb.String("an order"), new(wrapperspb.StringValue))
	})
}
