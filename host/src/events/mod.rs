//! From the ring buffer to finished spans, on one thread of its own: records are sorted into bounded batches for each decoder, decoded by
//! the plugins, and put together. It waits for nobody: what the output does not take is counted.
//!
//! Leaves out attaching (`session`) and output (`export`).

mod batch;
mod decoder;
mod output;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uprobed_ebpf::wire::{self, kind};

pub use decoder::{Decoder, holds_types};
pub use output::{Output, Sinks, Text, Writer, join};

use crate::{
    fragment::Fragment,
    probes::Records,
    resource::Resource,
    spans::{self, Clock, FinishedSpan, Spans, boot_now},
};
use batch::Batch;

/// How long a record may wait in the ring buffer. The kernel wakes us earlier when much is waiting.
const TICK: Duration = Duration::from_millis(20);
/// Records taken from the ring buffer before they are decoded, and how often in a row.
const ROUND: usize = 4096;
const ROUNDS: usize = 64;

/// What the rest of the host tells this thread. What concerns a process or decoder is said before its probes are attached.
enum Message {
    Decoder(u32, Arc<Decoder>),
    Process(u32, Arc<Resource>),
    ProcessEnded(u32),
    DecoderGone(u32),
    /// Everything that is in the ring buffer, then the end.
    Finish,
}

/// A process called exec or ended, as the kernel's tracepoints tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Exec(u32),
    Exit(u32),
}

/// What this side counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Records read.
    pub records: u64,
    /// Records of plugins or processes that are gone.
    pub stray: u64,
    /// Records in batches that a plugin failed on.
    pub undecoded: u64,
    /// Finished spans that the output had no room for.
    pub output_full: u64,
    pub spans: spans::Counts,
}

impl Counts {
    pub fn lost(&self) -> u64 {
        self.stray + self.undecoded + self.output_full + self.spans.lost()
    }
}

/// The thread's handle.
pub struct Events {
    messages: Sender<Message>,
    counts: Arc<Mutex<Counts>>,
    thread: JoinHandle<()>,
}

impl Events {
    /// Starts the thread. `life` is called from it and must not block.
    pub fn start(records: Records, output: Output, life: impl Fn(Life) + Send + 'static) -> Result<Self> {
        let (messages, inbox) = channel();
        let counts = Arc::<Mutex<Counts>>::default();
        let worker = Worker {
            records,
            known: Known::new(inbox),
            output,
            life: Box::new(life),
            shared: counts.clone(),
            counts: Counts::default(),
            spans: Some(Spans::new(spans::Limits::default(), Clock::measured())),
            batches: HashMap::new(),
        };
        let thread =
            thread::Builder::new().name("events".into()).spawn(move || worker.run()).context("start a thread")?;
        Ok(Self { messages, counts, thread })
    }

    /// Records with this number are this decoder's from now on.
    pub fn add_decoder(&self, number: u32, decoder: Arc<Decoder>) {
        self.tell(Message::Decoder(number, decoder));
    }

    pub fn add_process(&self, slot: u32, resource: Arc<Resource>) {
        self.tell(Message::Process(slot, resource));
    }

    pub fn process_ended(&self, slot: u32) {
        self.tell(Message::ProcessEnded(slot));
    }

    /// No records with this number will come any more.
    pub fn remove_decoder(&self, number: u32) {
        self.tell(Message::DecoderGone(number));
    }

    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes in what is left, ends, and gives the final counts.
    pub fn finish(self) -> Result<Counts> {
        self.tell(Message::Finish);
        let counts = self.counts.clone();
        if self.thread.join().is_err() {
            anyhow::bail!("the thread that reads events failed");
        }
        Ok(*counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn tell(&self, message: Message) {
        // Fails only if the thread is gone, which `finish` reports.
        _ = self.messages.send(message);
    }
}

struct Worker {
    records: Records,
    known: Known,
    output: Output,
    life: Box<dyn Fn(Life) + Send>,
    shared: Arc<Mutex<Counts>>,
    counts: Counts,
    spans: Option<Spans>,
    batches: HashMap<u32, Batch>,
}

/// What the rest of the host told.
struct Known {
    inbox: Receiver<Message>,
    decoders: HashMap<u32, Arc<Decoder>>,
    resources: HashMap<u32, Arc<Resource>>,
    /// Processes that ended: what they left in the ring buffer comes first.
    ended: Vec<u32>,
    /// Decoders likewise.
    gone: Vec<u32>,
    /// The end was asked for.
    is_over: bool,
}

impl Known {
    fn new(inbox: Receiver<Message>) -> Self {
        let (ended, gone) = (Vec::new(), Vec::new());
        Self { inbox, decoders: HashMap::new(), resources: HashMap::new(), ended, gone, is_over: false }
    }

    fn read(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(Message::Decoder(number, decoder)) => _ = self.decoders.insert(number, decoder),
                Ok(Message::Process(slot, resource)) => _ = self.resources.insert(slot, resource),
                Ok(Message::ProcessEnded(slot)) => self.ended.push(slot),
                Ok(Message::DecoderGone(number)) => self.gone.push(number),
                Ok(Message::Finish) | Err(TryRecvError::Disconnected) => return self.is_over = true,
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// What was told before its first record was made may not have been read yet.
    fn decoder(&mut self, number: u32) -> Option<Arc<Decoder>> {
        if !self.decoders.contains_key(&number) {
            self.read();
        }
        self.decoders.get(&number).cloned()
    }

    fn resource(&mut self, slot: u32) -> Option<Arc<Resource>> {
        if !self.resources.contains_key(&slot) {
            self.read();
        }
        self.resources.get(&slot).cloned()
    }
}

impl Worker {
    fn run(mut self) {
        let mut swept = Instant::now();
        let (mut ended, mut gone) = (Vec::new(), Vec::new());
        loop {
            self.known.read();
            ended.append(&mut self.known.ended);
            gone.append(&mut self.known.gone);
            let is_last = self.known.is_over;
            let is_drained = (0..ROUNDS).any(|_| self.round() < ROUND);
            if swept.elapsed() >= Duration::from_secs(1) {
                swept = Instant::now();
                self.sweep();
            }
            if !is_drained {
                continue;
            }
            // What ended before the ring buffer was found empty has left nothing there.
            for slot in ended.drain(..) {
                self.end_process(slot);
            }
            for number in gone.drain(..) {
                self.known.decoders.remove(&number);
                self.batches.remove(&number);
            }
            if is_last {
                return self.finish();
            }
            self.wait();
        }
    }

    /// Takes records out, decodes them and hands on what is finished. Gives the number of records.
    fn round(&mut self) -> usize {
        let Self { records, batches, known, counts, life, .. } = self;
        let taken = records.drain(ROUND, |head, captures| match head.kind {
            kind::EXEC => life(Life::Exec(head.process)),
            kind::EXIT => life(Life::Exit(head.process)),
            _ => {
                counts.records += 1;
                match known.decoder(head.plugin) {
                    Some(decoder) => batches.entry(head.plugin).or_default().push(head, captures, &decoder),
                    None => counts.stray += 1,
                }
            }
        });
        let mut finished = Vec::new();
        for (number, batch) in &mut self.batches {
            let Some(decoder) = self.known.decoders.get(number) else { continue };
            let records = batch.records() as u64;
            if records == 0 {
                continue;
            }
            let spans = self.spans.as_mut().expect("only `finish`, which ends the thread, takes it");
            match batch.decode(decoder, &mut |fragment: Fragment| spans.accept(fragment, &mut finished)) {
                Ok(()) => {}
                Err(error) => {
                    self.counts.undecoded += records;
                    tracing::warn!(plugin = %decoder.scope.name, records, %error, "a batch is lost");
                }
            }
            batch.clear();
        }
        self.hand_on(finished);
        taken
    }

    fn hand_on(&mut self, finished: Vec<FinishedSpan>) {
        for span in finished {
            let Some(resource) = self.known.resource(span.process) else {
                self.counts.stray += 1;
                continue;
            };
            if !self.output.send(span, &resource) {
                self.counts.output_full += 1;
            }
        }
    }

    fn end_process(&mut self, slot: u32) {
        let mut finished = Vec::new();
        if let Some(spans) = self.spans.as_mut() {
            spans.process_ended(slot, boot_now(), &mut finished);
        }
        self.hand_on(finished);
        self.known.resources.remove(&slot);
    }

    fn sweep(&mut self) {
        if let Some(spans) = self.spans.as_mut() {
            spans.sweep(boot_now());
        }
        self.publish();
    }

    fn publish(&mut self) {
        if let Some(spans) = &self.spans {
            self.counts.spans = spans.counts();
        }
        *self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = self.counts;
    }

    fn finish(mut self) {
        if let Some(spans) = self.spans.take() {
            self.counts.spans = spans.finish(boot_now());
        }
        self.publish();
    }

    fn wait(&self) {
        // SAFETY: the records, and with them the descriptor, outlive the call.
        let ring = unsafe { std::os::fd::BorrowedFd::borrow_raw(std::os::fd::AsRawFd::as_raw_fd(&self.records)) };
        let timeout = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
        // An interrupted or failed wait is a short one; the next round looks again.
        _ = poll(&mut [PollFd::new(&ring, PollFlags::IN)], Some(&timeout));
    }
}

/// Whether a record belongs to a span.
fn is_span(head: &wire::Record) -> bool {
    matches!(head.kind, kind::START | kind::END | kind::EVENT | kind::ABANDONED)
}
