// The program of the matrix that uses database/sql, with the drivers of PostgreSQL and MySQL. What it asks first, and where its profile
// comes from, is a driver of its own, so that no database is needed.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
	"github.com/lib/pq"

	"uprobed.test/matrix/load"
)

func main() {
	sql.Register("nothing", nothing{})
	load.Run(func() error { return use("nothing", "") })
	for driver, variable := range map[string]string{"postgres": "POSTGRES", "mysql": "MYSQL"} {
		name := os.Getenv(variable)
		if name == "" {
			continue
		}
		if err := use(driver, name); err != nil {
			fmt.Fprintln(os.Stderr, describe(err))
			os.Exit(1)
		}
	}
}

func describe(err error) string {
	switch err := err.(type) {
	case *pq.Error:
		return fmt.Sprint(string(err.Code), err.Message)
	case *mysql.MySQLError:
		return fmt.Sprint(err.Number, err.Message)
	}
	return err.Error()
}

func use(driver, name string) error {
	db, err := sql.Open(driver, name)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx := context.Background()
	if err := db.Ping(); err != nil {
		return err
	}
	for i := 0; i < 100; i++ {
		for _, step := range []func(context.Context, *sql.DB) error{directly, prepared, inTransaction, onConnection} {
			if err := step(ctx, db); err != nil {
				return err
			}
		}
	}
	return nil
}

func directly(ctx context.Context, db *sql.DB) error {
	var one int
	if err := db.QueryRow("select 1").Scan(&one); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "select 1").Scan(&one); err != nil {
		return err
	}
	if err := drain(db.Query("select 1")); err != nil {
		return err
	}
	if err := drain(db.QueryContext(ctx, "select 1")); err != nil {
		return err
	}
	if _, err := db.Exec("delete from orders where id = 7"); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "delete from orders where id = 7")
	return err
}

func prepared(ctx context.Context, db *sql.DB) error {
	statement, err := db.Prepare("select 1")
	if err != nil {
		return err
	}
	defer statement.Close()
	if err := drain(statement.Query()); err != nil {
		return err
	}
	if err := drain(statement.QueryContext(ctx)); err != nil {
		return err
	}
	var one int
	if err := statement.QueryRow().Scan(&one); err != nil {
		return err
	}
	if _, err := statement.Exec(); err != nil {
		return err
	}
	_, err = statement.ExecContext(ctx)
	return err
}

func inTransaction(ctx context.Context, db *sql.DB) error {
	for _, keep := range []bool{true, false} {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := drain(tx.Query("select 1")); err != nil {
			return err
		}
		var one int
		if err := tx.QueryRowContext(ctx, "select 1").Scan(&one); err != nil {
			return err
		}
		if _, err := tx.Exec("delete from orders where id = 7"); err != nil {
			return err
		}
		statement, err := tx.Prepare("select 1")
		if err != nil {
			return err
		}
		if err := drain(tx.Stmt(statement).Query()); err != nil {
			return err
		}
		end := tx.Rollback
		if keep {
			end = tx.Commit
		}
		if err := end(); err != nil {
			return err
		}
	}
	return nil
}

func onConnection(ctx context.Context, db *sql.DB) error {
	connection, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.PingContext(ctx); err != nil {
		return err
	}
	if _, err := connection.ExecContext(ctx, "delete from orders where id = 7"); err != nil {
		return err
	}
	if err := drain(connection.QueryContext(ctx, "select 1")); err != nil {
		return err
	}
	tx, err := connection.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Commit()
}

func drain(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var one int
		if err := rows.Scan(&one); err != nil {
			return err
		}
	}
	return rows.Err()
}
