// Package shop describes a service by hand, so that no generated code is needed: unary methods and the three kinds of streams. Every
// message is a text.
package shop

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Name is the service's.
const Name = "shop.Work"

// Worker is what a server does.
type Worker interface {
	// Once answers a unary call.
	Once(ctx context.Context, order string) (string, error)
	// Many serves a stream.
	Many(stream grpc.ServerStream) error
}

// Retried has the client's retry policy.
const Retried = "Again"

// Service is the service's description. `Once` and `Again` are alike.
var Service = grpc.ServiceDesc{
	ServiceName: Name,
	HandlerType: (*Worker)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Once", Handler: once("Once")},
		{MethodName: Retried, Handler: once(Retried)},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Down", Handler: many, ServerStreams: true},
		{StreamName: "Up", Handler: many, ClientStreams: true},
		{StreamName: "Both", Handler: many, ServerStreams: true, ClientStreams: true},
	},
}

// Stream is the description of a streaming method.
func Stream(name string) *grpc.StreamDesc {
	for i := range Service.Streams {
		if Service.Streams[i].StreamName == name {
			return &Service.Streams[i]
		}
	}
	return nil
}

func many(server any, stream grpc.ServerStream) error { return server.(Worker).Many(stream) }

type handler = func(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error)

func once(name string) handler {
	return func(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.StringValue)
		if err := decode(in); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, in any) (any, error) {
			out, err := server.(Worker).Once(ctx, in.(*wrapperspb.StringValue).GetValue())
			if err != nil {
				return nil, err
			}
			return wrapperspb.String(out), nil
		}
		if interceptor == nil {
			return handle(ctx, in)
		}
		return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: server, FullMethod: "/" + Name + "/" + name}, handle)
	}
}
