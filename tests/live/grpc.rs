//! Traces a gRPC server, and a front that calls it: every call is one span on each side, with its attributes, status and parent.

#[path = "grpc/shop.rs"]
mod shop;
#[path = "grpc/twin.rs"]
mod twin;
#[path = "grpc/verdict.rs"]
mod verdict;

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shop::{Journal, MIDDLE, NEWEST, NEWEST_STRIPPED, OLDEST, Shop, Version};
use uprobed_tests::otlp::Span;
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::{Trace, Tracer};
use verdict::World;

/// Every kind of call, and every way to fail.
const KINDS: [&str; 25] = [
    "once",
    "down",
    "up",
    "both",
    "within",
    "left",
    "nested",
    "retry",
    "reject",
    "answer",
    "plain-error",
    "unknown-method",
    "unknown-service",
    "code/3",
    "code/5",
    "code/13",
    "code/15",
    "code/77",
    "stream-code/5",
    "stream-wait",
    "deadline",
    "late",
    "cancel",
    "refused",
    "abandon",
];
const UNAVAILABLE: i64 = 14;
const SHOWN: usize = 12;
/// Streams that nobody waits for.
const SETTLE: Duration = Duration::from_millis(300);

#[test]
fn accounts_for_thousands_of_calls() -> Result<()> {
    let spans = exact("thousands", NEWEST, &[], &["once", "once", "both"], 4500)?.spans;
    let of_grpc = spans.iter().filter(|span| span.scope == "uprobed/grpc").count();
    ensure!(of_grpc == 9000, "{of_grpc} spans, not one on each side of 4500 calls");
    Ok(())
}

#[test]
fn is_exact_with_the_newest_version() -> Result<()> {
    exact("newest", NEWEST_STRIPPED, &[], &KINDS, 1000).map(drop)
}

#[test]
fn is_exact_with_a_version_in_the_middle() -> Result<()> {
    exact("middle", MIDDLE, &[], &KINDS, 1000).map(drop)
}

#[test]
fn is_exact_with_the_oldest_version() -> Result<()> {
    exact("oldest", OLDEST, &[], &KINDS, 1000).map(drop)
}

/// Who receives on a stream and who waits for its context both end it when its time is up, at times at once.
#[test]
fn ends_a_stream_once_that_two_goroutines_end() -> Result<()> {
    exact("two-ends", NEWEST, &[], &["stream-wait"], 1500).map(drop)
}

#[test]
fn is_exact_over_tls_and_with_a_pool_of_workers() -> Result<()> {
    for version in [OLDEST, MIDDLE, NEWEST] {
        exact(&format!("tls-{}", version.name), version, &["--tls", "--workers", "4"], &KINDS, 500)?;
    }
    Ok(())
}

#[test]
fn sees_one_span_for_a_call_behind_net_http() -> Result<()> {
    for version in [OLDEST, MIDDLE, NEWEST] {
        let kinds = ["web/once", "web/both", "web/code/5", "web/code/13", "web/unknown-method", "web/deadline"];
        let trace = exact(&format!("web-{}", version.name), version, &[], &kinds, 300)?;
        let of_server = trace
            .spans
            .iter()
            .filter(|span| span.scope == "uprobed/http" && span.text("url.path").starts_with("/shop"));
        ensure!(of_server.count() == 0, "net/http's request is a span as well");
    }
    Ok(())
}

#[test]
fn honours_a_traceparent_in_the_metadata() -> Result<()> {
    let parent = "traceparent/00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    for version in [OLDEST, MIDDLE, NEWEST] {
        exact(&format!("traceparent-{}", version.name), version, &[], &[parent], 200)?;
    }
    Ok(())
}

#[test]
fn agrees_with_the_sdk_compiled_in() -> Result<()> {
    let scene = Scene::new("grpc-twin")?;
    let (witnesses, spans) = twin::run(&scene.directory)?;
    report(&scene, &twin::differences(&witnesses, &spans))
}

/// The server is gone while calls are under way: the front's calls fail, and are spans all the same.
#[test]
fn sees_calls_fail_whose_server_dies() -> Result<()> {
    const REQUESTS: usize = 1500;
    let scene = Scene::new("grpc-dies")?;
    let shop = Shop::open(&scene.directory, NEWEST, &["--lifetime", "800"])?;
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[shop.front.pid(), shop.server.pid()], &[])?;
    scene.load_url(&shop.url, &["--paths", "/once/{i},/both/{i}", "--n", &REQUESTS.to_string()])?;
    let front = shop.close_front()?;
    let trace = tracer.stop()?;
    let failed = front.called.iter().filter(|called| called.code == UNAVAILABLE).count();
    ensure!(failed > 0 && failed < REQUESTS, "{failed} of {REQUESTS} calls failed");
    let spans: Vec<_> = trace.spans.into_iter().filter(|span| span.pid() == front.pid).collect();
    let server = Journal::default();
    report(&scene, &verdict::problems(&World { front: &front, server: &server, is_joined: true }, &spans))
}

/// So many requests of these kinds, 16 at once.
fn exact(name: &str, version: Version, arguments: &[&str], kinds: &[&str], requests: usize) -> Result<Trace> {
    let scene = Scene::new(&format!("grpc-{name}"))?;
    let shop = Shop::open(&scene.directory, version, arguments)?;
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[shop.front.pid(), shop.server.pid()], &[])?;
    let paths: Vec<String> = kinds.iter().map(|kind| format!("/{kind}/{{i}}")).collect();
    let load = ["--paths", &paths.join(","), "--n", &requests.to_string(), "--c", "16"];
    let sent = scene.load_url(&shop.url, &load)?;
    ensure!(sent.len() == requests && sent.iter().all(|sent| sent.status == 200), "the load itself did not succeed");
    thread::sleep(SETTLE);
    let (front, server) = shop.close()?;
    let trace = tracer.stop()?;
    ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    ensure!(
        front.called.len() >= requests / kinds.len() * kinds.iter().filter(|kind| **kind != "answer").count(),
        "calls are missing"
    );
    let is_joined = !kinds[0].starts_with("web/");
    let world = World { front: &front, server: &server, is_joined };
    report(&scene, &verdict::problems(&world, &trace.spans)).with_context(|| trace.stderr.join("\n"))?;
    for (fault, faulty) in faults(&trace.spans) {
        ensure!(!verdict::problems(&world, &faulty).is_empty(), "the verdict did not notice {fault}");
    }
    ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
    Ok(trace)
}

/// What the verdict has to notice.
fn faults(spans: &[Span]) -> Vec<(&'static str, Vec<Span>)> {
    let Some(last) = spans.iter().rposition(|span| span.scope == "uprobed/grpc") else { return Vec::new() };
    let changed = |change: fn(&mut Span)| {
        let mut spans = spans.to_vec();
        change(&mut spans[last]);
        spans
    };
    vec![
        ("a missing span", [&spans[..last], &spans[last + 1..]].concat()),
        ("a span too many", [spans, &spans[last..=last]].concat()),
        ("another parent", changed(|span| span.parent = "00000000000000aa".into())),
        ("another method", changed(|span| span.name.push('x'))),
        ("a missing attribute", changed(|span| drop(span.attributes.remove("server.port")))),
    ]
}

fn report(scene: &Scene, problems: &[String]) -> Result<()> {
    let shown = problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n  ");
    ensure!(problems.is_empty(), "{} problems (kept in {}):\n  {shown}", problems.len(), scene.directory.display());
    std::fs::remove_dir_all(&scene.directory).with_context(|| format!("remove {}", scene.directory.display()))
}
