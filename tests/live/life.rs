//! Programs and uprobed come and go in any order, and neither harms the other.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use uprobed_tests::process::free_port;
use uprobed_tests::programs::{FIRST, SERVICE};
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::Tracer;
use uprobed_tests::verdict::World;

const LOAD: [&str; 4] = ["--paths", "/plain/{i}", "--n", "500"];

#[test]
fn attaches_to_a_program_that_starts_later() -> Result<()> {
    let scene = Scene::new("life-later")?;
    let binary = SERVICE.build()?;
    let path = binary.canonicalize()?;
    let path = path.to_str().context("a path that is no text")?;
    let tracer = Tracer::start(&scene.file("spans.jsonl"), ["--exe", path])?;
    tracer.wait_for(|line| line.starts_with("waiting"))?;
    let service = scene.service_from("a", &binary, &[])?;
    tracer.wait_attached(service.pid())?;
    let sent = scene.load(&service, &LOAD)?;
    scene.verify(tracer, vec![service], sent)?;
    Ok(())
}

#[test]
fn attaches_again_after_a_restart() -> Result<()> {
    let scene = Scene::new("life-restart")?;
    let binary = SERVICE.build()?;
    let path = binary.canonicalize()?;
    let path = path.to_str().context("a path that is no text")?;
    let tracer = Tracer::start(&scene.file("spans.jsonl"), ["--exe", path])?;
    let mut world = World::default();
    for life in ["/plain/first/{i}", "/plain/second/{i}"] {
        let service = scene.service_from("a", &binary, &[])?;
        tracer.wait_attached(service.pid())?;
        scene.load(&service, &["--paths", life, "--n", "500"])?;
        world.services.push(service.stop()?);
    }
    let trace = tracer.stop()?;
    ensure!(trace.spans.len() == 1000, "{} spans of 1000 requests", trace.spans.len());
    scene.judge(&world, &trace.spans)
}

#[test]
fn leaves_an_unselected_instance_of_the_same_binary_alone() -> Result<()> {
    let scene = Scene::new("life-twice")?;
    let selected = scene.service("a", &SERVICE, &[])?;
    let other = scene.service("other", &SERVICE, &[])?;
    let tracer = scene.trace(&[&selected])?;
    let unseen = scene.load(&other, &["--paths", "/plain/other/{i}", "--n", "500"])?;
    ensure!(unseen.iter().all(|sent| sent.status == 200), "the other instance did not answer");
    let sent = scene.load(&selected, &LOAD)?;
    // A span of the other instance is one that nobody made.
    scene.verify(tracer, vec![selected], sent)?;
    Ok(())
}

#[test]
fn attaches_a_command_before_its_first_instruction() -> Result<()> {
    let scene = Scene::new("life-command")?;
    let (binary, port) = (SERVICE.build()?, free_port()?);
    let listen = format!("127.0.0.1:{port}");
    let journal = scene.file("a.journal");
    let command = [binary.as_os_str(), "--listen".as_ref(), listen.as_ref(), "--log".as_ref(), journal.as_os_str()];
    let tracer = Tracer::start(&scene.file("spans.jsonl"), [&["--".as_ref()], &command[..]].concat())?;
    let attached = tracer.wait_for(|line| line.starts_with("attached pid="))?;
    let pid = attached.trim_start_matches("attached pid=").split(' ').next().unwrap_or_default().parse()?;
    let sent = scene.load_url(&format!("http://{listen}"), &LOAD)?;
    ensure!(sent.iter().filter(|sent| sent.status == 200).count() == sent.len(), "the command did not answer");
    let trace = tracer.stop()?;
    let service = uprobed_tests::journal::read_service(pid, &journal)?;
    scene.judge(&World { services: vec![service], sent }, &trace.spans)
}

/// A command that does its work at once: none of it is missed.
#[test]
fn sees_the_first_calls_of_a_command() -> Result<()> {
    let scene = Scene::new("life-first")?;
    let service = scene.service("b", &SERVICE, &[])?;
    let program = FIRST.build()?;
    for round in 0..10 {
        let out = scene.file(&format!("spans-{round}.jsonl"));
        let trace = Tracer::start(&out, ["--".as_ref(), program.as_os_str(), service.url.as_ref()])?.end()?;
        ensure!(trace.status.success(), "it ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
        ensure!(trace.spans.len() == 3, "round {round}: {} spans of 3 calls", trace.spans.len());
    }
    service.stop()?;
    Ok(())
}

/// What was deployed over the same file runs unharmed, and is traced by its own offsets.
#[test]
fn survives_a_binary_that_is_overwritten() -> Result<()> {
    let scene = Scene::new("life-overwritten")?;
    let binary = scene.file("service");
    fs::copy(SERVICE.build()?, &binary)?;
    let path = binary.to_str().context("a path that is no text")?.to_owned();
    let first = scene.service_from("a", &binary, &[])?;
    let tracer = Tracer::start(&scene.file("spans.jsonl"), ["--exe", &path])?;
    tracer.wait_attached(first.pid())?;
    let mut world = World::default();
    scene.load(&first, &["--paths", "/plain/1/{i}", "--n", "200"])?;
    world.services.push(first.stop()?);
    // uprobed hears of the end and leaves; no deployment is faster than this.
    thread::sleep(Duration::from_millis(500));
    // In place: the same inode, other contents.
    fs::copy(SERVICE.flags(&["-ldflags=-s -w"]).build()?, &binary)?;
    let second = scene.service_from("b", &binary, &[])?;
    tracer.wait_attached(second.pid())?;
    let sent = scene.load(&second, &["--paths", "/plain/2/{i}", "--n", "200"])?;
    ensure!(sent.iter().all(|sent| sent.status == 200), "the second program did not answer");
    world.services.push(second.stop()?);
    let trace = tracer.stop()?;
    scene.judge(&world, &trace.spans)
}

/// Thousands of records that wait at the end are taken in, and it ends.
#[test]
fn ends_although_much_is_waiting() -> Result<()> {
    let scene = Scene::new("life-waiting")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let tracer = scene.trace(&[&service])?;
    tracer.signal(Signal::STOP)?;
    let sent = scene.load(&service, &["--paths", "/plain/{i}", "--n", "10000"])?;
    tracer.signal(Signal::TERM)?;
    tracer.signal(Signal::CONT)?;
    let trace = tracer.end()?;
    ensure!(trace.status.success(), "it ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    let world = World { services: vec![service.stop()?], sent };
    scene.judge(&world, &trace.spans)
}

/// A uprobed that dies leaves no request broken and nothing behind that would keep the next one from starting.
#[test]
fn harms_no_request_when_it_is_killed() -> Result<()> {
    let scene = Scene::new("life-killed")?;
    let (front, back) = scene.pair(&SERVICE, &[])?;
    let arguments = ["--paths", "/call/{i},/plain/{i}", "--rate", "5000", "--for", "240s", "--c", "32"];
    let mut load = scene.start_load(&front, &arguments)?;
    for round in 0..20 {
        let mut tracer = scene.trace(&[&front, &back]).with_context(|| format!("start number {round}"))?;
        thread::sleep(Duration::from_millis(100 + 20 * round));
        ensure!(load.is_running(), "the load ended before uprobed was killed 20 times");
        tracer.kill();
    }
    let tracer = scene.trace(&[&front, &back])?;
    let (summary, sent) = load.stop()?;
    ensure!(summary.errors == 0, "{} of {} requests failed", summary.errors, summary.requests);
    let rate = summary.requests as f64 / summary.seconds;
    ensure!(rate > 4000.0, "only {rate:.0} requests a second: that proves little");
    ensure!(sent.iter().all(|sent| sent.status == 200), "a request was not answered with 200");
    let after = scene.load(&front, &["--paths", "/plain/after/{i}", "--n", "100"])?;
    let trace = tracer.stop()?;
    let seen = trace.spans.iter().filter(|span| span.path().starts_with("/plain/after/")).count();
    ensure!(seen == after.len(), "{seen} spans of {} requests at the end", after.len());
    Ok(())
}
