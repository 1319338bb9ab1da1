package main

import (
	"context"
	"database/sql/driver"
	"io"
)

// A driver whose every query answers one row with a one in it.
type nothing struct{}

func (nothing) Open(string) (driver.Conn, error) { return nothing{}, nil }

func (nothing) Ping(context.Context) error { return nil }

func (nothing) Prepare(string) (driver.Stmt, error) { return nothing{}, nil }

func (nothing) PrepareContext(context.Context, string) (driver.Stmt, error) { return nothing{}, nil }

func (nothing) Begin() (driver.Tx, error) { return nothing{}, nil }

func (nothing) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return nothing{}, nil }

func (nothing) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (nothing) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return new(one), nil
}

func (nothing) NumInput() int { return 0 }

func (nothing) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }

func (nothing) Query([]driver.Value) (driver.Rows, error) { return new(one), nil }

func (nothing) Commit() error { return nil }

func (nothing) Rollback() error { return nil }

func (nothing) Close() error { return nil }

type one struct{ read bool }

func (*one) Columns() []string { return []string{"one"} }

func (*one) Close() error { return nil }

func (rows *one) Next(into []driver.Value) error {
	if rows.read {
		return io.EOF
	}
	rows.read = true
	into[0] = int64(1)
	return nil
}
