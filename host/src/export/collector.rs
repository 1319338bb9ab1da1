//! Sends spans to a collector over OTLP, from a bounded queue that nobody ever waits for. What does not fit, what the collector
//! refuses and what cannot be delivered in time is counted and forgotten.

mod endpoint;
#[cfg(test)]
mod tests;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use self::endpoint::Endpoint;
use self::worker::Worker;
use crate::resource::Resource;
use crate::spans::FinishedSpan;

/// How much and how long; the defaults are what a run uses.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The most spans that wait, the batch at hand aside. A span is about a kilobyte.
    pub queue: usize,
    /// The most spans of one request.
    pub batch: usize,
    /// How long a span waits for its batch to fill.
    pub tick: Duration,
    /// The pause after the first failure; it doubles with each, up to the longest, and is varied by a half.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// How long one batch is tried before it is lost.
    pub patience: Duration,
    /// How long the end may take.
    pub flush: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            queue: 32_768,
            batch: 512,
            tick: Duration::from_secs(1),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            flush: Duration::from_secs(5),
        }
    }
}

/// The sending end, and the task behind it.
#[derive(Debug)]
pub struct Collector {
    queue: mpsc::Sender<Waiting>,
    tally: Arc<Tally>,
    closing: watch::Sender<bool>,
    worker: JoinHandle<()>,
    flush: Duration,
}

/// What became of the spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Confirmed by the collector.
    pub exported: u64,
    /// Still in the queue or on their way.
    pub waiting: u64,
    /// Lost because the queue was full.
    pub full: u64,
    /// Lost because the collector does not want them.
    pub refused: u64,
    /// Lost because the collector could not be reached for too long.
    pub undelivered: u64,
    /// How often it went from answering to not answering.
    pub outages: u64,
}

impl Counts {
    /// What is not there and will not come.
    pub fn lost(&self) -> u64 {
        self.full + self.refused + self.undelivered
    }
}

/// `exported=7 lost=3 (queue_full=1 refused=2)`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exported={} lost={}", self.exported, self.lost())?;
        let reasons = [("queue_full", self.full), ("refused", self.refused), ("undelivered", self.undelivered)];
        let reasons: Vec<_> = reasons.iter().filter(|(_, count)| *count != 0).collect();
        for (index, (name, count)) in reasons.iter().enumerate() {
            write!(f, "{}{name}={count}", if index == 0 { " (" } else { " " })?;
        }
        f.write_str(if reasons.is_empty() { "" } else { ")" })
    }
}

/// A span in the queue with the process that it is of.
#[derive(Debug)]
struct Waiting {
    span: FinishedSpan,
    resource: Arc<Resource>,
}

#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    exported: AtomicU64,
    full: AtomicU64,
    refused: AtomicU64,
    undelivered: AtomicU64,
    outages: AtomicU64,
}

impl Collector {
    /// Needs a tokio runtime. Does not connect yet: a collector that is not there is tried again, and is no error here.
    pub fn new(endpoint: &Endpoint, pace: Pace) -> Result<Self> {
        let exporter = endpoint.exporter()?;
        let tally = Arc::<Tally>::default();
        let (queue, inbox) = mpsc::channel(pace.queue);
        let (closing, closes) = watch::channel(false);
        let worker = Worker::new(endpoint.to_string(), exporter, pace, tally.clone(), closes);
        Ok(Self { queue, tally, closing, worker: tokio::spawn(worker.run(inbox)), flush: pace.flush })
    }

    /// Never waits: without room in the queue the span is lost, and counted.
    pub fn send(&self, span: FinishedSpan, resource: &Arc<Resource>) {
        // Counted first, or the worker could count it as exported before it was accepted.
        add(&self.tally.accepted, 1);
        if self.queue.try_send(Waiting { span, resource: resource.clone() }).is_err() {
            add(&self.tally.full, 1);
        }
    }

    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Delivers what waits, for as long as [`Pace::flush`]; the rest is lost.
    pub async fn shutdown(self) -> Counts {
        let Self { queue, tally, closing, mut worker, flush } = self;
        drop(queue);
        closing.send_replace(true);
        if timeout(flush, &mut worker).await.is_err() {
            worker.abort();
            // The error says that it was cancelled, which is what was asked for.
            _ = worker.await;
        }
        let mut counts = tally.counts();
        counts.undelivered += std::mem::take(&mut counts.waiting);
        counts
    }
}

impl Tally {
    fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (exported, full) = (read(&self.exported), read(&self.full));
        let (refused, undelivered) = (read(&self.refused), read(&self.undelivered));
        let waiting = read(&self.accepted).saturating_sub(exported + full + refused + undelivered);
        Counts { exported, waiting, full, refused, undelivered, outages: read(&self.outages) }
    }
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}
