//! Rows of fragments, and the spans and counts that come of them.

use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};
use uprobed_ebpf::wire::{ParentSource, SpanContext};

use super::{Clock, FinishedSpan, Limits, Spans};
use crate::fragment::{Fragment, Kind, Link, Said, Scope, SpanEvent, Stage, Status, Value};

/// Seconds since boot, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

fn fragment(stage: Stage, span: u64, time: u64, said: Said) -> Fragment {
    let scope = Arc::new(Scope { name: "test".into(), open_seconds: 60, ..Scope::default() });
    let span = SpanContext { trace: [u64::from_be(1), u64::from_be(2)], span: u64::from_be(span) };
    Fragment { process: 1, stage, time, span, parent: 0, parent_source: ParentSource::None, scope, said }
}

fn says(name: &str, attributes: &[(&str, i64)]) -> Said {
    let attributes = attributes.iter().map(|(key, value)| ((*key).into(), Value::Integer(*value))).collect();
    Said { name: name.into(), attributes, ..Said::default() }
}

/// What came out, one line a span.
fn text(finished: &[FinishedSpan]) -> String {
    finished.iter().fold(String::new(), |mut text, span| {
        let id = u64::from_be_bytes(span.id);
        write!(text, "{id} {:?} {:?} {}..{} {:?}", span.name, span.kind, span.start, span.end, span.status).unwrap();
        for (key, value) in &span.attributes {
            write!(text, " {key}={value:?}").unwrap();
        }
        text + "\n"
    })
}

fn check(limits: Limits, fragments: impl IntoIterator<Item = Fragment>, expected: Expect) {
    let (mut spans, mut finished) = (Spans::new(limits, Clock::fixed(1_000)), Vec::new());
    for fragment in fragments {
        spans.accept(fragment, &mut finished);
    }
    expected.assert_eq(&format!("{}{}", text(&finished), spans.finish(2 * SECOND)));
}

#[test]
fn finishes_a_span_with_what_was_said_last() {
    let mut end = says("GET /a", &[("b", 3), ("c", 4)]);
    end.status = Status::Error;
    let mut start = says("GET", &[("a", 1), ("b", 2)]);
    start.kind = Kind::Server;
    check(
        Limits::default(),
        [
            fragment(Stage::Start, 7, 10, start),
            fragment(Stage::Event, 7, 12, says("", &[("a", 9)])),
            fragment(Stage::End, 7, 20, end),
        ],
        expect![[r#"
            7 "GET /a" Server 1010..1020 Error a=Integer(9) b=Integer(3) c=Integer(4)
            spans=1"#]],
    );
}

#[test]
fn counts_what_has_no_start() {
    check(
        Limits::default(),
        [
            fragment(Stage::End, 1, 10, says("", &[])),
            fragment(Stage::Event, 2, 10, says("", &[])),
            fragment(Stage::Abandoned, 3, 10, says("", &[])),
        ],
        expect!["spans=0 end_unpaired=2 event_unpaired=1"],
    );
}

#[test]
fn keeps_the_facts_of_a_span_whose_end_was_not_seen() {
    check(
        Limits::default(),
        [
            fragment(Stage::Start, 7, 10, says("GET", &[("a", 1)])),
            fragment(Stage::Abandoned, 7, 30, Said::default()),
            fragment(Stage::End, 7, 40, Said::default()),
        ],
        expect![[r#"
            7 "GET" Unset 1010..1030 Unset a=Integer(1) uprobed.end=Text("unobserved")
            spans=1 unobserved_end=1 end_unpaired=1"#]],
    );
}

#[test]
fn does_not_export_what_its_plugin_drops_at_either_end() {
    let dropped = || Said { drop: true, ..Said::default() };
    check(
        Limits::default(),
        [
            fragment(Stage::Start, 1, 10, dropped()),
            fragment(Stage::End, 1, 20, Said::default()),
            fragment(Stage::Start, 2, 10, Said::default()),
            fragment(Stage::End, 2, 20, dropped()),
        ],
        expect!["spans=0 dropped_by_plugin=2"],
    );
}

#[test]
fn refuses_a_start_when_full_and_takes_the_next_when_there_is_room() {
    check(
        Limits { open: 1, items: 128 },
        [
            fragment(Stage::Start, 1, 10, Said::default()),
            fragment(Stage::Start, 2, 11, Said::default()),
            fragment(Stage::End, 2, 12, Said::default()),
            fragment(Stage::End, 1, 13, Said::default()),
            fragment(Stage::Start, 3, 14, Said::default()),
            fragment(Stage::End, 3, 13, Said::default()),
        ],
        expect![[r#"
            1 "" Unset 1010..1013 Unset
            3 "" Unset 1014..1014 Unset
            spans=2 no_room=1 end_unpaired=1"#]],
    );
}

#[test]
fn keeps_the_second_of_two_starts_with_one_id() {
    check(
        Limits::default(),
        [
            fragment(Stage::Start, 1, 10, says("first", &[])),
            fragment(Stage::Start, 1, 11, says("second", &[])),
            fragment(Stage::End, 1, 12, Said::default()),
        ],
        expect![[r#"
            1 "second" Unset 1011..1012 Unset
            spans=1 started_again=1"#]],
    );
}

#[test]
fn tells_processes_with_equal_span_ids_apart() {
    let other = |mut fragment: Fragment| {
        fragment.process = 2;
        fragment
    };
    check(
        Limits::default(),
        [
            fragment(Stage::Start, 1, 10, says("one", &[])),
            other(fragment(Stage::Start, 1, 11, says("two", &[]))),
            fragment(Stage::End, 1, 12, Said::default()),
            other(fragment(Stage::End, 1, 13, Said::default())),
        ],
        expect![[r#"
            1 "one" Unset 1010..1012 Unset
            1 "two" Unset 1011..1013 Unset
            spans=2"#]],
    );
}

#[test]
fn gives_up_what_is_open_for_too_long_and_counts_what_is_open_at_the_end() {
    let (mut spans, mut finished) = (Spans::new(Limits::default(), Clock::fixed(0)), Vec::new());
    spans.accept(fragment(Stage::Start, 1, SECOND, Said::default()), &mut finished);
    spans.accept(fragment(Stage::Start, 2, 2 * SECOND, Said::default()), &mut finished);
    spans.sweep(61 * SECOND);
    assert_eq!((spans.open(), spans.counts().given_up), (2, 0));
    spans.sweep(61 * SECOND + 1);
    assert_eq!((spans.open(), spans.counts().given_up), (1, 1));
    expect!["spans=0 given_up=1 open_at_end=1"].assert_eq(&spans.finish(61 * SECOND + 1).to_string());
    assert!(finished.is_empty());
}

#[test]
fn finishes_what_a_process_leaves_behind_and_nothing_else() {
    let (mut spans, mut finished) = (Spans::new(Limits::default(), Clock::fixed(0)), Vec::new());
    spans.accept(fragment(Stage::Start, 1, 10, Said::default()), &mut finished);
    let mut other = fragment(Stage::Start, 2, 10, Said::default());
    other.process = 2;
    spans.accept(other, &mut finished);
    spans.process_ended(1, 15, &mut finished);
    expect![[r#"
        1 "" Unset 10..15 Unset uprobed.end=Text("unobserved")
    "#]]
    .assert_eq(&text(&finished));
    assert_eq!(spans.open(), 1);
}

#[test]
fn bounds_what_one_span_may_carry() {
    let said = Said {
        attributes: ["a", "b", "a", "c"].map(|key| (key.into(), Value::Boolean(true))).into(),
        events: (0..3).map(|time| SpanEvent { time, name: "e".into(), attributes: Vec::new() }).collect(),
        links: (0..4).map(|span| Link { trace: 0x0102, span, attributes: Vec::new() }).collect(),
        ..Said::default()
    };
    let (mut spans, mut finished) = (Spans::new(Limits { open: 8, items: 2 }, Clock::fixed(5)), Vec::new());
    spans.accept(fragment(Stage::Start, 1, 10, said), &mut finished);
    spans.accept(fragment(Stage::Abandoned, 1, 12, Said::default()), &mut finished);
    let span = &finished[0];
    // The mark of an unobserved end is the host's own and always fits.
    assert_eq!(span.attributes.len(), 3);
    assert_eq!((span.events.len(), span.events[1].time, span.links.len()), (2, 6, 2));
    assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (1, 1, 2));
    assert_eq!(span.links[1].trace[14..], [1, 2]);
    assert_eq!(span.links[1].span, 1u64.to_be_bytes());
}

#[test]
fn keeps_ids_as_the_bytes_that_the_kernel_wrote() {
    let (mut spans, mut finished) = (Spans::new(Limits::default(), Clock::fixed(0)), Vec::new());
    let mut start = fragment(Stage::Start, 3, 10, Said::default());
    start.parent = u64::from_ne_bytes([9, 8, 7, 6, 5, 4, 3, 2]);
    start.parent_source = ParentSource::Joined;
    spans.accept(start, &mut finished);
    spans.accept(fragment(Stage::End, 3, 10, Said::default()), &mut finished);
    let span = &finished[0];
    assert_eq!(span.trace, [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!((span.id, span.parent), ([0, 0, 0, 0, 0, 0, 0, 3], Some([9, 8, 7, 6, 5, 4, 3, 2])));
    assert!(span.parent_is_remote());
}
