// Package api describes the stock's gRPC service by hand, as protoc-gen-go-grpc would from a file: one method, which takes an order and an
// item, and answers with the price in cents.
package api

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	service = "shop.Stock"
	reserve = "/" + service + "/Reserve"
)

// Stock is what a server does.
type Stock interface {
	Reserve(ctx context.Context, order, item string) (cents int64, err error)
}

// Register has the server answer for the stock.
func Register(server *grpc.Server, stock Stock) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*Stock)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Reserve", Handler: handle}},
	}, stock)
}

func handle(stock any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var request structpb.Struct
	if err := decode(&request); err != nil {
		return nil, err
	}
	order, item := request.Fields["order"].GetStringValue(), request.Fields["item"].GetStringValue()
	cents, err := stock.(Stock).Reserve(ctx, order, item)
	if err != nil {
		return nil, err
	}
	return wrapperspb.Int64(cents), nil
}

// Client calls the stock.
type Client struct{ Connection *grpc.ClientConn }

func (c Client) Reserve(ctx context.Context, order, item string) (cents int64, err error) {
	request := &structpb.Struct{Fields: map[string]*structpb.Value{
		"order": structpb.NewStringValue(order),
		"item":  structpb.NewStringValue(item),
	}}
	var response wrapperspb.Int64Value
	err = c.Connection.Invoke(ctx, reserve, request, &response)
	return response.Value, err
}
