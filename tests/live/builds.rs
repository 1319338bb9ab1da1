//! One load, and services that were built by several releases of Go in several ways: the same spans, whatever the build.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value;
use uprobed_tests::otlp::Span;
use uprobed_tests::programs::{NEWEST, OLDEST, Program, SERVICE};
use uprobed_tests::scene::Scene;

/// Its mux leaves no pattern anywhere before Go 1.22.
const MIDDLE: &str = "go1.22.12";
const STRIPPED_PIE: &[&str] = &["-buildmode=pie", "-ldflags=-s -w"];
const PATHS: &str = "/call/x/{i},/plain/x/{i},/status/404/x/{i},/status/500/x/{i},/call/y/{i},/middleware/x/{i}";

#[test]
fn gives_the_same_spans_however_the_program_was_built() -> Result<()> {
    let ordinary = Spans::of("builds-ordinary", &SERVICE)?;
    for (version, has_routes) in [(OLDEST, false), (MIDDLE, true), (NEWEST, true)] {
        let program = SERVICE.go(version);
        for (way, program) in [("plain", program.clone()), ("stripped-pie", program.flags(STRIPPED_PIE))] {
            let name = format!("builds-{version}-{way}");
            let spans = Spans::of(&name, &program)?;
            let expected = if has_routes { ordinary.clone() } else { ordinary.without_routes() };
            expected.compare(&spans, &name)?;
        }
    }
    // The comparison notices a span that is missing, and a value that is another.
    let mut fewer = ordinary.clone();
    let first = fewer.0.first_entry().map(|mut entry| *entry.get_mut() -= 1);
    ensure!(first.is_some() && ordinary.compare(&fewer, "fewer").is_err(), "a missing span was not noticed");
    ensure!(ordinary.compare(&ordinary.without_routes(), "routes").is_err(), "missing routes were not noticed");
    Ok(())
}

/// How often there is a span that says so and so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spans(BTreeMap<String, usize>);

impl Spans {
    /// Traces a load that is always the same.
    fn of(name: &str, program: &Program) -> Result<Self> {
        let scene = Scene::new(name)?;
        let (front, back) = scene.pair(program, &[])?;
        let front_pid = front.pid();
        let tracer = scene.trace(&[&front, &back])?;
        let sent = scene.load(&front, &["--paths", PATHS, "--n", "1200"])?;
        let trace = scene.verify(tracer, vec![front, back], sent)?;
        let mut spans = BTreeMap::new();
        let by_id: BTreeMap<&str, &Span> = trace.spans.iter().map(|span| (span.id.as_str(), span)).collect();
        for span in &trace.spans {
            let service = if span.pid() == front_pid { "a" } else { "b" };
            let parent = by_id.get(span.parent.as_str()).map(|parent| format!("{} {}", parent.kind, parent.path()));
            let attributes: Vec<_> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
            let Span { name, kind, status, scope, .. } = span;
            let text = format!("{service} {kind} {name}|{status} {scope} {parent:?} {}", attributes.join(" "));
            *spans.entry(text).or_insert(0) += 1;
        }
        Ok(Self(spans))
    }

    /// As a mux gives them that tells nobody what it found.
    fn without_routes(&self) -> Self {
        let mut spans = BTreeMap::new();
        for (text, count) in &self.0 {
            let (head, rest) = text.split_once('|').unwrap_or((text, ""));
            let words: Vec<&str> = head.splitn(4, ' ').collect();
            let is_server = words.get(1) == Some(&"2");
            let head = if is_server { words[..3.min(words.len())].join(" ") } else { head.to_owned() };
            let kept: Vec<&str> = rest.split(' ').filter(|word| !word.starts_with("http.route=")).collect();
            *spans.entry(format!("{head}|{}", kept.join(" "))).or_insert(0) += count;
        }
        Self(spans)
    }

    fn compare(&self, other: &Self, name: &str) -> Result<()> {
        let lacks: Vec<_> = self.0.iter().filter(|(text, count)| other.0.get(*text) != Some(count)).take(3).collect();
        let has: Vec<_> = other.0.iter().filter(|(text, count)| self.0.get(*text) != Some(count)).take(3).collect();
        ensure!(lacks.is_empty() && has.is_empty(), "{name}: lacks {lacks:#?}\nhas {has:#?}");
        Ok(())
    }
}

/// Ports differ from run to run.
fn attribute(key: &str, value: &Value) -> String {
    if key.ends_with(".port") {
        return format!("{key}=some");
    }
    let text = value.to_string();
    // `http://127.0.0.1:PORT/path`
    let after_port =
        text.strip_prefix("\"http://127.0.0.1:").and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
    let text = after_port.unwrap_or(&text);
    format!("{key}={text}")
}
