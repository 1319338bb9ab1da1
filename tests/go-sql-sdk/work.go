package main

import (
	"context"
	"database/sql"
	"time"
)

// work makes the calls on one pool.
type work struct {
	db      *sql.DB
	down    *sql.DB
	dialect dialect
	journal *journal
	wrapped bool
}

func (w *work) calls() {
	w.onPool()
	w.onStatements()
	w.onConnection()
	w.inTransaction()
	w.refused()
	w.ended()
	w.inTime()
}

// does makes a call that has no rows.
func (w *work) does(call string, do func() error) {
	w.journal.note(called{Call: call, Wrapped: w.wrapped}, func() (error, error) { return do(), nil })
}

// runs makes one that has a result.
func (w *work) runs(call string, do func() (sql.Result, error)) {
	w.does(call, func() error { _, err := do(); return err })
}

// asks makes one that has rows, and reads them.
func (w *work) asks(call string, do func() (*sql.Rows, error)) {
	w.journal.note(called{Call: call, Wrapped: w.wrapped}, func() (error, error) {
		rows, err := do()
		if err != nil {
			return err, nil
		}
		for rows.Next() {
		}
		err = rows.Err()
		rows.Close()
		return nil, err
	})
}

// finds makes one that has a row.
func (w *work) finds(call string, do func() *sql.Row) {
	w.journal.note(called{Call: call, Wrapped: w.wrapped}, func() (error, error) {
		row := do()
		err := row.Err()
		var id int
		var name string
		row.Scan(&id, &name)
		return err, nil
	})
}

// makes makes one whose result is used further.
func makes[T any](w *work, call string, do func() (T, error)) (made T) {
	w.does(call, func() (err error) { made, err = do(); return err })
	return made
}

func (w *work) onPool() {
	db := w.db
	w.does("DB.PingContext", func() error { return db.PingContext(background) })
	w.does("DB.Ping", db.Ping)
	w.runs("DB.ExecContext", func() (sql.Result, error) { return db.ExecContext(background, deleteAll) })
	w.runs("DB.ExecContext with parameters", func() (sql.Result, error) {
		return db.ExecContext(background, w.dialect.insertEvent, 1, "secret")
	})
	w.runs("DB.Exec", func() (sql.Result, error) { return db.Exec(insertLiteral) })
	w.runs("DB.Exec with a comment", func() (sql.Result, error) { return db.Exec(updateLiteral) })
	w.asks("DB.QueryContext", func() (*sql.Rows, error) { return db.QueryContext(background, selectLiteral) })
	w.asks("DB.Query", func() (*sql.Rows, error) { return db.Query(joinLiteral) })
	w.asks("DB.Query with parameters", func() (*sql.Rows, error) { return db.Query(w.dialect.selectItem, 1) })
	w.finds("DB.QueryRowContext", func() *sql.Row { return db.QueryRowContext(background, w.dialect.selectItem, 2) })
	w.finds("DB.QueryRow", func() *sql.Row { return db.QueryRow(selectLiteral) })
	w.finds("DB.QueryRow without rows", func() *sql.Row { return db.QueryRow(nothing) })
	w.runs("DB.Exec of a procedure's definition", func() (sql.Result, error) { return db.Exec(w.dialect.call) })
	w.runs("DB.Exec of a procedure", func() (sql.Result, error) { return db.Exec("CALL tidy()") })
	w.runs("DB.Exec of its end", func() (sql.Result, error) { return db.Exec("DROP PROCEDURE tidy") })
}

func (w *work) onStatements() {
	find := makes(w, "DB.PrepareContext", func() (*sql.Stmt, error) {
		return w.db.PrepareContext(background, w.dialect.selectItem)
	})
	add := makes(w, "DB.Prepare", func() (*sql.Stmt, error) { return w.db.Prepare(w.dialect.insertEvent) })
	w.asks("Stmt.QueryContext", func() (*sql.Rows, error) { return find.QueryContext(background, 1) })
	w.asks("Stmt.Query", func() (*sql.Rows, error) { return find.Query(2) })
	w.finds("Stmt.QueryRowContext", func() *sql.Row { return find.QueryRowContext(background, 3) })
	w.finds("Stmt.QueryRow", func() *sql.Row { return find.QueryRow(1) })
	w.runs("Stmt.ExecContext", func() (sql.Result, error) { return add.ExecContext(background, 1, "secret") })
	w.runs("Stmt.Exec", func() (sql.Result, error) { return add.Exec(2, "secret") })
	// While another connection is taken, it is prepared anew for this one.
	taken := makes(w, "DB.Conn", func() (*sql.Conn, error) { return w.db.Conn(background) })
	w.finds("Stmt.QueryRow on another connection", func() *sql.Row { return find.QueryRow(1) })
	w.does("Conn.Close", taken.Close)
	w.does("Stmt.Close", find.Close)
	w.does("Stmt.Close", add.Close)
}

func (w *work) onConnection() {
	c := makes(w, "DB.Conn", func() (*sql.Conn, error) { return w.db.Conn(background) })
	w.does("Conn.PingContext", func() error { return c.PingContext(background) })
	w.asks("Conn.QueryContext", func() (*sql.Rows, error) { return c.QueryContext(background, selectLiteral) })
	w.finds("Conn.QueryRowContext", func() *sql.Row { return c.QueryRowContext(background, w.dialect.selectItem, 1) })
	w.runs("Conn.ExecContext", func() (sql.Result, error) { return c.ExecContext(background, deleteLiteral) })
	find := makes(w, "Conn.PrepareContext", func() (*sql.Stmt, error) {
		return c.PrepareContext(background, w.dialect.selectItem)
	})
	w.finds("Stmt.QueryRow of a connection's", func() *sql.Row { return find.QueryRow(3) })
	w.does("Stmt.Close", find.Close)
	t := makes(w, "Conn.BeginTx", func() (*sql.Tx, error) { return c.BeginTx(background, nil) })
	w.runs("Tx.Exec of a connection's", func() (sql.Result, error) { return t.Exec(insertLiteral) })
	w.does("Tx.Commit", t.Commit)
	w.does("Conn.Close", c.Close)
	w.runs("Conn.ExecContext: closed", func() (sql.Result, error) { return c.ExecContext(background, deleteAll) })
}

func (w *work) inTransaction() {
	// It is prepared on another connection than that of the transaction.
	taken := makes(w, "DB.Conn", func() (*sql.Conn, error) { return w.db.Conn(background) })
	find := makes(w, "DB.Prepare", func() (*sql.Stmt, error) { return w.db.Prepare(w.dialect.selectItem) })
	t := makes(w, "Conn.BeginTx", func() (*sql.Tx, error) { return taken.BeginTx(background, nil) })
	own := makes(w, "Tx.StmtContext", func() (*sql.Stmt, error) { return t.StmtContext(background, find), nil })
	w.finds("Stmt.QueryRow of a transaction's", func() *sql.Row { return own.QueryRow(1) })
	w.does("Tx.Rollback", t.Rollback)
	w.does("Conn.Close", taken.Close)
	w.does("Stmt.Close", find.Close)

	t = makes(w, "DB.BeginTx", func() (*sql.Tx, error) { return w.db.BeginTx(background, nil) })
	w.runs("Tx.ExecContext", func() (sql.Result, error) { return t.ExecContext(background, insertLiteral) })
	w.runs("Tx.Exec", func() (sql.Result, error) { return t.Exec(w.dialect.insertEvent, 1, "secret") })
	w.asks("Tx.QueryContext", func() (*sql.Rows, error) { return t.QueryContext(background, selectLiteral) })
	w.asks("Tx.Query", func() (*sql.Rows, error) { return t.Query(joinLiteral) })
	w.finds("Tx.QueryRowContext", func() *sql.Row { return t.QueryRowContext(background, w.dialect.selectItem, 1) })
	w.finds("Tx.QueryRow", func() *sql.Row { return t.QueryRow(selectLiteral) })
	add := makes(w, "Tx.PrepareContext", func() (*sql.Stmt, error) {
		return t.PrepareContext(background, w.dialect.insertEvent)
	})
	w.runs("Stmt.Exec of a transaction's", func() (sql.Result, error) { return add.Exec(2, "secret") })
	find = makes(w, "Tx.Prepare", func() (*sql.Stmt, error) { return t.Prepare(w.dialect.selectItem) })
	w.finds("Stmt.QueryRow of a transaction's", func() *sql.Row { return find.QueryRow(1) })
	w.does("Tx.Commit", t.Commit)
	w.does("Tx.Rollback: ended", t.Rollback)
	w.does("Tx.Commit: ended", t.Commit)
	w.runs("Tx.Exec: ended", func() (sql.Result, error) { return t.Exec(insertLiteral) })

	t = makes(w, "DB.Begin", w.db.Begin)
	w.runs("Tx.Exec", func() (sql.Result, error) { return t.Exec(insertLiteral) })
	w.does("Tx.Rollback", t.Rollback)
}

// refused has what the database answers with an error.
func (w *work) refused() {
	w.runs("DB.Exec: constraint", func() (sql.Result, error) { return w.db.Exec(violation) })
	w.asks("DB.Query: syntax", func() (*sql.Rows, error) { return w.db.Query(wrong) })
	w.finds("DB.QueryRow: table", func() *sql.Row { return w.db.QueryRow(missing) })
	makes(w, "DB.Prepare: table", func() (*sql.Stmt, error) {
		statement, err := w.db.Prepare(missing)
		if err == nil {
			statement.Close()
		}
		return nil, err
	})
	add := makes(w, "DB.Prepare", func() (*sql.Stmt, error) { return w.db.Prepare(violation) })
	w.runs("Stmt.Exec: constraint", func() (sql.Result, error) { return add.Exec() })
	w.does("Stmt.Close", add.Close)
	t := makes(w, "DB.Begin", w.db.Begin)
	w.runs("Tx.Exec: constraint", func() (sql.Result, error) { return t.Exec(violation) })
	w.does("Tx.Rollback", t.Rollback)
	w.asks("DB.Query: later", func() (*sql.Rows, error) { return w.db.Query(w.dialect.late) })
	w.does("DB.Ping: down", w.down.Ping)
	w.asks("DB.Query: down", func() (*sql.Rows, error) { return w.down.Query(selectLiteral) })
}

// ended has contexts that ended before the call.
func (w *work) ended() {
	ctx, cancel := context.WithCancel(background)
	cancel()
	past, end := context.WithTimeout(background, -1)
	defer end()
	w.asks("DB.QueryContext: cancelled before", func() (*sql.Rows, error) { return w.db.QueryContext(ctx, selectLiteral) })
	w.runs("DB.ExecContext: too late before", func() (sql.Result, error) { return w.db.ExecContext(past, insertLiteral) })
	makes(w, "DB.BeginTx: cancelled before", func() (*sql.Tx, error) { return w.db.BeginTx(ctx, nil) })
	w.does("DB.PingContext: cancelled before", func() error { return w.db.PingContext(ctx) })
	c := makes(w, "DB.Conn", func() (*sql.Conn, error) { return w.db.Conn(background) })
	w.asks("Conn.QueryContext: cancelled before", func() (*sql.Rows, error) { return c.QueryContext(ctx, selectLiteral) })
	w.does("Conn.Close", c.Close)
}

// inTime has contexts that end later.
func (w *work) inTime() {
	const soon = 120 * time.Millisecond
	// A call whose context ends costs its connection; on a busy machine, a new one may take longer than soon.
	w.does("DB.Ping", w.db.Ping)
	w.asks("DB.QueryContext: deadline", func() (*sql.Rows, error) {
		ctx, end := context.WithTimeout(background, soon)
		defer end()
		return w.db.QueryContext(ctx, w.dialect.sleep)
	})
	w.does("DB.Ping", w.db.Ping)
	w.runs("DB.ExecContext: cancelled", func() (sql.Result, error) {
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		time.AfterFunc(soon, cancel)
		return w.db.ExecContext(ctx, w.dialect.sleep)
	})
	ctx, cancel := context.WithCancel(background)
	t := makes(w, "DB.BeginTx", func() (*sql.Tx, error) { return w.db.BeginTx(ctx, nil) })
	w.does("the context's end", func() error {
		cancel()
		time.Sleep(soon)
		return nil
	})
	w.does("Tx.Commit: cancelled", t.Commit)
}
