//! The connection that a call was given: which server it leads to.

use uprobed_sdk::net::{host_and_port, port};
use uprobed_sdk::{Capture, Correlation, Field, Fragment, Probe};

use crate::start::{self, Start};
use crate::{Facts, SPAN, keys};

uprobed_sdk::captures! {
    /// What drivers keep in their connections.
    pub struct Connection {
        address: ["mysql.cfg.Addr"; 256],
        // What stands in a map comes last: one that is not there is taken for one without the key.
        host: [
            "pq.cfg.Host",
            "pgx5.connConfig.Config.Host",
            "pgx4.connConfig.Config.Host",
            "mssql.connector.params.Host",
            "pq.opts[\"host\"]";
            256
        ],
        port: ["pq.cfg.Port", "pgx5.connConfig.Config.Port", "pgx4.connConfig.Config.Port", "mssql.connector.params.Port"],
        port_text: ["pq.opts[\"port\"]"; 16],
        namespace: [
            "mysql.cfg.DBName",
            "pq.cfg.Database",
            "pgx5.connConfig.Config.Database",
            "pgx4.connConfig.Config.Database",
            "mssql.connector.params.Database",
            "pq.opts[\"dbname\"]";
            128
        ],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
    }
}

/// How many captures a start has before those of a connection, and how many of these it has: all would be too much for one probe.
const BEFORE: usize = 1;
const TAKEN: usize = 5;

pub fn query() -> Probe {
    let arguments = "db pointer, ctx interface, outer interface, dc *database/sql.driverConn";
    probe("connection of a query", "(*DB).queryDC", arguments, "dc.ci")
}

pub fn exec() -> Probe {
    probe("connection of an exec", "(*DB).execDC", ON_CONNECTION, "dc.ci")
}

pub fn prepare() -> Probe {
    probe("connection of a prepare", "(*DB).prepareDC", ON_CONNECTION, "dc.ci")
}

pub fn begin() -> Probe {
    probe("connection of a begin", "(*DB).beginDC", ON_CONNECTION, "dc.ci")
}

pub fn ping() -> Probe {
    probe("connection of a ping", "(*DB).pingDC", ON_CONNECTION, "dc.ci")
}

pub fn query_statement() -> Probe {
    probe("connection of a statement's query", "rowsiFromStatement", ON_STATEMENT, "ci")
}

pub fn exec_statement() -> Probe {
    probe("connection of a statement's exec", "resultFromStatement", ON_STATEMENT, "ci")
}

const ON_CONNECTION: &str = "db pointer, ctx interface, dc *database/sql.driverConn";
const ON_STATEMENT: &str = "ctx interface, ci interface";

/// A connection was found for a call.
fn probe(name: &str, function: &str, arguments: &str, connection: &str) -> Probe {
    let probe =
        Probe::entry(name, &[&format!("database/sql.{function}")], arguments).within(SPAN, Correlation::Goroutine);
    bind_peer(bind(probe, connection)).captures(Connection::captures())
}

/// The start of a call that has its connection already.
pub fn captures() -> Vec<Capture> {
    let mut captures = Start::captures();
    captures.truncate(BEFORE);
    captures.extend(Connection::captures().into_iter().take(TAKEN));
    captures
}

/// Names the connection, a path to a `driver.Conn`, by its driver's type.
pub fn bind(probe: Probe, connection: &str) -> Probe {
    let is = |name: &str| format!("{connection}.({name})");
    probe
        .bind("pq", &[&is("*github.com/lib/pq.conn")])
        .bind("mysql", &[&is("*github.com/go-sql-driver/mysql.mysqlConn")])
        .bind("pgx5", &[&is("*github.com/jackc/pgx/v5/stdlib.Conn")])
        .bind("pgx4", &[&is("*github.com/jackc/pgx/v4/stdlib.Conn")])
        .bind("mssql", &[&is("*github.com/microsoft/go-mssqldb.Conn"), &is("*github.com/denisenkom/go-mssqldb.Conn")])
}

/// Names the remote end of a connection's socket.
fn bind_peer(probe: Probe) -> Probe {
    probe.bind("net", &["pq.c", "mysql.netConn", "pgx5.conn.pgConn.conn", "pgx4.conn.pgConn.conn"]).tcp(&["net"])
}

pub fn decode(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    Connection::read(bytes).say(None, fragment);
}

pub fn decode_begin(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    Connection::read(bytes).say(Some("BEGIN"), fragment);
}

pub fn decode_ping(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    Connection::read(bytes).say(Some("PING"), fragment);
}

pub fn decode_commit(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    decode_end(facts, "COMMIT", bytes, fragment);
}

pub fn decode_rollback(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    decode_end(facts, "ROLLBACK", bytes, fragment);
}

/// What ends a transaction begins with both.
fn decode_end(facts: &Facts, operation: &str, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let [driver, address, host, port, port_text, namespace] = uprobed_sdk::read::<{ BEFORE + TAKEN }>(bytes);
    start::say_system(facts, driver, fragment);
    fragment.text(keys::OPERATION_NAME, operation);
    Server { address, host, port, port_text, namespace }.say(Some(operation), fragment);
}

impl<'a> Connection<'a> {
    fn say(&self, operation: Option<&str>, fragment: &mut Fragment<'_>) {
        let server = Server {
            address: self.address(),
            host: self.host(),
            port: self.port(),
            port_text: self.port_text(),
            namespace: self.namespace(),
        };
        server.say(operation, fragment);
        fragment.end([keys::NETWORK_PEER_ADDRESS, keys::NETWORK_PEER_PORT], self.peer_address(), self.peer_port());
    }
}

/// Where a database is, in the ways that drivers keep it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Server<'a> {
    /// `host:port`, or a path.
    pub address: Field<'a>,
    pub host: Field<'a>,
    pub port: Field<'a>,
    pub port_text: Field<'a>,
    pub namespace: Field<'a>,
}

impl Server<'_> {
    /// Its attributes, and for an `operation` without a statement the span's name.
    pub fn say(&self, operation: Option<&str>, fragment: &mut Fragment<'_>) {
        let (host, written) = match self.address.some() {
            Some(path) if path.starts_with(b"/") => (path, None),
            Some(address) => host_and_port(address),
            None => (self.host.bytes(), port(self.port_text.bytes())),
        };
        let number = written.map(i64::from).or(self.port.integer()).filter(|number| *number != 0);
        // A path to a socket has no port.
        let number = number.filter(|_| !host.is_empty() && !host.starts_with(b"/"));
        if !host.is_empty() {
            fragment.text(keys::SERVER_ADDRESS, host);
        }
        if let Some(number) = number {
            fragment.integer(keys::SERVER_PORT, number);
        }
        if let Some(namespace) = self.namespace.some() {
            fragment.text(keys::NAMESPACE, namespace);
        }
        let Some(operation) = operation else { return };
        let digits = number.map(|number| format!(":{number}")).unwrap_or_default();
        match (self.namespace.some(), host) {
            (Some(namespace), _) => fragment.name(&[operation.as_bytes(), b" ", namespace]),
            (None, b"") => fragment.name(&[operation.as_bytes()]),
            (None, host) => fragment.name(&[operation.as_bytes(), b" ", host, digits.as_bytes()]),
        }
    }
}
