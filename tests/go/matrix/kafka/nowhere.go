package main

import (
	"context"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// A transport to a cluster of one broker that takes everything and keeps nothing.
type nowhere struct{}

func (nowhere) RoundTrip(_ context.Context, _ net.Addr, request kafka.Request) (kafka.Response, error) {
	switch request.(type) {
	case *metadata.Request:
		return &metadata.Response{
			Brokers: []metadata.ResponseBroker{{NodeID: 1, Host: "127.0.0.1", Port: 9092}},
			Topics: []metadata.ResponseTopic{{
				Name:       "orders",
				Partitions: []metadata.ResponsePartition{{LeaderID: 1}},
			}},
		}, nil
	case *produce.Request:
		return &produce.Response{Topics: []produce.ResponseTopic{{
			Topic:      "orders",
			Partitions: []produce.ResponsePartition{{}},
		}}}, nil
	}
	return nil, fmt.Errorf("no answer to a %T", request)
}
