//go:build denisenkom

package main

import mssql "github.com/denisenkom/go-mssqldb"

type driverError = mssql.Error
