//! Writes statements as the databases read them: each is put together from pieces of which it is known whether they are literals.
//!
//! Literals, words that are values, and comments are made of marks, nothing else is. How a session is set (whether a backslash means something, whether `"…"` is
//! a name) is chosen, too, and not told to anybody.

/// What literals are made of: a letter and a digit.
pub const MARKS: &[u8] = b"Z9";

/// A statement.
#[derive(Debug, Default)]
pub struct Written {
    /// The database that reads it like this, as `db.system.name` has it.
    pub system: &'static str,
    pub text: Vec<u8>,
    /// Where it may be cut off.
    pub cut: usize,
}

const SYSTEMS: [&str; 6] = ["postgresql", "mysql", "sqlite", "microsoft.sql_server", "oracle.db", "clickhouse"];
/// Longer ones say no more.
const PIECES: usize = 40;
const WORDS: [&str; 24] = [
    "SELECT", "a", "FROM", "items", "WHERE", "id", "AND", "JOIN", "INSERT", "INTO", "VALUES", "UPDATE", "SET",
    "DELETE", "AS", "x", "b", "e", "n", "u", "q", "CALL", "WITH", "_utf8",
];
const SIGNS: [&str; 16] = ["=", ",", "(", ")", "<", ">", "+", "||", "*", ";", "::", "{", "}", "!", "~", "%"];
/// What is hard to read, wherever it stands.
const HARD: [&str; 17] =
    ["'", "\"", "`", "\\", "--", "/*", "*/", "#", "$$", "$a$", "]", "[", "\n", "?", ";", "E'", "é"];

/// Statements in which a word without quotes is a value. `~` stands for it; spaces may be comments.
const BARE_POSTGRESQL: [&str; 12] = [
    "SET app.a = ~",
    "SET LOCAL app.a TO ~, ~",
    "SET SESSION a TO 'Z', ~",
    "ALTER ROLE a SET app.a TO ~",
    "ALTER ROLE a IN DATABASE b SET app.a = ~",
    "ALTER DATABASE a SET app.a = ~",
    "ALTER SYSTEM SET app.a = ~",
    "CREATE FUNCTION f ( ) RETURNS int SET app.a = ~ LANGUAGE sql",
    "ALTER FUNCTION f ( ) SET app.a TO ~",
    "CREATE SUBSCRIPTION a CONNECTION 'Z' PUBLICATION b WITH ( c = ~ )",
    "COPY a FROM STDIN;\n~\t~\n",
    "COPY a ( b, c ) FROM STDIN WITH ( NULL ~ )",
];
const BARE_MYSQL: [&str; 7] = [
    "SET a = ~",
    "SET GLOBAL a = ON, b = ~",
    "SET @@SESSION.a = ~",
    "SET @a = 'Z', b = ~",
    "SET PASSWORD = ~",
    "BEGIN NOT ATOMIC SET a = ~; END",
    "CREATE DATABASE a CHARACTER SET = ~",
];
const BARE_SQLITE: [&str; 11] = [
    "PRAGMA key = ~",
    "PRAGMA main.key ( ~ )",
    "EXPLAIN PRAGMA key = ~",
    "EXPLAIN QUERY PLAN PRAGMA rekey = ~",
    "ATTACH DATABASE ~ AS a",
    "ATTACH 'Z' AS a KEY ~",
    "ATTACH ~ AS a KEY ~",
    "CREATE TABLE a ( b text DEFAULT ~ , c )",
    "ALTER TABLE a ADD COLUMN b DEFAULT ~",
    "CREATE VIRTUAL TABLE a USING b ( c = ~ )",
    "SELECT a FROM b WHERE c IS DISTINCT FROM \"Z\"",
];
const BARE_SQL_SERVER: [&str; 9] = [
    "SELECT TRIM ( 'Z' FROM \"Z\" )",
    "EXEC p ~",
    "EXECUTE dbo.p @a = ~",
    "EXEC p @a = 'Z', @b = ~",
    "EXEC @a = dbo.p ~, ~",
    "SELECT a FROM b EXEC p ~",
    "INSERT INTO a EXEC p 9, ~",
    "BEGIN TRY EXEC p ~ END TRY",
    "{ call p ( ~ ) }",
];
const BARE_OTHER: [&str; 16] = [
    "CREATE USER a IDENTIFIED BY ~",
    "ALTER USER a IDENTIFIED BY \"Z\" REPLACE ~",
    "ALTER USER a IDENTIFIED BY ~ REPLACE ~",
    "CREATE ROLE a IDENTIFIED BY ~",
    "SET ROLE a IDENTIFIED BY ~, b IDENTIFIED BY ~",
    "GRANT a TO b, c IDENTIFIED BY ~, ~",
    "GRANT a TO b, c IDENTIFIED BY \"Z\", ~",
    "CREATE PUBLIC DATABASE LINK a CONNECT TO b IDENTIFIED BY ~ USING 'Z'",
    "CREATE TABLE a ( b ENCRYPT IDENTIFIED BY ~ )",
    "ALTER SESSION SET a = ~",
    "ADMINISTER KEY MANAGEMENT SET KEYSTORE OPEN IDENTIFIED BY ~",
    "CREATE USER a PASSWORD ~",
    "CREATE SECRET ( TYPE ~, SECRET ~ )",
    "MODIFY USER a AS PASSWORD = ~",
    "CONNECT TO a USER b USING ~",
    "SET a:b = ~",
];
const BARE_CLICKHOUSE: [&str; 4] = [
    "INSERT INTO a FORMAT TSV\n~\t~\n",
    "INSERT INTO a ( b, c ) FORMAT CSV ~,~",
    "INSERT INTO a SETTINGS b = 9 FORMAT b ~",
    "CREATE NAMED COLLECTION a AS b = ~",
];
/// A batch may begin with a procedure, and nothing before it.
const CALLS: [&str; 3] = ["sp_p a, ~", "dbo.p ~, 'Z'", "[dbo].[p] @a = ~"];
/// A value as a word; those in quotes are names elsewhere.
const BARE: [&str; 5] = ["Z", "Z9", "Z_a", "ZTO", "aZ"];

/// Takes decisions from bytes; zeros when they are used up.
struct Choice<'a>(&'a [u8]);

impl Choice<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[usize::from(self.byte()) % texts.len()]
    }

    fn is(&mut self) -> bool {
        self.byte() & 1 == 1
    }
}

/// How the session is set.
struct Session {
    system: &'static str,
    /// A backslash in `'…'` takes the next character along.
    escapes: bool,
    /// `"…"` is a string.
    is_double_string: bool,
}

impl Written {
    /// What these bytes choose.
    pub fn new(data: &[u8]) -> Self {
        let mut choice = Choice(data);
        let system = choice.of(&SYSTEMS);
        let session = Session {
            system,
            escapes: choice.is() && matches!(system, "postgresql" | "mysql" | "clickhouse"),
            is_double_string: choice.is() && !matches!(system, "postgresql" | "oracle.db" | "clickhouse"),
        };
        let cut = usize::from(choice.byte()) * 2;
        let mut text = Vec::new();
        if system == "microsoft.sql_server" && choice.byte() % 8 == 7 {
            bare(&session, &CALLS, &mut choice, &mut text);
        }
        for _ in 0..PIECES {
            if choice.0.is_empty() {
                break;
            }
            piece(&session, &mut choice, &mut text);
        }
        Self { system, text, cut }
    }
}

fn piece(session: &Session, choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    match choice.byte() % 9 {
        8 => {
            let statements: &[&str] = match session.system {
                "postgresql" => &BARE_POSTGRESQL,
                "mysql" => &BARE_MYSQL,
                "sqlite" => &BARE_SQLITE,
                "microsoft.sql_server" => &BARE_SQL_SERVER,
                "oracle.db" => &BARE_OTHER,
                _ => &BARE_CLICKHOUSE,
            };
            if !out.is_empty() {
                out.push(b';');
            }
            bare(session, statements, choice, out);
        }
        0 | 1 => word(choice, out),
        2 => name(session, choice, out),
        3 => comment(session, choice, out),
        4 => {
            space(out);
            out.extend_from_slice(choice.of(marker(session.system)).as_bytes());
            space(out);
        }
        5 => number(session, choice, out),
        _ => literal(session, choice, out),
    }
}

fn space(out: &mut Vec<u8>) {
    out.push(b' ');
}

fn word(choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    space(out);
    out.extend_from_slice(choice.of(&WORDS).as_bytes());
    space(out);
}

fn marker(system: &str) -> &'static [&'static str] {
    match system {
        "postgresql" => &["$1", "$12", "a::b", "a[1:2]", "?|", "->>"],
        "mysql" => &["?", "@v", "@@v", "1--2"],
        "sqlite" => &["?", "?1", ":v", "@v", "$v"],
        "oracle.db" => &[":v", "a.b"],
        "clickhouse" => &["?", "a.b"],
        _ => &["@p1", "@@v", "#t", "##t"],
    }
}

/// A statement of its own, in which words are values.
fn bare(session: &Session, statements: &[&str], choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    let statement = choice.of(statements);
    let (is_lower, is_plain) = (choice.is(), choice.is());
    for byte in statement.bytes() {
        match byte {
            b'~' => out.extend_from_slice(value(session, choice).as_bytes()),
            b' ' if is_plain => out.push(b' '),
            b' ' => out.extend_from_slice(choice.of(&[" ", "\n", "\t ", " /*Z*/ ", " -- Z\n"]).as_bytes()),
            // A mark stays what it is.
            b'Z' => out.push(b'Z'),
            byte => out.push(if is_lower { byte.to_ascii_lowercase() } else { byte }),
        }
    }
    out.push(b'\n');
}

/// Some databases take names in quotes for values where they take words.
fn value(session: &Session, choice: &mut Choice<'_>) -> &'static str {
    match (session.system, choice.byte() % 4) {
        ("postgresql" | "oracle.db", 3) => choice.of(&["\"Z\"", "\"a Z\""]),
        ("sqlite", 3) => choice.of(&["\"Z\"", "[Z]", "[Z a]", "`Z`"]),
        ("microsoft.sql_server", 3) => choice.of(&["\"Z\"", "[Z]", "[a Z]"]),
        _ => choice.of(&BARE),
    }
}

/// A sign comes before everything in quotes: after a word it could be something else, and a name in a table's place.
fn sign(choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(choice.of(&SIGNS).as_bytes());
    if choice.is() {
        space(out);
    }
}

/// A name in quotes, with what is hard to read.
fn name(session: &Session, choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    let doubled = |choice: &mut Choice<'_>, out: &mut Vec<u8>, open: u8, close: u8, can_double: bool| {
        out.push(open);
        for _ in 0..choice.byte() % 5 {
            for byte in choice.of(&HARD).bytes() {
                match byte {
                    byte if byte == close && can_double => out.extend([byte, byte]),
                    byte if byte == close => {}
                    byte => out.push(byte),
                }
            }
        }
        out.extend([b'm', close]);
    };
    sign(choice, out);
    match (session.system, choice.byte() % 3) {
        ("mysql" | "sqlite", 0) => doubled(choice, out, b'`', b'`', true),
        ("microsoft.sql_server", 0) => doubled(choice, out, b'[', b']', true),
        ("sqlite", 1) => doubled(choice, out, b'[', b']', false),
        ("postgresql", 1) => {
            out.extend_from_slice(b"U&");
            doubled(choice, out, b'"', b'"', true);
        }
        _ if !session.is_double_string => doubled(choice, out, b'"', b'"', true),
        _ => out.push(b'm'),
    }
    sign(choice, out);
}

/// A comment, which may say anything.
fn comment(session: &Session, choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    space(out);
    let kind = choice.byte() % 5;
    let is_block = kind < 3;
    let nests = matches!(session.system, "postgresql" | "microsoft.sql_server");
    let open = match (kind, session.system) {
        (0, "mysql") => "/*! ",
        (0..=2, _) => "/*",
        (3, "mysql") => "#",
        (_, "mysql") => "-- ",
        _ => "--",
    };
    out.extend_from_slice(open.as_bytes());
    if open == "/*! " {
        // What stands in it is run.
        literal(session, choice, out);
        out.extend_from_slice(b"*/");
        return;
    }
    for _ in 0..choice.byte() % 5 {
        let hard = choice.of(&HARD);
        let is_end = if is_block { hard == "*/" || (hard == "/*" && nests) } else { hard == "\n" };
        if !is_end {
            out.extend_from_slice(hard.as_bytes());
        }
        out.push(b'Z');
        if is_block && nests && choice.is() {
            out.extend_from_slice(b"/*'Z*/");
        }
    }
    out.extend_from_slice(if is_block { b"Z*/" } else { b"Z\n" });
}

fn number(session: &Session, choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    sign(choice, out);
    let numbers = ["9", "9.9", ".9", "9e9", "9e-9", "0x9", "9_9", "9.", "99e+99", "0b0", "0X9e"];
    out.extend_from_slice(choice.of(&numbers).as_bytes());
    match session.system {
        // Nothing has to stand between.
        "postgresql" if choice.is() => dollars(choice, out),
        "microsoft.sql_server" if choice.is() => out.extend_from_slice(b",$99.9"),
        _ => {}
    }
    sign(choice, out);
}

fn literal(session: &Session, choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    sign(choice, out);
    match (session.system, choice.byte() % 8) {
        ("postgresql", 0 | 1) => dollars(choice, out),
        ("postgresql", 2 | 3) => {
            out.extend_from_slice(if choice.is() { b"E" } else { b"e" });
            quoted(choice, out, b'\'', true);
            // A further one on the next line would be read like this one.
            out.push(b',');
        }
        ("postgresql", 4) => {
            out.extend_from_slice(b"U&");
            quoted(choice, out, b'\'', false);
        }
        ("mysql" | "sqlite" | "microsoft.sql_server", 0..=2) if session.is_double_string => {
            quoted(choice, out, b'"', session.escapes);
        }
        ("mysql", 3) => {
            out.extend_from_slice(choice.of(&["_utf8mb4", "N", "n"]).as_bytes());
            quoted(choice, out, b'\'', session.escapes);
        }
        ("microsoft.sql_server", 3) => {
            out.push(b'N');
            quoted(choice, out, b'\'', false);
        }
        (_, 5) => out.extend_from_slice(choice.of(&["x'99'", "X'9'", "b'0'"]).as_bytes()),
        _ => quoted(choice, out, b'\'', session.escapes),
    }
    if choice.is() {
        out.extend_from_slice(choice.of(&["\n", " ", "\t"]).as_bytes());
    }
    sign(choice, out);
}

/// `$tag$…$tag$`
fn dollars(choice: &mut Choice<'_>, out: &mut Vec<u8>) {
    let delimiter = choice.of(&["$$", "$b$", "$b_1$", "$é$"]);
    out.extend_from_slice(delimiter.as_bytes());
    for _ in 0..choice.byte() % 5 {
        let hard = choice.of(&HARD);
        out.extend_from_slice(if hard == delimiter { b"$" } else { hard.as_bytes() });
        out.push(b'Z');
    }
    out.push(b'Z');
    out.extend_from_slice(delimiter.as_bytes());
}

/// A string, written as the session reads it.
fn quoted(choice: &mut Choice<'_>, out: &mut Vec<u8>, quote: u8, escapes: bool) {
    out.push(quote);
    for _ in 0..choice.byte() % 6 {
        for byte in choice.of(&HARD).bytes() {
            match byte {
                byte if byte == quote && escapes && choice.is() => out.extend([b'\\', byte]),
                byte if byte == quote => out.extend([byte, byte]),
                b'\\' if escapes => out.extend(if choice.is() { *b"\\\\" } else { *b"\\Z" }),
                byte => out.push(byte),
            }
        }
        out.push(if choice.is() { b'Z' } else { b'9' });
    }
    out.extend([b'Z', quote]);
}
