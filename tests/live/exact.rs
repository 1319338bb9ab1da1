//! Counts exactly: every request and every call is one span, with the right status and the right parent.

use anyhow::{Result, ensure};
use uprobed_tests::programs::{Program, SERVICE, VERSIONS};
use uprobed_tests::scene::Scene;

/// Requests to `a` of a kind each, which reach `b` where they call.
const MIXED: &str =
    "/call/x/{i},/plain/x/{i},/status/404/x/{i},/status/500/x/{i},/call/y/{i},/middleware/x/{i},/refused/x/{i}";

#[test]
fn counts_ten_thousand_requests() -> Result<()> {
    let scene = Scene::new("exact-10000")?;
    let (front, back) = scene.pair(&SERVICE, &[])?;
    let tracer = scene.trace(&[&front, &back])?;
    let sent = scene.load(&front, &["--paths", "/call/{i}", "--n", "10000", "--c", "16"])?;
    ensure!(sent.len() == 10_000 && sent.iter().all(|sent| sent.status == 200), "the load itself did not succeed");
    let trace = scene.verify(tracer, vec![front, back], sent)?;
    ensure!(
        trace.spans.len() == 30_000,
        "{} spans, not 10,000 of a's requests, calls and b's requests",
        trace.spans.len()
    );
    Ok(())
}

#[test]
fn misses_none_of_eighty_in_flight() -> Result<()> {
    let scene = Scene::new("exact-80")?;
    let (front, back) = scene.pair(&SERVICE, &[])?;
    let tracer = scene.trace(&[&front, &back])?;
    let sent = scene.load(&front, &["--paths", "/slow/30/{i},/call/{i}", "--n", "4000", "--c", "80"])?;
    scene.verify(tracer, vec![front, back], sent)?;
    Ok(())
}

#[test]
fn honours_a_traceparent_that_comes_in() -> Result<()> {
    let scene = Scene::new("exact-traceparent")?;
    let (front, back) = scene.pair(&SERVICE, &[])?;
    let tracer = scene.trace(&[&front, &back])?;
    let sent = scene.load(&front, &["--paths", "/call/{i}", "--n", "500", "--traceparent"])?;
    scene.verify(tracer, vec![front, back], sent)?;
    Ok(())
}

#[test]
fn is_exact_with_every_go_version() -> Result<()> {
    for version in VERSIONS {
        mixed(&format!("exact-{version}"), &SERVICE.go(version), &[])?;
    }
    Ok(())
}

#[test]
fn is_exact_over_tls_with_every_go_version() -> Result<()> {
    for version in VERSIONS {
        mixed(&format!("exact-tls-{version}"), &SERVICE.go(version), &["--tls"])?;
    }
    Ok(())
}

#[test]
fn is_exact_with_binaries_built_in_other_ways() -> Result<()> {
    const STRIPPED: Program = SERVICE.flags(&["-ldflags=-s -w"]);
    const INDEPENDENT: Program = SERVICE.flags(&["-buildmode=pie"]);
    const STATIC: Program = SERVICE.without_c();
    mixed("exact-stripped", &STRIPPED, &[])?;
    mixed("exact-pie", &INDEPENDENT, &[])?;
    mixed("exact-static", &STATIC, &[])
}

fn mixed(name: &str, program: &Program, arguments: &[&str]) -> Result<()> {
    let scene = Scene::new(name)?;
    let (front, back) = scene.pair(program, arguments)?;
    let tracer = scene.trace(&[&front, &back])?;
    let sent = scene.load(&front, &["--paths", MIXED, "--n", "1400"])?;
    scene.verify(tracer, vec![front, back], sent)?;
    Ok(())
}
