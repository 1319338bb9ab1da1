module uprobed.test/sql-cgo

go 1.18

require (
	github.com/mattn/go-sqlite3 v1.6.0
	uprobed.test v0.0.0
)

replace uprobed.test => ../go
