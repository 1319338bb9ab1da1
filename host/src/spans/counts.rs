//! What became of the fragments, for the line at the end.

use std::fmt;

/// How many of each there were since the beginning. An end that stands in `end_unpaired` may belong to a start that stands in
/// `no_room`, `given_up` or `started_again`, or to one that was lost before it got here: do not add them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub fragments: u64,
    /// Spans handed on, those of `unobserved_end` included.
    pub finished: u64,
    /// Of these, spans whose end was not seen.
    pub unobserved_end: u64,
    /// Spans that their plugin did not want exported.
    pub dropped: u64,
    /// Starts for which there was no room.
    pub no_room: u64,
    /// Starts whose span was open already; the first of the two is lost.
    pub started_again: u64,
    /// Ends and events whose span is not open.
    pub end_unpaired: u64,
    pub event_unpaired: u64,
    /// Spans that were open for longer than their plugin allows.
    pub given_up: u64,
    /// Spans still open when the watching ended.
    pub open_at_end: u64,
}

impl Counts {
    /// Spans and parts of spans that were seen and are missing in what was handed on. Those that were still open or that
    /// nobody wanted are not.
    pub fn lost(&self) -> u64 {
        self.no_room + self.started_again + self.end_unpaired + self.event_unpaired + self.given_up
    }
}

/// `spans=7 unobserved_end=1 given_up=2`: what is 0 is left out, but for the spans.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spans={}", self.finished)?;
        for (name, count) in [
            ("unobserved_end", self.unobserved_end),
            ("dropped_by_plugin", self.dropped),
            ("no_room", self.no_room),
            ("started_again", self.started_again),
            ("end_unpaired", self.end_unpaired),
            ("event_unpaired", self.event_unpaired),
            ("given_up", self.given_up),
            ("open_at_end", self.open_at_end),
        ] {
            if count != 0 {
                write!(f, " {name}={count}")?;
            }
        }
        Ok(())
    }
}
