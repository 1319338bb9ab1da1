package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strconv"
)

// request is one HTTP request while it is worked on.
type request struct {
	*service
	path   string
	number int
	ctx    context.Context
}

// called is the journal's line for one call of database/sql.
type called struct {
	// From is the path of the request on whose behalf the call was made.
	From string `json:"from"`
	// OrRoot says that the call may also be a trace of its own: nothing that is certain ties it to From.
	OrRoot bool `json:"or_root"`
	// Where is `main`, `down`, `flaky`, or `closed`: a connection that knows its pool no longer.
	Where string `json:"where"`
	// Operation is said of calls without a statement: the span's name is that and the database.
	Operation string `json:"operation"`
	// Summary and Text are what a person would make of the statement.
	Summary string `json:"summary"`
	Text    string `json:"text"`
	// Code is what the database answered to a call that failed.
	Code  string `json:"code"`
	Error string `json:"error"`
	// Rows is how many were read, of a query whose rows were closed so many milliseconds later.
	Rows         int `json:"rows"`
	Milliseconds int `json:"milliseconds"`
}

func (r *request) note(line called, err error) {
	line.From = r.path
	if line.Where == "" {
		line.Where = "main"
	}
	if err != nil {
		line.Code, line.Error = code(err), kind(err)
		if line.Code != "" {
			line.Error = line.Code
		}
	}
	r.journal.Write(line)
}

// asked notes a call with a statement.
func (r *request) asked(s statement, err error) {
	r.note(called{Summary: s.summary, Text: s.text}, err)
}

// did notes a call without one.
func (r *request) did(operation string, err error) {
	r.note(called{Operation: operation}, err)
}

// prepared notes that a statement was prepared.
func (r *request) prepared(s statement, err error) {
	r.note(called{Summary: "PREPARE " + s.summary, Text: s.text}, err)
}

// code is the database's own code of an error.
func code(err error) string {
	if code := driverCode(err); code != "" {
		return code
	}
	if wrapped, ok := err.(interface{ Unwrap() error }); ok && wrapped.Unwrap() != nil {
		return code(wrapped.Unwrap())
	}
	return ""
}

var sentinels = map[error]string{
	context.Canceled:         "context.Canceled",
	context.DeadlineExceeded: "context.DeadlineExceeded",
	driver.ErrBadConn:        "database/sql/driver.ErrBadConn",
	sql.ErrConnDone:          "database/sql.ErrConnDone",
	sql.ErrTxDone:            "database/sql.ErrTxDone",
}

// kind names an error: a well-known one by its variable, another by its type. Some only say where another one came from.
func kind(err error) string {
	switch reflect.TypeOf(err).String() {
	case "*fmt.wrapError", "*pgconn.PrepareError", "*pgconn.errTimeout", "*pgconn.contextAlreadyDoneError":
		return kind(err.(interface{ Unwrap() error }).Unwrap())
	}
	if reflect.TypeOf(err).Comparable() {
		if name, ok := sentinels[err]; ok {
			return name
		}
	}
	pointed, star := reflect.TypeOf(err), ""
	if pointed.Kind() == reflect.Ptr {
		pointed, star = pointed.Elem(), "*"
	}
	return star + pointed.PkgPath() + "." + pointed.Name()
}

// statement is one with the number of the request as a literal, or with parameters.
type statement struct {
	raw     string
	text    string
	summary string
}

// with puts a number in place of every @.
func (s statement) with(number int) string {
	out := ""
	for _, letter := range s.raw {
		if letter == '@' {
			out += strconv.Itoa(number)
		} else {
			out += string(letter)
		}
	}
	return out
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("unexpected: %v", err))
	}
}
