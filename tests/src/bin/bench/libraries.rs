//! gRPC, database/sql and Kafka: programs that do one thing over and over, with real servers.

use std::cell::{Cell, OnceCell};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use uprobed_tests::broker::Broker;
use uprobed_tests::databases::{DATABASE, Database};
use uprobed_tests::process::Running;
use uprobed_tests::programs::Program;

use crate::Case;
use crate::measure::{ANY, Bench, Load, Row, Stage, listening};

const GRPC_SERVER: Program = Program::new("go-bench/grpc/serve").go("auto");
/// Server and client in one.
const GRPC: Program = Program::new("go-bench/grpc").go("auto");
const SQL: Program = Program::new("go-bench/sql").go("auto");
const KAFKA: Program = Program::new("go-bench/kafka").go("auto");
/// What they are built with for the SDK's runs; nothing of it is in the others.
pub const SDK: &[&str] = &["-tags", "sdk"];

/// A call of `WriteMessages`; the batch that its message is sent with is a span of another kind.
const PRODUCER: &str = "\"kind\":4,";

pub const ROWS: [Row; 6] = [
    Row { what: "a gRPC call served", library: "grpc", spans: 1.0, mark: ANY, stage: grpc_served },
    Row {
        what: "a gRPC call served by a program that is a client, too",
        library: "grpc",
        spans: 1.0,
        mark: ANY,
        stage: grpc_served_by_both,
    },
    Row { what: "a gRPC call made", library: "grpc", spans: 1.0, mark: ANY, stage: grpc_made },
    Row { what: "a query to PostgreSQL", library: "sql", spans: 1.0, mark: ANY, stage: queried },
    Row { what: "a message written to Kafka", library: "kafka", spans: 1.0, mark: PRODUCER, stage: written },
    Row { what: "a message read from Kafka", library: "kafka", spans: 1.0, mark: ANY, stage: read },
];

/// Servers, each started when it is needed first.
#[derive(Default)]
pub struct Servers {
    database: OnceCell<Database>,
    broker: OnceCell<Broker>,
    topics: Cell<u32>,
}

fn grpc_served(bench: &Bench, case: Case) -> Result<Stage> {
    served(bench, case, &GRPC_SERVER)
}

fn grpc_served_by_both(bench: &Bench, case: Case) -> Result<Stage> {
    served(bench, case, &GRPC)
}

fn served(bench: &Bench, case: Case, server: &Program) -> Result<Stage> {
    let (target, address) = listening(&mut bench.target(&build(server, case)?, case, &[]))?;
    let (client, load) = demand(Command::new(build(&GRPC, Case::Nothing)?).args(["--call", &address]))?;
    Ok(Stage { target, others: vec![client], load })
}

fn grpc_made(bench: &Bench, case: Case) -> Result<Stage> {
    let (server, address) = listening(&mut Command::new(build(&GRPC_SERVER, Case::Nothing)?))?;
    on_demand(&mut bench.target(&build(&GRPC, case)?, case, &["--call", &address]), vec![server])
}

fn queried(bench: &Bench, case: Case) -> Result<Stage> {
    let database = started(&bench.servers.database, || Database::postgresql(&bench.directory.join("postgresql")))?;
    let name = format!("host=127.0.0.1 port={} user=postgres dbname={DATABASE} sslmode=disable", database.port);
    on_demand(&mut bench.target(&build(&SQL, case)?, case, &["--database", &name]), Vec::new())
}

fn written(bench: &Bench, case: Case) -> Result<Stage> {
    kafka(bench, case, &[])
}

fn read(bench: &Bench, case: Case) -> Result<Stage> {
    kafka(bench, case, &["--read"])
}

fn kafka(bench: &Bench, case: Case, arguments: &[&str]) -> Result<Stage> {
    let broker = started(&bench.servers.broker, || Broker::start(&bench.directory))?;
    let number = bench.servers.topics.replace(bench.servers.topics.get() + 1);
    let (address, topic) = (broker.address(), format!("bench-{number}"));
    let arguments = [&["--broker", &address, "--topic", &topic], arguments].concat();
    on_demand(&mut bench.target(&build(&KAFKA, case)?, case, &arguments), Vec::new())
}

/// The server that is there, or else a new one.
fn started<T>(server: &OnceCell<T>, start: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(server) = server.get() {
        return Ok(server);
    }
    let new = start()?;
    Ok(server.get_or_init(|| new))
}

fn build(program: &Program, case: Case) -> Result<PathBuf> {
    program.clone().flags(if case == Case::Sdk { SDK } else { &[] }).build()
}

fn on_demand(command: &mut Command, others: Vec<Running>) -> Result<Stage> {
    let (target, load) = demand(command)?;
    Ok(Stage { target, others, load })
}

/// Starts a program that works for as long as each line says, and answers with a summary.
fn demand(command: &mut Command) -> Result<(Running, Load)> {
    let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let mut stdin = running.child().stdin.take().context("the program has no standard input")?;
    let mut stdout = BufReader::new(running.child().stdout.take().context("the program has no standard output")?);
    let mut answer = move || {
        let mut line = String::new();
        stdout.read_line(&mut line).context("read from the program")?;
        ensure!(!line.is_empty(), "the program ended");
        Ok(line)
    };
    ensure!(answer()?.trim() == "ready", "the program is not ready");
    let load = move |seconds| {
        writeln!(stdin, "{seconds}s").context("write to the program")?;
        serde_json::from_str(&answer()?).context("read the program's summary")
    };
    Ok((running, Box::new(load)))
}
