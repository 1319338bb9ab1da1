//! Seeded faults: what uprobed could get wrong, done to spans that it got right. A comparison that does not notice them
//! proves nothing.

use crate::otlp::{CLIENT, SERVER, Span};

/// How many faults there are where spans allow all of them.
pub const KINDS: usize = 6;

type Fault = fn(Vec<Span>) -> Option<Vec<Span>>;

/// The spans with one fault each, and what the fault is.
pub fn seeded(spans: &[Span]) -> Vec<(&'static str, Vec<Span>)> {
    let faults: [(&'static str, Fault); KINDS] = [
        ("an event dropped", drop_one),
        ("an event counted twice", double_one),
        ("two parents swapped", swap_parents),
        ("a parent lost", orphan_one),
        ("a return left unpaired", unpair_one),
        ("a status changed", change_status),
    ];
    faults.into_iter().filter_map(|(name, fault)| Some((name, fault(spans.to_vec())?))).collect()
}

fn drop_one(mut spans: Vec<Span>) -> Option<Vec<Span>> {
    let middle = spans.len() / 2;
    spans.get(middle)?;
    spans.remove(middle);
    Some(spans)
}

fn double_one(mut spans: Vec<Span>) -> Option<Vec<Span>> {
    let again = spans.get(spans.len() / 2)?.clone();
    spans.push(again);
    Some(spans)
}

fn swap_parents(mut spans: Vec<Span>) -> Option<Vec<Span>> {
    let first = spans.iter().position(|span| !span.parent.is_empty())?;
    let one = spans[first].clone();
    let second =
        spans.iter().position(|span| !span.parent.is_empty() && span.kind == one.kind && span.trace != one.trace)?;
    let two = spans[second].clone();
    (spans[first].parent, spans[first].trace) = (two.parent, two.trace);
    (spans[second].parent, spans[second].trace) = (one.parent, one.trace);
    Some(spans)
}

/// A server's, which is certain; a client's may be a root.
fn orphan_one(mut spans: Vec<Span>) -> Option<Vec<Span>> {
    let span = spans.iter_mut().find(|span| span.kind == SERVER && !span.parent.is_empty())?;
    span.parent.clear();
    Some(spans)
}

/// Its end says nothing then.
fn unpair_one(mut spans: Vec<Span>) -> Option<Vec<Span>> {
    with_status(&mut spans)?.attributes.remove("http.response.status_code");
    Some(spans)
}

fn change_status(mut spans: Vec<Span>) -> Option<Vec<Span>> {
    with_status(&mut spans)?.attributes.insert("http.response.status_code".to_owned(), 299.into());
    Some(spans)
}

fn with_status(spans: &mut [Span]) -> Option<&mut Span> {
    spans.iter_mut().find(|span| span.kind == CLIENT && span.integer("http.response.status_code").is_some())
}
