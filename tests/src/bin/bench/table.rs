//! What is printed.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::measure::Run;
use crate::{CASES, Case};

pub fn table(what: &str, runs: &[Vec<Run>]) -> String {
    let mut text = format!(
        "| {what} | target CPU per operation | added | uprobed's own CPU per operation | operations/s | spans lost |\n|---|---|---|---|---|---|\n"
    );
    let base: Vec<f64> = runs[0].iter().map(|run| run.cpu).collect();
    for (case, runs) in CASES.iter().zip(runs) {
        let cpu = median(runs.iter().map(|run| run.cpu));
        let added = median(runs.iter().zip(&base).map(|(run, base)| run.cpu - base));
        let rate = median(runs.iter().map(|run| run.operations_per_second));
        let lost = median(runs.iter().map(|run| run.lost));
        let own = median(runs.iter().map(|run| run.own_cpu));
        let none = || "–".to_owned();
        let (added, lost) = (format!("{added:.1} µs"), format!("{:.2}%", lost * 100.0));
        let (name, added, own, lost) = match case {
            Case::Nothing => ("nothing attached", none(), none(), none()),
            Case::Uprobed => ("uprobed attached", added, format!("{own:.1} µs"), lost),
            Case::Sdk => ("OpenTelemetry Go SDK compiled in", added, none(), lost),
        };
        text.push_str(&format!("| {name} | {cpu:.1} µs | {added} | {own} | {rate:.0} | {lost} |\n"));
    }
    text
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, operations_per_second, own_cpu, lost } = self;
        let lost = lost * 100.0;
        write!(out, "{cpu:.2} us, {operations_per_second:.0}/s, uprobed {own_cpu:.2} us, {lost:.2}% lost")
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What it was measured on.
pub fn machine() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |model| model.trim_start_matches(['\t', ' ', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's version")?;
    let go = Command::new("go").args(["env", "GOVERSION"]).output().context("start go")?;
    Ok(format!("{cores} cores of {model}, Linux {}, {}", kernel.trim(), String::from_utf8_lossy(&go.stdout).trim()))
}
