//! Spans as they stand in OTLP/JSON, one `ExportTraceServiceRequest` a line, with their resource and scope beside them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub const SERVER: u64 = 2;
pub const CLIENT: u64 = 3;
pub const STATUS_ERROR: u64 = 2;

/// One span with everything that says something about it. Ids are lower-case hex; an empty parent is a root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub status: u64,
    pub attributes: BTreeMap<String, Value>,
    pub resource: BTreeMap<String, Value>,
    pub scope: String,
    pub schema_url: String,
}

impl Span {
    pub fn text(&self, key: &str) -> &str {
        self.attributes.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn integer(&self, key: &str) -> Option<i64> {
        self.attributes.get(key).and_then(Value::as_i64)
    }

    pub fn pid(&self) -> u32 {
        self.resource.get("process.pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
    }

    /// The path of the request: `url.path` of a server, that within `url.full` of a client.
    pub fn path(&self) -> &str {
        if self.kind != CLIENT {
            return self.text("url.path");
        }
        let full = self.text("url.full");
        let after_scheme = full.split_once("://").map_or(full, |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..]);
        path.split(['?', '#']).next().unwrap_or(path)
    }
}

pub fn read(path: &Path) -> Result<Vec<Span>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut spans = Vec::new();
    for line in text.lines() {
        spans.extend(parse(line).with_context(|| format!("read a line of {}", path.display()))?);
    }
    Ok(spans)
}

/// The spans of one request.
pub fn parse(line: &str) -> Result<Vec<Span>> {
    let request: Request = serde_json::from_str(line).context("not an ExportTraceServiceRequest in JSON")?;
    let mut spans = Vec::new();
    for resource_spans in request.resource_spans {
        let resource = map(resource_spans.resource.attributes);
        for scope_spans in resource_spans.scope_spans {
            for span in scope_spans.spans {
                spans.push(Span {
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    name: span.name,
                    kind: span.kind,
                    start: span.start_time_unix_nano,
                    end: span.end_time_unix_nano,
                    status: span.status.code,
                    attributes: map(span.attributes),
                    resource: resource.clone(),
                    scope: scope_spans.scope.name.clone(),
                    schema_url: scope_spans.schema_url.clone(),
                });
            }
        }
    }
    Ok(spans)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
struct Resource {
    #[serde(default)]
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans {
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    schema_url: String,
    #[serde(default)]
    spans: Vec<WireSpan>,
}

#[derive(Default, Deserialize)]
struct Scope {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSpan {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: u64,
    #[serde(deserialize_with = "number")]
    start_time_unix_nano: u64,
    #[serde(deserialize_with = "number")]
    end_time_unix_nano: u64,
    #[serde(default)]
    attributes: Vec<KeyValue>,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u64,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: BTreeMap<String, Value>,
}

fn map(attributes: Vec<KeyValue>) -> BTreeMap<String, Value> {
    attributes.into_iter().map(|attribute| (attribute.key, plain(attribute.value))).collect()
}

/// `{"intValue": "7"}` is 7: JSON has 64-bit integers as text.
fn plain(value: BTreeMap<String, Value>) -> Value {
    let Some((kind, value)) = value.into_iter().next() else { return Value::Null };
    match (kind.as_str(), &value) {
        ("intValue", Value::String(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        _ => value,
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().map_err(serde::de::Error::custom),
        Value::Number(number) => number.as_u64().ok_or_else(|| serde::de::Error::custom("a negative time")),
        other => Err(serde::de::Error::custom(format!("a time that is {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_span_with_its_resource() {
        let line = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"process.pid","value":{"intValue":"7"}}]},
            "scopeSpans":[{"scope":{"name":"uprobed/http"},"spans":[{"traceId":"01","spanId":"02","name":"GET","kind":3,
            "startTimeUnixNano":"5","endTimeUnixNano":"6","attributes":[{"key":"url.full",
            "value":{"stringValue":"http://127.0.0.1:80/plain/1?q=2"}}]}]}]}]}"#;
        let spans = parse(line).unwrap();
        assert_eq!((spans[0].pid(), spans[0].path(), spans[0].start), (7, "/plain/1", 5));
    }
}
