//! Spans in, text out, without colours unless they are what is tested.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use uprobed_ebpf::wire::ParentSource;

use super::{Bounds, Page, Row, Tree, arrange, draw};
use crate::export::sample;
use crate::fragment::{Kind, Status, Value};
use crate::spans::FinishedSpan;

/// In microseconds.
fn span(id: u64, parent: Option<u64>, name: &str, start: u64, end: u64) -> FinishedSpan {
    sample::span(id, parent, name, 1_000_000 + start * 1_000, 1_000_000 + end * 1_000)
}

fn coloured(page: Page, spans: &[(&FinishedSpan, &str)]) -> String {
    let (mut tree, mut out) = (Tree::new(page, Bounds::default()), Vec::new());
    for (span, service) in spans {
        tree.add(span, service, Instant::now(), &mut out).unwrap();
    }
    tree.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(page: Page, spans: &[(&FinishedSpan, &str)], expected: Expect) {
    expected.assert_eq(&anstream::adapter::strip_str(&coloured(page, spans)).to_string());
}

/// A request through two services.
fn request() -> [FinishedSpan; 4] {
    let mut server = span(1, None, "GET /orders/{id}", 0, 12_340);
    server.attributes.push(("http.response.status_code".into(), Value::Integer(500)));
    server.attributes.push(("url.path".into(), "/orders/7".into()));
    server.attributes.push(("error.type".into(), "500".into()));
    server.status = Status::Error;
    let mut client = span(2, Some(1), "GET", 1_100, 9_000);
    client.kind = Kind::Client;
    client.attributes.push(("http.response.status_code".into(), Value::Integer(200)));
    let mut behind = span(3, Some(2), "GET /stock", 1_600, 8_400);
    behind.parent_source = ParentSource::Joined;
    behind.attributes.push(("url.path".into(), "/stock".into()));
    let mut failed = span(4, Some(1), "GET", 9_500, 9_501);
    failed.kind = Kind::Client;
    failed.status = Status::Error;
    failed.status_message = "connection refused".into();
    failed.attributes.push(("error.type".into(), "timeout".into()));
    [server, client, behind, failed]
}

#[test]
fn draws_a_trace_as_a_waterfall() {
    let [server, client, behind, failed] = request();
    let spans = [(&behind, "stock"), (&client, "shop"), (&failed, "shop"), (&server, "shop")];
    check(
        Page::of_file(),
        &spans,
        expect![[r#"
            trace 00000000000000000000000000000001  12.3 ms  4 spans  ✗ 2  shop, stock
            shop server ✗ GET /orders/{id} 500 /orders/7            0   12.3 ms  ███████████████████████████████
            ├─ shop client GET 200                            1.10 ms   7.90 ms    ████████████████████
            │  └─ stock server GET /stock                     1.60 ms   6.80 ms      █████████████████
            └─ shop client ✗ GET timeout connection refused   9.50 ms   1.00 µs                         █

        "#]],
    );
}

#[test]
fn cuts_lines_off_on_a_narrow_terminal_and_nowhere_else() {
    let [server, client, ..] = request();
    let spans = [(&client, "shop"), (&server, "shop")];
    check(
        Page { columns: 72, cut: true },
        &spans,
        expect![[r#"
        trace 00000000000000000000000000000001  12.3 ms  2 spans  ✗ 1  shop
        shop server ✗ GET /orders/{id} 50…         0   12.3 ms  ████████████████
        └─ shop client GET 200               1.10 ms   7.90 ms   ██████████

    "#]],
    );
    check(
        Page { columns: 72, cut: false },
        &spans,
        expect![[r#"
        trace 00000000000000000000000000000001  12.3 ms  2 spans  ✗ 1  shop
        shop server ✗ GET /orders/{id} 500 /orders/7         0   12.3 ms  ████████████████
        └─ shop client GET 200               1.10 ms   7.90 ms   ██████████

    "#]],
    );
    check(
        Page { columns: 0, cut: true },
        &spans[..1],
        expect![[r#"
        trace 00000000000000000000000000000001  7.90 ms  1 span  shop
        ↖ parent 0000000000000001 not seen
        shop client GET 200         0   7.90 ms  ████████████████

    "#]],
    );
}

#[test]
fn says_when_a_parent_was_not_seen() {
    let mut remote = span(1, Some(0xabc), "GET /a", 0, 5);
    remote.parent_source = ParentSource::Remote;
    let child = span(2, Some(1), "work", 1, 2);
    check(
        Page::of_file(),
        &[(&remote, "a"), (&child, "a")],
        expect![[r#"
        trace 00000000000000000000000000000001  5.00 µs  2 spans  a
        ↖ parent 0000000000000abc not seen
        a server GET /a          0   5.00 µs  ████████████████████████████████████████████████████████████
        └─ a server work   1.00 µs   1.00 µs              ████████████

    "#]],
    );
}

#[test]
fn gives_each_service_its_colour_and_errors_red() {
    let [server, client, behind, _] = request();
    let text = coloured(Page::of_file(), &[(&server, "shop"), (&client, "shop"), (&behind, "stock")]);
    expect![[r#"
        ^[1mtrace 00000000000000000000000000000001^[0m  12.3 ms  3 spans  ^[1m^[31m✗ 1^[0m  ^[36mshop^[0m, ^[32mstock^[0m
        ^[36mshop^[0m ^[2mserver^[0m ^[1m^[31m✗^[0m ^[1m^[31mGET /orders/{id}^[0m ^[31m500 /orders/7^[0m ^[2m        0^[0m   12.3 ms  ^[1m^[31m^[0m
        ^[2m└─ ^[0m^[36mshop^[0m ^[2mclient^[0m ^[1mGET^[0m 200                       ^[2m  1.10 ms^[0m   7.90 ms     ^[36m^[0m
        ^[2m   └─ ^[0m^[32mstock^[0m ^[2mserver^[0m ^[1mGET /stock^[0m                ^[2m  1.60 ms^[0m   6.80 ms      ^[32m^[0m

    "#]].assert_eq(&text.replace('\u{1b}', "^").replace('█', ""));
}

#[test]
fn lets_nothing_through_that_a_terminal_would_act_on() {
    let mut span = span(1, None, "a\u{1b}[2Jb\n\u{202e}c\u{9b}d", 0, 5);
    span.attributes.push(("url.path".into(), format!("/\r{}", "x".repeat(10_000)).as_str().into()));
    let text = anstream::adapter::strip_str(&coloured(Page::of_file(), &[(&span, "s\u{7}")])).to_string();
    assert!(text.contains("s· server a·[2Jb··c·d /·xxx") && text.contains("x…"), "{text}");
    assert_eq!(text.lines().count(), 3);
}

fn order(parents: &[(u64, Option<u64>)]) -> String {
    let row = |(start, (id, parent)): (usize, &(u64, Option<u64>))| {
        Row::new(&span(*id, *parent, "", start as u64, start as u64 + 1), "")
    };
    let rows: Vec<_> = parents.iter().enumerate().map(row).collect();
    let lines = arrange(&rows).into_iter().map(|line| {
        let unseen = if line.unseen_parent.is_some() { "?" } else { "" };
        format!("{}{}{unseen}", "-".repeat(line.last.len()), u64::from_be_bytes(rows[line.row].id))
    });
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn places_every_span_once_whatever_the_ids_say() {
    for (parents, expected) in [
        (vec![(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))], "1 -2 --3 -4"),
        (vec![(3, Some(2)), (2, Some(1)), (1, None)], "1 -2 --3"),
        (vec![(1, Some(9)), (2, Some(8)), (3, Some(1))], "1? -3 2?"),
        (vec![(1, Some(1))], "1"),
        (vec![(1, Some(2)), (2, Some(1)), (3, None)], "3 1 -2"),
        (vec![(1, None), (1, None), (2, Some(1))], "1 -2 1"),
    ] {
        assert_eq!(order(&parents), expected, "{parents:?}");
    }
}

#[test]
fn draws_a_chain_of_a_thousand_spans() {
    let spans: Vec<_> = (1..1_000).map(|id| span(id, (id > 1).then(|| id - 1), "n", id, 2_000)).collect();
    let spans: Vec<_> = spans.iter().map(|span| (span, "s")).collect();
    let text = coloured(Page::of_file(), &spans);
    assert_eq!(text.lines().count(), 1_001);
    assert!(text.len() < 300_000, "{}", text.len());
}

#[test]
fn waits_until_a_trace_is_quiet_and_its_parents_are_there() {
    let [server, client, behind, _] = request();
    let (begin, mut out) = (Instant::now(), Vec::new());
    let mut tree = Tree::new(Page::of_file(), Bounds::default());
    let mut lines_at = |tree: &mut Tree, milliseconds| {
        tree.tick(begin + Duration::from_millis(milliseconds), &mut out).unwrap();
        out.iter().filter(|byte| **byte == b'\n').count()
    };
    let add = |tree: &mut Tree, span, milliseconds| {
        tree.add(span, "s", begin + Duration::from_millis(milliseconds), &mut Vec::new()).unwrap();
    };
    add(&mut tree, &behind, 0);
    assert_eq!(lines_at(&mut tree, 9_000), 0);
    add(&mut tree, &client, 9_000);
    add(&mut tree, &server, 9_100);
    assert_eq!(lines_at(&mut tree, 9_399), 0);
    assert_eq!(lines_at(&mut tree, 9_400), 5);
    add(&mut tree, &client, 9_500);
    assert_eq!(lines_at(&mut tree, 19_499), 5);
    // Its parent never came; three lines and one that says so.
    assert_eq!(lines_at(&mut tree, 19_500), 9);
}

#[test]
fn holds_no_more_than_its_bounds() {
    let bounds = Bounds { trace: 3, all: 8, ..Bounds::default() };
    let (mut tree, mut out, begin) = (Tree::new(Page::of_file(), bounds), Vec::new(), Instant::now());
    for id in 1..=3 {
        tree.add(&span(id, None, "n", 0, 1), "s", begin, &mut out).unwrap();
    }
    let printed = |out: &[u8]| String::from_utf8(out.to_vec()).unwrap().matches("trace").count();
    assert_eq!((printed(&out), tree.rows), (1, 0));
    for trace in 0..1_000_u64 {
        let mut span = span(1, None, "n", 0, 1);
        span.trace = u128::from(trace).to_be_bytes();
        tree.add(&span, "s", begin + Duration::from_millis(trace), &mut out).unwrap();
        assert!(tree.rows < 8);
    }
    tree.finish(&mut out).unwrap();
    assert_eq!(printed(&out), 1_001);
}

#[test]
fn writes_times_with_three_digits() {
    for (nanoseconds, expected) in [
        (0, "0"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (9_996, "10.0 µs"),
        (999_999, "1.00 ms"),
        (1_234_567, "1.23 ms"),
        (86_400_000_000_000, "86400 s"),
    ] {
        assert_eq!(draw::duration(nanoseconds), expected);
    }
}
