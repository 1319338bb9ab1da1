//! Traces a program that uses Kafka against a real broker: every call and every request of the library's own is a span, with what the
//! program itself noted about it, below the request that it was made for.

#[path = "kafka/known.rs"]
mod known;
#[path = "kafka/lines.rs"]
mod lines;
#[path = "kafka/twin.rs"]
mod twin;
#[path = "kafka/verdict.rs"]
mod verdict;

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uprobed_tests::broker::Broker;
use uprobed_tests::otlp::Span;
use uprobed_tests::programs::{NEWEST, OLDEST, Program};
use uprobed_tests::scene::{Scene, Service};
use uprobed_tests::tracer::Tracer;
use verdict::verify;

/// The oldest, a middle and the newest version of kafka-go, with Go of their time, stripped among them.
const PROGRAMS: [Program; 3] = [
    Program::new("go-kafka").go(OLDEST).flags(&["-modfile=oldest.mod", "-ldflags=-s -w"]),
    Program::new("go-kafka").go("go1.21.13").flags(&["-modfile=middle.mod"]),
    Program::new("go-kafka").go(NEWEST).flags(&["-ldflags=-s -w"]),
];
const LATEST: Program = Program::new("go-kafka");

const SCOPE: &str = "uprobed/kafka";
const JOURNAL: &str = "calls.journal";
const SHOWN: usize = 20;

/// As many ways as have no divisor in common with what a way counts by.
const WRITES: &str = concat!(
    "/one/{i},/bare/{i},/many/{i},/worker/{i},/topics/{i},/async/{i},/packed/{i},/nothing/{i},",
    "/one/{i},/many/{i},/async/{i}"
);
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
    "context.DeadlineExceeded",
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
