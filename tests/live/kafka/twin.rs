//! The OpenTelemetry SDK with an instrumentation of kafka-go, compiled into a program of its own, as a witness on the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Map, Value};
use uprobed_tests::broker::Broker;
use uprobed_tests::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::programs::Program;
use uprobed_tests::tracer::Tracer;

use crate::SCOPE;
use crate::known::{ALONE, KNOWN, Known, NONE, SAME};
use crate::lines::{PRODUCER, links};

const TWIN: Program = Program::new("go-kafka-sdk");
const OPERATION: &str = "messaging.operation.name";
const DESTINATION: &str = "messaging.destination.name";
const PARTITION: &str = "messaging.destination.partition.id";
const OFFSET: &str = "messaging.kafka.offset";
const COUNT: &str = "messaging.batch.message_count";
/// What the library asks of a broker by itself.
const REQUESTS: [&str; 2] = ["produce", "offset_commit"];
/// Joining a group takes longer: nanoseconds.
const WAITED: u64 = 10_000_000;
const WAIT: Duration = Duration::from_secs(60);

/// A call that the program made, and the SDK's spans of it: one, or none.
#[derive(Debug, Deserialize)]
pub struct Call {
    /// `send`, `poll` or `commit`.
    pub what: String,
    pub failed: bool,
    /// What the messages carry already, `TRACE/SPAN`.
    pub contexts: Vec<String>,
    pub spans: Vec<Witness>,
}

/// A span of the SDK's.
#[derive(Debug, Deserialize)]
pub struct Witness {
    pub name: String,
    pub kind: String,
    pub id: String,
    pub trace: String,
    pub parent: String,
    pub error: bool,
    /// Nanoseconds.
    pub lasted: u64,
    pub attributes: Map<String, Value>,
}

/// A span of uprobed's, with its links.
#[derive(Clone, Debug)]
pub struct Own {
    pub span: Span,
    pub links: Vec<String>,
}

/// Runs it, and gives what the SDK saw and what uprobed saw.
pub fn run(directory: &Path, broker: &Broker) -> Result<(Vec<Call>, Vec<Own>)> {
    let journal = directory.join("witness.jsonl");
    let mut command = Command::new(TWIN.build()?);
    command.args(["--broker", &broker.address()]).arg("--log").arg(&journal);
    let mut twin = Running::start(command.stdout(Stdio::piped()))?;
    let stdout = Lines::of(twin.child().stdout.take().context("the twin has no standard output")?);
    stdout.wait_for(WAIT, |line| line == "ready").context("wait for the twin")?;
    let file = directory.join("spans.jsonl");
    let tracer = Tracer::attach(&file, &[twin.pid()], &[])?;
    twin.signal(Signal::USR1)?;
    stdout.wait_for(WAIT, |line| line == "done").context("wait for the twin's calls")?;
    let trace = tracer.stop()?;
    twin.signal(Signal::TERM)?;
    ensure!(twin.wait(WAIT)?.success(), "the twin failed");
    ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
    let text = fs::read_to_string(&journal).with_context(|| format!("read {}", journal.display()))?;
    let calls: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    let links = links(&file)?;
    let linked = |span: Span| Own { links: links.get(&span.id).cloned().unwrap_or_default(), span };
    let mut own: Vec<Own> = trace.spans.into_iter().filter(|span| span.scope == SCOPE).map(linked).collect();
    // One call follows another.
    own.sort_by_key(|own| own.span.start);
    Ok((calls.with_context(|| format!("read {text}"))?, own))
}

/// Where the two differ in what both have to say, unless it is known.
pub fn differences(calls: &[Call], own: &[Own]) -> Vec<String> {
    let is_request = |own: &&Own| REQUESTS.contains(&own.span.text(OPERATION));
    let (requests, mine): (Vec<&Own>, Vec<&Own>) = own.iter().partition(is_request);
    if calls.is_empty() || calls.len() != mine.len() {
        return vec![format!("{} spans of {} calls", mine.len(), calls.len())];
    }
    let mut comparison = Comparison::default();
    for (call, mine) in calls.iter().zip(&mine) {
        comparison.compare(call, mine);
    }
    let mut differences = comparison.differences;
    let stale = (0..KNOWN.len()).filter(|index| !comparison.used.contains(index));
    differences
        .extend(stale.map(|index| format!("no difference any more: {}, {}", KNOWN[index].key, KNOWN[index].why)));
    let alone =
        ALONE.iter().map(|(what, keys)| ((*what).to_owned(), keys.iter().map(|key| (*key).to_owned()).collect()));
    let alone: BTreeMap<String, BTreeSet<String>> = alone.collect();
    if alone != comparison.alone {
        differences.push(format!("said here alone: {:?}", comparison.alone));
    }
    differences.extend(journeys(calls, &mine, &requests));
    differences.extend(durations(calls, &mine));
    differences
}

#[derive(Default)]
struct Comparison {
    differences: Vec<String>,
    /// Which of the known differences there were.
    used: BTreeSet<usize>,
    alone: BTreeMap<String, BTreeSet<String>>,
}

impl Comparison {
    fn compare(&mut self, call: &Call, mine: &Own) {
        let mut problems = Vec::new();
        if mine.span.text(OPERATION) != call.what {
            problems.push("another call".to_owned());
        }
        if (mine.span.status == STATUS_ERROR) != call.failed {
            problems.push("another outcome".to_owned());
        }
        // Nothing above it is traced, and receiving is no child of sending.
        if !mine.span.parent.is_empty() {
            problems.push("a parent".to_owned());
        }
        let links = wanted_links(call);
        if mine.links != links {
            problems.push(format!("the links are not {links:?}"));
        }
        if call.spans.len() > 1 {
            problems.push("several spans of the SDK's".to_owned());
        }
        if let Some(theirs) = call.spans.first() {
            problems.extend(self.attributes(call, theirs, &mine.span));
        }
        self.differences.extend(problems.iter().map(|problem| format!("{problem}: {call:?}, {mine:?}")));
    }

    /// Compares what the SDK says of a call, and remembers what it does not say.
    fn attributes(&mut self, call: &Call, theirs: &Witness, mine: &Span) -> Vec<String> {
        let is_batch = mine.attributes.contains_key(COUNT);
        let what = if is_batch { "commits" } else { &call.what };
        let mut problems = Vec::new();
        for (key, value) in said(theirs) {
            let same = SAME.iter().find(|(sdk, _)| *sdk == key).map_or(NONE, |(_, own)| *own);
            let here = here(mine, same);
            if here == value {
                continue;
            }
            let knows = |known: &Known| known.of.contains(&what) && known.key == key && (known.holds)(&value, &here);
            match KNOWN.iter().position(knows) {
                Some(index) => drop(self.used.insert(index)),
                None => problems.push(format!("{key} is {value} and {here}")),
            }
        }
        let is_alone = |key: &&String| {
            let sdk = SAME.iter().find(|(_, own)| own == key).map(|(sdk, _)| *sdk);
            sdk.is_none_or(|sdk| !theirs.attributes.contains_key(sdk))
        };
        let alone = mine.attributes.keys().filter(is_alone).cloned();
        self.alone.entry(call.what.clone()).or_default().extend(alone);
        problems
    }
}

/// Everything that the SDK says, with a name in today's words.
fn said(theirs: &Witness) -> Vec<(String, String)> {
    let name = match theirs.name.split_once(" send") {
        Some((topic, _)) => format!("send {topic}"),
        None => [("received from ", "poll "), ("fetched from ", "poll "), ("committed to ", "commit ")]
            .iter()
            .find_map(|(before, operation)| Some(format!("{operation}{}", theirs.name.strip_prefix(before)?)))
            .unwrap_or_else(|| theirs.name.clone()),
    };
    let status = if theirs.error { "error" } else { "" };
    let mut said = vec![("name".into(), name), ("kind".into(), theirs.kind.clone()), ("status".into(), status.into())];
    said.extend(theirs.attributes.iter().map(|(key, value)| (key.clone(), plain(value))));
    said
}

/// The same of a span of uprobed's.
fn here(mine: &Span, key: &str) -> String {
    match key {
        "name" => mine.name.clone(),
        "kind" if mine.kind == CLIENT => "client".into(),
        "kind" if mine.kind == PRODUCER => "producer".into(),
        "status" if mine.status == STATUS_ERROR => "error".into(),
        "status" => String::new(),
        _ => mine.attributes.get(key).map_or_else(|| NONE.into(), plain),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The contexts that messages carry: what the SDK wrote into them, or what the program did.
fn wanted_links(call: &Call) -> Vec<String> {
    match (call.what.as_str(), call.spans.first()) {
        ("send", Some(sent)) => vec![format!("{}/{}", sent.trace, sent.id)],
        // The SDK makes the receiving span a child of the sending one.
        ("poll", Some(received)) if !received.parent.is_empty() => {
            vec![format!("{}/{}", received.trace, received.parent)]
        }
        _ => call.contexts.clone(),
    }
}

/// A message that the SDK saw come was sent where and as uprobed says.
fn journeys(calls: &[Call], mine: &[&Own], requests: &[&Own]) -> Vec<String> {
    let (batches, mut problems) = batches(requests);
    let received = calls.iter().filter(|call| call.what == "poll").flat_map(|call| &call.spans);
    for theirs in received {
        let said = |key: &str| theirs.attributes.get(key).map(plain).unwrap_or_default();
        let partition = said("messaging.kafka.partition");
        let link = format!("{}/{}", theirs.trace, theirs.parent);
        let is_sent = |own: &&&Own| own.span.text(OPERATION) == "send" && own.links == [link.as_str()];
        for own in mine.iter().filter(is_sent) {
            if own.span.text(PARTITION) != partition {
                problems.push(format!("sent elsewhere: {theirs:?}, {own:?}"));
            }
        }
        let covers = |(span, offsets): &&(&Span, Range<i64>)| {
            let offset: i64 = said("messaging.message_id").parse().unwrap_or(-1);
            span.text(DESTINATION) == said("messaging.destination")
                && span.text(PARTITION) == partition
                && offsets.contains(&offset)
        };
        if batches.iter().filter(covers).count() != 1 {
            problems.push(format!("not in one request: {theirs:?}"));
        }
    }
    problems.extend(settled(mine, requests));
    problems
}

/// Every batch with the offsets of its messages. One of a single message says its own; the topics were empty, so that the others follow
/// from how many were written before.
fn batches<'a>(requests: &[&'a Own]) -> (Vec<(&'a Span, Range<i64>)>, Vec<String>) {
    let mut next: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let (mut batches, mut problems) = (Vec::new(), Vec::new());
    let written = |span: &&Span| span.text(OPERATION) == "produce" && span.status != STATUS_ERROR;
    for span in requests.iter().map(|own| &own.span).filter(written) {
        let next = next.entry((span.text(DESTINATION), span.text(PARTITION))).or_default();
        let count = span.integer(COUNT).unwrap_or_default();
        if span.integer(OFFSET) != (count == 1).then_some(*next) {
            problems.push(format!("not the offset of a single message, {next}: {span:?}"));
        }
        batches.push((span, *next..*next + count));
        *next += count;
    }
    (batches, problems)
}

/// Each commit of the program's is one request, and of one message the same is said in both.
fn settled(mine: &[&Own], requests: &[&Own]) -> Vec<String> {
    let of = |all: &[&Own], operation: &str| {
        let spans = all.iter().map(|own| own.span.clone());
        spans.filter(|span| span.text(OPERATION) == operation && span.status != STATUS_ERROR).collect::<Vec<_>>()
    };
    let (calls, requests) = (of(mine, "commit"), of(requests, "offset_commit"));
    let mut problems = Vec::new();
    if calls.len() != requests.len() {
        problems.push(format!("{} commits of the program's, {} of the library's", calls.len(), requests.len()));
    }
    for call in calls.iter().filter(|call| call.attributes.contains_key(OFFSET)) {
        let is_same = |span: &&Span| {
            [DESTINATION, PARTITION, OFFSET].iter().all(|key| span.attributes.get(*key) == call.attributes.get(*key))
        };
        if requests.iter().filter(is_same).count() != 1 {
            problems.push(format!("no request, or several: {call:?}"));
        }
    }
    problems
}

/// The SDK's spans of sending and settling hold the call; those of receiving begin when the message is there, so that the longest leave out
/// the wait.
fn durations(calls: &[Call], mine: &[&Own]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut longest = (0, 0);
    for (call, mine) in calls.iter().zip(mine) {
        let Some(theirs) = call.spans.first() else { continue };
        let lasted = mine.span.end.saturating_sub(mine.span.start);
        if call.what == "poll" {
            longest = (longest.0.max(theirs.lasted), longest.1.max(lasted));
        } else if lasted == 0 || lasted > theirs.lasted {
            problems.push(format!("lasted {lasted} ns: {theirs:?}"));
        }
    }
    if longest.1 < WAITED || longest.0 >= longest.1 {
        problems.push(format!("polls of at most {} ns, by the SDK {}", longest.1, longest.0));
    }
    problems
}

/// The same spans with one thing wrong.
pub fn faults(own: &[Own]) -> Vec<(String, Vec<Own>)> {
    let mut faults = Vec::new();
    for operation in ["send", "poll", "commit", "produce", "offset_commit"] {
        let is_it = |own: &Own| own.span.text(OPERATION) == operation && own.span.status != STATUS_ERROR;
        let Some(at) = own.iter().position(is_it) else { continue };
        let mut fault = |what: &str, change: &dyn Fn(&mut Own)| {
            let mut faulty = own.to_vec();
            change(&mut faulty[at]);
            faults.push((format!("{what} of a {operation}"), faulty));
        };
        for key in [OPERATION, DESTINATION, PARTITION, OFFSET] {
            if own[at].span.attributes.contains_key(key) {
                fault(key, &|own| drop(own.span.attributes.insert(key.into(), "77".into())));
                fault(key, &|own| drop(own.span.attributes.remove(key)));
            }
        }
        if !REQUESTS.contains(&operation) {
            fault("the name", &|own| own.span.name.push('x'));
            fault("the kind", &|own| own.span.kind = SERVER);
            fault("the status", &|own| own.span.status = STATUS_ERROR);
            fault("the parent", &|own| own.span.parent.push('7'));
            if operation != "poll" {
                fault("the duration", &|own| own.span.end = own.span.start);
            }
            fault("the links", &|own| own.links.push("0/0".into()));
            fault("a new attribute", &|own| drop(own.span.attributes.insert("new".into(), 7.into())));
        }
        let rest = [&own[..at], &own[at + 1..]].concat();
        faults.push((format!("a {operation} that is missing"), rest));
    }
    faults
}
