// Twin works with a database through the OpenTelemetry SDK's instrumentation of database/sql, compiled in: a witness that knows nothing of
// uprobed. When it is told to, by SIGUSR1, it makes one call of each kind, first on a pool whose driver is wrapped by the instrumentation,
// then on one whose driver is not, and writes down each call with the SDK's spans of it, one JSON object a line.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/XSAM/otelsql"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

func main() {
	driver := flag.String("driver", "", "postgres (lib/pq), pgx or mysql")
	dsn := flag.String("dsn", "", "data source name")
	down := flag.String("down", "", "data source name of a server that is not there")
	logPath := flag.String("log", "", "where the calls and their spans go")
	flag.Parse()
	journal, err := create(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithSyncer(journal))
	wrap := func(dsn string) *sql.DB {
		return must(otelsql.Open(*driver, dsn, options(provider, *driver, dsn)...))
	}
	dialect := dialects[*driver]
	wrapped := &work{db: wrap(*dsn), down: wrap(*down), dialect: dialect, journal: journal, wrapped: true}
	plain := &work{db: must(sql.Open(*driver, *dsn)), down: must(sql.Open(*driver, *down)), dialect: dialect, journal: journal}
	for _, statement := range schema {
		must(plain.db.Exec(statement))
	}
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("ready")
	<-begin
	background, _ = provider.Tracer("twin").Start(background, "all calls")
	wrapped.calls()
	plain.calls()
	fmt.Println("done")
	<-stop
	if err := journal.close(); err != nil {
		log.Fatal(err)
	}
}

// options are those by which the instrumentation says as much as it can: its documentation shows each of them.
func options(provider *trace.TracerProvider, driver, dsn string) []otelsql.Option {
	system := semconv.DBSystemNamePostgreSQL
	if driver == "mysql" {
		system = semconv.DBSystemNameMySQL
	}
	return []otelsql.Option{
		otelsql.WithTracerProvider(provider),
		otelsql.WithAttributes(append(otelsql.AttributesFromDSN(dsn), system)...),
		// That a driver cannot do something in one step is no error.
		otelsql.WithSpanOptions(otelsql.SpanOptions{Ping: true, DisableErrSkip: true}),
		otelsql.WithSpanErrorAttributesGetter(func(err error) []attribute.KeyValue {
			if code := code(err); code != "" {
				return []attribute.KeyValue{semconv.DBResponseStatusCode(code)}
			}
			return nil
		}),
	}
}

// code is the database's own code of an error.
func code(err error) string {
	var ofPQ *pq.Error
	var ofPGX *pgconn.PgError
	var ofMySQL *mysql.MySQLError
	switch {
	case errors.As(err, &ofPQ):
		return string(ofPQ.Code)
	case errors.As(err, &ofPGX):
		return ofPGX.Code
	case errors.As(err, &ofMySQL):
		return strconv.Itoa(int(ofMySQL.Number))
	}
	return ""
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// background is the context of every call that takes one; it has a span.
var background = context.Background()
