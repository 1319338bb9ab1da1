//! Watches processes: prepares each binary once, attaches, tells the event thread whose records are whose, and undoes all of it when
//! processes end. Leaves out who is to be watched (`discovery`) and what happens to events (`events`).

mod cache;
mod prepare;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use thiserror::Error;
use uprobed_ebpf::{
    program::{NO_SLOT, flags},
    wire::{self, CONTEXT_TYPES},
};

use cache::Cache;
pub use prepare::{Numbers, Part, Prepared};

use crate::{
    binary::{self, Binary, Cost},
    discovery::{FileId, Process},
    events::{Decoder, Events},
    executable::Executable,
    plan::PlannedProbe,
    plugin::Plugin,
    probes::{Attached, Kernel, Point},
    resource::{Machine, Resource, Runtime},
    spans::{Clock, boot_now},
};

/// How often the kernel's tables are looked through for spans that have been open for too long.
const SWEEP: Duration = Duration::from_secs(60);

/// Why a process is not watched.
#[derive(Debug, Error)]
pub enum Unattachable {
    #[error("process {0} does not exist or has ended")]
    Ended(u32),
    #[error("read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("read {}: {error}", path.display())]
    Binary { path: PathBuf, error: binary::Error },
    #[error("nothing to trace in {}: {reasons}", path.display())]
    Nothing { path: PathBuf, reasons: String },
    #[error("{0:#}")]
    Kernel(#[from] anyhow::Error),
}

/// A process that is watched now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    pub pid: u32,
    pub executable: PathBuf,
    pub probes: usize,
    /// Sites whose instruction the kernel emulates, and those that it single-steps.
    pub emulated: usize,
    pub stepped: usize,
}

pub struct Session {
    kernel: Kernel,
    events: Events,
    plugins: Vec<Arc<Mutex<Plugin>>>,
    machine: Machine,
    clock: Clock,
    numbers: Numbers,
    cache: Cache,
    slots: u32,
    binaries: HashMap<FileId, Probed>,
    processes: HashMap<u32, Watched>,
    /// The longest that any plugin lets a span be open, and when that was last looked after.
    open: Duration,
    swept: Instant,
}

struct Watched {
    process: Process,
    slot: u32,
    /// It has not called exec yet.
    is_held: bool,
}

/// A binary with its probes.
struct Probed {
    attached: Attached,
    /// Hits count only in processes of this binary's: the same file can be reached through several mounts.
    number: u32,
    /// Numbers of its decoders in the event thread.
    decoders: Vec<u32>,
    context_types: [u64; CONTEXT_TYPES],
    runtime: Option<Runtime>,
    probes: usize,
    emulated: usize,
    stepped: usize,
}

impl Session {
    pub fn new(kernel: Kernel, events: Events, plugins: Vec<Plugin>) -> Self {
        Self {
            kernel,
            events,
            plugins: plugins.into_iter().map(|plugin| Arc::new(Mutex::new(plugin))).collect(),
            machine: Machine::read(),
            clock: Clock::measured(),
            numbers: Numbers::default(),
            cache: Cache::default(),
            slots: 0,
            binaries: HashMap::new(),
            processes: HashMap::new(),
            open: Duration::ZERO,
            swept: Instant::now(),
        }
    }

    pub fn is_watched(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// Whether it waits to call exec: what it is now does not matter.
    pub fn is_held(&self, pid: u32) -> bool {
        self.processes.get(&pid).is_some_and(|watched| watched.is_held)
    }

    pub fn watched(&self) -> usize {
        self.processes.len()
    }

    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Whether any plugin has something to probe in a file that nobody may run yet.
    pub fn judge(&self, path: &Path) -> Result<(), Unattachable> {
        let executable = Executable::at_rest(path)?;
        let prepared = Prepared::new(&self.plugins, &executable.binary()?, &mut Numbers::default());
        if !prepared.parts.is_empty() {
            return Ok(());
        }
        Err(Unattachable::Nothing { path: path.to_owned(), reasons: prepared.reasons() })
    }

    /// Watches a process; nothing new for one that is watched already.
    pub fn watch(&mut self, process: &Process) -> Result<Watching, Unattachable> {
        if let Some(watched) = self.processes.get_mut(&process.pid) {
            if watched.process.start == process.start && watched.process.file == process.file {
                if std::mem::take(&mut watched.is_held) {
                    // Only now is its environment its own.
                    let slot = watched.slot;
                    self.describe(process, slot)?;
                }
                return Ok(self.watching(process));
            }
            self.forget(process.pid);
        }
        self.watch_new(process, &process.image(), false)
    }

    /// Watches a process that is about to run the file `image`.
    pub fn watch_held(&mut self, process: &Process, image: &Path) -> Result<Watching, Unattachable> {
        self.watch_new(process, image, true)
    }

    fn watch_new(&mut self, process: &Process, image: &Path, is_held: bool) -> Result<Watching, Unattachable> {
        if !self.binaries.contains_key(&process.file) {
            let probed = self.probe(process, image)?;
            self.binaries.insert(process.file, probed);
        }
        let probed = self.binaries.get(&process.file).expect("it was inserted above if it was not there");
        self.slots += 1;
        let slot = self.slots;
        let known = wire::Process {
            slot,
            network: process.network,
            binary: probed.number,
            reserved: 0,
            context_types: probed.context_types,
        };
        self.describe(process, slot)?;
        self.kernel.watch(process.pid, &known)?;
        self.processes.insert(process.pid, Watched { process: process.clone(), slot, is_held });
        Ok(self.watching(process))
    }

    /// Tells the event thread whose spans the slot's are.
    fn describe(&mut self, process: &Process, slot: u32) -> Result<(), Unattachable> {
        let runtime = self.binaries.get(&process.file).and_then(|probed| probed.runtime.as_ref());
        let resource = Resource::of_process(process.pid, runtime, &self.machine, &self.clock);
        let resource = resource.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Unattachable::Ended(process.pid),
            _ => Unattachable::Unreadable { path: format!("/proc/{}", process.pid).into(), error: source },
        })?;
        self.events.add_process(slot, Arc::new(resource));
        Ok(())
    }

    /// A process is said to have ended: its first thread has. Others may go on, and then so do we.
    /// True if it goes on.
    pub fn check(&mut self, pid: u32) -> bool {
        let Some(watched) = self.processes.get(&pid) else { return false };
        let is_alive = watched.process.is_alive();
        if !is_alive {
            self.forget(pid);
        }
        is_alive
    }

    /// A process runs another image: what was known of its goroutines is void, even if it is the same file.
    pub fn exec(&mut self, pid: u32) {
        if !self.is_held(pid) {
            self.forget(pid);
        }
    }

    /// A process ended, or runs something else now.
    pub fn forget(&mut self, pid: u32) {
        let Some(watched) = self.processes.remove(&pid) else { return };
        self.kernel.forget(pid, watched.slot);
        self.events.process_ended(watched.slot);
        let file = watched.process.file;
        if !self.processes.values().any(|other| other.process.file == file) {
            self.leave(file);
        }
    }

    /// Takes the probes from a binary that none of ours runs. At once: somebody may write another program into the same file, and probes
    /// between its instructions would crash it.
    fn leave(&mut self, file: FileId) {
        let Some(probed) = self.binaries.remove(&file) else { return };
        if let Err(error) = self.kernel.detach(probed.attached) {
            tracing::warn!(%error, "probes of a binary that nobody runs stay");
        }
        for number in probed.decoders {
            self.events.remove_decoder(number);
        }
    }

    /// Forgets processes that ended unnoticed.
    pub fn tidy(&mut self) {
        let ended: Vec<u32> = self
            .processes
            .values()
            .filter(|watched| !watched.process.is_alive())
            .map(|watched| watched.process.pid)
            .collect();
        for pid in ended {
            self.forget(pid);
        }
        self.sweep();
    }

    /// Spans whose end will not come leave the kernel's tables.
    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP || self.open.is_zero() {
            return;
        }
        self.swept = Instant::now();
        let given_up = self.kernel.sweep(boot_now().saturating_sub(self.open.as_nanos() as u64));
        if given_up > 0 {
            tracing::info!(spans = given_up, "open for too long, forgotten");
        }
    }

    /// Detaches everything, then lets the event thread take in what is left and end.
    pub fn finish(mut self) -> Result<(crate::probes::Counters, crate::events::Counts)> {
        for (_, probed) in self.binaries.drain() {
            self.kernel.detach(probed.attached)?;
        }
        let counts = self.events.finish()?;
        Ok((self.kernel.counters()?, counts))
    }

    fn watching(&self, process: &Process) -> Watching {
        let probed = self.binaries.get(&process.file);
        Watching {
            pid: process.pid,
            executable: process.executable.clone(),
            probes: probed.map_or(0, |probed| probed.probes),
            emulated: probed.map_or(0, |probed| probed.emulated),
            stepped: probed.map_or(0, |probed| probed.stepped),
        }
    }

    /// Prepares a binary and attaches to it.
    fn probe(&mut self, process: &Process, image: &Path) -> Result<Probed, Unattachable> {
        let path = &process.executable;
        let executable = Executable::open(image, path, &process.root()).map_err(|error| match error {
            Unattachable::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Unattachable::Ended(process.pid)
            }
            other => other,
        })?;
        let binary = executable.binary()?;
        let prepared = self.prepare(&executable, &binary);
        if prepared.parts.is_empty() {
            return Err(Unattachable::Nothing { path: path.clone(), reasons: prepared.reasons() });
        }
        if let Some(Err(skip)) = &prepared.spawn {
            tracing::warn!(executable = %path.display(), %skip, "spans of goroutines made by others may be roots");
        }
        for (probe, bypass) in prepared.probes().filter_map(|probe| Some((probe, probe.bypass.as_ref()?))) {
            let (symbol, executable) = (&probe.symbol, path.display());
            tracing::warn!(%executable, symbol, %bypass, "inlined, as in profile-guided builds: calls made there are not seen");
        }
        let types = prepared.type_names(&binary);
        for part in &prepared.parts {
            self.open = self.open.max(Duration::from_secs(part.manifest.limits.open_seconds.into()));
            let decoder =
                Decoder::new(part.plugin.clone(), &part.manifest, &part.target, types.clone(), &part.programs());
            self.events.add_decoder(part.number, Arc::new(decoder));
        }
        let attached = self.attach(&prepared, image, binary.go().map(|go| go.version.clone()));
        if attached.is_err() {
            for part in &prepared.parts {
                self.events.remove_decoder(part.number);
            }
        }
        Ok(attached?)
    }

    /// As it was prepared before, if there was the same binary.
    fn prepare(&mut self, executable: &Executable, binary: &Binary) -> Prepared {
        let key = cache::Key::new(executable, binary);
        if let Some(known) = key.as_ref().and_then(|key| self.cache.get(key, binary)) {
            return known.renumbered(&mut self.numbers);
        }
        let prepared = Prepared::new(&self.plugins, binary, &mut self.numbers);
        if let Some(key) = key {
            self.cache.put(key, prepared.clone(), binary);
        }
        prepared
    }

    fn attach(&mut self, prepared: &Prepared, image: &Path, go: Option<String>) -> Result<Probed> {
        let (mut points, mut programs) = (Vec::new(), Vec::new());
        let probes: Vec<&PlannedProbe> = prepared.probes().collect();
        self.numbers.binary += 1;
        // Contexts are only worth remembering where some span can be a child.
        let has_children = probes.iter().any(|probe| probe.program.flags & flags::INHERITS != 0);
        for probe in &probes {
            let mut program = *probe.program;
            program.binary = self.numbers.binary;
            if !has_children {
                program.own_context = NO_SLOT;
            }
            let number = match self.kernel.add(&program) {
                Ok(number) => number,
                Err(error) => {
                    self.kernel.give_back(programs);
                    return Err(error);
                }
            };
            programs.push(number);
            points.extend(probe.sites.iter().map(|site| Point {
                file_offset: site.file_offset,
                address: site.address,
                program: number,
            }));
        }
        let attached = self.kernel.attach(image, &points, programs)?;
        let sites = || probes.iter().flat_map(|probe| &probe.sites);
        Ok(Probed {
            attached,
            number: self.numbers.binary,
            decoders: prepared.parts.iter().map(|part| part.number).collect(),
            context_types: prepared.context_types(),
            runtime: go.map(|version| Runtime { language: "go".into(), name: "go".into(), version }),
            probes: probes.len(),
            emulated: sites().filter(|site| site.cost == Cost::Emulated).count(),
            stepped: sites().filter(|site| site.cost != Cost::Emulated).count(),
        })
    }
}

/// What a process that was held before exec is going to be.
pub fn about_to_run(pid: u32, executable: &Path) -> Result<Process> {
    let mut process = Process::read(pid).with_context(|| format!("look at process {pid}"))?;
    process.file = FileId::of(executable).with_context(|| format!("look at {}", executable.display()))?;
    process.executable = executable.to_owned();
    Ok(process)
}
