//! Traces for people: spans are held until their trace has been quiet for a moment, then printed as a waterfall.
//!
//! The text carries colours always; whoever owns the stream takes them out where they do not belong (`anstream::stdout()` does,
//! by the terminal, `NO_COLOR` and `CLICOLOR_FORCE`). Nothing that a watched process said reaches the terminal unfiltered.

mod arrange;
mod draw;
mod row;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::time::{Duration, Instant};

pub use self::arrange::{Line, arrange};
pub use self::draw::Page;
pub use self::row::Row;
use crate::spans::FinishedSpan;

/// How long spans are held, and how many.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A trace without news for so long is printed, if no span in it waits for its parent.
    pub quiet: Duration,
    /// It is printed even so after this time.
    pub patience: Duration,
    /// The most spans of one trace; with more, what is there is printed.
    pub trace: usize,
    /// The most spans in all; with more, the half that had no news for longest is printed.
    pub all: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { quiet: Duration::from_millis(300), patience: Duration::from_secs(10), trace: 1_000, all: 32_768 }
    }
}

#[derive(Debug)]
pub struct Tree {
    page: Page,
    bounds: Bounds,
    held: HashMap<[u8; 16], Held>,
    /// Rows in `held`.
    rows: usize,
    /// In the order in which they appeared, which gives them their colours.
    services: Vec<String>,
}

#[derive(Debug)]
struct Held {
    rows: Vec<Row>,
    news: Instant,
}

impl Tree {
    pub fn new(page: Page, bounds: Bounds) -> Self {
        Self { page, bounds, held: HashMap::new(), rows: 0, services: Vec::new() }
    }

    /// Takes in a span. Prints only if a bound is hit.
    pub fn add(&mut self, span: &FinishedSpan, service: &str, now: Instant, out: &mut impl Write) -> io::Result<()> {
        let row = Row::new(span, service);
        if self.services.len() < draw::SERVICE_COLOURS && !self.services.contains(&row.service) {
            self.services.push(row.service.clone());
        }
        let held = self.held.entry(span.trace).or_insert_with(|| Held { rows: Vec::new(), news: now });
        held.rows.push(row);
        held.news = now;
        self.rows += 1;
        if held.rows.len() >= self.bounds.trace {
            self.print(vec![span.trace], out)?;
        }
        if self.rows >= self.bounds.all {
            let mut traces: Vec<_> = self.held.iter().map(|(trace, held)| (held.news, *trace)).collect();
            traces.sort_unstable();
            let half = traces.len().div_ceil(2);
            self.print(traces[..half].iter().map(|(_, trace)| *trace).collect(), out)?;
        }
        Ok(())
    }

    /// Prints what has become quiet. For every tenth of a second or so.
    pub fn tick(&mut self, now: Instant, out: &mut impl Write) -> io::Result<()> {
        let Bounds { quiet, patience, .. } = self.bounds;
        let ready = |held: &Held| {
            let silence = now.saturating_duration_since(held.news);
            silence >= patience || silence >= quiet && !held.waits_for_a_parent()
        };
        let traces = self.held.iter().filter(|(_, held)| ready(held)).map(|(trace, _)| *trace).collect();
        self.print(traces, out)
    }

    /// Prints all that is left.
    pub fn finish(mut self, out: &mut impl Write) -> io::Result<()> {
        self.print(self.held.keys().copied().collect(), out)?;
        out.flush()
    }

    /// In the order in which they began.
    fn print(&mut self, traces: Vec<[u8; 16]>, out: &mut impl Write) -> io::Result<()> {
        let take = |trace| self.held.remove_entry(&trace).map(|(trace, held)| (trace, held.rows));
        let mut taken: Vec<_> = traces.into_iter().filter_map(take).collect();
        taken.sort_by_key(|(trace, rows)| (rows.iter().map(|row| row.start).min(), *trace));
        for (trace, rows) in taken {
            self.rows -= rows.len();
            out.write_all(draw::trace(&self.page, &self.services, trace, &rows).as_bytes())?;
        }
        Ok(())
    }
}

impl Held {
    /// Whether a span's parent is watched too and has not come yet.
    fn waits_for_a_parent(&self) -> bool {
        let ids: HashSet<_> = self.rows.iter().map(|row| row.id).collect();
        self.rows.iter().any(|row| row.parent.is_some_and(|parent| row.parent_is_watched && !ids.contains(&parent)))
    }
}
