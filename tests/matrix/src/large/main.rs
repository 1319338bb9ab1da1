//! How long it takes to plan for a large program: every function that the plugins' manifests name and every field that their probes go
//! through is looked up in Prometheus, on one core, with the file in the page cache and without; and how long Go's own readers take for the
//! same structs and functions. Prints a table.

mod look;
mod others;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};
use uprobed_matrix::plan::Plans;

use look::Wanted;

const ROUNDS: usize = 9;
/// The main package, in a dependency of the module `tests/go-large`.
const PACKAGE: &str = "github.com/prometheus/prometheus/cmd/prometheus";
const WAYS: [(&str, &[&str]); 2] = [("plain", &[]), ("stripped", &["-ldflags=-s -w"])];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = root().and_then(|root| match words[..] {
        [] => measure(&root, &root.join("target/large")),
        ["--kept", kept] => measure(&root, Path::new(kept)),
        ["once", binary, wanted] => look::once(&read(Path::new(wanted))?, Path::new(binary)),
        _ => anyhow::bail!(
            "usage: uprobed-large [--kept DIRECTORY]; binaries are kept there, in target/large unless told"
        ),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().context("find the checkout")
}

/// What was written down for the measuring process.
fn read(path: &Path) -> Result<Vec<Wanted>> {
    let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))
}

/// Builds the program in several ways and prints a row for each.
fn measure(root: &Path, kept: &Path) -> Result<()> {
    let sources = root.join("tests/go-large");
    fs::create_dir_all(kept).with_context(|| format!("make {}", kept.display()))?;
    let reader = kept.join("reader");
    go_build(&sources.join("reader"), &["main.go"], &reader)?;
    println!("| build | MB | cold ms | warm ms | peak MiB | Go's readers, warm ms |");
    println!("|---|---|---|---|---|---|");
    for (name, flags) in WAYS {
        let binary = kept.join(format!("prometheus-{name}"));
        if !binary.exists() {
            eprintln!("building {PACKAGE}, {name} (minutes)");
            go_build(&sources, &[flags, &[PACKAGE]].concat(), &binary)?;
        }
        let plans = Plans::ask(&root.join("target/release/uprobed"), &root.join("target/plugins"), &binary)?;
        let wanted = Wanted::of(&plans);
        let list = kept.join("wanted.json");
        fs::write(&list, serde_json::to_vec(&wanted)?).with_context(|| format!("write {}", list.display()))?;
        println!("{}", row(name, &binary, &reader, &wanted, &list)?);
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

fn row(name: &str, binary: &Path, reader: &Path, wanted: &[Wanted], list: &Path) -> Result<String> {
    let size = fs::metadata(binary).with_context(|| format!("look at {}", binary.display()))?.len();
    let cold = (0..ROUNDS).map(|_| evict(binary).and_then(|()| in_a_process(binary, list)));
    let cold = median(cold.collect::<Result<Vec<_>>>()?);
    let warm = median((0..ROUNDS).map(|_| in_a_process(binary, list)).collect::<Result<Vec<_>>>()?);
    // Only a binary with symbols and DWARF can be read by the others at all.
    let other = match name {
        "plain" => format!("{:.0}", milliseconds(others::time(wanted, binary, reader)?)),
        _ => "-".into(),
    };
    let (megabytes, peak) = (size / 1_000_000, cold.peak.max(warm.peak) >> 10);
    let (cold, warm) = (milliseconds(cold.time), milliseconds(warm.time));
    Ok(format!("| {name} | {megabytes} | {cold:.0} | {warm:.0} | {peak} | {other} |"))
}

#[derive(Clone, Copy, Debug)]
struct Figures {
    time: Duration,
    /// In KiB.
    peak: u64,
}

/// In a process of its own, so that nothing is known beforehand and the peak is its own.
fn in_a_process(binary: &Path, list: &Path) -> Result<Figures> {
    let program = env::current_exe().context("find this program")?;
    let output = Command::new(program).arg("once").args([binary, list]).output().context("start the measurement")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || words.next().context("too few figures")?.context("not a figure");
    Ok(Figures { time: Duration::from_nanos(next()?), peak: next()? })
}

/// Takes the file out of the page cache.
fn evict(path: &Path) -> Result<()> {
    let file = fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    file.sync_all().context("write the file out")?;
    fadvise(&file, 0, None, Advice::DontNeed).context("take the file out of the page cache")
}

fn median(mut figures: Vec<Figures>) -> Figures {
    figures.sort_unstable_by_key(|figures| figures.time);
    let peak = figures.iter().map(|figures| figures.peak).max().unwrap_or(0);
    Figures { peak, ..figures[figures.len() / 2] }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
