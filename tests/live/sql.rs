//! Every call of `database/sql` is one span, with the right name, attributes, status and parent: PostgreSQL, MariaDB, SQLite and a stand-in
//! for SQL Server, through six drivers, from the oldest Go and drivers to the newest, stripped among them.

#[path = "sql/agreement.rs"]
mod agreement;
#[path = "sql/drivers.rs"]
mod drivers;
#[path = "sql/twin.rs"]
mod twin;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use uprobed_tests::databases::{DATABASE, Database};
use uprobed_tests::otlp::{CLIENT, STATUS_ERROR, Span};
use uprobed_tests::process::{Running, free_port};
use uprobed_tests::programs::{NEWEST, OLDEST, Program};
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::Tracer;

const NEW: Program = Program::new("go-sql");
const NEWEST_STRIPPED: Program = NEW.go(NEWEST).flags(&["-ldflags=-s -w"]);
const MIDDLE: Program = NEW.go("go1.22.12").flags(&["-modfile=middle.mod"]);
const MIDDLE_STRIPPED: Program = NEW.go("go1.22.12").flags(&["-modfile=middle.mod", "-ldflags=-s -w"]);
const OLD: Program = NEW.go(OLDEST).flags(&["-modfile=old.mod", "-tags=pgx4"]);
const OLD_STRIPPED: Program = NEW.go(OLDEST).flags(&["-modfile=old.mod", "-tags=pgx4", "-ldflags=-s -w"]);

const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(20);
const SHOWN: usize = 20;
const AT_ONCE: &str = "16";

/// Everything that works, from calls that come at once.
const WORK: &str = "/plain/{i},/conn/{i},/tx/{i},/rollback/{i},/handed/{i},/stmt/{i},/fan/{i}";
const TROUBLE: &str = "/errors/{i},/cancel/{i},/flaky/{i},/down/{i},/plain/{i},/slow/{i}";

#[test]
fn counts_every_call_to_postgresql() -> Result<()> {
    let scene = Scene::new("sql-postgresql")?;
    let database = Database::postgresql(&scene.file("postgresql"))?;
    let dsn = |port: u16| format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}?sslmode=disable");
    for (name, program, driver) in [
        ("pgx-old-stripped", &OLD_STRIPPED, "pgx"),
        ("pgx-middle-stripped", &MIDDLE_STRIPPED, "pgx"),
        ("pgx-new", &NEW, "pgx"),
        ("pq-old", &OLD, "postgres"),
        ("pq-middle", &MIDDLE, "postgres"),
        ("pq-newest-stripped", &NEWEST_STRIPPED, "postgres"),
        ("pq-new", &NEW, "postgres"),
    ] {
        let nobody = free_port()?;
        let shop = Shop { name, program, driver, dsn: dsn(database.port), down: dsn(nobody), connections: 8 };
        let server = Server::new("postgresql", Some(database.port), Some(nobody));
        exact(&scene, &shop, &server)?;
    }
    finish(scene)
}

#[test]
fn counts_every_call_to_mariadb() -> Result<()> {
    let scene = Scene::new("sql-mariadb")?;
    let database = Database::mariadb(&scene.file("mariadb"))?;
    let dsn = |port: u16| format!("tester@tcp(127.0.0.1:{port})/{DATABASE}");
    for (name, program) in [
        ("mysql-new", &NEW),
        ("mysql-newest-stripped", &NEWEST_STRIPPED),
        ("mysql-middle-stripped", &MIDDLE_STRIPPED),
        ("mysql-old", &OLD),
    ] {
        let nobody = free_port()?;
        let shop = Shop { name, program, driver: "mysql", dsn: dsn(database.port), down: dsn(nobody), connections: 8 };
        let server = Server::new("mysql", Some(database.port), Some(nobody));
        exact(&scene, &shop, &server)?;
    }
    finish(scene)
}

#[test]
fn counts_every_call_to_sqlite() -> Result<()> {
    let scene = Scene::new("sql-sqlite")?;
    for (name, program) in [("sqlite-new", &NEW), ("sqlite-middle", &MIDDLE), ("sqlite-old-stripped", &OLD_STRIPPED)] {
        let dsn = format!("file:{}", scene.file(&format!("{name}.db")).display());
        // It takes one writer at a time.
        let shop = Shop { name, program, driver: "sqlite", dsn, down: String::new(), connections: 1 };
        exact(&scene, &shop, &Server::new("sqlite", None, None))?;
    }
    finish(scene)
}

/// A service, and the database that it works with.
struct Shop<'a> {
    name: &'static str,
    program: &'a Program,
    driver: &'static str,
    dsn: String,
    down: String,
    connections: u32,
}

/// What its spans have to say of the server.
struct Server {
    system: &'static str,
    port: Option<u16>,
    down: Option<u16>,
    /// Whether the driver tells where the server is that does not answer.
    is_known_down: bool,
    /// Whether the socket's remote end is found.
    has_peer: bool,
}

impl Server {
    fn new(system: &'static str, port: Option<u16>, down: Option<u16>) -> Self {
        Self { system, port, down, is_known_down: false, has_peer: true }
    }
}

/// The journal's line for a call; mirrors `tests/go-sql`.
#[derive(Clone, Debug, Deserialize)]
struct Called {
    from: String,
    or_root: bool,
    #[serde(rename = "where")]
    place: String,
    operation: String,
    summary: String,
    text: String,
    code: String,
    error: String,
    rows: i64,
    milliseconds: u64,
}

/// Queries that last until their rows are closed, on whatever goroutine, and say how many those were.
#[test]
fn ends_a_query_with_its_rows_if_the_operator_wants_that() -> Result<()> {
    let scene = Scene::new("sql-rows")?;
    let database = Database::postgresql(&scene.file("postgresql"))?;
    let settings = scene.file("settings.toml");
    fs::write(&settings, "[settings.sql]\nquery-end = \"close\"\n").context("write the settings")?;
    let settings = settings.to_str().context("a path in UTF-8")?;
    for (name, program, driver) in [("pq-rows", &NEW, "postgres"), ("pgx-rows", &NEW, "pgx")] {
        let dsn = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=disable", database.port);
        let shop = Shop { name, program, driver, dsn, down: String::new(), connections: 8 };
        let server = Server::new("postgresql", Some(database.port), None);
        let loads = [("/rows/{i},/plain/{i},/tx/{i},/stmt/{i},/errors/{i}", "250")];
        exact_with(&scene, &shop, &server, &loads, &["--settings", settings])?;
    }
    finish(scene)
}

/// The calls of one process, seen by the SDK that is compiled into it as well.
#[test]
fn agrees_with_the_sdk_compiled_in() -> Result<()> {
    let scene = Scene::new("sql-twin")?;
    let postgresql = Database::postgresql(&scene.file("postgresql"))?;
    let mariadb = Database::mariadb(&scene.file("mariadb"))?;
    let of_postgresql = |port| format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}?sslmode=disable");
    let of_mariadb = |port| format!("tester@tcp(127.0.0.1:{port})/{DATABASE}");
    let nobody = free_port()?;
    for (driver, system, [dsn, down], shows_all) in [
        ("postgres", "postgresql", [postgresql.port, nobody].map(of_postgresql), false),
        ("pgx", "postgresql", [postgresql.port, nobody].map(of_postgresql), true),
        ("mysql", "mysql", [mariadb.port, nobody].map(of_mariadb), false),
    ] {
        let setup = twin::Setup { driver, system, dsn: &dsn, down: &down, shows_all };
        let mut seen = twin::run(&scene.directory, &setup)?;
        let found = agreement::differences(&setup, &seen);
        let shown = found.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n  ");
        ensure!(found.is_empty(), "{driver}: {} differences ({}):\n  {shown}", found.len(), scene.directory.display());
        let unnoticed = agreement::unnoticed(&setup, &mut seen);
        ensure!(unnoticed.is_empty(), "{driver}: the comparison did not notice {unnoticed:?}");
    }
    finish(scene)
}

fn exact(scene: &Scene, shop: &Shop<'_>, server: &Server) -> Result<()> {
    exact_with(scene, shop, server, &[(WORK, "490"), (TROUBLE, "60")], &[])
}

fn exact_with(scene: &Scene, shop: &Shop<'_>, server: &Server, loads: &[(&str, &str)], options: &[&str]) -> Result<()> {
    let journal = scene.file(&format!("{}.journal", shop.name));
    let (mut running, url) = start(shop, &journal)?;
    let out = scene.file(&format!("{}.jsonl", shop.name));
    let tracer = Tracer::attach(&out, &[running.pid()], options)?;
    for (paths, number) in loads {
        let sent = scene.load_url(&url, &["--paths", paths, "--n", number, "--c", AT_ONCE])?;
        ensure!(sent.iter().all(|sent| sent.status == 200), "{}: the load itself did not succeed", shop.name);
    }
    running.signal(Signal::TERM)?;
    let status = running.wait(END)?;
    ensure!(status.success(), "the service ended with {status}");
    let trace = tracer.stop()?;
    let said = trace.stderr.join("\n");
    ensure!(trace.status.success() && trace.lost()? == 0, "uprobed ended with {}:\n{said}", trace.status);
    let calls = read(&journal)?;
    let found = problems(&calls, &trace.spans, server);
    ensure!(
        found.is_empty(),
        "{}: {} problems with {} calls (kept in {}):\n  {}\n{said}",
        shop.name,
        found.len(),
        calls.len(),
        scene.directory.display(),
        found.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n  ")
    );
    // Every literal, comment and parameter has this in it.
    let text = fs::read_to_string(&out).with_context(|| format!("read {}", out.display()))?;
    ensure!(!text.contains("secret"), "{}: a literal is in {}", shop.name, out.display());
    for (fault, spans) in faulty(&trace.spans) {
        ensure!(!problems(&calls, &spans, server).is_empty(), "the verdict did not notice {fault}");
    }
    Ok(())
}

fn start(shop: &Shop<'_>, journal: &PathBuf) -> Result<(Running, String)> {
    let mut command = Command::new(shop.program.build()?);
    command.arg("--log").arg(journal).args(["--driver", shop.driver, "--dsn", &shop.dsn, "--down", &shop.down]);
    Running::listening(command.args(["--connections", &shop.connections.to_string()]), START)
}

fn read(journal: &PathBuf) -> Result<Vec<Called>> {
    let text = fs::read_to_string(journal).with_context(|| format!("read {}", journal.display()))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("read {line}"))).collect()
}

fn finish(scene: Scene) -> Result<()> {
    fs::remove_dir_all(&scene.directory).with_context(|| format!("remove {}", scene.directory.display()))
}

/// What is wrong with the spans of these calls.
fn problems(calls: &[Called], spans: &[Span], server: &Server) -> Vec<String> {
    let mut found = Vec::new();
    let requests: BTreeMap<&str, &Span> =
        spans.iter().filter(|span| span.scope == "uprobed/http").map(|span| (span.id.as_str(), span)).collect();
    // By the path of the request, or nothing.
    let mut waiting: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.scope == "uprobed/sql") {
        let parent = requests.get(span.parent.as_str());
        if parent.is_some_and(|parent| parent.start > span.start || parent.trace != span.trace) {
            found.push(format!("{} began before its parent, or is of another trace", span.name));
        }
        waiting.entry(parent.map_or("", |parent| parent.path())).or_default().push(span);
    }
    for call in calls {
        let places = [Some(call.from.as_str()), call.or_root.then_some("")];
        let mut take = |place: &str| {
            let candidates = waiting.get_mut(place)?;
            let index = candidates.iter().position(|span| difference(call, span, server).is_none())?;
            Some(candidates.swap_remove(index))
        };
        if places.into_iter().flatten().find_map(&mut take).is_none() {
            let near = waiting.get(call.from.as_str()).into_iter().flatten();
            let near: Vec<_> = near.filter_map(|span| difference(call, span, server)).take(4).collect();
            found.push(format!("no span for {call:?}; those there: {near:?}"));
        }
    }
    for (path, left) in &waiting {
        found.extend(left.iter().map(|span| format!("nobody made {} of `{path}` {:?}", span.name, span.attributes)));
    }
    found
}

/// Why a span is not that of a call.
fn difference(call: &Called, span: &Span, server: &Server) -> Option<String> {
    let is_failure = !call.error.is_empty();
    let system = if matches!(call.place.as_str(), "flaky" | "closed") { "other_sql" } else { server.system };
    let namespace = span.text("db.namespace");
    let place = if namespace.is_empty() { String::new() } else { format!(" {namespace}") };
    let name = if call.operation.is_empty() { call.summary.clone() } else { call.operation.clone() + &place };
    let (operation, collection) = parts(call);
    // What the package does by itself has an outcome that nobody sees.
    let outcome = if call.or_root {
        [span.text("db.response.status_code"), span.text("error.type")]
    } else {
        [call.code.as_str(), call.error.as_str()]
    };
    let status = if is_failure { STATUS_ERROR } else { 0 };
    let texts = [
        ("name", name.as_str(), span.name.as_str()),
        ("system", system, span.text("db.system.name")),
        ("text", &call.text, span.text("db.query.text")),
        ("summary", &call.summary, span.text("db.query.summary")),
        ("operation", operation, span.text("db.operation.name")),
        ("collection", collection, span.text("db.collection.name")),
        ("code", outcome[0], span.text("db.response.status_code")),
        ("error", outcome[1], span.text("error.type")),
    ];
    if let Some((what, wanted, is)) = texts.iter().find(|(_, wanted, is)| wanted != is) {
        return Some(format!("{what} is {is}, not {wanted}"));
    }
    if span.kind != CLIENT || (span.status != status && !call.or_root) || span.end < span.start {
        return Some(format!("kind {}, status {}", span.kind, span.status));
    }
    if call.milliseconds > 0
        && (span.end - span.start < call.milliseconds * 1_000_000
            || span.integer("db.response.returned_rows") != Some(call.rows))
    {
        return Some(format!("{} ns, {:?} rows", span.end - span.start, span.integer("db.response.returned_rows")));
    }
    difference_of_server(call, span, server)
}

/// A call that was given a connection says where that leads; another one may know.
fn difference_of_server(call: &Called, span: &Span, server: &Server) -> Option<String> {
    const WITHOUT: [&str; 4] =
        ["context.Canceled", "context.DeadlineExceeded", "database/sql.ErrTxDone", "database/sql.ErrConnDone"];
    let port = match call.place.as_str() {
        "main" => server.port,
        "down" => server.down,
        _ => None,
    };
    let is_down = call.place == "down";
    // The pool may have found every connection dead that it was about to hand out; then nothing is known at all.
    let is_of_none = call.error == "database/sql/driver.ErrBadConn" && !span.attributes.keys().any(is_of_server);
    let is_known = if is_down { server.is_known_down } else { call.place == "main" }
        && !is_of_none
        && !WITHOUT.contains(&call.error.as_str());
    // What ends a transaction is not asked for its socket.
    let is_end = matches!(call.operation.as_str(), "COMMIT" | "ROLLBACK");
    let has_peer = server.has_peer && !is_end && !is_down;
    let has = |what: &str| has_peer || !what.starts_with("network");
    let port = port.map(i64::from);
    let address = port.map_or("", |_| "127.0.0.1");
    for (what, wanted) in [
        ("server.address", address),
        ("network.peer.address", address),
        ("db.namespace", port.map_or("", |_| DATABASE)),
    ] {
        let is = span.text(what);
        let is_known = is_known && has(what);
        if is != wanted && (is_known || !is.is_empty()) {
            return Some(format!("{what} is {is}, not {wanted}"));
        }
    }
    for what in ["server.port", "network.peer.port"] {
        let is = span.integer(what);
        let is_known = is_known && has(what);
        if is != port && (is_known || is.is_some()) {
            return Some(format!("{what} is {is:?}, not {port:?}"));
        }
    }
    None
}

fn is_of_server(key: &String) -> bool {
    key == "db.namespace" || key.starts_with("server.") || key.starts_with("network.")
}

/// The operation and the table of a call, where it has one of each, from a summary that people wrote.
fn parts(call: &Called) -> (&str, &str) {
    if call.text.ends_with('…') {
        // What is not shown may have more of either.
        return ("", "");
    }
    let words: Vec<&str> = call.summary.split(' ').collect();
    match words[..] {
        [""] => (&call.operation, ""),
        ["PREPARE", _, table] => ("PREPARE", table),
        [operation, table] => (operation, table),
        [operation, ..] => (operation, ""),
        [] => ("", ""),
    }
}

/// The spans with one mistake each.
fn faulty(spans: &[Span]) -> Vec<(&'static str, Vec<Span>)> {
    let Some(at) = spans.iter().position(|span| span.scope == "uprobed/sql" && span.name == "SELECT items") else {
        return vec![("that there is no SELECT", spans.to_vec())];
    };
    let other = spans.iter().find(|span| span.scope == "uprobed/http" && span.id != spans[at].parent);
    let with = |change: &dyn Fn(&mut Span)| {
        let mut spans = spans.to_vec();
        change(&mut spans[at]);
        spans
    };
    let mut missing = spans.to_vec();
    missing.remove(at);
    let twice = [spans, &spans[at..=at]].concat();
    vec![
        ("a span that is missing", missing),
        ("a span that is there twice", twice),
        ("a wrong status", with(&|span| span.status = STATUS_ERROR)),
        ("a wrong name", with(&|span| span.name.push('x'))),
        ("a wrong text", with(&|span| drop(span.attributes.remove("db.query.text")))),
        ("a wrong system", with(&|span| drop(span.attributes.remove("db.system.name")))),
        ("a wrong parent", with(&|span| span.parent = other.map(|other| other.id.clone()).unwrap_or_default())),
        ("a wrong kind", with(&|span| span.kind = 1)),
    ]
}
