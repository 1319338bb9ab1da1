package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/segmentio/kafka-go"
)

// done is the journal's line for a call that has returned, or a request of the library's own.
type done struct {
	// What is `send`, `poll` or `commit`; or, for the library's own requests, `produce`, `batch` (what became of it) or `offset_commit`.
	What string `json:"what"`
	// From is the path of the request on whose behalf it was; empty if there was none.
	From      string `json:"from"`
	Topic     string `json:"topic,omitempty"`
	Partition *int   `json:"partition,omitempty"`
	// Offset is that of the only message, or the last that is settled.
	Offset *int64   `json:"offset,omitempty"`
	Count  int      `json:"count,omitempty"`
	Size   *int     `json:"size,omitempty"`
	Key    string   `json:"key,omitempty"`
	Group  string   `json:"group,omitempty"`
	Links  []string `json:"links,omitempty"`
	// Created says that the first message has been created elsewhere: it carries a context.
	Created bool   `json:"created"`
	Error   string `json:"error,omitempty"`
}

// of adds what is known of the message that came.
func (d done) of(message kafka.Message) done {
	size := len(message.Value)
	d.Topic, d.Partition, d.Offset, d.Size = message.Topic, &message.Partition, &message.Offset, &size
	d.Key = string(message.Key)
	d.Links = contexts(message)
	return d
}

// contexts are the trace contexts in messages, as `TRACE/SPAN`.
func contexts(messages ...kafka.Message) []string {
	var all []string
	for _, message := range messages {
		for _, header := range message.Headers {
			if header.Key == "traceparent" {
				parts := strings.Split(string(header.Value), "-")
				all = append(all, parts[1]+"/"+parts[2])
			}
		}
	}
	return all
}

// known are errors that many functions of the standard library return, by the name of their variable.
var known = []struct {
	err  error
	name string
}{
	{context.Canceled, "context.Canceled"},
	{context.DeadlineExceeded, "context.DeadlineExceeded"},
	{io.EOF, "io.EOF"},
	{io.ErrUnexpectedEOF, "io.ErrUnexpectedEOF"},
	{io.ErrClosedPipe, "io.ErrClosedPipe"},
}

// codes are the names of the broker's errors that the tests provoke, by Kafka's protocol.
var codes = map[kafka.Error]string{
	1:  "OFFSET_OUT_OF_RANGE",
	3:  "UNKNOWN_TOPIC_OR_PARTITION",
	5:  "LEADER_NOT_AVAILABLE",
	6:  "NOT_LEADER_OR_FOLLOWER",
	7:  "REQUEST_TIMED_OUT",
	10: "MESSAGE_TOO_LARGE",
	22: "ILLEGAL_GENERATION",
	25: "UNKNOWN_MEMBER_ID",
	27: "REBALANCE_IN_PROGRESS",
}

// class is what an error should be called: of several the first, without a wrapper.
func class(err error) string {
	if several, ok := err.(kafka.WriteErrors); ok {
		for _, each := range several {
			if each != nil {
				return class(each)
			}
		}
	}
	if err == nil {
		return ""
	}
	if inner := errors.Unwrap(err); inner != nil && fmt.Sprintf("%T", err) == "*fmt.wrapError" {
		err = inner
	}
	for _, each := range known {
		if err == each.err {
			return each.name
		}
	}
	if code, ok := err.(kafka.Error); ok {
		if name, ok := codes[code]; ok {
			return name
		}
		return fmt.Sprint("code ", int(code))
	}
	return typeName(reflect.TypeOf(err))
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Ptr {
		return "*" + typeName(t.Elem())
	}
	return t.PkgPath() + "." + t.Name()
}
