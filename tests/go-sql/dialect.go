package main

// dialect is what differs between databases.
type dialect struct {
	schema []string
	// With one parameter, and with two.
	selectItem, insertEvent statement
	// sleep takes 10 s.
	sleep *statement
	// quoted has literals that only this dialect writes this way.
	quoted statement
}

var (
	selectLiteral = statement{
		"SELECT id, name FROM items WHERE id = @ AND name <> 'secret-@'",
		"SELECT id, name FROM items WHERE id = ? AND name <> ?",
		"SELECT items",
	}
	insertLiteral = statement{
		"INSERT INTO events (item, note) VALUES (@, 'it''s secret-@')",
		"INSERT INTO events (item, note) VALUES (?, ?)",
		"INSERT events",
	}
	updateLiteral = statement{
		"UPDATE items SET name = 'secret-@' /* secret-@ */ WHERE id = -1 - @",
		"UPDATE items SET name = ? WHERE id = -? - ?",
		"UPDATE items",
	}
	deleteLiteral = statement{
		"DELETE FROM events WHERE item = @ AND note IN ('secret-@', 'b', 'c')",
		"DELETE FROM events WHERE item = ? AND note IN (?, ?, ?)",
		"DELETE events",
	}
	joinLiteral = statement{
		"SELECT i.name, count(*) FROM items i JOIN events e ON e.item = i.id WHERE i.id > @ GROUP BY i.name",
		"SELECT i.name, count(*) FROM items i JOIN events e ON e.item = i.id WHERE i.id > ? GROUP BY i.name",
		"SELECT items events",
	}
	violation = statement{
		"INSERT INTO items (id, name) VALUES (1, 'secret-@')",
		"INSERT INTO items (id, name) VALUES (?, ?)",
		"INSERT items",
	}
	missing = statement{
		"SELECT * FROM nowhere WHERE id = @",
		"SELECT * FROM nowhere WHERE id = ?",
		"SELECT nowhere",
	}
	wrong = statement{
		"SELEC id FROM items WHERE id = @",
		// What nobody knows may call a procedure, with bare words for its arguments.
		"SELEC …",
		"SELEC",
	}
	allLiteral = statement{
		"SELECT id FROM items WHERE id > -@ ORDER BY id",
		"SELECT id FROM items WHERE id > -? ORDER BY id",
		"SELECT items",
	}
	nothing = statement{
		"SELECT name FROM items WHERE id = 1000000000 + @",
		"SELECT name FROM items WHERE id = ? + ?",
		"SELECT items",
	}
)

func schema(key string) []string {
	return []string{
		"DROP TABLE IF EXISTS items",
		"DROP TABLE IF EXISTS events",
		"CREATE TABLE items (id integer PRIMARY KEY, name varchar(200))",
		"CREATE TABLE events (id " + key + ", item integer, note varchar(200))",
		"INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
	}
}

func parameters(first, second string) (statement, statement) {
	find := "SELECT id, name FROM items WHERE id = " + first
	add := "INSERT INTO events (item, note) VALUES (" + first + ", " + second + ")"
	return statement{find, find, "SELECT items"}, statement{add, add, "INSERT events"}
}

var dialects = map[string]dialect{}

func init() {
	dollarSelect, dollarInsert := parameters("$1", "$2")
	markSelect, markInsert := parameters("?", "?")
	postgres := dialect{
		schema:     schema("bigserial PRIMARY KEY"),
		selectItem: dollarSelect, insertEvent: dollarInsert,
		sleep: &statement{"SELECT pg_sleep(10)", "SELECT pg_sleep(?)", "SELECT"},
		quoted: statement{
			`SELECT E'secret\'-@', $tag$it's secret-@$tag$, U&'secret-@', 'secret-@'::text, 1e3 FROM "items" WHERE id = 1`,
			`SELECT ?, ?, ?, ?::text, ? FROM "items" WHERE id = ?`,
			`SELECT "items"`,
		},
	}
	dialects["postgres"], dialects["pgx"] = postgres, postgres
	dialects["mysql"] = dialect{
		schema:     schema("bigint AUTO_INCREMENT PRIMARY KEY"),
		selectItem: markSelect, insertEvent: markInsert,
		sleep: &statement{"SELECT sleep(10)", "SELECT sleep(?)", "SELECT"},
		quoted: statement{
			"SELECT 'it''s secret-@', \"secret-@\", 0x0 # secret-@\nFROM `items` WHERE id = 1",
			"SELECT ?, ?, ? FROM `items` WHERE id = ?",
			"SELECT `items`",
		},
	}
	dialects["sqlite"] = dialect{
		schema:     schema("integer PRIMARY KEY AUTOINCREMENT"),
		selectItem: markSelect, insertEvent: markInsert,
		quoted: statement{
			`SELECT 'secret-@', x'00', 1e3 FROM "items" WHERE id = 1 -- secret-@`,
			`SELECT ?, ?, ? FROM "items" WHERE id = ?`,
			`SELECT "items"`,
		},
	}
}
