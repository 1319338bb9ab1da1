package main

// dialect is what differs between databases. The word secret stands in literals and comments only.
type dialect struct {
	// With one parameter, and with two.
	selectItem, insertEvent string
	// sleep takes two seconds.
	sleep string
	// late fails behind its first row.
	late string
	// call runs a procedure.
	call string
}

const (
	selectLiteral = "SELECT id, name FROM items WHERE id = 1 AND name <> 'secret'"
	joinLiteral   = "SELECT i.name, count(*) FROM items i JOIN events e ON e.item = i.id WHERE e.note <> 'secret' GROUP BY i.name"
	insertLiteral = "INSERT INTO events (item, note) VALUES (1, 'it''s secret')"
	updateLiteral = "UPDATE items SET name = 'one' /* secret */ WHERE id = 1"
	deleteLiteral = "DELETE FROM events WHERE note IN ('secret', 'b')"
	deleteAll     = "DELETE FROM events"
	violation     = "INSERT INTO items (id, name) VALUES (1, 'secret')"
	missing       = "SELECT id FROM nowhere"
	wrong         = "SELEC id FROM items"
	nothing       = "SELECT id, name FROM items WHERE name IS NULL"
)

var schema = []string{
	"DROP TABLE IF EXISTS items",
	"DROP TABLE IF EXISTS events",
	"DROP PROCEDURE IF EXISTS tidy",
	"CREATE TABLE items (id integer PRIMARY KEY, name varchar(200))",
	"CREATE TABLE events (item integer, note varchar(200))",
	"INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
}

var postgresql = dialect{
	selectItem:  "SELECT id, name FROM items WHERE id = $1",
	insertEvent: "INSERT INTO events (item, note) VALUES ($1, $2)",
	sleep:       "SELECT pg_sleep(2)",
	late:        "SELECT 6 / (3 - n) FROM generate_series(1, 5) n",
	call:        "CREATE PROCEDURE tidy() LANGUAGE SQL AS 'DELETE FROM events'",
}

var dialects = map[string]dialect{
	"postgres": postgresql,
	"pgx":      postgresql,
	"mysql": {
		selectItem:  "SELECT id, name FROM items WHERE id = ?",
		insertEvent: "INSERT INTO events (item, note) VALUES (?, ?)",
		sleep:       "SELECT sleep(2)",
		late:        "SELECT (SELECT b.id FROM items b WHERE b.id <= a.id) FROM items a",
		call:        "CREATE PROCEDURE tidy() DELETE FROM events",
	},
}
