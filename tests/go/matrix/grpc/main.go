// The program of the matrix that uses grpc-go: a server and a client of the health service, which has a unary and a streaming method,
// and of a service described by hand, whose stream goes both ways.
package main

import (
	"context"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"uprobed.test/matrix/load"
)

type echo struct{}

func (echo) once(_ context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if in.GetValue() == "" {
		return nil, status.Error(codes.InvalidArgument, "nothing to say")
	}
	return in, nil
}

func (echo) all(stream grpc.ServerStream) error {
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

func once(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	handler := func(ctx context.Context, in any) (any, error) {
		return server.(echo).once(ctx, in.(*wrapperspb.StringValue))
	}
	if interceptor == nil {
		return handler(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: server, FullMethod: "/matrix.Echo/Once"}, handler)
}

var service = grpc.ServiceDesc{
	ServiceName: "matrix.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Once", Handler: once}},
	Streams: []grpc.StreamDesc{{
		StreamName:    "All",
		Handler:       func(server any, stream grpc.ServerStream) error { return server.(echo).all(stream) },
		ServerStreams: true,
		ClientStreams: true,
	}},
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(grpc.MaxConcurrentStreams(100))
	server.RegisterService(&service, echo{})
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	connection, err := grpc.Dial(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	load.Run(func() error { return call(connection) })
}

func call(connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "tenant", "a")
	if _, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, new(grpc_health_v1.HealthCheckRequest)); err != nil {
		return err
	}
	if err := connection.Invoke(ctx, "/matrix.Echo/Once", wrapperspb.String("a"), new(wrapperspb.StringValue)); err != nil {
		return err
	}
	err := connection.Invoke(ctx, "/matrix.Echo/Once", wrapperspb.String(""), new(wrapperspb.StringValue))
	if status.Code(err) != codes.InvalidArgument {
		return err
	}
	if err := watch(ctx, connection); err != nil {
		return err
	}
	return stream(ctx, connection)
}

func watch(ctx context.Context, connection *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := grpc_health_v1.NewHealthClient(connection).Watch(ctx, new(grpc_health_v1.HealthCheckRequest))
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

func stream(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := connection.NewStream(ctx, &service.Streams[0], "/matrix.Echo/All")
	if err != nil {
		return err
	}
	for _, text := range []string{"a", "b"} {
		if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
			return err
		}
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != io.EOF {
		return err
	}
	return nil
}
