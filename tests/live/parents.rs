//! Every call is the child of the request that it was made for, or of none where that is not certain; never of another.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use uprobed_tests::otlp::CLIENT;
use uprobed_tests::programs::{SERVICE, VERSIONS};
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::Trace;

#[test]
fn follows_a_context_past_a_goroutine_that_ended() -> Result<()> {
    for version in VERSIONS {
        let trace = exact(&format!("context-{version}"), version, &["--paths", "/deep/{i}", "--n", "500"])?;
        ensure!(trace.spans.iter().all(|span| span.kind != CLIENT || !span.parent.is_empty()), "a call became a root");
    }
    Ok(())
}

#[test]
fn finds_the_handler_or_none_without_a_context() -> Result<()> {
    for version in VERSIONS {
        exact(&format!("no-context-{version}"), version, &["--paths", "/deepbare/{i},/fanbare/3/{i}", "--n", "500"])?;
    }
    Ok(())
}

/// The connections are kept alive, so a later request is under way on the goroutine that made the one left over.
#[test]
fn puts_no_leftover_goroutine_under_a_later_request() -> Result<()> {
    for version in VERSIONS {
        // Four connections and five waiting times: calls fall into, between and after the requests that follow.
        let paths =
            "/forget/0/{i},/forget/1/{i},/slow/2/{i},/forget/2/{i},/forget/5/{i},/slow/1/{i},/forget/9/{i},/call/{i}";
        exact(&format!("leftover-{version}"), version, &["--paths", paths, "--n", "2000", "--c", "4"])?;
    }
    Ok(())
}

fn exact(name: &str, go: &'static str, load: &[&str]) -> Result<Trace> {
    let scene = Scene::new(&format!("parents-{name}"))?;
    let (front, back) = scene.pair(&SERVICE.go(go), &[])?;
    let tracer = scene.trace(&[&front, &back])?;
    let sent = scene.load(&front, load)?;
    // Goroutines that nobody waits for.
    thread::sleep(Duration::from_millis(200));
    scene.verify(tracer, vec![front, back], sent)
}
