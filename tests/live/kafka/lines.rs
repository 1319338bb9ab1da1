//! Calls and requests in the same words, whether the program noted them or a span tells of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use uprobed_tests::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};
use uprobed_tests::tracer::Trace;

use crate::SCOPE;

pub const PRODUCER: u64 = 4;

/// One call or request: a line of the journal, or a span told in the same words.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Done {
    pub what: String,
    #[serde(default)]
    pub from: String,
    #[serde(default)]
    pub topic: String,
    pub partition: Option<i64>,
    pub offset: Option<i64>,
    #[serde(default)]
    pub count: i64,
    pub size: Option<i64>,
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub group: String,
    #[serde(default)]
    pub links: Vec<String>,
    #[serde(default)]
    pub created: bool,
    #[serde(default)]
    pub error: String,
    /// Of a span only: what does not fit the rest, empty if all does.
    #[serde(skip)]
    pub oddity: String,
}

pub fn journal(path: &Path) -> Result<Vec<Done>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("read {line}"))).collect()
}

/// Everything that a line says of a call.
pub fn told(done: &Done) -> String {
    let mut text = format!("{} {:?} from={:?}", done.what, done.topic, done.from);
    let numbers = [("partition", done.partition), ("offset", done.offset), ("size", done.size)];
    for (name, number) in numbers {
        if let Some(number) = number {
            write!(text, " {name}={number}").expect("a text takes every write");
        }
    }
    write!(
        text,
        " count={} key={:?} group={:?} links={:?} created={} error={:?} {}",
        done.count, done.key, done.group, done.links, done.created, done.error, done.oddity
    )
    .expect("a text takes every write");
    text
}

/// The spans, as lines.
#[derive(Clone)]
pub struct Seen {
    pub lines: Vec<Done>,
}

impl Seen {
    pub fn new(trace: &Trace, links: &BTreeMap<String, Vec<String>>, broker: &str) -> Self {
        let by_id: BTreeMap<&str, &Span> = trace.spans.iter().map(|span| (span.id.as_str(), span)).collect();
        let spans = trace.spans.iter().filter(|span| span.scope == SCOPE);
        Self { lines: spans.map(|span| line(span, &by_id, links, broker)).collect() }
    }
}

fn line(span: &Span, by_id: &BTreeMap<&str, &Span>, links: &BTreeMap<String, Vec<String>>, broker: &str) -> Done {
    let text = |key: &str| span.text(key).to_owned();
    let at = |prefix: &str| {
        span.integer(&format!("{prefix}.port"))
            .map(|port| format!("{}:{port}", span.text(&format!("{prefix}.address"))))
    };
    let operation = text("messaging.operation.name");
    let mut done = Done {
        what: operation.clone(),
        topic: text("messaging.destination.name"),
        partition: span.text("messaging.destination.partition.id").parse().ok(),
        offset: span.integer("messaging.kafka.offset"),
        count: span.integer("messaging.batch.message_count").unwrap_or_default(),
        size: span.integer("messaging.message.body.size"),
        key: text("messaging.kafka.message.key"),
        group: text("messaging.consumer.group.name"),
        links: links.get(&span.id).cloned().unwrap_or_default(),
        created: operation == "send" && span.kind == CLIENT,
        error: text("error.type"),
        ..Done::default()
    };
    match by_id.get(span.parent.as_str()) {
        Some(parent) if parent.trace == span.trace && parent.kind == SERVER => parent.path().clone_into(&mut done.from),
        None if span.parent.is_empty() => {}
        _ => done.oddity.push_str("a strange parent; "),
    }
    let name = if done.topic.is_empty() { operation.clone() } else { format!("{operation} {}", done.topic) };
    if span.name != name {
        write!(done.oddity, "the name {}; ", span.name).expect("a text takes every write");
    }
    if at("server").or_else(|| at("network.peer")).is_none_or(|at| at != broker) {
        done.oddity.push_str("another broker; ");
    }
    let kind = match &*operation {
        "send" | "produce" => "send",
        "poll" => "receive",
        "commit" | "offset_commit" => "settle",
        _ => "none",
    };
    let is_typed = span.text("messaging.operation.type") == kind && span.text("messaging.system") == "kafka";
    if !is_typed || (span.kind != CLIENT && !(span.kind == PRODUCER && operation == "send")) {
        done.oddity.push_str("the kind; ");
    }
    if (span.status == STATUS_ERROR) == done.error.is_empty() {
        done.oddity.push_str("the status; ");
    }
    done
}

/// The links of each span, `TRACE/SPAN`, straight from the file.
pub fn links(path: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let request: Value = serde_json::from_str(line)?;
        let lists = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let scopes = lists(&request, "resourceSpans").into_iter().flat_map(|part| lists(&part, "scopeSpans"));
        for span in scopes.flat_map(|part| lists(&part, "spans")) {
            let id = |link: &Value, key: &str| link[key].as_str().unwrap_or_default().to_owned();
            let targets =
                lists(&span, "links").iter().map(|l| format!("{}/{}", id(l, "traceId"), id(l, "spanId"))).collect();
            all.insert(id(&span, "spanId"), targets);
        }
    }
    Ok(all)
}
