//! The OpenTelemetry SDK, compiled into a program of its own, as a witness on the same run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Map, Value};
use uprobed_tests::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::programs::Program;
use uprobed_tests::tracer::Tracer;

const TWIN: Program = Program::new("go-grpc/twin");
/// Its calls of methods that nobody has.
const UNKNOWN: usize = 2;
const WAIT: Duration = Duration::from_secs(30);

/// A span of the SDK's.
#[derive(Debug, Deserialize)]
pub struct Witness {
    pub name: String,
    pub kind: String,
    pub trace: String,
    pub parent: String,
    pub error: bool,
    pub attributes: Map<String, Value>,
}

/// Runs it, and gives what the SDK saw and what uprobed saw.
pub fn run(directory: &Path) -> Result<(Vec<Witness>, Vec<Span>)> {
    let journal = directory.join("witness.jsonl");
    let mut twin = Running::start(Command::new(TWIN.build()?).arg("--log").arg(&journal).stdout(Stdio::piped()))?;
    let stdout = Lines::of(twin.child().stdout.take().context("the twin has no standard output")?);
    stdout.wait_for(WAIT, |line| line.starts_with("listening ")).context("wait for the twin")?;
    let tracer = Tracer::attach(&directory.join("spans.jsonl"), &[twin.pid()], &[])?;
    twin.signal(Signal::USR1)?;
    stdout.wait_for(WAIT, |line| line == "done").context("wait for the twin's calls")?;
    let trace = tracer.stop()?;
    twin.signal(Signal::TERM)?;
    ensure!(twin.wait(WAIT)?.success(), "the twin failed");
    let text = fs::read_to_string(&journal).with_context(|| format!("read {}", journal.display()))?;
    let witnesses: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    Ok((witnesses.with_context(|| format!("read {text}"))?, trace.spans))
}

/// Where the two differ in what both have to say. The SDK never ends its server's spans of methods that nobody registered.
pub fn differences(witnesses: &[Witness], spans: &[Span]) -> Vec<String> {
    let mut differences = Vec::new();
    for (kind, number) in [("client", CLIENT), ("server", SERVER)] {
        let theirs: Vec<&Witness> = witnesses.iter().filter(|witness| witness.kind == kind).collect();
        let is_known = |span: &&Span| span.text("rpc.method") != "_OTHER";
        let (mut mine, unknown): (Vec<&Span>, Vec<&Span>) =
            spans.iter().filter(|span| span.scope == "uprobed/grpc" && span.kind == number).partition(is_known);
        // One call follows another.
        mine.sort_by_key(|span| span.start);
        if mine.is_empty() || theirs.len() != mine.len() || unknown.len() != if number == SERVER { UNKNOWN } else { 0 }
        {
            differences.push(format!("{} spans of the {kind}'s, the SDK has {}", mine.len(), theirs.len()));
        }
        for (theirs, mine) in theirs.iter().zip(mine) {
            differences.extend(compare(theirs, mine).map(|what| format!("{what}: {theirs:?}, {:?}", mine.attributes)));
        }
    }
    differences
}

fn compare(theirs: &Witness, mine: &Span) -> Option<&'static str> {
    if mine.name != theirs.name {
        return Some("the names differ");
    }
    if (mine.status == STATUS_ERROR) != theirs.error {
        return Some("the statuses differ");
    }
    // The SDK's client wrote a traceparent, which its server and this one take.
    if theirs.kind == "server" && (&mine.parent, &mine.trace) != (&theirs.parent, &theirs.trace) {
        return Some("the parents differ");
    }
    // Whatever the SDK says is here as well.
    theirs
        .attributes
        .iter()
        .any(|(key, value)| mine.attributes.get(key) != Some(value))
        .then_some("the attributes differ")
}
