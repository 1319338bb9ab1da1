//! What Go's own `debug/dwarf` and `debug/elf` need for the same (`tests/go-large/reader`).

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uprobed_binary::Binary;

use crate::look::Wanted;

const ROUNDS: usize = 3;

/// The median, on one core, with the file in the page cache.
pub fn time(wanted: &[Wanted], binary: &Path, reader: &Path) -> Result<Duration> {
    let names = names(wanted, binary)?.join("\n");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(reader).arg(binary).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start taskset")?;
        child.stdin.take().context("the reader has no standard input")?.write_all(names.as_bytes())?;
        let output = child.wait_with_output().context("wait for the reader")?;
        ensure!(output.status.success(), "the reader ended with {}", output.status);
        let text = String::from_utf8(output.stdout).context("read what the reader printed")?;
        times.push(Duration::from_nanos(text.split_whitespace().next().context("no figure")?.parse()?));
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2])
}

/// Only what the binary has: a reader that looks for more reads to the end.
fn names(wanted: &[Wanted], binary: &Path) -> Result<Vec<String>> {
    let data = fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    let binary = Binary::parse(&data)?;
    let structs: BTreeSet<&str> =
        wanted.iter().flat_map(|wanted| &wanted.fields).map(|(structure, _)| structure.as_str()).collect();
    let there = binary.dwarf_layouts(&structs.into_iter().collect::<Vec<_>>())?;
    let functions = wanted.iter().flat_map(|wanted| &wanted.functions);
    let functions = functions.map(|function| format!("func {function}"));
    Ok(functions.chain(there.into_keys().map(|name| format!("type {name}"))).collect())
}
