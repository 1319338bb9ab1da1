//! `uprobed run`: the same path as `trace`, as a configuration file says.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use uprobed_tests::collector::Collector;
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::programs::SERVICE;
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::uprobed;
use uprobed_tests::verdict::World;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn attaches_what_is_configured_and_flushes_at_the_end() -> Result<()> {
    let scene = Scene::new("daemon")?;
    let collector = Collector::start(&scene)?;
    let configuration = scene.file("uprobed.toml");
    let text = format!(
        "[select]\nexecutables = [\"{}\"]\n[export]\notlp = \"grpc://127.0.0.1:{}\"\n",
        SERVICE.build()?.display(),
        collector.grpc
    );
    fs::write(&configuration, text)?;
    let mut command = Command::new(uprobed()?);
    command.arg("run").arg("--config").arg(&configuration).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut daemon = Running::start(&mut command)?;
    let Some(stderr) = daemon.child().stderr.take() else { anyhow::bail!("no standard error") };
    let stderr = Lines::of(stderr);
    stderr.wait_for(PATIENCE, |line| line == "waiting")?;

    // They come after it, and both are found.
    let (front, back) = scene.pair(&SERVICE, &[])?;
    for pid in [front.pid(), back.pid()] {
        let prefix = format!("attached pid={pid} ");
        stderr.wait_for(PATIENCE, |line| line.starts_with(&prefix))?;
    }
    let sent = scene.load(&front, &["--paths", "/call/{i},/status/404/{i}", "--n", "1000"])?;
    daemon.signal(Signal::TERM)?;
    let status = daemon.wait(PATIENCE)?;
    ensure!(status.success(), "it ended with {status}:\n{}", stderr.all().join("\n"));
    let world = World { services: vec![front.stop()?, back.stop()?], sent };
    scene.judge(&world, &collector.stop()?)
}

#[test]
fn refuses_a_configuration_with_its_place() -> Result<()> {
    let scene = Scene::new("daemon-wrong")?;
    let configuration = scene.file("uprobed.toml");
    fs::write(&configuration, "[select]\nexecutable = []\n")?;
    let output = Command::new(uprobed()?).arg("run").arg("--config").arg(&configuration).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(9), "{}: {stderr}", output.status);
    ensure!(stderr.contains("line 2") && stderr.contains("executable"), "{stderr}");
    Ok(())
}
