package main

import (
	"strconv"

	"github.com/mattn/go-sqlite3"
)

func init() {
	dialects["sqlite3"] = dialects["sqlite"]
}

// driverCode is the code in an error of the driver.
func driverCode(err error) string {
	if err, ok := err.(sqlite3.Error); ok {
		return strconv.Itoa(int(err.ExtendedCode))
	}
	return ""
}
