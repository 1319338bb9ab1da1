package main

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// work has what a request does, by the first word of its path.
func (s *service) work() map[string]func(*request) {
	return map[string]func(*request){
		"plain": plain, "conn": conn, "tx": tx, "rollback": rollback, "handed": handed, "stmt": stmt,
		"errors": failures, "cancel": cancel, "slow": slow, "flaky": flaky, "down": down, "fan": fan, "rows": rows,
	}
}

func drain(rows *sql.Rows, err error) {
	if err != nil {
		return
	}
	for rows.Next() {
	}
	rows.Close()
}

// query asks on the pool, with a context or without.
func (r *request) query(ctx context.Context, s statement) {
	var rows *sql.Rows
	var err error
	if ctx != nil {
		rows, err = r.db.QueryContext(ctx, s.with(r.number))
	} else {
		rows, err = r.db.Query(s.with(r.number))
	}
	r.asked(s, err)
	drain(rows, err)
}

func plain(r *request) {
	var id int
	var name string
	r.query(r.ctx, selectLiteral)
	r.query(nil, joinLiteral)
	r.query(r.ctx, r.dialect.quoted)
	r.asked(r.dialect.selectItem, r.db.QueryRowContext(r.ctx, r.dialect.selectItem.raw, 1).Scan(&id, &name))
	r.asked(r.dialect.selectItem, r.db.QueryRow(r.dialect.selectItem.raw, 2).Scan(&id, &name))
	_, err := r.db.ExecContext(r.ctx, r.dialect.insertEvent.raw, r.number, "secret")
	r.asked(r.dialect.insertEvent, err)
	_, err = r.db.Exec(insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	_, err = r.db.Exec(deleteLiteral.with(r.number))
	r.asked(deleteLiteral, err)
	r.did("PING", r.db.PingContext(r.ctx))
	r.did("PING", r.db.Ping())
}

func conn(r *request) {
	c, err := r.db.Conn(r.ctx)
	must(err)
	defer c.Close()
	rows, err := c.QueryContext(r.ctx, selectLiteral.with(r.number))
	r.asked(selectLiteral, err)
	drain(rows, err)
	var id int
	var name string
	r.asked(r.dialect.selectItem, c.QueryRowContext(r.ctx, r.dialect.selectItem.raw, 1).Scan(&id, &name))
	_, err = c.ExecContext(r.ctx, updateLiteral.with(r.number))
	r.asked(updateLiteral, err)
	r.did("PING", c.PingContext(r.ctx))
	statement, err := c.PrepareContext(r.ctx, r.dialect.selectItem.raw)
	r.prepared(r.dialect.selectItem, err)
	r.asked(r.dialect.selectItem, statement.QueryRow(3).Scan(&id, &name))
	statement.Close()
	t, err := c.BeginTx(r.ctx, &sql.TxOptions{})
	r.did("BEGIN", err)
	_, err = t.Exec(insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	r.did("COMMIT", t.Commit())
}

func tx(r *request) {
	t, err := r.db.BeginTx(r.ctx, nil)
	r.did("BEGIN", err)
	// Comes after the commit and does nothing.
	defer t.Rollback()
	_, err = t.ExecContext(r.ctx, insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	rows, err := t.QueryContext(r.ctx, selectLiteral.with(r.number))
	r.asked(selectLiteral, err)
	drain(rows, err)
	rows, err = t.Query(joinLiteral.with(r.number))
	r.asked(joinLiteral, err)
	drain(rows, err)
	statement, err := t.PrepareContext(r.ctx, r.dialect.insertEvent.raw)
	r.prepared(r.dialect.insertEvent, err)
	_, err = statement.ExecContext(r.ctx, r.number, "secret")
	r.asked(r.dialect.insertEvent, err)
	var id int
	var name string
	r.asked(r.dialect.selectItem, t.QueryRow(r.dialect.selectItem.raw, 1).Scan(&id, &name))
	r.asked(r.dialect.selectItem, t.StmtContext(r.ctx, r.selectItem).QueryRow(2).Scan(&id, &name))
	r.did("COMMIT", t.Commit())
}

func rollback(r *request) {
	t, err := r.db.Begin()
	r.did("BEGIN", err)
	_, err = t.Exec(insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	statement, err := t.Prepare(r.dialect.insertEvent.raw)
	r.prepared(r.dialect.insertEvent, err)
	_, err = statement.Exec(r.number, "secret")
	r.asked(r.dialect.insertEvent, err)
	r.did("ROLLBACK", t.Rollback())
}

// handed has a query that an older goroutine makes, and a transaction that three goroutines work on: the request's, one that it makes and
// one that is older.
func handed(r *request) {
	done := make(chan bool)
	r.jobs <- func() {
		// Nothing but the request's own context tells whose query this is.
		r.query(r.ctx, selectLiteral)
		done <- true
	}
	<-done
	t, err := r.db.BeginTx(r.ctx, nil)
	r.did("BEGIN", err)
	go func() {
		_, err := t.Exec(insertLiteral.with(r.number))
		r.asked(insertLiteral, err)
		done <- true
	}()
	<-done
	r.jobs <- func() {
		rows, err := t.QueryContext(r.ctx, selectLiteral.with(r.number))
		r.asked(selectLiteral, err)
		drain(rows, err)
		done <- true
	}
	<-done
	r.jobs <- func() {
		// It has the context that it was begun with.
		r.did("COMMIT", t.Commit())
		done <- true
	}
	<-done
}

func stmt(r *request) {
	var id int
	var name string
	r.asked(r.dialect.selectItem, r.selectItem.QueryRowContext(r.ctx, 1).Scan(&id, &name))
	r.asked(r.dialect.selectItem, r.selectItem.QueryRow(2).Scan(&id, &name))
	_, err := r.insertEvent.ExecContext(r.ctx, r.number, "secret")
	r.asked(r.dialect.insertEvent, err)
	_, err = r.insertEvent.Exec(r.number, "secret")
	r.asked(r.dialect.insertEvent, err)
	rows, err := r.selectItem.QueryContext(r.ctx, 3)
	r.asked(r.dialect.selectItem, err)
	drain(rows, err)
	own, err := r.db.Prepare(r.dialect.selectItem.raw)
	r.prepared(r.dialect.selectItem, err)
	rows, err = own.Query(1)
	r.asked(r.dialect.selectItem, err)
	drain(rows, err)
	own.Close()
	own, err = r.db.PrepareContext(r.ctx, r.dialect.insertEvent.raw)
	r.prepared(r.dialect.insertEvent, err)
	own.Close()
}

// rows takes its time to read what it asked for, on another goroutine.
func rows(r *request) {
	rows, err := r.db.QueryContext(r.ctx, allLiteral.with(r.number))
	must(err)
	line := called{Summary: allLiteral.summary, Text: allLiteral.text, Milliseconds: 20}
	done := make(chan bool)
	go func() {
		time.Sleep(time.Duration(line.Milliseconds) * time.Millisecond)
		for rows.Next() {
			line.Rows++
		}
		done <- true
	}()
	<-done
	must(rows.Close())
	r.note(line, nil)
}

// fan asks from several goroutines at once.
func fan(r *request) {
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			r.query(r.ctx, selectLiteral)
		}()
	}
	all.Wait()
}

// failures has calls that the database refuses.
func failures(r *request) {
	_, err := r.db.ExecContext(r.ctx, violation.with(r.number))
	r.asked(violation, err)
	rows, err := r.db.QueryContext(r.ctx, missing.with(r.number))
	// Some drivers tell only with the first row.
	if err == nil {
		drain(rows, nil)
	}
	r.asked(missing, err)
	_, err = r.db.Exec(wrong.with(r.number))
	r.asked(wrong, err)
	var name string
	// That there is no such row is no error of the call.
	if err := r.db.QueryRow(nothing.with(r.number)).Scan(&name); err != sql.ErrNoRows {
		panic(err)
	}
	r.asked(nothing, nil)
	statement, err := r.db.Prepare(missing.with(r.number))
	r.prepared(missing, err)
	if err == nil {
		statement.Close()
	}
	t, err := r.db.Begin()
	r.did("BEGIN", err)
	r.did("COMMIT", t.Commit())
	_, err = t.Exec(insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	r.did("COMMIT", t.Commit())
	c, err := r.db.Conn(r.ctx)
	must(err)
	c.Close()
	_, err = c.ExecContext(r.ctx, insertLiteral.with(r.number))
	r.note(called{Where: "closed", Summary: insertLiteral.summary, Text: insertLiteral.text}, err)
}

// cancel has contexts that have ended before the call.
func cancel(r *request) {
	ctx, end := context.WithCancel(r.ctx)
	end()
	r.query(ctx, selectLiteral)
	ctx, end = context.WithTimeout(r.ctx, -1)
	defer end()
	_, err := r.db.ExecContext(ctx, insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	ctx, end = context.WithCancel(r.ctx)
	defer end()
	t, err := r.db.BeginTx(ctx, nil)
	r.did("BEGIN", err)
	_, err = t.Exec(insertLiteral.with(r.number))
	r.asked(insertLiteral, err)
	end()
	// Nobody asks for it; the package does it by itself, and it may take longer than the request.
	r.note(called{Operation: "ROLLBACK", OrRoot: true}, nil)
	// The rollback has to have begun, or else both would answer that the context has ended.
	time.Sleep(20 * time.Millisecond)
	r.did("COMMIT", t.Commit())
}

// slow has a deadline that ends while the server is busy.
func slow(r *request) {
	if r.dialect.sleep == nil {
		return
	}
	ctx, end := context.WithTimeout(r.ctx, 30*time.Millisecond)
	defer end()
	rows, err := r.db.QueryContext(ctx, r.dialect.sleep.raw)
	r.asked(*r.dialect.sleep, err)
	drain(rows, err)
}

// flaky has connections that break; the package tries again, and it is one call.
func flaky(r *request) {
	_, err := r.flaky.ExecContext(r.ctx, "break twice 'secret'")
	r.note(called{Where: "flaky", Summary: "break", Text: "break …"}, err)
	_, err = r.flaky.ExecContext(r.ctx, "break always 'secret'")
	r.note(called{Where: "flaky", Summary: "break", Text: "break …"}, err)
}

// down asks a server that is not there.
func down(r *request) {
	if r.down == nil {
		return
	}
	_, err := r.down.ExecContext(r.ctx, insertLiteral.with(r.number))
	r.note(called{Where: "down", Summary: insertLiteral.summary, Text: insertLiteral.text}, err)
	r.note(called{Where: "down", Operation: "PING"}, r.down.Ping())
}
