//! Starts and ends find each other: over stacks that grow, in handlers that recurse, among thousands of goroutines.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use uprobed_tests::programs::{SERVICE, VERSIONS};
use uprobed_tests::scene::Scene;

#[test]
fn pairs_calls_on_stacks_that_grow() -> Result<()> {
    // From a stack that is copied within the call itself to one that is copied many times on the way down.
    let paths: Vec<String> = (0..64).map(|step| format!("/grow/{}/{{i}}", step * step / 2)).collect();
    for version in VERSIONS {
        exact(&format!("grow-{version}"), version, &["--paths", &paths.join(","), "--n", "1280"])?;
    }
    Ok(())
}

#[test]
fn pairs_recursive_handlers() -> Result<()> {
    exact("recursive", "local", &["--paths", "/nest/5/{i},/again/7/{i},/nest/1/{i}", "--n", "900"])
}

#[test]
fn pairs_thousands_of_goroutines() -> Result<()> {
    exact("goroutines", "local", &["--paths", "/fan/50/{i},/fanbare/50/{i}", "--n", "200", "--c", "40"])
}

#[test]
fn sees_redirects_as_siblings() -> Result<()> {
    exact("redirects", "local", &["--paths", "/follow/{i}", "--n", "300"])
}

/// Handlers that end in another way than by returning, between others on the same connections.
#[test]
fn survives_panics_hijacks_and_timeouts() -> Result<()> {
    let paths = "/call/{i},/panic/{i},/call/{i},/hijack/{i},/timeout/{i},/call/{i}";
    exact("odd-ends", "local", &["--paths", paths, "--n", "600"])
}

fn exact(name: &str, go: &'static str, load: &[&str]) -> Result<()> {
    let scene = Scene::new(&format!("pairing-{name}"))?;
    let (front, back) = scene.pair(&SERVICE.go(go), &[])?;
    let tracer = scene.trace(&[&front, &back])?;
    let sent = scene.load(&front, load)?;
    // Requests whose client gave up are still being answered.
    thread::sleep(Duration::from_millis(300));
    scene.verify(tracer, vec![front, back], sent)?;
    Ok(())
}
