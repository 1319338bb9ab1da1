package main

import "strconv"

func init() {
	find := "SELECT id, name FROM items WHERE id = @p1"
	add := "INSERT INTO events (item, note) VALUES (@p1, @p2)"
	dialects["sqlserver"] = dialect{
		schema:      schema("bigint IDENTITY PRIMARY KEY"),
		selectItem:  statement{find, find, "SELECT items"},
		insertEvent: statement{add, add, "INSERT events"},
		sleep:       &statement{"WAITFOR DELAY '00:00:10'", "WAITFOR DELAY ?", "WAITFOR"},
		quoted: statement{
			"SELECT N'it''s secret-@', 'secret-@', 0x0, 1e3 FROM [items] WHERE id = 1 -- secret-@",
			"SELECT ?, ?, ?, ? FROM [items] WHERE id = ?",
			"SELECT [items]",
		},
	}
}

// driverCode is the number in an error of the server. One that the driver makes up itself has none.
func driverCode(err error) string {
	if err, ok := err.(driverError); ok && err.Number != 0 {
		return strconv.Itoa(int(err.Number))
	}
	return ""
}
