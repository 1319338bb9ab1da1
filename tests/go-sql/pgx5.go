//go:build !pgx4

package main

import (
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
)

type pgxError = pgconn.PgError
