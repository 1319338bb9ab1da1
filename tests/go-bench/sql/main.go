// The program of the database/sql measurement: queries for one row of PostgreSQL by its key.
package main

import (
	"context"
	"database/sql"
	"flag"
	"log"

	"github.com/XSAM/otelsql"
	"github.com/lib/pq"
	"go.opentelemetry.io/otel/attribute"

	"uprobed.test/bench/work"
)

// goroutines is how many query at once, each through a connection of its own.
const goroutines = 16

func main() {
	name := flag.String("database", "", "what to connect to")
	collector := flag.String("collector", "", "host and port of a collector; with it the SDK is in use")
	flag.Parse()
	connector, err := pq.NewConnector(*name)
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	if *collector != "" {
		work.Trace(*collector)
		// One span for a query, as with uprobed.
		once := otelsql.SpanOptions{OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true}
		db = otelsql.OpenDB(connector, otelsql.WithSpanOptions(once), otelsql.WithAttributes(attribute.String("db.system.name", "postgresql")))
	}
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
