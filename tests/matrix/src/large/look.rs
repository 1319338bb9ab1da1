//! One look through a binary, as a plan does it: functions, their sites, who inlined them, fields, and whether DWARF agrees with these.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};
use uprobed_binary::{Binary, Error, Source, entry_site, return_sites};
use uprobed_matrix::plan::{Plan, Plans};

/// Fewer would mean that something else is measured.
const FEWEST: usize = 50;

/// What one plugin needs of the program; of the host only fields.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wanted {
    pub functions: Vec<String>,
    /// With their structs.
    pub fields: BTreeSet<(String, String)>,
}

impl Wanted {
    pub fn of(plans: &Plans) -> Vec<Self> {
        let of = |plan: &Plan| {
            let functions = plans.manifest(&plan.plugin).map(|manifest| manifest.functions());
            let fields = plan.probes.iter().flat_map(|probe| &probe.fields);
            Self {
                functions: functions.unwrap_or_default().into_iter().map(str::to_owned).collect(),
                fields: fields.map(|field| (field.struct_type.clone(), field.field.clone())).collect(),
            }
        };
        plans.plugins.iter().map(of).collect()
    }
}

/// Prints nanoseconds, and the most memory that the process had, in KiB.
pub fn once(wanted: &[Wanted], binary: &Path) -> Result<()> {
    let mut core = CpuSet::new();
    core.set(0);
    sched_setaffinity(None, &core).context("stay on one core")?;
    let start = Instant::now();
    let file = fs::File::open(binary).with_context(|| format!("open {}", binary.display()))?;
    // SAFETY: nobody writes to the file meanwhile: it was built for this measurement.
    let data = unsafe { Mmap::map(&file) }.context("map the binary")?;
    let found = look(&Binary::parse(&data)?, wanted)?;
    let time = start.elapsed();
    ensure!(found >= FEWEST, "only {found} of what is wanted was found");
    println!("{} {}", time.as_nanos(), peak()?);
    Ok(())
}

fn look(binary: &Binary, wanted: &[Wanted]) -> Result<usize> {
    let functions: Vec<&str> = wanted.iter().flat_map(|wanted| &wanted.functions).map(String::as_str).collect();
    let _inlined = binary.inlining(&functions);
    let there: Vec<_> = functions.iter().filter_map(|name| binary.function(name)).collect();
    for function in &there {
        let _sites = (entry_site(binary, function), return_sites(binary, function));
    }
    let (mut found, mut structs) = (there.len(), Vec::new());
    for (structure, field) in wanted.iter().flat_map(|wanted| &wanted.fields) {
        let Some(ty) = binary.type_named(structure)? else { continue };
        found += usize::from(binary.field(&ty, field)?.is_some());
        if ty.source == Source::Descriptor && !structs.contains(&ty.name) {
            structs.push(ty.name);
        }
    }
    let structs: Vec<&str> = structs.iter().map(String::as_str).collect();
    match binary.dwarf_layouts(&structs) {
        Ok(_) | Err(Error::Missing(_)) => Ok(found),
        Err(error) => Err(error.into()),
    }
}

/// Pages of the mapped file included.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    line.trim().trim_end_matches(" kB").parse().context("read VmHWM")
}
