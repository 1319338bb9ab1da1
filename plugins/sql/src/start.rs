//! What is known when a call begins: the driver, the statement, and the server where the pool itself says it.

use uprobed_sdk::{Capture, Field, Fragment, Kind, Probe, State};

use crate::connection::Server;
use crate::statement::{Dialect, REST, Statement};
use crate::{Facts, QueryText, keys, systems};

uprobed_sdk::captures! {
    /// A call on a pool. What a connector says about the server, only some drivers keep where the pool can be asked.
    pub struct Start {
        driver: ["pool.connector.(database/sql.dsnConnector).driver", "pool.connector"],
        address: ["mysql_pool.cfg.Addr"; 256],
        // What stands in a map comes last: one that is not there is taken for one without the key.
        host: ["pq_pool.cfg.Host", "mssql_pool.params.Host", "pq_pool.opts[\"host\"]"; 256],
        port: ["pq_pool.cfg.Port", "mssql_pool.params.Port"],
        port_text: ["pq_pool.opts[\"port\"]"; 16],
        namespace: [
            "mysql_pool.cfg.DBName",
            "pq_pool.cfg.Database",
            "mssql_pool.params.Database",
            "pq_pool.opts[\"dbname\"]";
            128
        ],
        statement: ["query"; 1024],
    }
}

impl<'a> Start<'a> {
    fn server(&self) -> Server<'a> {
        Server {
            address: self.address(),
            host: self.host(),
            port: self.port(),
            port_text: self.port_text(),
            namespace: self.namespace(),
            ..Server::default()
        }
    }
}

/// Names the connectors that say something.
pub fn bind_pool(probe: Probe) -> Probe {
    probe
        .bind("mysql_pool", &["pool.connector.(*github.com/go-sql-driver/mysql.connector)"])
        .bind("pq_pool", &["pool.connector.(*github.com/lib/pq.Connector)"])
        .bind(
            "mssql_pool",
            &[
                "pool.connector.(*github.com/microsoft/go-mssqldb.Connector)",
                "pool.connector.(*github.com/denisenkom/go-mssqldb.Connector)",
            ],
        )
}

/// With the path to the statement, or without any.
pub fn captures(statement: &str) -> Vec<Capture> {
    let mut captures = Start::captures();
    match captures.pop() {
        Some(capture) if !statement.is_empty() => captures.push(Capture { paths: vec![statement.into()], ..capture }),
        _ => {}
    }
    captures
}

/// A statement is run.
pub fn decode_run(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    decode(facts, "", bytes, fragment);
}

/// A statement is prepared.
pub fn decode_prepare(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    decode(facts, "PREPARE", bytes, fragment);
}

pub fn decode_begin(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    decode_operation(facts, "BEGIN", bytes, fragment);
}

pub fn decode_ping(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    decode_operation(facts, "PING", bytes, fragment);
}

fn decode_operation(facts: &Facts, operation: &str, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let start = Start::read(bytes);
    say_system(facts, start.driver(), fragment);
    fragment.text(keys::OPERATION_NAME, operation);
    start.server().say(Some(operation), fragment);
}

/// `db.system.name`; a call begins.
pub fn say_system<'f>(facts: &'f Facts, driver: Field<'_>, fragment: &mut Fragment<'_>) -> &'f str {
    let system = systems::system(std::str::from_utf8(driver.bytes()).unwrap_or_default(), &facts.systems);
    fragment.kind(Kind::Client);
    fragment.text(keys::SYSTEM_NAME, system);
    system
}

fn decode(facts: &Facts, before: &str, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let start = Start::read(bytes);
    let system = say_system(facts, start.driver(), fragment);
    start.server().say(None, fragment);
    let raw = start.statement();
    if !raw.is_read() {
        return fragment.name(&[if before.is_empty() { system.as_bytes() } else { before.as_bytes() }]);
    }
    let is_cut = raw.state() == State::Cut;
    let statement = Statement::read(Dialect::of(system), raw.bytes(), is_cut);
    match facts.query_text {
        QueryText::Sanitized => fragment.text(keys::QUERY_TEXT, &statement.text),
        QueryText::Raw => fragment.text_with(keys::QUERY_TEXT, |out| {
            out.extend_from_slice(raw.bytes());
            out.extend_from_slice(if is_cut { REST } else { b"" });
        }),
        QueryText::Off => {}
    }
    let summary = &statement.summary;
    let operation = if before.is_empty() { &summary.operation[..] } else { before.as_bytes() };
    for (key, value) in [
        (keys::OPERATION_NAME, operation),
        (keys::COLLECTION_NAME, &summary.collection),
        (keys::STORED_PROCEDURE_NAME, &summary.procedure),
    ] {
        if !value.is_empty() {
            fragment.text(key, value);
        }
    }
    let space = if before.is_empty() || summary.text.is_empty() { "" } else { " " };
    let whole: [&[u8]; 3] = [before.as_bytes(), space.as_bytes(), &summary.text];
    if whole.iter().all(|part| part.is_empty()) {
        return fragment.name(&[system.as_bytes()]);
    }
    fragment.text_with(keys::QUERY_SUMMARY, |out| whole.iter().for_each(|part| out.extend_from_slice(part)));
    fragment.name(&whole);
}
