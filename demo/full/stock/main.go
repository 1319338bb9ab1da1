// Stock reserves items, in PostgreSQL. An ordinary service: it knows nothing of tracing.
package main

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"net"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"demo/full/api"
)

// There are ten jars of honey, and nobody has said yet what salt costs.
const schema = `
CREATE TABLE items (name text PRIMARY KEY, cents bigint, amount bigint NOT NULL CHECK (amount >= 0));
CREATE TABLE reservations (id text PRIMARY KEY, item text NOT NULL REFERENCES items, cents bigint NOT NULL);
INSERT INTO items VALUES ('tea', 450, 100000), ('rice', 299, 100000), ('honey', 799, 10), ('salt', NULL, 100000);
`

const checkViolation = "23514"

func main() {
	listen, database := os.Args[1], os.Args[2]
	db, err := sql.Open("pgx", database)
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxIdleConns(16)
	if _, err := db.Exec(schema); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	api.Register(server, stock{db})
	log.Fatal(server.Serve(listener))
}

type stock struct{ db *sql.DB }

func (s stock) Reserve(ctx context.Context, order, item string) (int64, error) {
	var cents sql.NullInt64
	err := s.db.QueryRowContext(ctx, "SELECT cents FROM items WHERE name = $1", item).Scan(&cents)
	if err != nil {
		return 0, err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "UPDATE items SET amount = amount - 1 WHERE name = $1", item)
	var violation *pgconn.PgError
	if errors.As(err, &violation) && violation.Code == checkViolation {
		return 0, status.Errorf(codes.FailedPrecondition, "%s is sold out", item)
	}
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO reservations VALUES ($1, $2, $3)", order, item, cents)
	if err != nil {
		return 0, err
	}
	return cents.Int64, tx.Commit()
}
