package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"uprobed.test/grpc/shop"
)

// sent is how many messages a stream of the client's has.
const sent = 3

// job is what one request asks for.
type job struct {
	*front
	path, id   string
	connection *grpc.ClientConn
}

// kinds are what can be asked for, by the first word of the path; the others follow.
var kinds = map[string]func(ctx context.Context, j job, words []string){
	"once":        func(ctx context.Context, j job, _ []string) { j.once(ctx, "Once", "ok") },
	"code":        func(ctx context.Context, j job, words []string) { j.once(ctx, "Once", "code "+words[0]) },
	"plain-error": func(ctx context.Context, j job, _ []string) { j.once(ctx, "Once", "plain-error") },
	"nested":      func(ctx context.Context, j job, _ []string) { j.once(ctx, "Once", "nested") },
	"retry":       func(ctx context.Context, j job, _ []string) { j.once(ctx, shop.Retried, "third") },
	"reject":      func(ctx context.Context, j job, _ []string) { j.once(with(ctx, "x-reject", "1"), "Once", "ok") },
	// The interceptor of the client's side answers: there is no call.
	"answer": func(ctx context.Context, j job, _ []string) {
		ctx = with(ctx, "x-answer", "1")
		j.connection.Invoke(ctx, "/"+shop.Name+"/Once", wrapperspb.String("nothing"), new(wrapperspb.StringValue))
	},
	"unknown-method":  func(ctx context.Context, j job, _ []string) { j.invoke(ctx, shop.Name+"/Nothing", "ok") },
	"unknown-service": func(ctx context.Context, j job, _ []string) { j.invoke(ctx, "shop.Nothing/Once", "ok") },
	"deadline": func(ctx context.Context, j job, _ []string) {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		j.once(ctx, "Once", "wait")
	},
	"late": func(ctx context.Context, j job, _ []string) {
		ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
		defer cancel()
		j.once(ctx, "Once", "ok")
	},
	"cancel": func(ctx context.Context, j job, _ []string) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		time.AfterFunc(100*time.Millisecond, cancel)
		j.once(ctx, "Once", "wait")
	},
	"refused": func(ctx context.Context, j job, _ []string) {
		j.connection = j.nobody
		j.once(ctx, "Once", "ok")
	},
	"traceparent": func(ctx context.Context, j job, words []string) {
		j.called(shop.Name+"/Once", words[0], j.send(with(ctx, "traceparent", words[0]), shop.Name+"/Once", "ok"))
	},
	"down":        func(ctx context.Context, j job, _ []string) { j.stream(ctx, "Down", 1, "ok") },
	"up":          func(ctx context.Context, j job, _ []string) { j.stream(ctx, "Up", sent, "ok") },
	"both":        func(ctx context.Context, j job, _ []string) { j.stream(ctx, "Both", sent, "ok") },
	"stream-code": func(ctx context.Context, j job, words []string) { j.stream(ctx, "Both", sent, "code "+words[0]) },
	"stream-wait": func(ctx context.Context, j job, _ []string) {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		j.stream(ctx, "Both", 1, "wait")
	},
	"abandon": func(ctx context.Context, j job, _ []string) { j.abandon(ctx) },
	// A call within a stream of the same goroutine is no part of it.
	"within": func(ctx context.Context, j job, _ []string) { j.within(ctx) },
	// The stream is served on after the request's end.
	"left": func(ctx context.Context, j job, _ []string) {
		stream, err := j.open(detached{ctx}, "Both")
		j.left.Add(1)
		go func() {
			defer j.left.Done()
			time.Sleep(20 * time.Millisecond)
			j.called(shop.Name+"/Both", "", j.talk(stream, err, sent, "ok"))
		}()
	},
}

func with(ctx context.Context, key, value string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, key, value)
}

func (j job) once(ctx context.Context, method, order string) {
	j.invoke(ctx, shop.Name+"/"+method, order)
}

func (j job) invoke(ctx context.Context, method, order string) {
	j.called(method, "", j.send(ctx, method, order))
}

func (j job) send(ctx context.Context, method, order string) error {
	in := wrapperspb.String(j.id + " " + order)
	return j.connection.Invoke(with(ctx, "x-id", j.id), "/"+method, in, new(wrapperspb.StringValue))
}

// called notes what came back of a call.
func (j job) called(method, traceparent string, err error) {
	j.journal.Write(shop.Called{
		What: "called", From: j.path, ID: j.id, Method: method, Code: uint32(status.Code(err)), Target: j.connection.Target(),
		Traceparent: traceparent,
	})
}

func (j job) open(ctx context.Context, name string) (grpc.ClientStream, error) {
	return j.connection.NewStream(with(ctx, "x-id", j.id), shop.Stream(name), "/"+shop.Name+"/"+name)
}

func (j job) stream(ctx context.Context, name string, messages int, order string) {
	stream, err := j.open(ctx, name)
	j.called(shop.Name+"/"+name, "", j.talk(stream, err, messages, order))
}

// talk sends on one goroutine and receives on another, neither of which began the stream. It ends with the stream.
func (j job) talk(stream grpc.ClientStream, err error, messages int, order string) error {
	if err != nil {
		return err
	}
	go func() {
		for i := 0; i < messages; i++ {
			if stream.SendMsg(wrapperspb.String(j.id+" "+order)) != nil {
				return
			}
		}
		stream.CloseSend()
	}()
	ended := make(chan error)
	go func() {
		for {
			if err := stream.RecvMsg(new(wrapperspb.StringValue)); err == io.EOF {
				ended <- nil
				return
			} else if err != nil {
				ended <- err
				return
			}
		}
	}()
	return <-ended
}

// abandon begins a stream, hears one answer and cancels it; nobody asks for its end.
func (j job) abandon(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := j.open(ctx, "Both")
	if err == nil {
		err = stream.SendMsg(wrapperspb.String(j.id + " ok"))
	}
	if err == nil {
		err = stream.RecvMsg(new(wrapperspb.StringValue))
	}
	cancel()
	if err == nil {
		err = status.FromContextError(ctx.Err()).Err()
	}
	j.called(shop.Name+"/Both", "", err)
}

func (j job) within(ctx context.Context) {
	stream, err := j.open(ctx, "Both")
	if err == nil {
		err = stream.SendMsg(wrapperspb.String(j.id + " ok"))
	}
	j.once(ctx, "Once", "ok")
	if err == nil {
		err = stream.RecvMsg(new(wrapperspb.StringValue))
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err == nil {
		err = stream.RecvMsg(new(wrapperspb.StringValue))
	}
	if err == io.EOF {
		err = nil
	} else if err == nil {
		err = fmt.Errorf("the stream went on")
	}
	j.called(shop.Name+"/Both", "", err)
}

// detached has the values of a context and not its end: `context.WithoutCancel` of Go 1.21.
type detached struct{ context.Context }

func (detached) Deadline() (time.Time, bool) { return time.Time{}, false }
func (detached) Done() <-chan struct{}       { return nil }
func (detached) Err() error                  { return nil }
