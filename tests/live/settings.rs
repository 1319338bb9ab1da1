//! What an operator sets reaches the plugin, and what is wrong with it is said before anything is attached.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use uprobed_tests::otlp::SERVER;
use uprobed_tests::programs::SERVICE;
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::{Tracer, uprobed};

const REQUESTS: usize = 2000;

#[test]
fn traces_as_it_is_set() -> Result<()> {
    let scene = Scene::new("settings")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let file = scene.file("settings.toml");
    fs::write(&file, "[settings.http]\nknown-methods = [\"BREW\", \"POST\"]\n")?;
    let out = scene.file("spans.jsonl");
    let tracer = Tracer::attach(&out, &[service.pid()], &["--settings", &file.to_string_lossy()])?;
    let sent = scene.load(&service, &["--paths", "/plain/{i}", "--n", &REQUESTS.to_string()])?;
    let trace = tracer.stop()?;
    ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    let as_set = trace.spans.iter().filter(|span| {
        span.kind == SERVER
            && span.text("http.request.method") == "_OTHER"
            && span.text("http.request.method_original") == "GET"
    });
    let (as_set, all) = (as_set.count(), trace.spans.len());
    ensure!(sent.len() == REQUESTS, "{} requests were sent", sent.len());
    ensure!(as_set == REQUESTS && all == REQUESTS, "{as_set} of {all} spans, for {REQUESTS} requests");
    Ok(())
}

#[test]
fn says_everything_that_is_wrong_with_a_file() -> Result<()> {
    let scene = Scene::new("settings-wrong")?;
    let wrong = "[settings.htp]\n[settings.http]\nknown-method = []\nknown-methods = [\"GET\", 7]\n";
    let expected = [
        "1:11: settings.htp: no such plugin; there ",
        "3:1: settings.http.known-method: no such setting; there is known-methods",
        "4:25: settings.http.known-methods[1]: an integer where a string is wanted",
    ];

    let file = scene.file("settings.toml");
    fs::write(&file, wrong)?;
    let service = SERVICE.build()?;
    let (given, exe) = (file.as_os_str(), service.as_os_str());
    let plan = ["plan".as_ref(), "--exe".as_ref(), exe, "--settings".as_ref(), given];
    says(&expected, &file, &run(plan)?)?;
    let trace = ["trace".as_ref(), "--exe".as_ref(), exe, "--settings".as_ref(), given];
    says(&expected, &file, &run(trace)?)?;

    // The same tables stand in a daemon's configuration.
    let configuration = scene.file("uprobed.toml");
    let rest = "[select]\nexecutables = [\"/nowhere/*\"]\n[export]\notlp = \"grpc://127.0.0.1:1\"\n";
    fs::write(&configuration, format!("{wrong}{rest}"))?;
    says(&expected, &configuration, &run(["run".as_ref(), "--config".as_ref(), configuration.as_os_str()])?)?;
    let nowhere = ["plan".as_ref(), "--exe".as_ref(), exe, "--settings".as_ref(), "/nowhere.toml".as_ref()];
    says(&["No such file or directory"], Path::new("/nowhere.toml"), &run(nowhere)?)
}

#[test]
fn prints_a_file_that_can_be_used() -> Result<()> {
    let scene = Scene::new("settings-printed")?;
    let printed = run(["settings".as_ref()])?;
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    ensure!(printed.status.success(), "{}: {}", printed.status, String::from_utf8_lossy(&printed.stderr));
    ensure!(text.contains("[settings.http]\n") && text.contains("\n#known-methods = [\"GET\", "), "{text}");
    let file = scene.file("settings.toml");
    let is_set = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let set = text.lines().map(|line| if is_set(line) { &line[1..] } else { line });
    for text in [&text, &set.collect::<Vec<_>>().join("\n")] {
        fs::write(&file, text)?;
        let service = SERVICE.build()?;
        let plan = ["plan".as_ref(), "--exe".as_ref(), service.as_os_str(), "--settings".as_ref(), file.as_os_str()];
        let plan = run(plan)?;
        ensure!(plan.status.success(), "{}: {}\n{text}", plan.status, String::from_utf8_lossy(&plan.stderr));
    }
    Ok(())
}

/// Each of these on a line of its own, beginning with the file, and the exit code of a wrong configuration.
fn says(expected: &[&str], file: &Path, output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(9), "{}: {said}", output.status);
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.len() == expected.len(), "{} lines: {said}", lines.len());
    for (line, expected) in lines.iter().zip(expected) {
        let told = line.strip_prefix(&format!("error: {}:", file.display())).with_context(|| said.to_string())?;
        ensure!(told.trim_start().starts_with(expected), "{line}: {expected}");
    }
    Ok(())
}

fn run<'a>(arguments: impl IntoIterator<Item = &'a std::ffi::OsStr>) -> Result<Output> {
    Command::new(uprobed()?).args(arguments).output().context("start uprobed")
}
