//! The connection that a call was given: which server it leads to.

use uprobed_sdk::net::{host_and_port, port};
use uprobed_sdk::{Capture, Correlation, Field, Fragment, Probe};

use crate::start::{self, Start};
use crate::{Facts, SPAN, keys};

uprobed_sdk::captures! {
    /// What drivers keep in their connections.
    pub struct Connection {
        address: ["mysql.cfg.Addr", "bun.conf.Addr"; 256],
        // What stands in a map comes last: one that is not there is taken for one without the key.
        host: [
            "pq.cfg.Host",
            "pgx5.conn.config.Config.Host",
            "pgx4.conn.config.Config.Host",
            "mssql.connector.params.Host",
            "pq.opts[\"host\"]";
            256
        ],
        port: ["pq.cfg.Port", "pgx5.conn.config.Config.Port", "pgx4.conn.config.Config.Port", "mssql.connector.params.Port"],
        port_text: ["pq.opts[\"port\"]"; 16],
        namespace: [
            "mysql.cfg.DBName",
            "pq.cfg.Database",
            "pgx5.conn.config.Config.Database",
            "pgx4.conn.config.Config.Database",
            "mssql.connector.params.Database",
            "bun.conf.Database",
            "pq.opts[\"dbname\"]";
            128
        ],
        // pgx does not keep which of several hosts it is connected to. One without TLS beside one with it is the same.
        others: ["pgx5.conn.config.Config.Fallbacks.len()", "pgx4.conn.config.Config.Fallbacks.len()"],
        other_host: ["pgx5.conn.config.Config.Fallbacks[0].Host", "pgx4.conn.config.Config.Fallbacks[0].Host"; 256],
        other_port: ["pgx5.conn.config.Config.Fallbacks[0].Port", "pgx4.conn.config.Config.Fallbacks[0].Port"],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
    }
}

/// How many captures a start has before those of a connection, and how many of these it has: all would be too much for one probe.
const BEFORE: usize = 1;
const TAKEN: usize = 8;

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
        .bind("bun", &[&is("*github.com/uptrace/bun/driver/pgdriver.Conn")])
        .bind("mssql", &[&is("*github.com/microsoft/go-mssqldb.Conn"), &is("*github.com/denisenkom/go-mssqldb.Conn")])
}

/// Names the remote end of a connection's socket. SQL Server's stands below one of the driver's own; below TLS, which begins within its
/// protocol, it is not looked for.
fn bind_peer(probe: Probe) -> Probe {
    let sockets = [
        "pq.c",
        "mysql.netConn",
        "bun.netConn",
        "pgx5.conn.pgConn.conn",
        "pgx4.conn.pgConn.conn",
        "mssql.sess.buf.transport.(*github.com/microsoft/go-mssqldb.timeoutConn).c",
        "mssql.sess.buf.transport.(*github.com/denisenkom/go-mssqldb.timeoutConn).c",
    ];
    probe.bind("net", &sockets).tcp(&["net"])
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
    let [driver, address, host, port, port_text, namespace, others, other_host, other_port] =
        uprobed_sdk::read::<{ BEFORE + TAKEN }>(bytes);
    start::say_system(facts, driver, fragment);
    fragment.text(keys::OPERATION_NAME, operation);
    let server = Server { address, host, port, port_text, namespace, others, other_host, other_port };
    server.say(Some(operation), fragment);
}

impl<'a> Connection<'a> {
    fn say(&self, operation: Option<&str>, fragment: &mut Fragment<'_>) {
        let server = Server {
            address: self.address(),
            host: self.host(),
            port: self.port(),
            port_text: self.port_text(),
            namespace: self.namespace(),
            others: self.others(),
            other_host: self.other_host(),
            other_port: self.other_port(),
        };
        if server.is_one_of_several() {
            fragment.end([keys::SERVER_ADDRESS, keys::SERVER_PORT], self.peer_address(), self.peer_port());
        }
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
    /// How many other hosts it may be, and the first of them.
    pub others: Field<'a>,
    pub other_host: Field<'a>,
    pub other_port: Field<'a>,
}

impl Server<'_> {
    /// Whether the connection may be to another host than the one that is known.
    fn is_one_of_several(&self) -> bool {
        let is_same = self.host.bytes() == self.other_host.bytes() && self.port.integer() == self.other_port.integer();
        self.others.integer().is_some_and(|others| others > 1 || (others == 1 && !is_same))
    }

    /// Its attributes, and for an `operation` without a statement the span's name.
    pub fn say(&self, operation: Option<&str>, fragment: &mut Fragment<'_>) {
        let (host, written) = match self.address.some() {
            _ if self.is_one_of_several() => (&b""[..], None),
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
