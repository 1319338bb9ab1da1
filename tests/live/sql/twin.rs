//! The OpenTelemetry SDK, compiled into a program of its own, as a witness on the same calls.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Map, Value};
use uprobed_tests::otlp::Span;
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::programs::Program;
use uprobed_tests::tracer::Tracer;

const TWIN: Program = Program::new("go-sql-sdk");
const WAIT: Duration = Duration::from_secs(30);

/// How the twin works with a database, and how uprobed looks at it.
pub struct Setup<'a> {
    pub driver: &'a str,
    /// What the conventions call the database.
    pub system: &'a str,
    pub dsn: &'a str,
    /// Of a server that is not there.
    pub down: &'a str,
    /// Statements are shown with their literals, and a query's span lasts until its rows are closed.
    pub shows_all: bool,
}

/// What the three of them saw: the program, the SDK within it, and uprobed.
pub struct Seen {
    pub calls: Vec<Called>,
    pub spans: Vec<Span>,
}

/// A call that the twin made, with the SDK's spans of it. Times are in nanoseconds since 1970.
#[derive(Debug, Deserialize)]
pub struct Called {
    pub call: String,
    /// The SDK could see it.
    pub wrapped: bool,
    pub start: u64,
    pub end: u64,
    /// What the program was told.
    pub error: String,
    /// What it was told while it read the rows.
    pub rows: String,
    pub spans: Vec<Witness>,
}

/// A span of the SDK's.
#[derive(Debug, Deserialize)]
pub struct Witness {
    pub name: String,
    pub kind: String,
    /// It has the twin's one span above it, which was in the call's context.
    pub parent: bool,
    pub start: u64,
    pub end: u64,
    pub error: bool,
    pub attributes: Map<String, Value>,
    /// The type of the error that it wrote down.
    pub exception: String,
}

impl Setup<'_> {
    /// The driver's type is the instrumentation's: which database that is, the operator has to say.
    fn settings(&self) -> String {
        let more = if self.shows_all { "query-text = \"raw\"\nquery-end = \"close\"\n" } else { "" };
        format!("[settings.sql]\n{more}[settings.sql.systems]\n\"github.com/XSAM/otelsql\" = \"{}\"\n", self.system)
    }
}

/// Runs it.
pub fn run(directory: &Path, setup: &Setup<'_>) -> Result<Seen> {
    let file = |ending: &str| directory.join(format!("{}.{ending}", setup.driver));
    let (journal, settings) = (file("journal"), file("toml"));
    fs::write(&settings, setup.settings()).with_context(|| format!("write {}", settings.display()))?;
    let mut command = Command::new(TWIN.build()?);
    command.args(["--driver", setup.driver, "--dsn", setup.dsn, "--down", setup.down]).arg("--log").arg(&journal);
    let mut twin = Running::start(command.stdout(Stdio::piped()))?;
    let stdout = Lines::of(twin.child().stdout.take().context("the twin has no standard output")?);
    stdout.wait_for(WAIT, |line| line == "ready").context("wait for the twin")?;
    let settings = settings.to_str().context("a path in UTF-8")?;
    let tracer = Tracer::attach(&file("jsonl"), &[twin.pid()], &["--settings", settings])?;
    twin.signal(Signal::USR1)?;
    stdout.wait_for(WAIT, |line| line == "done").context("wait for the twin's calls")?;
    let trace = tracer.stop()?;
    ensure!(trace.status.success() && trace.lost()? == 0, "uprobed ended with {:?}", trace.stderr);
    twin.signal(Signal::TERM)?;
    ensure!(twin.wait(WAIT)?.success(), "the twin failed");
    let text = fs::read_to_string(&journal).with_context(|| format!("read {}", journal.display()))?;
    let calls: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    let spans = trace.spans.into_iter().filter(|span| span.scope == "uprobed/sql").collect();
    Ok(Seen { calls: calls.with_context(|| format!("read {text}"))?, spans })
}
