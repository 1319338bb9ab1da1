//! Traces a program that uses Kafka against a real broker: every call and every request of the library's own is a span, with what the
//! program itself noted about it, below the request that it was made for.

#[path = "kafka/known.rs"]
mod known;
#[path = "kafka/twin.rs"]
mod twin;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use uprobed_tests::broker::Broker;
use uprobed_tests::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};
use uprobed_tests::programs::{NEWEST, OLDEST, Program};
use uprobed_tests::scene::{Scene, Service};
use uprobed_tests::tracer::{Trace, Tracer};

/// The oldest, a middle and the newest version of kafka-go, with Go of their time, stripped among them.
const PROGRAMS: [Program; 3] = [
    Program::new("go-kafka").go(OLDEST).flags(&["-modfile=oldest.mod", "-ldflags=-s -w"]),
    Program::new("go-kafka").go("go1.21.13").flags(&["-modfile=middle.mod"]),
    Program::new("go-kafka").go(NEWEST).flags(&["-ldflags=-s -w"]),
];
const LATEST: Program = Program::new("go-kafka");

const WRITES: &str = "/one/{i},/bare/{i},/many/{i},/worker/{i},/topics/{i},/async/{i},/packed/{i},/one/{i}";
const FAILURES: &str = concat!(
    "/unknown/{i},/large/{i},/refused/{i},/cancelled/{i},/late/{i},/none/{i},/closed/{i},/settle/{i},",
    "/direct/{i},/client/{i},/missing/{i}"
);

/// What the failures are, among others.
const ERRORS: [&str; 6] = [
    "UNKNOWN_TOPIC_OR_PARTITION",
    "MESSAGE_TOO_LARGE",
    "github.com/segmentio/kafka-go.MessageTooLargeError",
    "context.Canceled",
    "context.deadlineExceededError",
    "*errors.errorString",
];

#[test]
fn accounts_for_every_call_with_every_version() -> Result<()> {
    let (place, broker) = broker("all")?;
    for (number, program) in PROGRAMS.iter().enumerate() {
        let scene = Scene::new(&format!("kafka-{number}"))?;
        let prefix = format!("v{number}-");
        let service = start(&scene, program, &broker, &prefix)?;
        let tracer = scene.trace(&[&service])?;
        let work = everything(&scene, &service).with_context(|| program.name())?;
        let verdict = verify(scene, tracer, service, &broker)?;
        // The load's requests, and the single ones.
        ensure!(verdict.requests == work, "{} of {work} requests are spans", verdict.requests);
        ensure!(verdict.shared > 0, "no batch had messages of several callers");
        for error in ERRORS {
            ensure!(verdict.failed.contains(error), "nothing failed by {error}, only by {:?}", verdict.failed);
        }
        ensure!(verdict.linked > 500, "only {} spans are linked", verdict.linked);
    }
    end(place, broker)
}

#[test]
fn loses_nothing_while_the_broker_is_away() -> Result<()> {
    let scene = Scene::new("kafka-away")?;
    let (place, mut broker) = broker("away")?;
    let service = start(&scene, &LATEST, &broker, "")?;
    let tracer = scene.trace(&[&service])?;
    load(&scene, &service, "/gone/{i}", 200)?;
    broker.pause()?;
    load(&scene, &service, "/gone/{i},/none/{i},/gone/{i}", 48)?;
    broker.resume()?;
    load(&scene, &service, "/gone/{i},/gone/{i},/none/{i}", 210)?;
    let verdict = verify(scene, tracer, service, &broker)?;
    ensure!(verdict.failed.iter().any(|name| name.starts_with('*')), "nothing failed: {:?}", verdict.failed);
    end(place, broker)
}

#[test]
fn leaves_out_what_an_operator_does_not_want() -> Result<()> {
    let scene = Scene::new("kafka-settings")?;
    let (place, broker) = broker("settings")?;
    let settings = scene.file("settings.toml");
    fs::write(&settings, "[settings.kafka]\nkeys = false\nrequests = false\n")?;
    let service = start(&scene, &LATEST, &broker, "")?;
    let settings = settings.to_string_lossy();
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[service.pid()], &["--settings", &settings])?;
    load(&scene, &service, "/one/{i},/many/{i}", 50)?;
    let trace = tracer.stop()?;
    service.stop()?;
    let spans: Vec<&Span> = trace.spans.iter().filter(|span| span.scope == SCOPE).collect();
    ensure!(spans.len() == 50, "{} spans of 50 calls", spans.len());
    for span in spans {
        ensure!(span.text("messaging.operation.name") == "send", "{} was not wanted", span.name);
        ensure!(!span.attributes.contains_key("messaging.kafka.message.key"), "{} has a key", span.name);
    }
    end(place, broker)
}

#[test]
fn agrees_with_the_sdk_compiled_in() -> Result<()> {
    let scene = Scene::new("kafka-twin")?;
    let (place, broker) = broker("twin")?;
    let (calls, spans) = twin::run(&scene.directory, &broker)?;
    let differences = twin::differences(&calls, &spans);
    let shown = differences[..differences.len().min(SHOWN)].join("\n  ");
    ensure!(
        differences.is_empty(),
        "{} differences (kept in {}):\n  {shown}",
        differences.len(),
        scene.directory.display()
    );
    for (fault, faulty) in twin::faults(&spans) {
        ensure!(!twin::differences(&calls, &faulty).is_empty(), "the comparison did not notice {fault}");
    }
    fs::remove_dir_all(&scene.directory).with_context(|| format!("remove {}", scene.directory.display()))?;
    end(place, broker)
}

/// A broker, and the directory that is its own.
fn broker(name: &str) -> Result<(Scene, Broker)> {
    let place = Scene::new(&format!("kafka-broker-{name}"))?;
    let broker = Broker::start(&place.directory)?;
    Ok((place, broker))
}

fn end(place: Scene, broker: Broker) -> Result<()> {
    drop(broker);
    fs::remove_dir_all(&place.directory).with_context(|| format!("remove {}", place.directory.display()))
}

fn start(scene: &Scene, program: &Program, broker: &Broker, prefix: &str) -> Result<Service> {
    let journal = scene.file(JOURNAL);
    let arguments = ["--broker", &broker.address(), "--prefix", prefix, "--calls", &journal.to_string_lossy()];
    scene.service("a", program, &arguments)
}

/// Writes, fails, reads and settles; how many requests that took.
fn everything(scene: &Scene, service: &Service) -> Result<usize> {
    let mut requests = load(scene, service, WRITES, 2000)?;
    requests += load(scene, service, "/start/{i}", 1)?;
    requests += load(scene, service, FAILURES, 330)?;
    requests += load(scene, service, "/poll/{i}", 600)?;
    // A second member joins while there is work.
    requests += load(scene, service, "/grow/{i}", 1)?;
    requests += load(scene, service, "/topics/{i}", 160)?;
    requests += load(scene, service, "/take/{i}", 160)?;
    requests += load(scene, service, "/generate/{i}", 8)?;
    requests += load(scene, service, "/idle/{i}", 1)?;
    requests += load(scene, service, "/stop/{i}", 1)?;
    // Batches that nobody waits for.
    thread::sleep(Duration::from_millis(800));
    Ok(requests)
}

fn load(scene: &Scene, service: &Service, paths: &str, count: usize) -> Result<usize> {
    let sent = scene.load(service, &["--paths", paths, "--n", &count.to_string()])?;
    if let Some(bad) = sent.iter().find(|sent| sent.status != 200) {
        anyhow::bail!("{} was answered with {} {}", bad.path, bad.status, bad.error);
    }
    ensure!(sent.len() == count, "{} of {count} requests were sent", sent.len());
    Ok(sent.len())
}

const SCOPE: &str = "uprobed/kafka";
const JOURNAL: &str = "calls.journal";
const SHOWN: usize = 20;

/// What the comparison saw besides.
#[derive(Default)]
struct Verdict {
    requests: usize,
    /// Batches of several messages from a writer whose calls have one each.
    shared: usize,
    linked: usize,
    failed: BTreeSet<String>,
}

/// Ends all and compares the spans with the journal.
fn verify(scene: Scene, tracer: Tracer, service: Service, broker: &Broker) -> Result<Verdict> {
    let trace = tracer.stop()?;
    ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    service.stop()?;
    let journal = journal(&scene.file(JOURNAL))?;
    let links = links(&scene.file("spans.jsonl"))?;
    let seen = Seen::new(&trace, &links, &broker.address());
    let problems = problems(&journal, &seen);
    ensure!(
        problems.is_empty(),
        "{} problems (kept in {}):\n  {}\n{}",
        problems.len(),
        scene.directory.display(),
        problems[..problems.len().min(SHOWN)].join("\n  "),
        trace.stderr.join("\n")
    );
    ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
    for (fault, faulty) in faults(&seen) {
        ensure!(!self::problems(&journal, &faulty).is_empty(), "the comparison did not notice {fault}");
    }
    let shared = |line: &&Done| line.what == "produce" && line.count > 1 && line.topic.ends_with("later");
    let verdict = Verdict {
        requests: trace.spans.iter().filter(|span| span.kind == SERVER).count(),
        shared: seen.lines.iter().filter(shared).count(),
        linked: seen.lines.iter().filter(|line| !line.links.is_empty()).count(),
        failed: seen.lines.iter().map(|line| line.error.clone()).collect(),
    };
    fs::remove_dir_all(&scene.directory).with_context(|| format!("remove {}", scene.directory.display()))?;
    Ok(verdict)
}

/// One call or request: a line of the journal, or a span told in the same words.
#[derive(Clone, Debug, Default, Deserialize)]
struct Done {
    what: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    topic: String,
    partition: Option<i64>,
    offset: Option<i64>,
    #[serde(default)]
    count: i64,
    size: Option<i64>,
    #[serde(default)]
    key: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    links: Vec<String>,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    error: String,
    /// Of a span only: what does not fit the rest, empty if all does.
    #[serde(skip)]
    oddity: String,
}

fn journal(path: &Path) -> Result<Vec<Done>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("read {line}"))).collect()
}

/// Everything that a line says of a call.
fn told(done: &Done) -> String {
    let mut text = format!("{} {:?} from={:?}", done.what, done.topic, done.from);
    let numbers = [("partition", done.partition), ("offset", done.offset), ("size", done.size)];
    for (name, number) in numbers {
        if let Some(number) = number {
            write!(text, " {name}={number}").expect("a text takes every write");
        }
    }
    write!(
        text,
        " count={} key={:?} group={:?} links={:?} created={} error={:?} {}",
        done.count, done.key, done.group, done.links, done.created, done.error, done.oddity
    )
    .expect("a text takes every write");
    text
}

/// The spans, as lines.
#[derive(Clone)]
struct Seen {
    lines: Vec<Done>,
}

impl Seen {
    fn new(trace: &Trace, links: &BTreeMap<String, Vec<String>>, broker: &str) -> Self {
        let by_id: BTreeMap<&str, &Span> = trace.spans.iter().map(|span| (span.id.as_str(), span)).collect();
        let spans = trace.spans.iter().filter(|span| span.scope == SCOPE);
        Self { lines: spans.map(|span| line(span, &by_id, links, broker)).collect() }
    }
}

fn line(span: &Span, by_id: &BTreeMap<&str, &Span>, links: &BTreeMap<String, Vec<String>>, broker: &str) -> Done {
    let text = |key: &str| span.text(key).to_owned();
    let at = |prefix: &str| {
        span.integer(&format!("{prefix}.port"))
            .map(|port| format!("{}:{port}", span.text(&format!("{prefix}.address"))))
    };
    let operation = text("messaging.operation.name");
    let is_request = operation == "commit" && at("network.peer").is_some();
    let mut done = Done {
        what: if is_request { "settle".to_owned() } else { operation.clone() },
        topic: text("messaging.destination.name"),
        partition: span.text("messaging.destination.partition.id").parse().ok(),
        offset: span.integer("messaging.kafka.offset"),
        count: span.integer("messaging.batch.message_count").unwrap_or_default(),
        size: span.integer("messaging.message.body.size"),
        key: text("messaging.kafka.message.key"),
        group: text("messaging.consumer.group.name"),
        links: links.get(&span.id).cloned().unwrap_or_default(),
        created: operation == "send" && span.kind == CLIENT,
        error: text("error.type"),
        ..Done::default()
    };
    match by_id.get(span.parent.as_str()) {
        Some(parent) if parent.trace == span.trace && parent.kind == SERVER => parent.path().clone_into(&mut done.from),
        None if span.parent.is_empty() => {}
        _ => done.oddity.push_str("a strange parent; "),
    }
    let name = if done.topic.is_empty() { operation.clone() } else { format!("{operation} {}", done.topic) };
    if span.name != name {
        write!(done.oddity, "the name {}; ", span.name).expect("a text takes every write");
    }
    if at("server").or_else(|| at("network.peer")).is_none_or(|at| at != broker) {
        done.oddity.push_str("another broker; ");
    }
    let kinds = if operation == "send" { &["send"][..] } else { &["send", "receive", "settle"] };
    let is_typed = kinds.contains(&span.text("messaging.operation.type")) && span.text("messaging.system") == "kafka";
    if !is_typed || (span.kind != CLIENT && !(span.kind == PRODUCER && operation == "send")) {
        done.oddity.push_str("the kind; ");
    }
    if (span.status == STATUS_ERROR) == done.error.is_empty() {
        done.oddity.push_str("the status; ");
    }
    done
}

const PRODUCER: u64 = 4;

/// The links of each span, `TRACE/SPAN`, straight from the file.
fn links(path: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let request: Value = serde_json::from_str(line)?;
        let lists = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let scopes = lists(&request, "resourceSpans").into_iter().flat_map(|part| lists(&part, "scopeSpans"));
        for span in scopes.flat_map(|part| lists(&part, "spans")) {
            let id = |link: &Value, key: &str| link[key].as_str().unwrap_or_default().to_owned();
            let targets =
                lists(&span, "links").iter().map(|l| format!("{}/{}", id(l, "traceId"), id(l, "spanId"))).collect();
            all.insert(id(&span, "spanId"), targets);
        }
    }
    Ok(all)
}

/// What the journal and the spans do not agree on.
fn problems(journal: &[Done], seen: &Seen) -> Vec<String> {
    let calls = ["send", "poll", "commit"];
    let wanted = journal.iter().filter(|line| calls.contains(&line.what.as_str())).map(told);
    let got = seen.lines.iter().filter(|line| !["produce", "settle"].contains(&line.what.as_str())).map(told);
    let mut problems = differences(wanted, got);

    // A writer tells of each attempt before it, and of a batch's end whether and where it was written.
    let attempt =
        |line: &Done| told(&Done { offset: None, error: String::new(), what: "produce".into(), ..line.clone() });
    let of = |lines: &[Done], what: &str| lines.iter().filter(|line| line.what == what).cloned().collect::<Vec<_>>();
    let produced = of(&seen.lines, "produce");
    problems.extend(differences(of(journal, "produce").iter().map(attempt), produced.iter().map(attempt)));
    let written = |line: &&Done| line.error.is_empty();
    let batch = |line: &Done| told(&Done { what: "batch".into(), ..line.clone() });
    let batches = of(journal, "batch");
    problems.extend(differences(batches.iter().filter(written).map(batch), produced.iter().filter(written).map(batch)));

    // A reader tells of each commit that the coordinator accepted.
    let settled = of(&seen.lines, "settle");
    problems.extend(differences(of(journal, "settle").iter().map(told), settled.iter().filter(written).map(told)));
    problems
}

/// Compares two heaps of lines.
fn differences(wanted: impl Iterator<Item = String>, got: impl Iterator<Item = String>) -> Vec<String> {
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    wanted.for_each(|line| *balance.entry(line).or_default() += 1);
    got.for_each(|line| *balance.entry(line).or_default() -= 1);
    let difference = |(line, count): (String, i64)| match count {
        0 => None,
        1.. => Some(format!("{count} missing: {line}")),
        _ => Some(format!("{} too many: {line}", -count)),
    };
    balance.into_iter().filter_map(difference).collect()
}

/// The same spans with one thing wrong.
fn faults(seen: &Seen) -> Vec<(&'static str, Seen)> {
    let with = |what: &str, change: &dyn Fn(&mut Vec<Done>, usize)| {
        let mut faulty = seen.clone();
        let place = faulty.lines.iter().position(|line| line.what == what && line.error.is_empty());
        if let Some(place) = place {
            change(&mut faulty.lines, place);
        }
        faulty
    };
    vec![
        ("a call that is missing", with("send", &|lines, at| drop(lines.remove(at)))),
        ("a call that is there twice", with("send", &|lines, at| lines.push(lines[at].clone()))),
        ("another parent", with("send", &|lines, at| lines[at].from.push('7'))),
        ("another partition", with("produce", &|lines, at| lines[at].partition = Some(99))),
        ("another offset", with("produce", &|lines, at| lines[at].offset = Some(-7))),
        ("an error that was none", with("send", &|lines, at| lines[at].error.push('x'))),
        ("an odd name", with("send", &|lines, at| lines[at].oddity.push('x'))),
        ("another link", with("send", &|lines, at| lines[at].links.push("0/0".into()))),
    ]
}
