//! What `trace` and `run` share: from selectors to watched processes, as long as it goes on.

use std::{
    collections::BTreeMap,
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
    time::{Interval, MissedTickBehavior, interval},
};
use uprobed::{
    discovery::{Process, Selector, processes},
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

/// A session and what selects its processes.
pub struct Watch {
    session: Session,
    selectors: Vec<Selector>,
    news: Receiver<Life>,
    /// News were lost.
    is_behind: Arc<AtomicBool>,
    tick: Interval,
    collector: Option<Arc<Collector>>,
    writer: Option<events::Writer>,
    /// Why selected executables are not watched, once each.
    reasons: BTreeMap<String, Unattachable>,
    has_watched: bool,
    is_waiting: bool,
}

/// What a run came to.
pub struct Summary {
    pub counters: probes::Counters,
    pub counts: events::Counts,
    pub collector: Option<collector::Counts>,
    pub written: Option<u64>,
}

impl Watch {
    /// Loads the eBPF program and starts the threads. Needs a tokio runtime.
    pub fn start(plugins: Vec<Plugin>, selectors: Vec<Selector>, sinks: Sinks) -> Result<Self> {
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
            tick,
            collector,
            writer,
            reasons: BTreeMap::new(),
            has_watched: false,
            is_waiting: false,
        })
    }

    /// Adds a process that waits to run `executable`.
    pub fn watch_held(&mut self, pid: u32, executable: &Path) -> Result<()> {
        self.selectors.push(Selector::Tree(pid));
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
                    if let Ok(process) = Process::read(pid) {
                        self.consider(&process);
                    }
                }
                Life::Exit(pid) => self.session.check(pid),
            },
            _ = self.tick.tick() => {
                self.session.tidy();
                if self.is_behind.swap(false, Ordering::Relaxed) {
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
        let written = writer.map(|writer| tokio::task::block_in_place(|| events::join(writer))).transpose()?;
        let collector = match collector {
            Some(collector) => match Arc::try_unwrap(collector) {
                Ok(collector) => Some(collector.shutdown().await),
                Err(shared) => Some(shared.counts()),
            },
            None => None,
        };
        Ok(Summary { counters, counts, collector, written })
    }

    fn consider(&mut self, process: &Process) {
        let is_selected = self.selectors.iter().any(|selector| selector.selects(process));
        if !is_selected {
            if self.session.is_watched(process.pid) {
                self.session.forget(process.pid);
            }
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
            Err(reason) => {
                tracing::info!(pid = process.pid, %reason, "not watched");
                self.reasons.insert(process.executable.display().to_string(), reason);
            }
        }
    }

    fn say_waiting(&mut self) {
        if self.session.watched() == 0 && !self.is_waiting {
            self.is_waiting = true;
            eprintln!("waiting");
        }
    }
}
