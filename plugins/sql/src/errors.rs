//! How a call ended.

use uprobed_sdk::{Field, Fragment, Probe, Status, errors};

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
        // Drivers do not wrap these.
        number_code: [
            "err.(*github.com/go-sql-driver/mysql.MySQLError).Number",
            "err.(*modernc.org/sqlite.Error).code",
            "err.(github.com/mattn/go-sqlite3.Error).ExtendedCode",
            "err.(github.com/microsoft/go-mssqldb.Error).Number",
            "err.(github.com/denisenkom/go-mssqldb.Error).Number"
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

/// The one error of a driver that says no more than its text, pgx's `ErrTxCommitRollback` of either version.
const ROLLED_BACK: (&[u8], &[u8]) =
    (b"commit unexpectedly resulted in rollback", b"github.com/jackc/pgx.ErrTxCommitRollback");

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
    match errors::name(kind, sentinel) {
        Some(b"database/sql.ErrTxDone") => fragment.drop_span(),
        Some(b"database/sql/driver.ErrBadConn") if discard.is_set() => {}
        _ => say(&outcome, fragment),
    }
}

pub fn say(outcome: &Outcome<'_>, fragment: &mut Fragment<'_>) {
    let Some(name) = errors::name(outcome.kind(), outcome.sentinel()) else { return };
    let (text, variable) = ROLLED_BACK;
    let name = if outcome.sentinel().bytes() == text { variable } else { name };
    fragment.status(Status::Error);
    // No database numbers an error 0; go-mssqldb does so with errors that it makes up itself.
    let number = outcome.number_code().integer().filter(|number| *number != 0).map(|number| number.to_string());
    let code = outcome.text_code().some().or(number.as_deref().map(str::as_bytes));
    if let Some(code) = code {
        fragment.text(keys::RESPONSE_STATUS_CODE, code);
    }
    fragment.text(keys::ERROR_TYPE, code.unwrap_or(name));
}
