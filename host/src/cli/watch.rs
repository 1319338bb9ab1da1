//! What `trace` and `run` share: from selectors to watched processes, as long as it goes on.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::{Interval, MissedTickBehavior, interval, sleep},
};
use uprobed::{
    discovery::{FileId, Process, Selector, processes},
    events::{self, Events, Life, Output, Sinks},
    export::collector::{self, Collector},
    plugin::Plugin,
    probes::{self, Kernel},
    session::{Session, Unattachable, about_to_run},
};

/// Processes that came or went and were not looked at yet. Beyond that, all of /proc is looked at.
const NEWS: usize = 1024;
/// How often it is checked who has ended unnoticed.
const TICK: Duration = Duration::from_secs(1);
/// A first thread that ends is seen before its process is gone: how long until the next look, and how many looks.
const LEAVING: Duration = Duration::from_millis(10);
const LOOKS: u8 = 100;
/// The most files and reasons that are remembered.
const REFUSED: usize = 4096;
const REASONS: usize = 64;

/// A session and what selects its processes.
pub struct Watch {
    session: Session,
    selectors: Vec<Selector>,
    news: Receiver<Life>,
    /// News were lost.
    is_behind: Arc<AtomicBool>,
    /// Records that did not fit into the ring buffer, as of the last look.
    ring_full: u64,
    tick: Interval,
    collector: Option<Arc<Collector>>,
    writer: Option<events::Writer>,
    /// Why selected executables are not watched, once each.
    reasons: BTreeMap<String, Unattachable>,
    /// Files that no plugin wants, so that they are not read again whenever they are started.
    refused: HashSet<FileId>,
    /// Processes that are about to end, and how often that was looked at.
    leaving: HashMap<u32, u8>,
    /// The command, until it calls exec.
    held: Option<u32>,
    has_watched: bool,
    is_waiting: bool,
    /// Whether processes to come are wanted.
    can_come: bool,
}

/// What a run came to.
pub struct Summary {
    pub counters: probes::Counters,
    pub counts: events::Counts,
    pub collector: Option<collector::Counts>,
    pub written: Option<u64>,
    /// Why the text output ended early.
    pub output: Option<anyhow::Error>,
}

impl Watch {
    /// Loads the eBPF program and starts the threads. Needs a tokio runtime.
    pub fn start(plugins: Vec<Plugin>, selectors: Vec<Selector>, sinks: Sinks) -> Result<Self> {
        let can_come = selectors.iter().any(|selector| !matches!(selector, Selector::Pid(_)));
        let mut kernel = Kernel::load()?;
        let records = kernel.take_records()?;
        let (tell, news) = channel(NEWS);
        let is_behind = Arc::new(AtomicBool::new(false));
        let behind = is_behind.clone();
        let life = move |life| {
            if tell.try_send(life).is_err() {
                behind.store(true, Ordering::Relaxed);
            }
        };
        let collector = sinks.collector.clone();
        let (output, writer) = Output::start(sinks)?;
        let events = Events::start(records, output, life)?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            session: Session::new(kernel, events, plugins),
            selectors,
            news,
            is_behind,
            ring_full: 0,
            tick,
            collector,
            writer,
            reasons: BTreeMap::new(),
            refused: HashSet::new(),
            leaving: HashMap::new(),
            held: None,
            has_watched: false,
            is_waiting: false,
            can_come,
        })
    }

    /// Fails where an executable that was named can never be attached.
    pub fn judge(&self) -> Result<()> {
        for selector in &self.selectors {
            if let Selector::Executable(path) = selector {
                self.session.judge(path)?;
            }
        }
        Ok(())
    }

    /// Adds a process that waits to run `executable`.
    pub fn watch_held(&mut self, pid: u32, executable: &Path) -> Result<()> {
        self.selectors.push(Selector::Tree(pid));
        self.held = Some(pid);
        self.can_come = true;
        let process = about_to_run(pid, executable)?;
        let watching = self.session.watch_held(&process, executable);
        self.report(&process, watching);
        Ok(())
    }

    /// Looks at every process there is.
    pub fn scan(&mut self) -> Result<()> {
        for process in processes()? {
            self.consider(&process);
        }
        self.say_waiting();
        Ok(())
    }

    /// Waits for the next thing to happen and deals with it. Cancel-safe.
    pub async fn step(&mut self) -> Result<()> {
        tokio::select! {
            news = self.news.recv() => match news.context("the thread that reads events ended")? {
                Life::Exec(pid) => {
                    self.session.exec(pid);
                    self.held = self.held.filter(|held| *held != pid);
                    if let Ok(process) = Process::read(pid) {
                        self.consider(&process);
                    }
                }
                Life::Exit(pid) => _ = self.leaving.insert(pid, 0),
            },
            () = sleep(LEAVING), if !self.leaving.is_empty() => {
                let session = &mut self.session;
                self.leaving.retain(|pid, looks| {
                    *looks += 1;
                    session.check(*pid) && *looks < LOOKS
                });
            }
            _ = self.tick.tick() => {
                self.session.tidy();
                // A process that started may be among what a full ring buffer could not take.
                let ring_full = self.session.kernel().counters()?.ring_full;
                let is_behind = std::mem::replace(&mut self.ring_full, ring_full) != ring_full;
                if self.is_behind.swap(false, Ordering::Relaxed) || is_behind {
                    self.scan()?;
                }
            }
        }
        self.say_waiting();
        Ok(())
    }

    pub fn watched(&self) -> usize {
        self.session.watched()
    }

    /// Whether nobody takes the text any more: a closed pipe, a full disk.
    pub fn is_output_over(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.is_finished())
    }

    /// Whether any process has been watched at any time.
    pub fn has_watched(&self) -> bool {
        self.has_watched
    }

    /// Why selected executables are not watched.
    pub fn reasons(&self) -> &BTreeMap<String, Unattachable> {
        &self.reasons
    }

    pub fn into_reasons(self) -> BTreeMap<String, Unattachable> {
        self.reasons
    }

    /// Detaches, flushes everything, and sums up.
    pub async fn finish(self) -> Result<Summary> {
        let Self { session, collector, writer, .. } = self;
        let (counters, counts) = tokio::task::block_in_place(|| session.finish())?;
        let (written, output) = match writer.map(|writer| tokio::task::block_in_place(|| events::join(writer))) {
            Some(Ok(written)) => (Some(written), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let collector = match collector {
            Some(collector) => match Arc::try_unwrap(collector) {
                Ok(collector) => Some(collector.shutdown().await),
                Err(shared) => Some(shared.counts()),
            },
            None => None,
        };
        Ok(Summary { counters, counts, collector, written, output })
    }

    fn consider(&mut self, process: &Process) {
        let is_selected = self.selectors.iter().any(|selector| selector.selects(process));
        if !is_selected {
            if self.session.is_watched(process.pid) {
                self.session.forget(process.pid);
            }
            return;
        }
        if self.held == Some(process.pid) || self.refused.contains(&process.file) {
            return;
        }
        let is_new = !self.session.is_watched(process.pid);
        let watching = self.session.watch(process);
        if is_new || watching.is_err() {
            self.report(process, watching);
        }
    }

    fn report(&mut self, process: &Process, watching: Result<uprobed::session::Watching, Unattachable>) {
        match watching {
            Ok(watching) => {
                (self.has_watched, self.is_waiting) = (true, false);
                eprintln!(
                    "attached pid={} exe={} probes={} emulated={} stepped={}",
                    watching.pid,
                    watching.executable.display(),
                    watching.probes,
                    watching.emulated,
                    watching.stepped
                );
            }
            Err(reason) => self.refuse(process, reason),
        }
    }

    /// Says why a process is not watched, once for each executable.
    fn refuse(&mut self, process: &Process, reason: Unattachable) {
        if self.refused.len() < REFUSED && matches!(reason, Unattachable::Nothing { .. } | Unattachable::Binary { .. })
        {
            self.refused.insert(process.file);
        }
        let executable = process.executable.display().to_string();
        if self.reasons.len() >= REASONS || self.reasons.contains_key(&executable) {
            return;
        }
        let is_named = |selector: &Selector| matches!(selector, Selector::Pid(_) | Selector::Executable(_));
        if self.selectors.iter().any(|selector| is_named(selector) && selector.selects(process)) {
            eprintln!("not attached pid={} exe={executable}: {reason}", process.pid);
        } else {
            tracing::info!(pid = process.pid, %reason, "not attached");
        }
        self.reasons.insert(executable, reason);
    }

    fn say_waiting(&mut self) {
        if self.session.watched() == 0 && !self.is_waiting && self.can_come {
            self.is_waiting = true;
            eprintln!("waiting");
        }
    }
}
