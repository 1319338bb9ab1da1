//! How a call ended.

use uprobed_sdk::{Field, Fragment, Probe, Status};

use crate::{Facts, keys};

uprobed_sdk::captures! {
    /// An error, without what others wrapped around it.
    pub struct Outcome {
        kind: ["inner", "err"; 128],
        text_code: [
            "err.(*github.com/lib/pq.Error).Code",
            "err.(*github.com/jackc/pgx/v5/pgconn.PgError).Code",
            "err.(*github.com/jackc/pgconn.PgError).Code",
            "inner.(*github.com/lib/pq.Error).Code",
            "inner.(*github.com/jackc/pgx/v5/pgconn.PgError).Code",
            "inner.(*github.com/jackc/pgconn.PgError).Code";
            16
        ],
        number_code: [
            "err.(*github.com/go-sql-driver/mysql.MySQLError).Number",
            "err.(*modernc.org/sqlite.Error).code",
            "err.(github.com/mattn/go-sqlite3.Error).ExtendedCode",
            "err.(github.com/microsoft/go-mssqldb.Error).Number",
            "err.(github.com/denisenkom/go-mssqldb.Error).Number",
            "inner.(*github.com/go-sql-driver/mysql.MySQLError).Number",
            "inner.(*modernc.org/sqlite.Error).code"
        ],
        // Only compared, never shown.
        sentinel: ["inner.(*errors.errorString).s", "err.(*errors.errorString).s"; 64],
    }
}

impl<'a> Outcome<'a> {
    pub fn new(fields: [Field<'a>; 4]) -> Self {
        Self(fields)
    }
}

/// Errors that are told apart by their identity only, by their texts.
const SENTINELS: [(&[u8], &str); 8] = [
    (b"context canceled", "context.Canceled"),
    (b"driver: bad connection", BAD_CONNECTION),
    (b"sql: connection is already closed", "database/sql.ErrConnDone"),
    (ENDED, "database/sql.ErrTxDone"),
    (b"sql: no rows in result set", "database/sql.ErrNoRows"),
    (b"io: read/write on closed pipe", "io.ErrClosedPipe"),
    (b"unexpected EOF", "io.ErrUnexpectedEOF"),
    (b"EOF", "io.EOF"),
];
/// What `Rollback` answers after `Commit`.
const ENDED: &[u8] = b"sql: transaction has already been committed or rolled back";
const BAD_CONNECTION: &str = "database/sql/driver.ErrBadConn";
/// A sentinel that has a type of its own.
const DEADLINE: &[u8] = b"context.deadlineExceededError";

/// Names the error within one that says no more than where it came from.
pub fn bind(probe: Probe) -> Probe {
    probe.bind(
        "inner",
        &[
            "err.(*fmt.wrapError).err.(*fmt.wrapError).err",
            "err.(*fmt.wrapError).err.(*github.com/jackc/pgx/v5/pgconn.errTimeout).err",
            "err.(*fmt.wrapError).err",
            "err.(*github.com/jackc/pgx/v5/pgconn.PrepareError).err",
            "err.(*github.com/jackc/pgx/v5/pgconn.errTimeout).err.(*github.com/jackc/pgx/v5/pgconn.contextAlreadyDoneError).err",
            "err.(*github.com/jackc/pgx/v5/pgconn.errTimeout).err",
            "err.(*github.com/jackc/pgx/v5/pgconn.contextAlreadyDoneError).err",
            "err.(*github.com/jackc/pgconn.errTimeout).err",
            "err.(*github.com/jackc/pgconn.contextAlreadyDoneError).err",
        ],
    )
}

pub fn decode(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    say(&Outcome::read(bytes), fragment);
}

/// `Rollback` is called after `Commit`, too, to be safe: that reaches no database. It is also what the package does by itself when a
/// context ends; the error is then made up, to have the connection closed.
pub fn decode_rollback(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let [kind, text_code, number_code, sentinel, discard] = uprobed_sdk::read::<5>(bytes);
    let outcome = Outcome::new([kind, text_code, number_code, sentinel]);
    if sentinel.bytes() == ENDED {
        return fragment.drop_span();
    }
    if discard.is_set() && name(sentinel) == Some(BAD_CONNECTION) {
        return;
    }
    say(&outcome, fragment);
}

fn name(sentinel: Field<'_>) -> Option<&'static str> {
    SENTINELS.iter().find(|(text, _)| *text == sentinel.bytes()).map(|(_, name)| *name)
}

pub fn say(outcome: &Outcome<'_>, fragment: &mut Fragment<'_>) {
    let Some(kind) = outcome.kind().error_type() else { return };
    let kind = match kind {
        b"_OTHER" => kind,
        DEADLINE => b"context.DeadlineExceeded",
        kind => name(outcome.sentinel()).map_or(kind, str::as_bytes),
    };
    fragment.status(Status::Error);
    let number = outcome.number_code().integer().map(|number| number.to_string());
    let code = outcome.text_code().some().or(number.as_deref().map(str::as_bytes));
    if let Some(code) = code {
        fragment.text(keys::RESPONSE_STATUS_CODE, code);
    }
    fragment.text(keys::ERROR_TYPE, code.unwrap_or(kind));
}
