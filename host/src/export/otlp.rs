//! Finished spans in the terms of OpenTelemetry's SDK. Knows no wire format; the exporters go on from here.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{self, SpanId, SpanKind, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::fragment::{Kind, Scope, Status, Value};
use crate::resource;
use crate::spans::FinishedSpan;

pub fn span_data(span: &FinishedSpan) -> SpanData {
    // What came in over the network may be no tracestate at all; then the span goes without.
    let trace_state = span.trace_state.parse().unwrap_or(TraceState::NONE);
    let mut events = SpanEvents::default();
    events.dropped_count = span.dropped_events;
    events.events.extend(
        span.events
            .iter()
            .map(|event| trace::Event::new(event.name.clone(), time(event.time), attributes(&event.attributes), 0)),
    );
    let mut links = SpanLinks::default();
    links.dropped_count = span.dropped_links;
    links.links.extend(span.links.iter().map(|link| {
        let context = context(link.trace, link.span, TraceState::NONE);
        trace::Link::new(context, attributes(&link.attributes), 0)
    }));
    SpanData {
        span_context: context(span.trace, span.id, trace_state),
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
        parent_span_is_remote: span.parent_is_remote(),
        span_kind: kind(span.kind),
        name: span.name.clone().into(),
        start_time: time(span.start),
        end_time: time(span.end),
        attributes: attributes(&span.attributes),
        dropped_attributes_count: span.dropped_attributes,
        events,
        links,
        status: status(span),
        instrumentation_scope: scope(&span.scope),
    }
}

pub fn resource(resource: &resource::Resource) -> opentelemetry_sdk::Resource {
    opentelemetry_sdk::Resource::builder_empty()
        .with_schema_url(attributes(&resource.attributes), resource::SCHEMA_URL)
        .build()
}

pub fn attributes(attributes: &[(Arc<str>, Value)]) -> Vec<KeyValue> {
    attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), self::value(value))).collect()
}

fn value(value: &Value) -> opentelemetry::Value {
    match value {
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Double(value) => (*value).into(),
        Value::Text(text) => text.clone().into(),
        Value::Texts(texts) => {
            let texts = texts.iter().map(|text| StringValue::from(text.clone())).collect();
            opentelemetry::Value::Array(Array::String(texts))
        }
    }
}

// Everything is sampled for now.
fn context(trace: [u8; 16], span: [u8; 8], state: TraceState) -> trace::SpanContext {
    trace::SpanContext::new(TraceId::from_bytes(trace), SpanId::from_bytes(span), TraceFlags::SAMPLED, false, state)
}

fn scope(scope: &Scope) -> InstrumentationScope {
    let builder = InstrumentationScope::builder(scope.name.clone()).with_version(scope.version.clone());
    match &scope.schema_url {
        Some(url) => builder.with_schema_url(url.clone()).build(),
        None => builder.build(),
    }
}

fn kind(kind: Kind) -> SpanKind {
    match kind {
        Kind::Unset | Kind::Internal => SpanKind::Internal,
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
        Kind::Producer => SpanKind::Producer,
        Kind::Consumer => SpanKind::Consumer,
    }
}

fn status(span: &FinishedSpan) -> trace::Status {
    match span.status {
        Status::Unset => trace::Status::Unset,
        Status::Ok => trace::Status::Ok,
        Status::Error => trace::Status::error(span.status_message.clone()),
    }
}

fn time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
