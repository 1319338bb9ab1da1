//! One look through a binary, as a plan does it: functions, their sites, who inlined them, fields, and whether DWARF agrees with these.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use rustix::thread::{CpuSet, sched_setaffinity};
use uprobed_binary::{Binary, Error, Source, entry_site, return_sites};
use uprobed_matrix::wanted::{Expected, Wanted};

/// Fewer would mean that something else is measured.
const FEWEST: usize = 50;

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

/// A plugin whose functions are not there asks for nothing else.
fn look(binary: &Binary, wanted: &[Wanted]) -> Result<usize> {
    let go = binary.go().context("not a Go program")?;
    let functions: Vec<Vec<&str>> =
        wanted.iter().map(|wanted| wanted.functions(go).into_iter().map(|function| function.name).collect()).collect();
    let _inlined = binary.inlining(&functions.concat());
    let (mut found, mut structs) = (0, Vec::new());
    for (wanted, functions) in wanted.iter().zip(&functions) {
        let there: Vec<_> = functions.iter().filter_map(|name| binary.function(name)).collect();
        for function in &there {
            let _sites = (entry_site(binary, function), return_sites(binary, function));
        }
        found += there.len();
        let fields = wanted.fields(go);
        for field in fields.iter().filter(|field| field.expected == Expected::Found && !there.is_empty()) {
            let Some(ty) = binary.type_named(field.structure)? else { continue };
            found += usize::from(binary.field(&ty, field.name)?.is_some());
            if ty.source == Source::Descriptor && !structs.contains(&ty.name) {
                structs.push(ty.name);
            }
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
