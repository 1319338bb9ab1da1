//! Queries that last until their rows are closed, if the operator wants that.

use uprobed_sdk::{Capture, Correlation, Fragment, Probe, capture};

use crate::errors::{self, Outcome};
use crate::{Facts, SPAN, keys};

pub const NAME: &str = "rows";

/// The query has succeeded: the span goes on with its rows, whoever reads them, and its return does not end it. Every way of asking
/// comes here.
pub fn opened() -> Probe {
    Probe::entry("rows", &["database/sql.(*Rows).initContextClose"], "rs *database/sql.Rows")
        .marks(SPAN, Correlation::Goroutine)
        .rename(&["rs"])
}

/// They are closed: by the program, behind the last row, or because a context has ended, which is the `failure` then.
pub fn closed() -> Probe {
    let probe =
        Probe::entry("rows closed", &["database/sql.(*Rows).close"], "rs *database/sql.Rows, failure interface")
            .ends(SPAN, Correlation::words(&["rs"]))
            .bind("err", &["rs.lasterr"]);
    probe.captures(captures())
}

fn captures() -> Vec<Capture> {
    // All at once would be too much for one probe, and drivers wrap nothing here.
    let mut captures = Outcome::captures();
    captures.iter_mut().for_each(|capture| capture.paths.retain(|path| !path.starts_with("inner")));
    captures.push(capture("failure", &["failure"], 128));
    captures.push(capture("failure_sentinel", &["failure.(*errors.errorString).s"], 64));
    // How many were read.
    captures.push(capture(
        "rows",
        &[
            "rs.rowsi.(*github.com/lib/pq.rows).result.(database/sql/driver.RowsAffected)",
            "rs.rowsi.(*github.com/jackc/pgx/v5/stdlib.Rows).rows.(*github.com/jackc/pgx/v5.baseRows).rowCount",
            "rs.rowsi.(*github.com/jackc/pgx/v4/stdlib.Rows).rows.(*github.com/jackc/pgx/v4.connRows).rowCount",
        ],
        0,
    ));
    captures
}

pub fn decode_closed(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let [kind, text_code, number_code, sentinel, failure, failure_sentinel, rows] = uprobed_sdk::read::<7>(bytes);
    if let Some(rows) = rows.integer() {
        fragment.integer(keys::RETURNED_ROWS, rows);
    }
    let nothing = uprobed_sdk::Field::default();
    // That there are no more is no error.
    if sentinel.bytes() != b"EOF" && kind.some().is_some() {
        errors::say(&Outcome::new([kind, text_code, number_code, sentinel]), fragment);
    } else {
        errors::say(&Outcome::new([failure, nothing, nothing, failure_sentinel]), fragment);
    }
}
