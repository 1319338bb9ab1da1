//! The task behind the queue: collects by size or by tick, converts, sends, tries again.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use super::{Pace, Tally, Waiting, add};
use crate::export::otlp;
use crate::resource::Resource;
use crate::spans::FinishedSpan;

pub(super) struct Worker {
    /// For messages.
    endpoint: String,
    exporter: SpanExporter,
    pace: Pace,
    tally: Arc<Tally>,
    closing: watch::Receiver<bool>,
    /// Whether the last request failed. Only a change is worth a line.
    failing: bool,
}

/// The spans of one process in a batch.
type Group = (Arc<Resource>, Vec<FinishedSpan>);

impl Worker {
    pub(super) fn new(
        endpoint: String,
        exporter: SpanExporter,
        pace: Pace,
        tally: Arc<Tally>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self { endpoint, exporter, pace, tally, closing, failing: false }
    }

    /// Until the queue is closed and empty.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Waiting>) {
        loop {
            let batch = self.collect(&mut inbox).await;
            if batch.is_empty() {
                return;
            }
            for (resource, spans) in by_resource(batch) {
                self.deliver(&resource, &spans).await;
            }
        }
    }

    /// Waits for a span, then for a batch or the tick. Empty: there will be no more.
    async fn collect(&self, inbox: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
        let mut batch = Vec::with_capacity(self.pace.batch);
        inbox.recv_many(&mut batch, self.pace.batch).await;
        let tick = Instant::now() + self.pace.tick;
        while !batch.is_empty() && batch.len() < self.pace.batch {
            let room = self.pace.batch - batch.len();
            match timeout_at(tick, inbox.recv_many(&mut batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        batch
    }

    /// One exporter serves all processes, one after the other: its resource is set anew for each.
    async fn deliver(&mut self, resource: &Resource, spans: &[FinishedSpan]) {
        self.exporter.set_resource(&otlp::resource(resource));
        let until = Instant::now() + self.pace.patience;
        let mut pause = self.pace.first_pause;
        loop {
            let error = match self.exporter.export(spans.iter().map(otlp::span_data).collect()).await {
                Ok(()) => return self.settle(spans, |tally| &tally.exported, None),
                Err(error) => error,
            };
            if is_refusal(&error) {
                return self.settle(spans, |tally| &tally.refused, Some(error));
            }
            let varied = vary(pause);
            if Instant::now() + varied > until {
                return self.settle(spans, |tally| &tally.undelivered, Some(error));
            }
            self.note(Some(error));
            self.rest(varied).await;
            pause = (pause * 2).min(self.pace.longest_pause);
        }
    }

    fn settle(&mut self, spans: &[FinishedSpan], count: fn(&Tally) -> &AtomicU64, error: Option<OTelSdkError>) {
        add(count(&self.tally), spans.len() as u64);
        self.note(error);
    }

    /// One line when it stops working and one when it works again.
    fn note(&mut self, error: Option<OTelSdkError>) {
        let failing = error.is_some();
        match error {
            Some(error) if !self.failing => {
                add(&self.tally.outages, 1);
                let queue = self.pace.queue;
                warn!(
                    "collector {} does not take spans, trying again with up to {queue} waiting: {error}",
                    self.endpoint
                );
            }
            None if self.failing => warn!("collector {} takes spans again", self.endpoint),
            _ => {}
        }
        self.failing = failing;
    }

    /// When the end is near there is no time for long pauses.
    async fn rest(&mut self, pause: Duration) {
        if *self.closing.borrow_and_update() {
            return sleep(pause.min(self.pace.first_pause)).await;
        }
        tokio::select! {
            () = sleep(pause) => {}
            // An error would mean that the other end is gone: the end as well.
            _ = self.closing.changed() => {}
        }
    }
}

fn by_resource(batch: Vec<Waiting>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Waiting { span, resource } in batch {
        match groups.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &resource)) {
            Some((_, spans)) => spans.push(span),
            None => groups.push((resource, vec![span])),
        }
    }
    groups
}

/// Whether trying again is pointless, by OTLP's lists of codes. opentelemetry-otlp 0.33 gives the code only within its message;
/// should that change, a refused batch is tried until its patience ends (and the tests here fail).
fn is_refusal(error: &OTelSdkError) -> bool {
    let OTelSdkError::InternalFailure(message) = error else { return false };
    if let Some((_, status)) = message.split_once("status code: ") {
        return !["429", "502", "503", "504"].contains(&status);
    }
    let Some((_, code)) = message.split_once("gRPC code: ") else { return false };
    // Not `Unknown`: a connection that breaks has that code too. `ResourceExhausted` may or may not pass.
    let code = code.split_once(':').map_or(code, |(code, _)| code);
    [
        "InvalidArgument",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "FailedPrecondition",
        "Unimplemented",
        "Internal",
        "Unauthenticated",
    ]
    .contains(&code)
}

/// Between a half and one and a half of it, so that many watchers do not come back at once.
fn vary(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) >> 32;
    pause / 2 + pause.mul_f64(random as f64 / f64::from(u32::MAX))
}
