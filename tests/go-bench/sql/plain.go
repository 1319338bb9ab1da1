//go:build !sdk

package main

import (
	"database/sql"
	"database/sql/driver"
)

func open(connector driver.Connector) *sql.DB { return sql.OpenDB(connector) }
