//! Spans as lines of OTLP/JSON, one `ExportTraceServiceRequest` a line: the format of the Collector's file exporter, which
//! its receiver reads back.

use std::io::{self, Write};
use std::sync::Arc;

use opentelemetry_proto::tonic::Attributes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;

use super::otlp;
use crate::resource::{self, Resource};
use crate::spans::FinishedSpan;

/// Writes a batch as one line; nothing if it is empty. Spans of one process (looked up in `resources` by its number) stand
/// together, in their order. The line is written in one piece; whether it is flushed is the writer's business.
pub fn write_line(
    out: &mut impl Write,
    spans: &[FinishedSpan],
    resources: impl Fn(u32) -> Option<Arc<Resource>>,
) -> io::Result<()> {
    if spans.is_empty() {
        return Ok(());
    }
    let mut line = serde_json::to_vec(&request(spans, resources))?;
    line.push(b'\n');
    out.write_all(&line)
}

fn request(spans: &[FinishedSpan], resources: impl Fn(u32) -> Option<Arc<Resource>>) -> ExportTraceServiceRequest {
    let resource_spans = by_process(spans)
        .into_iter()
        .flat_map(|(process, spans)| {
            let resource = resources(process).unwrap_or_default();
            // Not through the SDK's resource: that one is a hash map, and its order changes from line to line.
            let resource = ResourceAttributesWithSchema {
                attributes: Attributes::from(otlp::attributes(&resource.attributes)),
                schema_url: Some(resource::SCHEMA_URL.to_owned()),
            };
            let spans = spans.into_iter().map(otlp::span_data).collect();
            group_spans_by_resource_and_scope(spans, &resource)
        })
        .map(without_special_doubles)
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

/// Groups by process, in the order in which each process appears first.
fn by_process(spans: &[FinishedSpan]) -> Vec<(u32, Vec<&FinishedSpan>)> {
    let mut groups: Vec<(u32, Vec<&FinishedSpan>)> = Vec::new();
    for span in spans {
        match groups.iter_mut().find(|(process, _)| *process == span.process) {
            Some((_, group)) => group.push(span),
            None => groups.push((span.process, vec![span])),
        }
    }
    groups
}

/// JSON has no number for NaN and the infinities, and opentelemetry-proto 0.33 writes `null` for them, which no reader takes:
/// they become text.
fn without_special_doubles(mut spans: ResourceSpans) -> ResourceSpans {
    for span in spans.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
        span.attributes.iter_mut().for_each(spell_out);
        span.events.iter_mut().flat_map(|event| &mut event.attributes).for_each(spell_out);
        span.links.iter_mut().flat_map(|link| &mut link.attributes).for_each(spell_out);
    }
    spans
}

fn spell_out(attribute: &mut KeyValue) {
    if let Some(AnyValue { value: Some(value) }) = &mut attribute.value
        && let any_value::Value::DoubleValue(double) = value
        && !double.is_finite()
    {
        *value = any_value::Value::StringValue(double.to_string());
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use uprobed_ebpf::wire::ParentSource;

    use super::*;
    use crate::export::sample;
    use crate::fragment::{Status, Value};
    use crate::spans::{FinishedEvent, FinishedLink};

    fn line(spans: &[FinishedSpan]) -> String {
        let mut out = Vec::new();
        write_line(&mut out, spans, |process| Some(sample::resource(&format!("service-{process}")))).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn value(line: &str) -> serde_json::Value {
        assert!(line.ends_with("\n") && line.lines().count() == 1);
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn writes_a_span_with_all_that_it_has() {
        let mut span = sample::span(0xa1, Some(0xb2), "GET /a", 1_700_000_000_000_000_123, 1_700_000_001_000_000_000);
        span.parent_source = ParentSource::Remote;
        span.trace_state = "vendor=1".into();
        span.attributes = vec![
            ("text".into(), "ä".into()),
            ("large".into(), Value::Integer(i64::MAX)),
            ("flag".into(), Value::Boolean(true)),
            ("half".into(), Value::Double(0.5)),
            ("nan".into(), Value::Double(f64::NAN)),
            ("list".into(), Value::Texts(vec!["a".into(), "b".into()])),
        ];
        span.events = vec![FinishedEvent { time: 5, name: "e".into(), attributes: vec![("k".into(), "v".into())] }];
        span.links = vec![FinishedLink { trace: [3; 16], span: [4; 8], attributes: Vec::new() }];
        (span.status, span.status_message) = (Status::Error, "broke".into());
        let text = serde_json::to_string_pretty(&value(&line(&[span]))["resourceSpans"][0]).unwrap();
        expect![[r#"
            {
              "resource": {
                "attributes": [
                  {
                    "key": "service.name",
                    "value": {
                      "stringValue": "service-1"
                    }
                  }
                ],
                "droppedAttributesCount": 0,
                "entityRefs": []
              },
              "schemaUrl": "https://opentelemetry.io/schemas/1.44.0",
              "scopeSpans": [
                {
                  "schemaUrl": "https://example.org/schemas/1.2.3",
                  "scope": {
                    "attributes": [],
                    "droppedAttributesCount": 0,
                    "name": "test/scope",
                    "version": "0.1.0"
                  },
                  "spans": [
                    {
                      "attributes": [
                        {
                          "key": "text",
                          "value": {
                            "stringValue": "ä"
                          }
                        },
                        {
                          "key": "large",
                          "value": {
                            "intValue": "9223372036854775807"
                          }
                        },
                        {
                          "key": "flag",
                          "value": {
                            "boolValue": true
                          }
                        },
                        {
                          "key": "half",
                          "value": {
                            "doubleValue": 0.5
                          }
                        },
                        {
                          "key": "nan",
                          "value": {
                            "stringValue": "NaN"
                          }
                        },
                        {
                          "key": "list",
                          "value": {
                            "arrayValue": {
                              "values": [
                                {
                                  "stringValue": "a"
                                },
                                {
                                  "stringValue": "b"
                                }
                              ]
                            }
                          }
                        }
                      ],
                      "droppedAttributesCount": 0,
                      "droppedEventsCount": 0,
                      "droppedLinksCount": 0,
                      "endTimeUnixNano": "1700000001000000000",
                      "events": [
                        {
                          "attributes": [
                            {
                              "key": "k",
                              "value": {
                                "stringValue": "v"
                              }
                            }
                          ],
                          "droppedAttributesCount": 0,
                          "name": "e",
                          "timeUnixNano": "5"
                        }
                      ],
                      "flags": 769,
                      "kind": 2,
                      "links": [
                        {
                          "attributes": [],
                          "droppedAttributesCount": 0,
                          "flags": 257,
                          "spanId": "0404040404040404",
                          "traceId": "03030303030303030303030303030303",
                          "traceState": ""
                        }
                      ],
                      "name": "GET /a",
                      "parentSpanId": "00000000000000b2",
                      "spanId": "00000000000000a1",
                      "startTimeUnixNano": "1700000000000000123",
                      "status": {
                        "code": 2,
                        "message": "broke"
                      },
                      "traceId": "00000000000000000000000000000001",
                      "traceState": "vendor=1"
                    }
                  ]
                }
              ]
            }"#]]
        .assert_eq(&text);
    }

    #[test]
    fn groups_by_process_and_scope_and_keeps_the_order() {
        let mut spans = [1, 2, 3, 4].map(|id| sample::span(id, None, &format!("s{id}"), 1, 2));
        spans[1].process = 9;
        let other = crate::fragment::Scope { name: "other".into(), ..Default::default() };
        spans[2].scope = Arc::new(other);
        let value = value(&line(&spans));
        let mut text = Vec::new();
        for resource in value["resourceSpans"].as_array().unwrap() {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                for span in scope["spans"].as_array().unwrap() {
                    let service = &resource["resource"]["attributes"][0]["value"]["stringValue"];
                    text.push(format!("{service} {} {} {}", scope["scope"]["name"], scope["schemaUrl"], span["name"]));
                }
            }
        }
        expect![[r#"
            "service-1" "test/scope" "https://example.org/schemas/1.2.3" "s1"
            "service-1" "test/scope" "https://example.org/schemas/1.2.3" "s4"
            "service-1" "other" "" "s3"
            "service-9" "test/scope" "https://example.org/schemas/1.2.3" "s2""#]]
        .assert_eq(&text.join("\n"));
    }

    #[test]
    fn writes_nothing_for_no_spans_and_a_span_without_a_resource() {
        assert_eq!(line(&[]), "");
        let mut out = Vec::new();
        write_line(&mut out, &[sample::span(1, None, "a", 1, 2)], |_| None).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("0000000000000001"));
    }

    #[test]
    fn is_read_back_as_it_was_written() {
        let request = request(&[sample::span(1, Some(2), "a", 1, 2)], |_| Some(sample::resource("a")));
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<ExportTraceServiceRequest>(&text).unwrap(), request);
    }

    #[test]
    fn leaves_out_a_tracestate_that_is_none() {
        let mut span = sample::span(1, None, "a", 1, 2);
        span.trace_state = "\u{1}, =,".into();
        assert_eq!(value(&line(&[span]))["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceState"], "");
    }
}
