module uprobed.test/sql-mssql

go 1.21

require (
	github.com/microsoft/go-mssqldb v1.6.0
	uprobed.test v0.0.0
)

require (
	github.com/golang-sql/civil v0.0.0-20220223132316-b832511892a9 // indirect
	github.com/golang-sql/sqlexp v0.1.0 // indirect
	golang.org/x/crypto v0.12.0 // indirect
	golang.org/x/text v0.12.0 // indirect
)

replace uprobed.test => ../go
