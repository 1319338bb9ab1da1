//! The functions of `database/sql` that a call leads to: one span each. The short ones (`Query`, `QueryRow`, `Begin`, `Rollback`) are
//! inlined or call these.

use uprobed_sdk::{Correlation, Probe, capture};

use crate::{SPAN, connection, errors, start};

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// For people.
    name: &'static str,
    /// Within `database/sql`.
    function: &'static str,
    arguments: &'static str,
    results: &'static str,
    /// Paths to the pool, the context, and the statement if there is one.
    pool: &'static str,
    context: &'static str,
    statement: &'static str,
}

const ON_POOL: Call = Call {
    name: "",
    function: "",
    arguments: "db *database/sql.DB, ctx interface, query string",
    results: "",
    pool: "db",
    context: "ctx",
    statement: "query",
};
const ON_CONNECTION: Call =
    Call { arguments: "c *database/sql.Conn, ctx interface, query string", pool: "c.db", ..ON_POOL };
const ON_TRANSACTION: Call =
    Call { arguments: "tx *database/sql.Tx, ctx interface, query string", pool: "tx.db", context: "tx.ctx", ..ON_POOL };
const ON_STATEMENT: Call =
    Call { arguments: "s *database/sql.Stmt, ctx interface", pool: "s.db", statement: "s.query", ..ON_POOL };

const ROWS: &str = "rows *database/sql.Rows, err error";
const RESULT: &str = "result interface, err error";
const STATEMENT: &str = "s *database/sql.Stmt, err error";
const TRANSACTION: &str = "tx *database/sql.Tx, err error";
const ERROR: &str = "err error";

pub const DB_QUERY: Call = Call { name: "query", function: "(*DB).QueryContext", results: ROWS, ..ON_POOL };
pub const DB_EXEC: Call = Call { name: "exec", function: "(*DB).ExecContext", results: RESULT, ..ON_POOL };
pub const DB_PREPARE: Call = Call { name: "prepare", function: "(*DB).PrepareContext", results: STATEMENT, ..ON_POOL };
pub const DB_BEGIN: Call =
    Call { name: "begin", function: "(*DB).BeginTx", results: TRANSACTION, statement: "", ..ON_POOL };
pub const DB_PING: Call =
    Call { name: "ping", function: "(*DB).PingContext", results: ERROR, statement: "", ..ON_POOL };
pub const CONN_QUERY: Call =
    Call { name: "query on a connection", function: "(*Conn).QueryContext", results: ROWS, ..ON_CONNECTION };
pub const CONN_EXEC: Call =
    Call { name: "exec on a connection", function: "(*Conn).ExecContext", results: RESULT, ..ON_CONNECTION };
pub const CONN_PREPARE: Call =
    Call { name: "prepare on a connection", function: "(*Conn).PrepareContext", results: STATEMENT, ..ON_CONNECTION };
pub const CONN_BEGIN: Call = Call {
    name: "begin on a connection",
    function: "(*Conn).BeginTx",
    results: TRANSACTION,
    statement: "",
    ..ON_CONNECTION
};
pub const CONN_PING: Call = Call {
    name: "ping on a connection",
    function: "(*Conn).PingContext",
    results: ERROR,
    statement: "",
    ..ON_CONNECTION
};
pub const TX_QUERY: Call =
    Call { name: "query in a transaction", function: "(*Tx).QueryContext", results: ROWS, ..ON_TRANSACTION };
pub const TX_EXEC: Call =
    Call { name: "exec in a transaction", function: "(*Tx).ExecContext", results: RESULT, ..ON_TRANSACTION };
pub const TX_PREPARE: Call =
    Call { name: "prepare in a transaction", function: "(*Tx).PrepareContext", results: STATEMENT, ..ON_TRANSACTION };
pub const STMT_QUERY: Call =
    Call { name: "query a statement", function: "(*Stmt).QueryContext", results: ROWS, ..ON_STATEMENT };
pub const STMT_EXEC: Call =
    Call { name: "exec a statement", function: "(*Stmt).ExecContext", results: RESULT, ..ON_STATEMENT };
/// These two have the context that the transaction was begun with.
pub const COMMIT: Call = Call {
    name: "commit",
    function: "(*Tx).Commit",
    arguments: "tx *database/sql.Tx",
    results: ERROR,
    pool: "tx.db",
    context: "tx.ctx",
    statement: "",
};
pub const ROLLBACK: Call =
    Call { name: "rollback", function: "(*Tx).rollback", arguments: "tx *database/sql.Tx, discard bool", ..COMMIT };

impl Call {
    /// The call begins.
    pub fn start(&self) -> Probe {
        start::bind_pool(self.begin()).captures(start::captures(self.statement))
    }

    /// What ends a transaction has its connection from the beginning.
    pub fn start_with_connection(&self) -> Probe {
        connection::bind(self.begin(), "tx.dc.ci").captures(connection::captures())
    }

    fn begin(&self) -> Probe {
        Probe::entry(self.name, &[&self.symbol()], self.arguments)
            .starts(SPAN, Correlation::Frame)
            .bind("pool", &[self.pool])
            .parent_context(self.context)
            .current()
            .inherits()
    }

    /// It returns.
    pub fn end(&self) -> Probe {
        let probe = Probe::returns(&format!("{} ended", self.name), &[&self.symbol()], self.results);
        errors::bind(probe).ends(SPAN, Correlation::Frame).captures(errors::Outcome::captures())
    }

    fn symbol(&self) -> String {
        format!("database/sql.{}", self.function)
    }
}

/// A span of another name, because it alone keeps something: whether the connection is to be thrown away, as in a rollback that the
/// package does by itself.
pub fn rollback() -> Probe {
    Probe { span: ROLLBACK_SPAN.into(), ..ROLLBACK.start_with_connection().keep(&["discard"]) }
}

pub fn rollback_end() -> Probe {
    let mut probe = Probe { span: ROLLBACK_SPAN.into(), ..ROLLBACK.end() };
    probe.captures.push(capture("discard", &["kept.discard"], 0));
    probe
}

const ROLLBACK_SPAN: &str = "rollback";
