//! Fuzzes what reads executables, and statements: builds the targets with coverage, has each write the seeds that it begins with, and runs
//! each for a while. What they find, and how to look at it, stands in `docs/fuzzing.md`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::place::Place;
use crate::step::{cargo, output, run as run_step, say};
use crate::tools;

/// A workspace of targets, each with its own seeds.
struct World {
    /// Below it, `found/TARGET` holds inputs that once failed.
    directory: &'static str,
    targets: &'static [&'static str],
    /// Of an input, in bytes.
    longest: u32,
}

const WORLDS: [World; 2] = [
    World {
        directory: "host/binary/fuzz",
        targets: &["elf", "symbols", "buildinfo", "pclntab", "descriptors", "dwarf", "code"],
        longest: 64 << 10,
    },
    World { directory: "plugins/sql/fuzz", targets: &["sanitizer"], longest: 512 },
];
const SECONDS: u64 = 60;
/// Shorter runs are the same each time: they are to find what a change broke, not what was always there.
const LONG: u64 = 30;
/// Seconds; one input that takes longer is a failure.
const AT_MOST: u64 = 5;
/// For one that runs alone, of up to 4 MB, on whatever machine this is; without bounds they took minutes, and the worst take seconds now.
const AT_MOST_ALONE: f64 = 30.0;
/// Under contention a run has had less of the processor than its time; then another one follows, not shorter than this.
const SHORTEST: u64 = 5;
/// Of the whole process, and of one allocation; a target's own tables take some 30.
const MEMORY_MB: u32 = 512;
const ALLOCATION_MB: u32 = 256;
/// As threads of the host have it, in KiB; the main thread of a fuzz target would have four times that.
const STACK_KB: u32 = 2048;
/// What `cargo fuzz` has rustc do as well. No sanitizer: there is nothing unsafe to look at.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// `[--seconds N] [TARGET…]`
pub fn run(place: &Place, arguments: &[String]) -> Result<()> {
    let (mut seconds, mut targets) = (SECONDS, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                seconds = number.context("--seconds takes a number")?;
            }
            name => {
                let known = self::targets().find(|known| known == &name);
                targets.push(known.with_context(|| {
                    format!("no target {name}; there are {}", self::targets().collect::<Vec<_>>().join(", "))
                })?);
            }
        }
    }
    if targets.is_empty() {
        targets.extend(self::targets());
    }
    fuzz(place, seconds, &targets)
}

/// All that there are.
pub fn targets() -> impl Iterator<Item = &'static str> {
    WORLDS.iter().flat_map(|world| world.targets.iter().copied())
}

/// The workspaces that they are in.
pub fn directories(place: &Place) -> impl Iterator<Item = PathBuf> {
    WORLDS.iter().map(|world| place.root.join(world.directory))
}

/// Each for so many seconds of processor time, as many at once as there are processors.
pub fn fuzz(place: &Place, seconds: u64, targets: &[&'static str]) -> Result<()> {
    let worlds: Vec<(&World, &str)> = targets.iter().filter_map(|name| Some((world_of(name)?, *name))).collect();
    let binaries = build(place, &worlds)?;
    say(&format!("fuzzing {} for {seconds} s of processor time each", targets.join(", ")));
    let waiting = Mutex::new(worlds.iter());
    let failures = Mutex::new(Vec::new());
    let work = || {
        let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
        while let Some((world, name)) = next() {
            let target = Target { world, name, binaries: &binaries, place };
            match target.fuzz(seconds) {
                Ok(figures) => println!("fuzz {name}: {}", figures.line()),
                Err(error) => failures.lock().expect("no thread panics").push(format!("{name}: {error:#}")),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(targets.len()) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("no thread panics");
    ensure!(failures.is_empty(), "fuzzing failed\n{}", failures.join("\n"));
    Ok(())
}

fn world_of(target: &str) -> Option<&'static World> {
    WORLDS.iter().find(|world| world.targets.contains(&target))
}

/// The directory that holds the targets.
fn build(place: &Place, wanted: &[(&World, &str)]) -> Result<PathBuf> {
    // libFuzzer is C++, and is built together with the targets.
    tools::need_packages(&[("g++", "/usr/bin/g++")])?;
    say("building the fuzz targets");
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    let directory = place.target.join("fuzz");
    for world in WORLDS.iter().filter(|world| wanted.iter().any(|(other, _)| other.directory == world.directory)) {
        // Naming the machine keeps the flags away from build scripts.
        run_step(
            cargo(&place.root)
                .current_dir(place.root.join(world.directory))
                .env("CARGO_TARGET_DIR", &directory)
                .env("RUSTFLAGS", FLAGS)
                .args(["build", "--release", "--locked", "--bins", "--target", host]),
        )?;
    }
    Ok(directory.join(host).join("release"))
}

struct Target<'a> {
    world: &'a World,
    name: &'a str,
    binaries: &'a Path,
    place: &'a Place,
}

/// What a target has done.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    /// Of processor time.
    seconds: f64,
    executions: u64,
    edges: u64,
    inputs: u64,
    memory_mb: u64,
}

impl Target<'_> {
    fn fuzz(&self, seconds: u64) -> Result<Figures> {
        self.write_seeds()?;
        self.run_large()?;
        let mut sum = Figures::default();
        while sum.seconds < seconds as f64 {
            let left = (seconds as f64 - sum.seconds).ceil() as u64;
            let figures = self.round(left.max(SHORTEST.min(seconds)))?;
            sum.seconds += figures.seconds;
            sum.executions += figures.executions;
            sum = Figures { memory_mb: sum.memory_mb.max(figures.memory_mb), ..sum };
            sum = Figures { edges: figures.edges, inputs: figures.inputs, ..sum };
        }
        Ok(sum)
    }

    /// Of its seeds (small and large), what it found (corpus) and what failed (crashes).
    fn directory(&self, kind: &str) -> PathBuf {
        self.place.target.join("fuzz/inputs").join(self.name).join(kind)
    }

    fn write_seeds(&self) -> Result<()> {
        for kind in ["small", "large"] {
            let seeds = self.directory(kind);
            // Those of another version would mean something else.
            if seeds.exists() {
                fs::remove_dir_all(&seeds).with_context(|| format!("remove {}", seeds.display()))?;
            }
        }
        for kind in ["small", "large", "corpus", "crashes"] {
            let directory = self.directory(kind);
            fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        }
        let log = self.log()?;
        let written = self.command().env("UPROBED_FUZZ_SEEDS", self.directory("")).stderr(log).status();
        let written = written.with_context(|| format!("start {}", self.name))?;
        ensure!(written.success(), "it did not write its seeds: {}", self.log_path().display());
        Ok(())
    }

    /// Each once: they are about time.
    fn run_large(&self) -> Result<()> {
        let large = self.directory("large");
        let mut slow = Vec::new();
        for entry in fs::read_dir(&large).with_context(|| format!("list {}", large.display()))? {
            let path = entry?.path();
            if let Err(error) = self.alone(&path) {
                slow.push(format!("  {error:#}: {} {}", self.binaries.join(self.name).display(), path.display()));
            }
        }
        ensure!(slow.is_empty(), "large inputs\n{}", slow.join("\n"));
        Ok(())
    }

    /// With a stack as small as the host's threads have it.
    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -s {STACK_KB} && exec \"$@\""), "sh"]);
        command.arg(self.binaries.join(self.name));
        command
    }

    fn round(&self, seconds: u64) -> Result<Figures> {
        let mut command = self.command();
        command.args(["-print_final_stats=1", "-len_control=0"]);
        command
            .args([format!("-max_total_time={seconds}"), format!("-max_len={}", self.world.longest)])
            .args(limits(AT_MOST));
        command.arg(format!("-artifact_prefix={}/", self.directory("crashes").display()));
        if seconds < LONG {
            command.arg("-seed=1");
        }
        command.arg(self.directory("corpus")).arg(self.directory("small"));
        let found = self.place.root.join(self.world.directory).join("found").join(self.name);
        if found.exists() {
            command.arg(found);
        }
        let mut child = command.stderr(self.log()?).spawn().with_context(|| format!("start {}", self.name))?;
        let spent = spent_when_ended(&child)?;
        let status = child.wait().with_context(|| format!("wait for {}", self.name))?;
        let log = fs::read(self.log_path()).with_context(|| format!("read {}", self.log_path().display()))?;
        let log = String::from_utf8_lossy(&log);
        let figures = Figures { seconds: spent, ..Figures::read(&log) };
        if status.success() {
            return Ok(figures);
        }
        let reproducer = log.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
        // On a busy machine an input may only have waited.
        if reproducer.is_some_and(|path| path.contains("/timeout-") && self.alone(Path::new(path)).is_ok()) {
            return Ok(figures);
        }
        let why = log.lines().find(|line| line.contains("panicked at") || line.contains("ERROR: libFuzzer"));
        let after = log.lines().skip_while(|line| !line.contains("panicked at")).nth(1).unwrap_or_default();
        bail!(
            "{status}: {} {after}\n  all of it: {}\n  again with: {} {}",
            why.unwrap_or("no reason given"),
            self.log_path().display(),
            self.binaries.join(self.name).display(),
            reproducer.unwrap_or("(no reproducer)"),
        )
    }

    /// One input, by the processor time that it takes, however long it waits for it.
    fn alone(&self, input: &Path) -> Result<()> {
        let mut command = self.command();
        command.args(limits(AT_MOST * 20)).arg(format!("-artifact_prefix={}/", self.directory("crashes").display()));
        let mut child = command.arg(input).stderr(Stdio::null()).spawn().context("start it")?;
        let spent = spent_when_ended(&child)?;
        let status = child.wait().context("wait for it")?;
        ensure!(status.success(), "{status} after {spent:.1} s");
        ensure!(spent < AT_MOST_ALONE, "{spent:.1} s");
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.directory("log")
    }

    fn log(&self) -> Result<File> {
        File::create(self.log_path()).with_context(|| format!("write {}", self.log_path().display()))
    }
}

fn limits(timeout: u64) -> [String; 3] {
    [format!("-timeout={timeout}"), format!("-rss_limit_mb={MEMORY_MB}"), format!("-malloc_limit_mb={ALLOCATION_MB}")]
}

/// Waits for the end of a process and says how many seconds of the processor it had: a process that nobody has waited for is still
/// there to be asked.
fn spent_when_ended(child: &Child) -> Result<f64> {
    /// `USER_HZ`, which is the same on every machine that Linux shows it on.
    const TICKS: f64 = 100.0;
    let path = format!("/proc/{}/stat", child.id());
    loop {
        let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let words: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, words)| words).split(' ').collect();
        if words.first() == Some(&"Z") {
            let ticks = |index: usize| words.get(index).and_then(|word| word.parse::<f64>().ok());
            return Ok((ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

impl Figures {
    /// `#1234  DONE   cov: 2521 ft: 2872 corp: 24/34Kb lim: 1810 exec/s: 0 rss: 31Mb`, and `stat::peak_rss_mb: 31` at the end.
    fn read(log: &str) -> Self {
        let number = |text: &str| -> Option<u64> {
            let text = text.trim_start();
            text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())].parse().ok()
        };
        let last = |key: &str| log.lines().rev().find_map(|line| number(line.split_once(key)?.1)).unwrap_or(0);
        Self {
            seconds: 0.0,
            executions: last("stat::number_of_executed_units:"),
            edges: last(" cov:"),
            inputs: last(" corp:"),
            memory_mb: last("stat::peak_rss_mb:"),
        }
    }

    fn line(&self) -> String {
        let Self { seconds, executions, edges, inputs, memory_mb } = self;
        let each_second = *executions as f64 / seconds.max(0.01);
        format!(
            "{executions} executions in {:.1} CPU minutes, {each_second:.0} a second, {edges} edges, {inputs} inputs, {memory_mb} MiB, \
             0 crashes",
            seconds / 60.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libfuzzer_prints() {
        let log = "#38\tINITED cov: 2521 ft: 2872 corp: 24/34Kb exec/s: 0 rss: 31Mb\n\
                   #940\tDONE   cov: 2600 ft: 3001 corp: 30/40Kb lim: 1810 exec/s: 90 rss: 33Mb\n\
                   stat::number_of_executed_units: 940\nstat::peak_rss_mb:              33\n";
        let expected = Figures { seconds: 0.0, executions: 940, edges: 2600, inputs: 30, memory_mb: 33 };
        assert_eq!(Figures::read(log), expected);
        assert_eq!(Figures::read("killed"), Figures::default());
    }
}
