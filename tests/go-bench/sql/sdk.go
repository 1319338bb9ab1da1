//go:build sdk

package main

import (
	"database/sql"
	"database/sql/driver"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
)

// open has one span for a query, as with uprobed.
func open(connector driver.Connector) *sql.DB {
	once := otelsql.SpanOptions{OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true}
	return otelsql.OpenDB(connector, otelsql.WithSpanOptions(once), otelsql.WithAttributes(attribute.String("db.system.name", "postgresql")))
}
