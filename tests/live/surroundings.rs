//! Nothing to attach, nothing to attach to, and things that are not what they should be: one clear line each.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use uprobed_tests::programs::SERVICE;
use uprobed_tests::root;
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::{Tracer, uprobed};

#[test]
fn attaches_nothing_without_plugins() -> Result<()> {
    let scene = Scene::new("surroundings-empty")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let plugins = scene.file("plugins");
    fs::create_dir(&plugins)?;
    let pid = service.pid().to_string();
    let out = scene.file("spans.jsonl");
    let tracer = Tracer::start(&out, ["--pid".as_ref(), pid.as_ref(), "--plugins".as_ref(), plugins.as_os_str()])?;
    scene.load(&service, &["--paths", "/plain/{i}", "--n", "200"])?;
    let trace = tracer.stop_if_running()?;
    ensure!(trace.spans.is_empty(), "{} spans without a plugin", trace.spans.len());
    let attached = trace.stderr.iter().find(|line| line.starts_with("attached") && !line.ends_with("probes=0"));
    ensure!(attached.is_none(), "{attached:?} without a plugin");
    Ok(())
}

/// What is true of one library belongs into its plugin.
#[test]
fn names_no_library_in_host_and_kernel() -> Result<()> {
    const WORDS: [&str; 9] = [
        "net/http",
        "HTTP/1",
        "golang.org/grpc",
        "kafka",
        "database/sql",
        "persistConn",
        "roundTrip",
        "RoundTrip",
        "user-agent",
    ];
    // The exporter speaks a protocol of its own to the collector.
    let exporter = |path: &Path| path.starts_with(root().join("host/src/export"));
    for directory in ["host/src", "host/binary/src", "ebpf/src"] {
        for file in rust_files(&root().join(directory))? {
            let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            let code =
                text.lines().take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("mod tests"));
            for line in code.filter(|line| !line.trim_start().starts_with("//")) {
                let word = WORDS.iter().find(|word| line.contains(*word));
                ensure!(word.is_none() || exporter(&file), "{} in {}: {line}", word.unwrap_or(&""), file.display());
            }
        }
    }
    Ok(())
}

#[test]
fn says_what_is_wrong_in_one_line() -> Result<()> {
    let scene = Scene::new("surroundings-bad")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let pid = service.pid().to_string();
    let (text, cut, plugins) = (scene.file("text"), scene.file("cut"), scene.file("plugins"));
    fs::write(&text, "not a program\n")?;
    fs::write(&cut, &fs::read(SERVICE.build()?)?[..20_000])?;
    fs::create_dir(&plugins)?;
    fs::write(plugins.join("bad.wasm"), "not a component")?;
    let [text, cut, plugins] = [&text, &cut, &plugins].map(|path| path.to_string_lossy().into_owned());

    let rows: [(&str, Vec<&str>); 6] = [
        ("no selection", vec!["trace"]),
        ("a pid that is nobody's", vec!["trace", "--pid", "4194303"]),
        ("a file that is no program", vec!["plan", "--exe", &text]),
        ("a program cut off", vec!["plan", "--exe", &cut]),
        ("a plugin that is none", vec!["trace", "--pid", &pid, "--plugins", &plugins]),
        ("no such plugin directory", vec!["trace", "--pid", &pid, "--plugins", "/nowhere"]),
    ];
    for (name, arguments) in rows {
        let output = run(&arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code().is_some_and(|code| code > 0 && code < 100), "{name}: {} {said}", output.status);
        ensure!(!said.trim().is_empty(), "{name}: it says nothing");
        ensure!(!said.contains("panicked") && !said.contains("backtrace"), "{name}: {said}");
    }
    Ok(())
}

#[test]
fn refuses_plugins_that_others_can_write() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new("surroundings-writable")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let plugins = scene.file("plugins");
    fs::create_dir(&plugins)?;
    fs::copy(root().join("target/plugins/http.wasm"), plugins.join("http.wasm"))?;
    fs::set_permissions(plugins.join("http.wasm"), fs::Permissions::from_mode(0o666))?;
    let output =
        run(&["trace", "--pid", &service.pid().to_string(), "--for", "1s", "--plugins", &plugins.to_string_lossy()])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && said.contains("http.wasm"), "{}: {said}", output.status);
    Ok(())
}

#[test]
fn passes_on_the_status_of_its_command() -> Result<()> {
    let output = run(&["trace", "--", "/bin/sh", "-c", "exit 7"])?;
    // A shell has nothing to attach to, so either is right: its status, or a refusal with a reason.
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(7) || (!output.status.success() && !said.is_empty()),
        "{}: {said}",
        output.status
    );
    Ok(())
}

/// No connection is needed to trace, and a collector that is away costs a count and nothing else.
#[test]
fn goes_on_without_its_collector() -> Result<()> {
    let scene = Scene::new("surroundings-collector")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[service.pid()], &["--otlp", "http://127.0.0.1:1"])?;
    let sent = scene.load(&service, &["--paths", "/plain/{i}", "--n", "2000"])?;
    let trace = tracer.stop()?;
    ensure!(trace.spans.len() == sent.len(), "{} spans in the file of {} requests", trace.spans.len(), sent.len());
    Ok(())
}

fn run(arguments: &[&str]) -> Result<Output> {
    Command::new(uprobed()?).args(arguments).output().context("start uprobed")
}

fn rust_files(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "tests" || name == "tests.rs") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}
