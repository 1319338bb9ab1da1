//! What an operator sets reaches the plugin, and what is wrong with it is said before anything is attached.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use uprobed_tests::broker::Broker;
use uprobed_tests::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};
use uprobed_tests::process::Running;
use uprobed_tests::programs::{Program, SERVICE};
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::{Trace, Tracer, uprobed};

const REQUESTS: usize = 2000;
const START: Duration = Duration::from_secs(20);

#[test]
fn traces_as_it_is_set() -> Result<()> {
    let scene = Scene::new("settings")?;
    let service = scene.service("a", &SERVICE, &[])?;
    let set = "[settings.http]\nknown-methods = [\"BREW\", \"POST\"]\n";
    let tracer = attach(&scene, set, &[service.pid()])?;
    let sent = scene.load(&service, &["--paths", "/plain/{i}", "--n", &REQUESTS.to_string()])?;
    let trace = end(tracer)?;
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

/// What a client sent with every request, one header listed and one not; the headers of redirects are the service's own.
#[test]
fn shows_listed_headers_and_no_others() -> Result<()> {
    const EACH: usize = 100;
    const SECRET: &str = "59b1c3a0d47e";
    let scene = Scene::new("settings-headers")?;
    let (front, back) = scene.pair(&SERVICE, &[])?;
    let lists = "request-headers = [\"X-Tenant\", \"referer\"]\nresponse-headers = [\"location\"]\n";
    let tracer = attach(&scene, &format!("[settings.http]\n{lists}"), &[front.pid(), back.pid()])?;
    let address = front.url.trim_start_matches("http://");
    for number in 0..EACH {
        for path in ["plain", "panic", "redirect", "follow"] {
            let headers =
                format!("Host: {address}\r\nx-tenant: shop {number}\r\nX-Secret: {SECRET}\r\nConnection: close");
            let mut stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
            stream.write_all(format!("GET /{path}/{number} HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes())?;
            stream.read_to_end(&mut Vec::new()).context("read the answer")?;
        }
    }
    let (front, pids) = (front.url.clone(), [front.stop()?.pid, back.stop()?.pid]);
    let trace = end(tracer)?;
    let written = fs::read_to_string(scene.file("spans.jsonl"))?.to_lowercase();
    ensure!(!written.contains(SECRET) && !written.contains("x-secret"), "a header was shown that is not listed");

    // Of the front's four kinds of requests, then of its round trips, then of what came to the back.
    let shown = |kind: u64, pid: u32, path: &str, number: usize| {
        let path = format!("/{path}/{number}");
        let is_it = |span: &&Span| span.kind == kind && span.pid() == pid && span.path() == path;
        let mut spans = trace.spans.iter().filter(is_it);
        let (found, others) = (spans.next().with_context(|| format!("no span for {path}"))?, spans.count());
        ensure!(others == 0, "{others} spans too many for {path}");
        let listed = found.attributes.iter().filter(|(key, _)| key.contains(".header."));
        Ok(listed.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>())
    };
    let is = |key: &str, value: String| (key.to_owned(), json!({"values": [{"stringValue": value}]}));
    for number in 0..EACH {
        let tenant = is("http.request.header.x-tenant", format!("shop {number}"));
        let location = is("http.response.header.location", format!("/plain/{number}"));
        for path in ["plain", "panic", "follow"] {
            ensure!(shown(SERVER, pids[0], path, number)? == [tenant.clone()], "/{path}/{number} of {front}");
        }
        ensure!(shown(SERVER, pids[0], "redirect", number)? == [tenant, location.clone()], "/redirect/{number}");
        for (kind, pid) in [(CLIENT, pids[0]), (SERVER, pids[1])] {
            ensure!(shown(kind, pid, "redirect", number)? == [location.clone()], "/redirect/{number} of kind {kind}");
            let [(key, value)] = &shown(kind, pid, "plain", number)?[..] else { bail!("/plain/{number}") };
            let value = value.to_string();
            ensure!(
                key == "http.request.header.referer" && value.contains(&format!("/redirect/{number}\"")),
                "{value}"
            );
        }
    }
    Ok(())
}

#[test]
fn shows_listed_metadata_on_both_sides() -> Result<()> {
    const CALLS: usize = 300;
    let versions: [(&str, &[&str]); 3] = [
        ("go1.18.10", &["-modfile=../old.mod"]),
        ("go1.22.12", &["-modfile=../middle.mod", "-ldflags=-s -w"]),
        ("local", &[]),
    ];
    for (go, flags) in versions {
        let scene = Scene::new(&format!("settings-metadata-{go}"))?;
        let (server, front, url) = shop(&scene, go, flags)?;
        let set = "[settings.grpc]\nrequest-metadata = [\"X-Id\"]\n";
        let tracer = attach(&scene, set, &[front.pid(), server.pid()])?;
        let sent = scene.load_url(&url, &["--paths", "/once/{i}", "--n", &CALLS.to_string()])?;
        let trace = end(tracer)?;
        let number = |path: &str| json!({"values": [{"stringValue": path.trim_start_matches("/once/")}]}).to_string();
        let expected: BTreeSet<String> = sent.iter().map(|sent| number(&sent.path)).collect();
        for kind in [CLIENT, SERVER] {
            let spans = trace.spans.iter().filter(|span| span.scope == "uprobed/grpc" && span.kind == kind);
            let said = spans.map(|span| span.attributes.get("rpc.request.metadata.x-id").map(ToString::to_string));
            let said: Vec<String> = said.collect::<Option<_>>().context("a span without its metadata")?;
            ensure!(said.len() == CALLS, "{go}: {} spans for {CALLS} calls", said.len());
            ensure!(said.into_iter().collect::<BTreeSet<_>>() == expected, "{go}: another call's metadata");
        }
    }
    Ok(())
}

/// What the server's code wrote about a failure, once on each side.
#[test]
fn shows_status_messages_only_if_it_is_told_to() -> Result<()> {
    const CALLS: usize = 20;
    for (set, shown) in [("", 0), ("[settings.grpc]\nstatus-messages = true\n", 2 * CALLS)] {
        let scene = Scene::new("settings-status-messages")?;
        let (server, front, url) = shop(&scene, "local", &[])?;
        let tracer = attach(&scene, set, &[front.pid(), server.pid()])?;
        scene.load_url(&url, &["--paths", "/code/13/{i}", "--n", &CALLS.to_string()])?;
        let trace = end(tracer)?;
        let failed = trace.spans.iter().filter(|span| span.scope == "uprobed/grpc" && span.status == STATUS_ERROR);
        ensure!(failed.count() == 2 * CALLS, "not one failed span on each side of {CALLS} calls");
        let written = fs::read_to_string(scene.file("spans.jsonl"))?;
        let messages = written.matches("\"message\":\"as you wished\"").count();
        ensure!(messages == shown, "{messages} messages, not {shown}, with {set:?}");
        ensure!(written.matches("as you wished").count() == shown, "a message stands elsewhere");
    }
    Ok(())
}

/// The reader's own requests are another matter.
#[test]
fn leaves_out_commits_that_are_not_wanted() -> Result<()> {
    const CALLS: usize = 40;
    let place = Scene::new("settings-broker")?;
    let broker = Broker::start(&place.directory)?;
    let scene = Scene::new("settings-commits")?;
    let journal = scene.file("calls.journal");
    let arguments = ["--broker", &broker.address(), "--calls", &journal.to_string_lossy()];
    let service = scene.service("a", &Program::new("go-kafka"), &arguments)?;
    let tracer = attach(&scene, "[settings.kafka]\ncommits = false\n", &[service.pid()])?;
    for path in ["/topics/{i}", "/take/{i}"] {
        let sent = scene.load(&service, &["--paths", path, "--n", &CALLS.to_string()])?;
        ensure!(sent.iter().all(|sent| sent.status == 200), "{path} failed");
    }
    let trace = end(tracer)?;
    service.stop()?;
    let noted = fs::read_to_string(&journal)?;
    let noted = |what: &str| noted.matches(&format!("\"what\":\"{what}\"")).count();
    let spans = |what: &str| trace.spans.iter().filter(|span| span.text("messaging.operation.name") == what).count();
    ensure!(noted("commit") == CALLS && noted("poll") == CALLS && noted("offset_commit") > 0, "not as much was done");
    ensure!(spans("commit") == 0, "{} commits are spans", spans("commit"));
    for what in ["send", "poll", "offset_commit"] {
        ensure!(spans(what) == noted(what), "{} spans of {} of {what}", spans(what), noted(what));
    }
    drop(broker);
    fs::remove_dir_all(&place.directory).with_context(|| format!("remove {}", place.directory.display()))
}

#[test]
fn says_everything_that_is_wrong_with_a_file() -> Result<()> {
    let scene = Scene::new("settings-wrong")?;
    let wrong = "[settings.htp]\n[settings.http]\nknown-method = []\nknown-methods = [\"GET\", 7]\n";
    let expected = [
        "1:11: settings.htp: no such plugin; there ",
        "3:1: settings.http.known-method: no such setting; there are known-methods, request-headers, response-headers",
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

/// What a plugin itself finds wrong: by `plan`, and while other plugins are attached.
#[test]
fn says_which_name_a_plugin_refuses() -> Result<()> {
    let scene = Scene::new("settings-refused")?;
    let (file, name) = (scene.file("settings.toml"), "X-Forwarded-Client-Certificate");
    fs::write(&file, format!("[settings.http]\nrequest-headers = [\"{name}\"]\n"))?;
    let expected = format!("the setting request-headers: {} has 30 bytes, more than 24", name.to_lowercase());
    let exe = Program::new("go-grpc/front").build()?;
    let plan = run(["plan".as_ref(), "--exe".as_ref(), exe.as_os_str(), "--settings".as_ref(), file.as_os_str()])?;
    let said = String::from_utf8_lossy(&plan.stdout);
    ensure!(said.contains(&format!("http.wasm: left out: {expected}")), "{said}");
    let mut front = Command::new(exe);
    let front = Running::start(
        front.args(["--log", "/dev/null", "--server", "127.0.0.1:1", "--web", "127.0.0.1:1"]).stdout(Stdio::null()),
    )?;
    let arguments = ["--settings", &file.to_string_lossy()];
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[front.pid()], &arguments)?;
    let said = end(tracer)?.stderr;
    ensure!(said.iter().any(|line| line.contains(&expected)), "{said:?}");
    Ok(())
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

/// Traces these processes with such settings, into `spans.jsonl`.
fn attach(scene: &Scene, settings: &str, pids: &[u32]) -> Result<Tracer> {
    let file = scene.file("settings.toml");
    fs::write(&file, settings)?;
    Tracer::attach(&scene.file("spans.jsonl"), pids, &["--settings", &file.to_string_lossy()])
}

fn end(tracer: Tracer) -> Result<Trace> {
    let trace = tracer.stop()?;
    ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
    Ok(trace)
}

/// A gRPC server, a front that calls it, and where that is asked.
fn shop(scene: &Scene, go: &'static str, flags: &'static [&'static str]) -> Result<(Running, Running, String)> {
    let start = |program, arguments: &[&str]| -> Result<(Running, String)> {
        let mut command = Command::new(Program::new(program).go(go).flags(flags).build()?);
        let journal = scene.file(&format!("{}.journal", program.replace('/', "-")));
        Running::listening(command.arg("--log").arg(journal).args(arguments), START)
    };
    let (server, addresses) = start("go-grpc/server", &[])?;
    let (address, web) = addresses.split_once(' ').context("the server names two addresses")?;
    let (front, url) = start("go-grpc/front", &["--server", address, "--web", web])?;
    Ok((server, front, url))
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
