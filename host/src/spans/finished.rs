//! A finished span: identity and times as every exporter wants them, independent of any of them.

use std::sync::Arc;

use uprobed_ebpf::wire::ParentSource;

use super::Clock;
use crate::fragment::{Fragment, Kind, Said, Scope, Status, Value};

#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    /// The host's number for the life of the process in which it happened.
    pub process: u32,
    pub scope: Arc<Scope>,
    pub trace: [u8; 16],
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    pub parent_source: ParentSource,
    /// W3C tracestate, as it came in; not checked.
    pub trace_state: String,
    pub kind: Kind,
    pub name: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub attributes: Vec<(Arc<str>, Value)>,
    pub events: Vec<FinishedEvent>,
    pub links: Vec<FinishedLink>,
    pub status: Status,
    pub status_message: String,
    pub dropped_attributes: u32,
    pub dropped_events: u32,
    pub dropped_links: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FinishedEvent {
    /// Nanoseconds since 1970.
    pub time: u64,
    pub name: String,
    pub attributes: Vec<(Arc<str>, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FinishedLink {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    pub attributes: Vec<(Arc<str>, Value)>,
}

impl FinishedSpan {
    /// Whether the parent is a span of another process.
    pub fn parent_is_remote(&self) -> bool {
        matches!(self.parent_source, ParentSource::Remote | ParentSource::Joined)
    }

    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(other, _)| &**other == key).map(|(_, value)| value)
    }

    /// The facts that a start brings; what its plugin said is not in it yet, nor are its times.
    pub(super) fn begun(fragment: &Fragment) -> Self {
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&fragment.span.trace[0].to_ne_bytes());
        trace[8..].copy_from_slice(&fragment.span.trace[1].to_ne_bytes());
        Self {
            process: fragment.process,
            scope: fragment.scope.clone(),
            trace,
            id: fragment.span.span.to_ne_bytes(),
            parent: (fragment.parent != 0).then(|| fragment.parent.to_ne_bytes()),
            parent_source: fragment.parent_source,
            trace_state: String::new(),
            kind: Kind::Unset,
            name: String::new(),
            start: 0,
            end: 0,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
            status_message: String::new(),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        }
    }

    /// Merges what was said now: it wins over what was said before. At most `items` attributes, events and links, each.
    pub(super) fn say(&mut self, said: Said, clock: &Clock, items: usize) {
        if said.kind != Kind::Unset {
            self.kind = said.kind;
        }
        if said.status != Status::Unset {
            self.status = said.status;
        }
        for (own, said) in [
            (&mut self.name, said.name),
            (&mut self.status_message, said.status_message),
            (&mut self.trace_state, said.trace_state),
        ] {
            if !said.is_empty() {
                *own = said;
            }
        }
        for (key, value) in said.attributes {
            self.set_attribute(key, value, items);
        }
        for event in said.events {
            if self.events.len() >= items {
                self.dropped_events += 1;
                continue;
            }
            let time = clock.wall(event.time);
            self.events.push(FinishedEvent { time, name: event.name, attributes: event.attributes });
        }
        for link in said.links {
            if self.links.len() >= items {
                self.dropped_links += 1;
                continue;
            }
            let (trace, span) = (link.trace.to_be_bytes(), link.span.to_be_bytes());
            self.links.push(FinishedLink { trace, span, attributes: link.attributes });
        }
    }

    // A span has a dozen attributes or two, whose keys mostly differ in length: a walk is cheaper than a map.
    pub(super) fn set_attribute(&mut self, key: Arc<str>, value: Value, items: usize) {
        match self.attributes.iter().position(|(other, _)| *other == key) {
            Some(index) => self.attributes[index].1 = value,
            None if self.attributes.len() < items => self.attributes.push((key, value)),
            None => self.dropped_attributes += 1,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
