// Shipping packs what was ordered: each message of the shop becomes a parcel, in PostgreSQL. An ordinary service: it knows nothing of
// tracing.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/segmentio/kafka-go"
)

func main() {
	broker, database := os.Args[1], os.Args[2]
	db, err := sql.Open("pgx", database)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE parcels (id text PRIMARY KEY, item text NOT NULL)"); err != nil {
		log.Fatal(err)
	}
	orders := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker}, GroupID: "shipping", Topic: "orders", StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond,
	})
	fmt.Println("waiting for orders")
	for {
		if err := ship(context.Background(), orders, db); err != nil {
			log.Fatal(err)
		}
	}
}

// ship takes one order. It is done with when the parcel is stored.
func ship(ctx context.Context, orders *kafka.Reader, db *sql.DB) error {
	order, err := orders.FetchMessage(ctx)
	if err != nil {
		return err
	}
	id, item := string(order.Key), string(order.Value)
	// It may come again, after a crash.
	_, err = db.ExecContext(ctx, "INSERT INTO parcels VALUES ($1, $2) ON CONFLICT DO NOTHING", id, item)
	if err != nil {
		return err
	}
	if err := orders.CommitMessages(ctx, order); err != nil {
		return err
	}
	fmt.Println("shipped", id)
	return nil
}
