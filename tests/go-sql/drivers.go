package main

import (
	"strconv"

	"github.com/go-sql-driver/mysql"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

// driverCode is the code in an error of one of the drivers.
func driverCode(err error) string {
	switch err := err.(type) {
	case *pq.Error:
		return string(err.Code)
	case *pgxError:
		return err.Code
	case *mysql.MySQLError:
		return strconv.Itoa(int(err.Number))
	case *sqlite.Error:
		return strconv.Itoa(err.Code())
	}
	return ""
}
