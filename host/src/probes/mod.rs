//! The eBPF program in the kernel: loaded once, attached to many binaries. Everything that it made is undone when it is dropped.
//!
//! Leaves out what a record means; see `events`.

mod counters;
mod surroundings;

use std::{
    os::fd::{AsRawFd, RawFd},
    path::Path,
};

use anyhow::{Context, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap as KernelMap, MapData, PerCpuArray, RingBuf},
    programs::{
        RawTracePoint, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLinkId, UProbeScope},
    },
    sys::{UProbeMultiFeature, is_uprobe_multi_supported},
};
use uprobed_ebpf::{
    program::Program,
    wire::{self, CAN_SLEEP, Process, STATES_PER_CPU, cookie},
};

pub use counters::Counters;
pub use surroundings::{Surroundings, check};

/// The program, as the build left it; aligned for the ELF reader.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("UPROBED_BPF_OBJECT"));

/// Capture programs at once: a few dozen probes for each different binary.
const PROGRAMS: u32 = 4096;

/// Programs that serve every probe, best first, and whether they may sleep: attached to all sites of a binary by one call (6.6 and later), able
/// to wait for memory that is not resident (6.1 and later), or neither.
const PROBES: [(&str, bool); 3] = [("probe_multi", true), ("probe_single_sleepable", true), ("probe_single", false)];

/// The loaded program and its tables.
pub struct Kernel {
    ebpf: Ebpf,
    /// The name of the program that serves every probe.
    probe: &'static str,
    processes: KernelMap<MapData, u32, Shared<Process>>,
    programs: Array<MapData, Shared<Program>>,
    counters: PerCpuArray<MapData, u64>,
    tables: counters::Tables,
    free: Vec<u32>,
    next: u32,
}

/// A wire type of ours as a value of a map.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Shared<T>(T);

// SAFETY: every wire type is plain data without padding that matters: the kernel treats values as bytes.
unsafe impl<T: Copy + 'static> aya::Pod for Shared<T> {}

/// Where to attach: an offset in the file, and what its hits carry.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub file_offset: u64,
    /// Link-time address.
    pub address: u64,
    pub program: u32,
}

/// Probes of one binary that are attached; see [`Kernel::detach`].
#[derive(Debug)]
pub struct Attached {
    links: Vec<UProbeLinkId>,
    programs: Vec<u32>,
}

impl Kernel {
    /// Loads the program. Check [`surroundings`](check) first for errors that a user understands.
    pub fn load() -> Result<Self> {
        let (mut ebpf, probe) = load()?;
        for (name, tracepoint) in [("process_exec", "sched_process_exec"), ("process_exit", "sched_process_exit")] {
            let program: &mut RawTracePoint =
                ebpf.program_mut(name).with_context(|| format!("the eBPF object has no {name}"))?.try_into()?;
            program.load().with_context(|| format!("load the eBPF program {name}"))?;
            program.attach(tracepoint).with_context(|| format!("attach to the tracepoint {tracepoint}"))?;
        }
        let mut take = |name: &str| ebpf.take_map(name).with_context(|| format!("the eBPF object has no map {name}"));
        let other = "the eBPF object was built from another version of the source; run: make build";
        Ok(Self {
            probe,
            processes: KernelMap::try_from(take("PROCESSES")?).context(other)?,
            programs: Array::try_from(take("PROGRAMS")?).context(other)?,
            counters: PerCpuArray::try_from(take("COUNTERS")?).context(other)?,
            tables: counters::Tables {
                spans: KernelMap::try_from(take("SPANS")?).context(other)?,
                aliases: KernelMap::try_from(take("ALIASES")?).context(other)?,
                goroutines: KernelMap::try_from(take("GOROUTINES")?).context(other)?,
                contexts: KernelMap::try_from(take("CONTEXTS")?).context(other)?,
                published: KernelMap::try_from(take("PUBLISHED")?).context(other)?,
            },
            ebpf,
            free: Vec::new(),
            next: 0,
        })
    }

    /// The ring buffer; once.
    pub fn take_records(&mut self) -> Result<Records> {
        let map = self.ebpf.take_map("RECORDS").context("the ring buffer was taken already")?;
        Ok(Records(RingBuf::try_from(map)?))
    }

    /// Puts a capture program into the kernel and gives its number.
    pub fn add(&mut self, program: &Program) -> Result<u32> {
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.next < PROGRAMS => {
                self.next += 1;
                self.next - 1
            }
            None => return Err(anyhow!("more than {PROGRAMS} probes at once")),
        };
        self.programs.set(number, &Shared(*program), 0).context("write a capture program into the kernel")?;
        Ok(number)
    }

    /// Attaches all points of one binary. `programs` are what [`add`](Self::add) gave for them; they are given back with the links.
    pub fn attach(&mut self, executable: &Path, points: &[Point], programs: Vec<u32>) -> Result<Attached> {
        let probe: &mut UProbe = self.ebpf.program_mut(self.probe).context("the probe is gone")?.try_into()?;
        let mut resolved = Vec::with_capacity(points.len());
        for point in points {
            let cookie = cookie::pack(point.program, point.address)
                .with_context(|| format!("the address {:#x} is beyond what a cookie holds", point.address))?;
            resolved.push(UProbeAttachPoint {
                location: UProbeAttachLocation::AbsoluteOffset(point.file_offset),
                cookie: Some(cookie),
            });
        }
        let link = match probe.attach(&resolved, executable, UProbeScope::AllProcesses) {
            Ok(link) => link,
            Err(error) => {
                self.give_back(programs);
                let what = format!("attach {} probes to {}", points.len(), executable.display());
                return Err(anyhow::Error::new(error).context(what));
            }
        };
        Ok(Attached { links: vec![link], programs })
    }

    /// Numbers that [`add`](Self::add) gave and that no attachment uses.
    pub fn give_back(&mut self, programs: Vec<u32>) {
        self.free.extend(programs);
    }

    /// Detaches; waits for the kernel, so not on a path that anybody waits for.
    pub fn detach(&mut self, attached: Attached) -> Result<()> {
        let probe: &mut UProbe = self.ebpf.program_mut(self.probe).context("the probe is gone")?.try_into()?;
        for link in attached.links {
            probe.detach(link).context("detach")?;
        }
        self.free.extend(attached.programs);
        Ok(())
    }

    /// Hits of this process count from now on.
    pub fn watch(&mut self, pid: u32, process: &Process) -> Result<()> {
        self.processes.insert(&pid, &Shared(*process), 0).with_context(|| format!("watch process {pid}"))
    }

    /// Forgets a process that ended, and everything that the tables hold of it.
    pub fn forget(&mut self, pid: u32, slot: u32) {
        // Fails only where it is gone already.
        let _ = self.processes.remove(&pid);
        self.tables.forget(slot);
    }

    /// Spans that have been open since before `time` (nanoseconds since boot) are given up.
    pub fn sweep(&mut self, time: u64) -> usize {
        self.tables.sweep(time)
    }

    pub fn counters(&self) -> Result<Counters> {
        Counters::read(&self.counters)
    }
}

/// Loads the best of the programs that this kernel takes, and gives its name.
fn load() -> Result<(Ebpf, &'static str)> {
    let is_multi = is_uprobe_multi_supported(UProbeMultiFeature::LinkCreation).unwrap_or(false);
    let (last, better) = PROBES.split_last().context("there are no programs")?;
    for (name, can_sleep) in &better[usize::from(!is_multi)..] {
        match load_probe(name, *can_sleep) {
            Ok(ebpf) => return Ok((ebpf, name)),
            Err(error) => tracing::debug!("{error:#}"),
        }
    }
    Ok((load_probe(last.0, last.1)?, last.0))
}

fn load_probe(name: &str, can_sleep: bool) -> Result<Ebpf> {
    let cpus = aya::util::nr_cpus().map_err(|(what, error)| anyhow!("read {what}: {error}"))?;
    let mut ebpf = EbpfLoader::new()
        .map_max_entries("PROGRAMS", PROGRAMS)
        .map_max_entries("STATES", cpus.get() * STATES_PER_CPU)
        .override_global(CAN_SLEEP, &u8::from(can_sleep), true)
        .load(OBJECT)
        .context("load the eBPF program")?;
    let probe: &mut UProbe = ebpf.program_mut(name).context("the eBPF object has no probe")?.try_into()?;
    probe.load().with_context(|| format!("load the eBPF program {name}"))?;
    Ok(ebpf)
}

/// The reading end of the ring buffer.
pub struct Records(RingBuf<MapData>);

impl Records {
    /// Hands each waiting record to `each` until there are none, or `most` were handed over. Gives their number.
    pub fn drain(&mut self, most: usize, mut each: impl FnMut(&wire::Record, &[u8])) -> usize {
        const HEAD: usize = size_of::<wire::Record>();
        let mut count = 0;
        while count < most {
            let Some(item) = self.0.next() else { break };
            count += 1;
            if item.len() < HEAD {
                tracing::error!(bytes = item.len(), "a record is shorter than its head");
                continue;
            }
            // SAFETY: the kernel wrote at least a whole head, as compared above; records are aligned to 8 bytes.
            let head = unsafe { &*item.as_ptr().cast::<wire::Record>() };
            let length = (head.length as usize).clamp(HEAD, item.len());
            each(head, &item[HEAD..length]);
        }
        count
    }
}

impl AsRawFd for Records {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A table whose keys and values are wire types.
type Kept<K, V> = KernelMap<MapData, Shared<K>, Shared<V>>;
