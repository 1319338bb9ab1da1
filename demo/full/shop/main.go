// Shop takes orders: it has the stock reserve the item, by gRPC, and tells those who ship it, by Kafka. An ordinary service: it knows
// nothing of tracing.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"demo/full/api"
)

const topic = "orders"

func main() {
	listen, stockAddress, broker := os.Args[1], os.Args[2], os.Args[3]
	if err := createTopic(broker); err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient(stockAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	stock := api.Client{Connection: connection}
	orders := &kafka.Writer{Addr: kafka.TCP(broker), Topic: topic, BatchTimeout: 5 * time.Millisecond}

	http.HandleFunc("GET /orders/{id}/{item}", func(w http.ResponseWriter, r *http.Request) {
		order, item := r.PathValue("id"), r.PathValue("item")
		cents, err := stock.Reserve(r.Context(), order, item)
		switch status.Code(err) {
		case codes.OK:
		case codes.FailedPrecondition:
			http.Error(w, "sold out", http.StatusConflict)
			return
		default:
			http.Error(w, "try again later", http.StatusBadGateway)
			return
		}
		err = orders.WriteMessages(r.Context(), kafka.Message{Key: []byte(order), Value: []byte(item)})
		if err != nil {
			http.Error(w, "try again later", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "ordered for %d.%02d\n", cents/100, cents%100)
	})
	log.Fatal(http.ListenAndServe(listen, nil))
}

func createTopic(broker string) error {
	client := &kafka.Client{Addr: kafka.TCP(broker)}
	response, err := client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}},
	})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}
