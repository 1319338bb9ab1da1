//! How long it takes to plan for a large program: everything that `tests/wanted` names is looked up in a binary, on one core, with the
//! file in the page cache and without; and how long Go's own readers take for the same structs and functions.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use rustix::fs::{Advice, fadvise};
use rustix::thread::{CpuSet, sched_setaffinity};
use uprobed_binary::{Binary, TypeRef, entry_site, return_sites};

use crate::variant::PROGRAMS;
use crate::wanted::{Expected, Wanted};

const ROUNDS: usize = 9;
/// The module, and the main package in one of its dependencies.
const PACKAGE: &str = "github.com/prometheus/prometheus/cmd/prometheus";
const WAYS: [(&str, &[&str]); 3] =
    [("plain", &[]), ("stripped", &["-ldflags=-s -w"]), ("stripped PIE", &["-buildmode=pie", "-ldflags=-s -w"])];

/// Builds the program in several ways and prints a row for each.
pub fn measure(root: &Path, kept: &Path) -> Result<()> {
    let sources = root.join("tests/go-large");
    fs::create_dir_all(kept).with_context(|| format!("make {}", kept.display()))?;
    let reader = kept.join("reader");
    go_build(&sources.join("reader"), &["main.go"], &reader)?;
    println!("| build | MB | cold ms | warm ms | peak MiB | Go's readers, warm ms |");
    println!("|---|---|---|---|---|---|");
    for (name, flags) in WAYS {
        let binary = kept.join(name.replace(' ', "-"));
        if !binary.exists() {
            eprintln!("building {PACKAGE}, {name} (minutes)");
            go_build(&sources, &[flags, &[PACKAGE]].concat(), &binary)?;
        }
        println!("{}", row(name, &binary, &reader)?);
    }
    Ok(())
}

fn go_build(directory: &Path, arguments: &[&str], output: &Path) -> Result<()> {
    let mut go = Command::new("go");
    go.current_dir(directory).env("GOTOOLCHAIN", "local").env("GOFLAGS", "").env("GOWORK", "off");
    let status = go.args(["build", "-o"]).arg(output).args(arguments).status().context("start go")?;
    ensure!(status.success(), "go build in {} ended with {status}", directory.display());
    Ok(())
}

fn row(name: &str, binary: &Path, reader: &Path) -> Result<String> {
    let size = fs::metadata(binary).with_context(|| format!("look at {}", binary.display()))?.len();
    let cold = median((0..ROUNDS).map(|_| evict(binary).and_then(|()| once(binary))).collect::<Result<Vec<_>>>()?);
    let warm = median((0..ROUNDS).map(|_| once(binary)).collect::<Result<Vec<_>>>()?);
    // Only a binary with DWARF can be read at all by the others.
    let other = if name == "plain" { format!("{:.0}", milliseconds(others(binary, reader)?)) } else { "-".into() };
    let megabytes = size / 1_000_000;
    let (cold_ms, warm_ms, peak) = (milliseconds(cold.time), milliseconds(warm.time), cold.peak.max(warm.peak) >> 10);
    Ok(format!("| {name} | {megabytes} | {cold_ms:.0} | {warm_ms:.0} | {peak} | {other} |"))
}

#[derive(Clone, Copy, Debug)]
struct Figures {
    time: Duration,
    /// In KiB.
    peak: u64,
}

/// In a process of its own, so that nothing is known beforehand and the peak is its own.
fn once(binary: &Path) -> Result<Figures> {
    let output =
        Command::new(env::current_exe()?).arg("plan-once").arg(binary).output().context("start the measurement")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || words.next().context("too few figures")?.context("not a figure");
    Ok(Figures { time: Duration::from_nanos(next()?), peak: next()? })
}

/// The child's side of [`once`]: prints nanoseconds and KiB.
pub fn plan_once(root: &Path, binary: &Path) -> Result<()> {
    let mut one = CpuSet::new();
    one.set(0);
    sched_setaffinity(None, &one).context("stay on one core")?;
    let start = Instant::now();
    let file = fs::File::open(binary).with_context(|| format!("open {}", binary.display()))?;
    // SAFETY: the file is ours, and nobody writes to it meanwhile.
    let data = unsafe { Mmap::map(&file) }?;
    let binary = Binary::parse(&data)?;
    let found = look_up(&binary, &wanted(root)?)?;
    let time = start.elapsed();
    ensure!(found > 50, "only {found} of what is wanted was found");
    println!("{} {}", time.as_nanos(), peak()?);
    Ok(())
}

fn wanted(root: &Path) -> Result<Wanted> {
    let read = |name: &str| Wanted::read(&root.join(format!("tests/wanted/{name}.toml")));
    PROGRAMS.into_iter().try_fold(read("runtime")?, |all, name| Ok(all.and(read(name)?)))
}

/// What a plan does: functions, their sites, who inlined them, fields, and whether DWARF agrees with these.
fn look_up(binary: &Binary, wanted: &Wanted) -> Result<usize> {
    let go = binary.go().context("not a Go program")?;
    let functions = wanted.functions(go);
    let names: Vec<&str> = functions.iter().map(|function| function.name).collect();
    let mut found = 0;
    for function in names.iter().filter_map(|name| binary.function(name)) {
        let _sites = (entry_site(binary, &function), return_sites(binary, &function));
        found += 1;
    }
    let _inlined = binary.inlining(&names);
    let mut structs = Vec::new();
    for field in wanted.fields(go).iter().filter(|field| field.expected == Expected::Found) {
        let Some(ty) = binary.type_named(field.structure)? else { continue };
        found += usize::from(binary.field(&ty, field.name)?.is_some());
        if matches!(ty.reference, TypeRef::Descriptor(_)) && !structs.contains(&field.structure) {
            structs.push(field.structure);
        }
    }
    let _agreement = binary.dwarf_layouts(&structs)?;
    Ok(found)
}

/// Go's readers, over the same names.
fn others(binary: &Path, reader: &Path) -> Result<Duration> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = fs::read(binary)?;
    let read = Binary::parse(&data)?;
    let (wanted, go) = (wanted(&root)?, read.go().context("not a Go program")?);
    let mut names: Vec<String> =
        wanted.functions(go).iter().map(|function| format!("func {}", function.name)).collect();
    let structs = wanted
        .fields(go)
        .iter()
        .filter(|field| field.expected == Expected::Found)
        .map(|field| field.structure)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for name in structs {
        // Those that are not there would make it read to the end.
        if read.dwarf_layouts(&[&name])?.contains_key(&name) {
            names.push(format!("type {name}"));
        }
    }
    drop(data);
    let mut times = Vec::new();
    for _ in 0..3 {
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(reader)
            .arg(binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no standard input")?.write_all(names.join("\n").as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "the reader ended with {}", output.status);
        let text = String::from_utf8(output.stdout)?;
        times.push(Duration::from_nanos(text.split_whitespace().next().context("no figure")?.parse()?));
    }
    times.sort_unstable();
    Ok(times[1])
}

/// Takes the file out of the page cache.
fn evict(path: &Path) -> Result<()> {
    let file = fs::File::open(path)?;
    file.sync_all().context("write the file out")?;
    fadvise(&file, 0, None, Advice::DontNeed).context("take the file out of the page cache")
}

/// The most memory that this process had, mapped pages of files included, in KiB.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches(" kB").parse().context("read VmHWM")
}

fn median(mut figures: Vec<Figures>) -> Figures {
    figures.sort_unstable_by_key(|figures| figures.time);
    let peak = figures.iter().map(|figures| figures.peak).max().unwrap_or(0);
    Figures { peak, ..figures[figures.len() / 2] }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
