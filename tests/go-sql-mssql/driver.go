//go:build !denisenkom

package main

import mssql "github.com/microsoft/go-mssqldb"

type driverError = mssql.Error
