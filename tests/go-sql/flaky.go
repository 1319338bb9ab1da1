package main

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
)

// flakyDriver breaks connections: `break twice …` works at the third attempt, `break always …` never.
type flakyDriver struct{}

type flakyConn struct{}

// breaks is shared by all connections: requests that come at once take each other's, so each statement has to be asked alone.
var breaks int64

func init() {
	sql.Register("flaky", flakyDriver{})
}

func (flakyDriver) Open(string) (driver.Conn, error) { return &flakyConn{}, nil }

func (*flakyConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not this way") }
func (*flakyConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (*flakyConn) Close() error                        { return nil }

func (*flakyConn) Exec(query string, _ []driver.Value) (driver.Result, error) {
	if strings.HasPrefix(query, "break always") || atomic.AddInt64(&breaks, 1)%3 != 0 {
		return nil, driver.ErrBadConn
	}
	return driver.ResultNoRows, nil
}
