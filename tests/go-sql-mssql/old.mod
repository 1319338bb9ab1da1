module uprobed.test/sql-mssql

go 1.18

require (
	github.com/denisenkom/go-mssqldb v0.12.0
	uprobed.test v0.0.0
)

require (
	github.com/golang-sql/civil v0.0.0-20190719163853-cb61b32ac6fe // indirect
	github.com/golang-sql/sqlexp v0.0.0-20170517235910-f1bb20e5a188 // indirect
	golang.org/x/crypto v0.0.0-20201016220609-9e8e0b390897 // indirect
)

replace uprobed.test => ../go
