//! Traces Go's `database/sql`, Go 1.18 and later: one span for each call that a program makes, whatever the driver.
//!
//! Follows OpenTelemetry's stable database conventions, with these deviations:
//! - `db.operation.name` and `db.collection.name` are taken from the statement where it has exactly one of each. The conventions advise
//!   against it, because a statement may have several; then neither is said.
//! - A `Rollback` after the transaction's end, as `defer tx.Rollback()` makes it, is no span: it reaches no database.
//!
//! `error.type` is the database's code, or else the error's variable (`context.Canceled`) or dynamic type (`*net.OpError`), without what
//! `fmt.Errorf` wrapped around it.

mod calls;
mod connection;
mod errors;
mod keys;
mod rows;
mod settings;
mod start;
mod statement;
mod systems;

#[cfg(test)]
mod tests;

use settings::{Facts, QueryText};
use uprobed_sdk::{Declaration, Group, Manifest, Plugin, Probe, Row, Target, need_go};

/// A call, from its beginning to its return.
const SPAN: &str = "call";

struct Sql;

uprobed_sdk::export!(Sql with_types_in uprobed_sdk::bindings);

/// The table of probes: two rows for each call, and the others.
macro_rules! table {
    ($($call:ident => $decode:path,)* ; $($row:expr,)*) => {
        &[
            $(
                Row { probe: || calls::$call.start(), decode: $decode },
                Row { probe: || calls::$call.end(), decode: errors::decode },
            )*
            $($row,)*
        ]
    };
}

impl Plugin for Sql {
    type Facts = Facts;

    const PROBES: &'static [Row<Facts>] = table! {
        DB_QUERY => start::decode_run,
        DB_EXEC => start::decode_run,
        DB_PREPARE => start::decode_prepare,
        DB_BEGIN => start::decode_begin,
        DB_PING => start::decode_ping,
        CONN_QUERY => start::decode_run,
        CONN_EXEC => start::decode_run,
        CONN_PREPARE => start::decode_prepare,
        CONN_BEGIN => start::decode_begin,
        CONN_PING => start::decode_ping,
        TX_QUERY => start::decode_run,
        TX_EXEC => start::decode_run,
        TX_PREPARE => start::decode_prepare,
        STMT_QUERY => start::decode_run,
        STMT_EXEC => start::decode_run,
        ;
        Row { probe: || calls::COMMIT.start_with_connection(), decode: connection::decode_commit },
        Row { probe: || calls::COMMIT.end(), decode: errors::decode },
        Row { probe: calls::rollback, decode: connection::decode_rollback },
        Row { probe: calls::rollback_end, decode: errors::decode_rollback },
        Row { probe: connection::query, decode: connection::decode },
        Row { probe: connection::exec, decode: connection::decode },
        Row { probe: connection::prepare, decode: connection::decode },
        Row { probe: connection::begin, decode: connection::decode_begin },
        Row { probe: connection::ping, decode: connection::decode_ping },
        Row { probe: connection::query_statement, decode: connection::decode },
        Row { probe: connection::exec_statement, decode: connection::decode },
        // A mark: nothing is recorded.
        Row { probe: rows::opened, decode: |_, _, _, _| {} },
        Row { probe: rows::closed, decode: rows::decode_closed },
    };

    fn settings() -> Vec<Declaration> {
        settings::declarations()
    }

    fn facts(target: &Target) -> Facts {
        Facts::of(target)
    }

    fn manifest(target: &Target, mut probes: Vec<Probe>) -> Result<Manifest, String> {
        need_go(target, 18)?;
        let facts = Facts::of(target);
        for capture in probes.iter_mut().flat_map(|probe| &mut probe.captures).filter(|it| it.name == "statement") {
            capture.limit = facts.query_limit;
        }
        if !facts.until_closed {
            probes.retain(|probe| !probe.name.starts_with(rows::NAME));
        }
        let groups = groups(&mut probes);
        let manifest = Manifest::for_go("uprobed/sql", env!("CARGO_PKG_VERSION"), probes, keys::KEYS);
        Ok(Manifest { library: "database/sql".into(), library_versions: "1.18 and later".into(), groups, ..manifest })
    }
}

/// What a program does not call is not linked into it: each function is attached or left out by itself, together with what ends it.
fn groups(probes: &mut [Probe]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for probe in probes {
        let name = probe.name.trim_end_matches(" ended").trim_end_matches(" closed");
        let index = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            groups.push(Group::optional(name));
            groups.len() - 1
        });
        probe.group = index as u32;
    }
    groups
}
