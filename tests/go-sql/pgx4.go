//go:build pgx4

package main

import (
	"github.com/jackc/pgconn"
	_ "github.com/jackc/pgx/v4/stdlib"
)

type pgxError = pgconn.PgError
