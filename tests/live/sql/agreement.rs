//! Where the SDK and uprobed differ about the same calls, beyond what is listed here with the reason.
//!
//! The instrumentation wraps the driver, which hides the server from uprobed. So the twin makes each call twice: uprobed's span of the one
//! that the SDK sees is compared with the SDK's, and that of the other one has to be the same and to know the server as well.

use uprobed_tests::databases::DATABASE;
use uprobed_tests::otlp::{CLIENT, STATUS_ERROR, Span};

use crate::twin::{Called, Seen, Setup, Witness};

/// Calls that are no span of uprobed's, and what the SDK makes of them: a pool's connections are no calls of a database, a rollback behind
/// the end reaches none, and a statement that is prepared anew for a transaction is not seen.
const SILENT: [(&str, &[&str]); 5] = [
    ("DB.Conn", &["sql.connector.connect", "sql.conn.reset_session"]),
    ("Conn.Close", &[]),
    ("Stmt.Close", &[]),
    ("Tx.Rollback: ended", &[]),
    ("Tx.StmtContext", &["sql.conn.prepare"]),
];
/// Calls that are no span of the SDK's: they fail before they reach a driver.
const UNSEEN: [&str; 8] = [
    "Conn.ExecContext: closed",
    "Tx.Commit: ended",
    "Tx.Exec: ended",
    "DB.QueryContext: cancelled before",
    "DB.ExecContext: too late before",
    "DB.BeginTx: cancelled before",
    "DB.PingContext: cancelled before",
    "Tx.Commit: cancelled",
];
/// Calls during which a context ends: driver, package and server race for who notices first, so that two of them may end differently.
const RACES: [&str; 4] =
    ["Conn.QueryContext: cancelled before", "DB.QueryContext: deadline", "DB.ExecContext: cancelled", BY_ITSELF];
/// The package rolls back by itself; nobody is told how that went.
const BY_ITSELF: &str = "the context's end";
/// The SDK's names, and the operation of a call without a statement of its own. A call may be several of them, where a driver does not do
/// it in one step: the last one is its outcome.
const METHODS: [(&str, &str); 9] = [
    ("sql.conn.ping", "PING"),
    ("sql.conn.begin_tx", "BEGIN"),
    ("sql.tx.commit", "COMMIT"),
    ("sql.tx.rollback", "ROLLBACK"),
    ("sql.conn.prepare", "PREPARE"),
    ("sql.conn.exec", ""),
    ("sql.conn.query", ""),
    ("sql.stmt.exec", ""),
    ("sql.stmt.query", ""),
];
/// The SDK's further spans within a call, which is one span here.
const CONNECT: &str = "sql.connector.connect";
const RESET: &str = "sql.conn.reset_session";
const ROWS: &str = "sql.rows";
/// The SDK shows literals, uprobed does not.
const SANITIZED: [(&str, &str); 11] = [
    (
        "SELECT id, name FROM items WHERE id = 1 AND name <> 'secret'",
        "SELECT id, name FROM items WHERE id = ? AND name <> ?",
    ),
    (
        "SELECT i.name, count(*) FROM items i JOIN events e ON e.item = i.id WHERE e.note <> 'secret' GROUP BY i.name",
        "SELECT i.name, count(*) FROM items i JOIN events e ON e.item = i.id WHERE e.note <> ? GROUP BY i.name",
    ),
    ("INSERT INTO events (item, note) VALUES (1, 'it''s secret')", "INSERT INTO events (item, note) VALUES (?, ?)"),
    ("UPDATE items SET name = 'one' /* secret */ WHERE id = 1", "UPDATE items SET name = ? WHERE id = ?"),
    ("DELETE FROM events WHERE note IN ('secret', 'b')", "DELETE FROM events WHERE note IN (?, ?)"),
    ("INSERT INTO items (id, name) VALUES (1, 'secret')", "INSERT INTO items (id, name) VALUES (?, ?)"),
    ("CREATE PROCEDURE tidy() LANGUAGE SQL AS 'DELETE FROM events'", "CREATE PROCEDURE tidy() LANGUAGE SQL AS ?"),
    ("SELECT 6 / (3 - n) FROM generate_series(1, 5) n", "SELECT ? / (? - n) FROM generate_series(?, ?) n"),
    ("SELECT pg_sleep(2)", "SELECT pg_sleep(?)"),
    ("SELECT sleep(2)", "SELECT sleep(?)"),
    // What nobody knows may call a procedure, with bare words for its arguments.
    ("SELEC id FROM items", "SELEC …"),
];
/// What only the call says that uprobed sees without the instrumentation around the driver.
const OF_SERVER: [&str; 6] = [
    "server.address",
    "server.port",
    "network.peer.address",
    "network.peer.port",
    "db.namespace",
    "db.response.returned_rows",
];
const CODE: &str = "db.response.status_code";
const TEXT: &str = "db.query.text";
/// How a call ended.
const OUTCOME: [&str; 2] = [CODE, "error.type"];
/// By how much clocks may differ, in nanoseconds. Between two calls is twice as much.
const SLACK: u64 = 1_000_000;

/// A call, made through the SDK and without it, with uprobed's spans.
struct Pair<'a> {
    setup: &'a Setup<'a>,
    call: &'a Called,
    other: &'a Called,
    mine: &'a Span,
    plain: &'a Span,
}

/// All of them.
pub fn differences(setup: &Setup<'_>, seen: &Seen) -> Vec<String> {
    let (wrapped, plain): (Vec<&Called>, Vec<&Called>) = seen.calls.iter().partition(|call| call.wrapped);
    let mut found = Vec::new();
    if wrapped.is_empty() || wrapped.len() != plain.len() {
        found.push(format!("{} calls with the SDK, {} without", wrapped.len(), plain.len()));
    }
    let mut number = 0;
    for (call, other) in wrapped.iter().zip(plain) {
        if call.call != other.call {
            found.push(format!("{} with the SDK, {} without", call.call, other.call));
        }
        let theirs: Vec<&str> = call.spans.iter().map(|span| span.name.as_str()).collect();
        let (mine, plain) = (of(call, &seen.spans), of(other, &seen.spans));
        number += mine.len() + plain.len();
        let silent = SILENT.iter().find(|(silent, _)| *silent == call.call);
        let difference = match (silent, &mine[..], &plain[..]) {
            (Some((_, steps)), [], []) => theirs.iter().find(|it| !steps.contains(it)).map(|it| format!("an {it}")),
            (None, [mine], [plain]) => Pair { setup, call, other, mine, plain }.difference(),
            _ => Some(format!("{} and {} spans", mine.len(), plain.len())),
        };
        found.extend(difference.map(|what| format!("{}: {what}; the SDK has {:?}; {mine:?}", call.call, call.spans)));
    }
    if number != seen.spans.len() {
        found.push(format!("{} spans, but only {number} within calls", seen.spans.len()));
    }
    found
}

/// Mistakes in one span each that nobody notices.
pub fn unnoticed(setup: &Setup<'_>, seen: &mut Seen) -> Vec<String> {
    let mut unnoticed = Vec::new();
    for index in 0..seen.calls.len() {
        let call = &seen.calls[index];
        let Some(at) = seen.spans.iter().position(|span| is_of(call, span)) else { continue };
        let title = format!("{}, wrapped: {}", call.call, call.wrapped);
        let original = seen.spans.swap_remove(at);
        let others = seen.spans.len();
        for (what, spans) in faults(&seen.calls[index], &original) {
            seen.spans.extend(spans);
            if differences(setup, seen).is_empty() {
                unnoticed.push(format!("{what} of {title}"));
            }
            seen.spans.truncate(others);
        }
        seen.spans.push(original);
    }
    unnoticed
}

/// A call's span with one mistake each, and what stands in its place.
fn faults(call: &Called, span: &Span) -> Vec<(String, Vec<Span>)> {
    let changed = |change: &dyn Fn(&mut Span)| {
        let mut span = span.clone();
        change(&mut span);
        vec![span]
    };
    let mut faults = vec![
        ("nothing".into(), vec![]),
        ("twice the span".into(), vec![span.clone(), span.clone()]),
        ("another kind".into(), changed(&|span| span.kind = 1)),
        ("another name".into(), changed(&|span| span.name.push('x'))),
        ("a parent".into(), changed(&|span| span.parent.push('1'))),
        ("an early beginning".into(), changed(&|span| span.start = call.start - 2 * SLACK)),
        ("a late end".into(), changed(&|span| span.end = call.end + 2 * SLACK)),
        ("one more attribute".into(), changed(&|span| drop(span.attributes.insert("x".into(), 1.into())))),
    ];
    let is_race = RACES.contains(&call.call.as_str());
    if !is_race || call.wrapped {
        faults.push(("another status".into(), changed(&|span| span.status = STATUS_ERROR - span.status)));
    }
    let is_long = |witness: &Witness| witness.name != ROWS && witness.end > span.start + 2 * SLACK;
    if call.spans.iter().any(is_long) {
        faults.push(("an early end".into(), changed(&|span| span.end = span.start)));
    }
    for key in span.attributes.keys() {
        // The SDK says nothing about what did not reach its driver, nor counts it rows.
        let is_alone = UNSEEN.contains(&call.call.as_str()) && is_of_server(key) || key == "db.response.returned_rows";
        if !is_alone && !(is_race && OUTCOME.contains(&key.as_str())) {
            faults.push((format!("no {key}"), changed(&|span| drop(span.attributes.remove(key)))));
            faults.push((
                format!("another {key}"),
                changed(&|span| drop(span.attributes.insert(key.clone(), "x".into()))),
            ));
        }
    }
    faults
}

fn of<'a>(call: &Called, spans: &'a [Span]) -> Vec<&'a Span> {
    spans.iter().filter(|span| is_of(call, span)).collect()
}

fn is_of(call: &Called, span: &Span) -> bool {
    (call.start - SLACK..call.end + SLACK).contains(&span.start)
}

impl Pair<'_> {
    fn difference(&self) -> Option<String> {
        self.against_program().or_else(|| self.against_other()).or_else(|| match self.witness() {
            Some(theirs) => self.against_sdk(theirs),
            None => (!self.is_unseen()).then(|| "the SDK has none".into()),
        })
    }

    /// The SDK's span of the whole call. Of one that got no connection it has the attempt.
    fn witness(&self) -> Option<&Witness> {
        let is_down = self.call.call.ends_with(": down");
        let is_step = |name: &str| matches!(name, RESET | ROWS) || name == CONNECT && !is_down;
        self.call.spans.iter().rfind(|span| !is_step(&span.name))
    }

    /// lib/pq's driver has no connector: the SDK does not see it connect.
    fn is_unseen(&self) -> bool {
        let call = self.call.call.as_str();
        UNSEEN.contains(&call) || self.setup.driver == "postgres" && call.ends_with(": down")
    }

    /// With what the program was told.
    fn against_program(&self) -> Option<String> {
        let is_race = RACES.contains(&self.call.call.as_str());
        if self.call.error != self.other.error && !is_race {
            return Some(format!("{} with the SDK, {} without", self.call.error, self.other.error));
        }
        for (call, span) in [(self.call, self.mine), (self.other, self.plain)] {
            let failed = !call.error.is_empty() || self.setup.shows_all && !call.rows.is_empty();
            if (span.status == STATUS_ERROR) != failed && call.call != BY_ITSELF {
                return Some(format!("status {}, {}", span.status, call.error));
            }
            if (span.status == STATUS_ERROR) == span.text("error.type").is_empty() || span.kind != CLIENT {
                return Some("an error without type, or another kind".into());
            }
            // The SDK's own spans are nothing that uprobed knows.
            if !span.parent.is_empty() || span.end > call.end + SLACK {
                return Some("a parent, or a late end".into());
            }
        }
        None
    }

    /// uprobed's two spans with each other.
    fn against_other(&self) -> Option<String> {
        let (mine, plain) = (self.mine, self.plain);
        let is_race = RACES.contains(&self.call.call.as_str());
        let keys = mine.attributes.keys().chain(plain.attributes.keys());
        let mut keys = keys.filter(|key| !is_of_server(key) && !(is_race && OUTCOME.contains(&key.as_str())));
        if let Some(key) = keys.find(|key| mine.attributes.get(*key) != plain.attributes.get(*key)) {
            return Some(format!("{key} differs without the SDK: {:?}", plain.attributes));
        }
        if mine.attributes.keys().any(|key| is_of_server(key)) {
            return Some("a server behind the instrumentation".into());
        }
        let summary = plain.text("db.query.summary");
        let namespace = plain.text("db.namespace");
        let [alone, named] = ["", namespace].map(|it| format!("{} {it}", plain.text("db.operation.name")));
        let names = if summary.is_empty() { [alone.trim(), named.trim()] } else { [summary; 2] };
        (names != [mine.name.as_str(), plain.name.as_str()]).then(|| format!("names {} {}", mine.name, plain.name))
    }

    /// With the SDK.
    fn against_sdk(&self, theirs: &Witness) -> Option<String> {
        if self.is_unseen() {
            return Some("the SDK sees it after all".into());
        }
        let mine = self.mine;
        let rows = self.call.spans.iter().find(|span| span.name == ROWS && self.setup.shows_all);
        let failed = [Some(theirs), rows].into_iter().flatten().any(|span| span.error);
        if theirs.kind != "client" || (mine.status == STATUS_ERROR) != failed {
            return Some("another status".into());
        }
        if self.call.call.contains("Context") && !theirs.parent {
            return Some("the SDK lost its parent".into());
        }
        if mine.start > theirs.start + SLACK || theirs.end > mine.end + SLACK {
            return Some("other times".into());
        }
        let operation = self.operation(theirs).or_else(|| self.attribute(theirs)).or_else(|| self.server(theirs));
        operation.or_else(|| self.error_type(rows.filter(|rows| rows.error).unwrap_or(theirs)))
    }

    fn operation(&self, theirs: &Witness) -> Option<String> {
        let is = self.mine.text("db.operation.name");
        let Some((_, wanted)) = METHODS.iter().find(|(name, _)| *name == theirs.name) else {
            return (theirs.name != CONNECT).then(|| format!("what is {}?", theirs.name));
        };
        let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        // A statement that does several things has no operation of its own.
        let is_same =
            if wanted.is_empty() { is.is_empty() || first(is) == first(theirs.text(TEXT)) } else { is == *wanted };
        (!is_same).then(|| format!("the operation {is}"))
    }

    /// Whatever the SDK says is here as well, the server without the instrumentation.
    fn attribute(&self, theirs: &Witness) -> Option<String> {
        for (key, value) in &theirs.attributes {
            let text = value.as_str().unwrap_or_default();
            let shown = SANITIZED.iter().find(|(raw, _)| *raw == text && key == TEXT && !self.setup.shows_all);
            let wanted = shown.map_or(value.clone(), |(_, shown)| (*shown).into());
            let span = if is_of_server(key) { self.plain } else { self.mine };
            // pgx keeps a server only in its connections, and here there is none.
            let nowhere = self.setup.driver == "pgx" && theirs.name == CONNECT && is_of_server(key);
            if span.attributes.get(key) != (!nowhere).then_some(&wanted) {
                return Some(format!("another {key}: {:?}", span.attributes));
            }
        }
        None
    }

    /// What the SDK does not say, but what follows from what it says.
    fn server(&self, theirs: &Witness) -> Option<String> {
        for key in ["address", "port"].map(|it| ("network.peer.".to_owned() + it, "server.".to_owned() + it)) {
            let peer = self.plain.attributes.get(&key.0);
            // What ends a transaction is not asked for its socket.
            let ends = matches!(theirs.name.as_str(), "sql.tx.commit" | "sql.tx.rollback" | CONNECT);
            if peer != theirs.attributes.get(&key.1).filter(|_| !ends) {
                return Some(format!("another {}", key.0));
            }
        }
        let namespace = self.plain.text("db.namespace");
        let is_known = theirs.name != CONNECT || self.setup.driver == "mysql";
        (namespace != if is_known { DATABASE } else { "" }).then(|| "another db.namespace".into())
    }

    /// The code, of which the SDK has to be told how to get it, or the type, which the SDK has in an event.
    fn error_type(&self, theirs: &Witness) -> Option<String> {
        let (kind, code) = (self.mine.text("error.type"), self.mine.text(CODE));
        let short = kind.rsplit_once('/').map_or(kind, |(_, short)| short).trim_start_matches('*');
        let is_same = match (code, kind) {
            ("", "") => !theirs.error,
            // These are known by their variables here.
            ("", "context.Canceled" | "context.DeadlineExceeded" | "database/sql/driver.ErrBadConn") => {
                let kinds = ["*errors.errorString", "context.deadlineExceededError", "*pgconn.errTimeout"];
                kinds.contains(&theirs.exception.as_str())
            }
            ("", _) => theirs.exception == format!("*{short}"),
            _ => kind == code,
        };
        (code != theirs.text(CODE) || !is_same).then(|| format!("{kind} {code}, not {}", theirs.exception))
    }
}

fn is_of_server(key: &str) -> bool {
    OF_SERVER.contains(&key)
}

impl Witness {
    fn text(&self, key: &str) -> &str {
        self.attributes.get(key).and_then(|value| value.as_str()).unwrap_or_default()
    }
}
