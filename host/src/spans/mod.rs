//! Puts the fragments of a span together and hands on what is finished. Knows identity, time and what a plugin said;
//! neither kernel nor exporter.
//!
//! What is said later wins, attributes by their key. A span whose end was never seen (its frame came into use again, or its
//! process ended) is finished too, at the latest moment that it can have ended: it carries the attribute [`UNOBSERVED_END`].

mod clock;
mod counts;
mod finished;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::fragment::{Fragment, Stage};

pub use clock::{Clock, boot_now};
pub use counts::Counts;
pub use finished::{FinishedEvent, FinishedLink, FinishedSpan};

/// Key and value of the attribute on a span whose end was not seen, and whose end time is therefore an upper bound.
pub const UNOBSERVED_END: (&str, &str) = ("uprobed.end", "unobserved");

/// What an open span may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most spans that are open at once, over all processes.
    pub open: usize,
    /// The most attributes, events and links of one span, each; what is beyond is counted in the span itself.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open: 65_536, items: 128 }
    }
}

/// The open spans.
#[derive(Debug)]
pub struct Spans {
    limits: Limits,
    clock: Clock,
    open: HashMap<Key, Open>,
    counts: Counts,
}

/// A span id is unique within a process's life only by chance, so both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    process: u32,
    span: u64,
}

#[derive(Debug)]
struct Open {
    /// Nanoseconds since boot.
    start: u64,
    /// Nanoseconds since boot after which it is given up.
    until: u64,
    drop: bool,
    span: FinishedSpan,
}

impl Spans {
    pub fn new(limits: Limits, clock: Clock) -> Self {
        Self { limits, clock, open: HashMap::new(), counts: Counts::default() }
    }

    /// Takes in a fragment; if it ends its span, pushes that.
    pub fn accept(&mut self, fragment: Fragment, finished: &mut Vec<FinishedSpan>) {
        self.counts.fragments += 1;
        let key = Key { process: fragment.process, span: fragment.span.span };
        match fragment.stage {
            Stage::Start => self.start(key, fragment),
            Stage::Event => match self.open.get_mut(&key) {
                Some(open) => open.merge(fragment, &self.clock, self.limits.items),
                None => self.counts.event_unpaired += 1,
            },
            Stage::End | Stage::Abandoned => {
                let Some(mut open) = self.open.remove(&key) else {
                    self.counts.end_unpaired += 1;
                    return;
                };
                let (time, unobserved) = (fragment.time, fragment.stage == Stage::Abandoned);
                open.merge(fragment, &self.clock, self.limits.items);
                self.finish_one(open, time, unobserved, finished);
            }
        }
    }

    /// Gives up what has been open for longer than its plugin allows, and measures the clock again. For every second or so.
    /// `now` is in nanoseconds since boot.
    pub fn sweep(&mut self, now: u64) {
        self.clock.refresh(now);
        let before = self.open.len();
        self.open.retain(|_, open| open.until >= now);
        self.counts.given_up += (before - self.open.len()) as u64;
    }

    /// The process is no more: what it had open ended now at the latest.
    pub fn process_ended(&mut self, process: u32, now: u64, finished: &mut Vec<FinishedSpan>) {
        let left: Vec<Open> = self.open.extract_if(|key, _| key.process == process).map(|(_, open)| open).collect();
        for open in left {
            self.finish_one(open, now, true, finished);
        }
    }

    /// The end of the watching. What is still open goes on without us: it is counted and not exported.
    pub fn finish(mut self, now: u64) -> Counts {
        self.sweep(now);
        self.counts.open_at_end += self.open.len() as u64;
        self.counts
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many spans are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn start(&mut self, key: Key, fragment: Fragment) {
        if self.open.len() >= self.limits.open && !self.open.contains_key(&key) {
            self.counts.no_room += 1;
            return;
        }
        let mut open = Open {
            start: fragment.time,
            until: fragment.time.saturating_add(u64::from(fragment.scope.open_seconds) * 1_000_000_000),
            drop: false,
            span: FinishedSpan::begun(&fragment),
        };
        open.merge(fragment, &self.clock, self.limits.items);
        match self.open.entry(key) {
            Entry::Vacant(entry) => _ = entry.insert(open),
            // An id cannot have started twice: the first one is the span that lost its end.
            Entry::Occupied(mut entry) => {
                entry.insert(open);
                self.counts.started_again += 1;
            }
        }
    }

    fn finish_one(&mut self, mut open: Open, end: u64, unobserved: bool, finished: &mut Vec<FinishedSpan>) {
        if open.drop {
            self.counts.dropped += 1;
            return;
        }
        if unobserved {
            self.counts.unobserved_end += 1;
            open.span.set_attribute(UNOBSERVED_END.0.into(), UNOBSERVED_END.1.into(), usize::MAX);
        }
        // One offset for both, so that the duration is the measured one.
        open.span.start = self.clock.wall(open.start);
        open.span.end = self.clock.wall(end.max(open.start));
        self.counts.finished += 1;
        finished.push(open.span);
    }
}

impl Open {
    fn merge(&mut self, fragment: Fragment, clock: &Clock, items: usize) {
        self.drop |= fragment.said.drop;
        self.span.say(fragment.said, clock, items);
    }
}
