// The program of the database/sql measurement: queries for one row of PostgreSQL by its key.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/lib/pq"

	"uprobed.test/bench/work"
)

// goroutines is how many query at once, each through a connection of its own.
const goroutines = 16

func main() {
	name := flag.String("database", "", "what to connect to")
	work.Parse()
	connector, err := pq.NewConnector(*name)
	if err != nil {
		log.Fatal(err)
	}
	db := open(connector)
	db.SetMaxOpenConns(goroutines)
	db.SetMaxIdleConns(goroutines)
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY, name text)"); err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO items SELECT n, 'item ' || n FROM generate_series(0, 15) n ON CONFLICT DO NOTHING"); err != nil {
		log.Fatal(err)
	}
	query, err := db.Prepare("SELECT name FROM items WHERE id = $1")
	if err != nil {
		log.Fatal(err)
	}
	work.OnDemand(goroutines, func(goroutine int) error {
		var name string
		return query.QueryRowContext(context.Background(), goroutine).Scan(&name)
	})
}
