//! What tracing costs the traced program: CPU per request of a service that is alone on one core, without anything, with
//! uprobed attached, and with the OpenTelemetry Go SDK compiled in.
//!
//! Fresh processes for every run, the three in turn within each round, medians over the rounds. All else, the load and
//! uprobed among it, shares the other cores. Not a test: nothing here passes or fails.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use uprobed_tests::journal::Summary;
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::programs::{LOAD, PLAIN, Program, SERVICE};
use uprobed_tests::tracer::uprobed;
use uprobed_tests::{scratch, sink};

const SDK: Program = Program::new("go-sdk").go("auto");
/// The service's core; the rest is for everything else.
const CORE: &str = "0";
const START: Duration = Duration::from_secs(60);
/// The kernel's unit in /proc/PID/stat; USER_HZ, 100 on every Linux that Go runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Nothing,
    Uprobed,
    Sdk,
}

const CASES: [Case; 3] = [Case::Nothing, Case::Uprobed, Case::Sdk];

/// One run.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Microseconds.
    cpu_per_request: f64,
    requests_per_second: f64,
    /// What uprobed itself takes for a request, on the other cores.
    own_cpu: f64,
    /// Of all spans that should be there.
    lost: f64,
}

/// What is asked of a service for each request.
struct Work {
    what: &'static str,
    path: &'static str,
    spans: f64,
    /// Whether the service calls another.
    calls: bool,
}

const WORK: [Work; 2] = [
    Work { what: "a request served", path: "/plain/{i}", spans: 1.0, calls: false },
    Work { what: "a request served and a call made for it", path: "/call/{i}", spans: 2.0, calls: true },
];

struct Bench {
    service: PathBuf,
    plain: PathBuf,
    sdk: PathBuf,
    load: PathBuf,
    others: String,
    sink: String,
    directory: PathBuf,
    rounds: usize,
    seconds: u64,
    rate: Option<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let bench = Bench::new()?;
    let mut tables = Vec::new();
    for work in &WORK {
        let what = work.what;
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); CASES.len()];
        for round in 1..=bench.rounds {
            for (case, runs) in CASES.iter().zip(&mut runs) {
                let run = bench.run(*case, work).with_context(|| format!("{case:?}, {what}"))?;
                let Run { cpu_per_request, requests_per_second, own_cpu, lost } = run;
                eprintln!(
                    "{what}, round {round}, {case:?}: {cpu_per_request:.2} us, {requests_per_second:.0}/s, uprobed {own_cpu:.2} us, {:.2}% lost",
                    lost * 100.0
                );
                runs.push(run);
            }
        }
        tables.push(table(what, &runs));
    }
    println!("\n{}\n\n{}", machine()?, tables.join("\n"));
    Ok(())
}

impl Bench {
    fn new() -> Result<Self> {
        let cores = thread::available_parallelism()?.get();
        ensure!(cores >= 2, "one core is the service's, so it takes two");
        let directory = scratch().join("bench");
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let mut bench = Self {
            service: SERVICE.build()?,
            plain: PLAIN.build()?,
            sdk: SDK.build()?,
            load: LOAD.build()?,
            others: format!("1-{}", cores - 1),
            sink: sink::start()?,
            directory,
            rounds: 5,
            seconds: 4,
            rate: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => bench.rounds = value.parse()?,
                "--seconds" => bench.seconds = value.parse()?,
                "--rate" => bench.rate = Some(value),
                _ => bail!("no option {name}; there are --rounds, --seconds and --rate"),
            }
        }
        Ok(bench)
    }

    fn run(&self, case: Case, work: &Work) -> Result<Run> {
        let (path, spans_per_request) = (work.path, work.spans);
        let (upstream, upstream_url) = self.service(&self.plain, &self.others, &[])?;
        // Without calls to make, a service has no client linked in, and no probes for one.
        let binary = match case {
            Case::Sdk => &self.sdk,
            _ if work.calls => &self.service,
            _ => &self.plain,
        };
        let (calls, exporter) = (["--upstream", upstream_url.as_str()], ["--collector", self.sink.as_str()]);
        let calls = if work.calls || case == Case::Sdk { &calls[..] } else { &[] };
        let exporter = if case == Case::Sdk { &exporter[..] } else { &[] };
        let (service, url) = self.service(binary, CORE, &[calls, exporter].concat())?;
        let out = self.directory.join("spans.jsonl");
        let tracer = if case == Case::Uprobed { Some(self.attach(service.pid(), &out)?) } else { None };

        let warm = self.load(&url, path, 1)?;
        let own = |tracer: &Option<Running>| tracer.as_ref().map_or(Ok(0.0), |tracer| cpu_seconds(tracer.pid()));
        let (before, own_before) = (cpu_seconds(service.pid())?, own(&tracer)?);
        let load = self.load(&url, path, self.seconds)?;
        let cpu = cpu_seconds(service.pid())? - before;
        let own_cpu = (own(&tracer)? - own_before) * 1e6 / load.requests as f64;
        ensure!(load.errors == 0 && warm.errors == 0, "{} of {} requests failed", load.errors, load.requests);

        let lost = match tracer {
            Some(tracer) => {
                let expected = (warm.requests + load.requests) as f64 * spans_per_request;
                1.0 - self.detach(tracer, &out)? as f64 / expected
            }
            None => 0.0,
        };
        drop((service, upstream));
        Ok(Run {
            cpu_per_request: cpu * 1e6 / load.requests as f64,
            requests_per_second: load.requests as f64 / load.seconds,
            own_cpu,
            lost,
        })
    }

    fn service(&self, binary: &Path, core: &str, arguments: &[&str]) -> Result<(Running, String)> {
        let mut command = pinned(core, binary);
        command.args(arguments).env("GOMAXPROCS", "1");
        let mut running = Running::start(command.stdout(Stdio::piped()))?;
        let stdout = Lines::of(running.child().stdout.take().context("the service has no standard output")?);
        let line = stdout.wait_for(START, |line| line.starts_with("listening "))?;
        Ok((running, line.trim_start_matches("listening ").to_owned()))
    }

    fn attach(&self, pid: u32, out: &Path) -> Result<Running> {
        let mut command = pinned(&self.others, &uprobed()?);
        command.args(["trace", "--format", "otlp", "--pid", &pid.to_string(), "--out"]).arg(out);
        let mut tracer = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let stderr = Lines::of(tracer.child().stderr.take().context("uprobed has no standard error")?);
        stderr.wait_for(START, |line| line.starts_with("attached pid="))?;
        Ok(tracer)
    }

    /// Ends it and counts the spans that it wrote.
    fn detach(&self, mut tracer: Running, out: &Path) -> Result<usize> {
        tracer.signal(Signal::TERM)?;
        tracer.wait(START)?;
        let mut spans = 0;
        for line in BufReader::new(File::open(out).with_context(|| format!("open {}", out.display()))?).lines() {
            spans += line?.matches("\"spanId\":").count();
        }
        fs::remove_file(out).with_context(|| format!("remove {}", out.display()))?;
        Ok(spans)
    }

    fn load(&self, url: &str, path: &str, seconds: u64) -> Result<Summary> {
        let mut command = pinned(&self.others, &self.load);
        command.args(["--url", url, "--paths", path, "--c", "16", "--for", &format!("{seconds}s")]);
        command.args(self.rate.iter().flat_map(|rate| ["--rate", rate.as_str()]));
        let printed = command.output().context("start the load")?;
        serde_json::from_slice(&printed.stdout).context("read the load's summary")
    }
}

/// taskset becomes the program itself, so the pid is the program's.
fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(cores).arg(program);
    command
}

/// User and system time of a process, fields 14 and 15 of its stat (proc_pid_stat(5)).
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read the service's CPU time")?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    // The first field after the name is the third.
    let (user, system) = ticks(11).zip(ticks(12)).context("read the service's CPU time")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

fn table(what: &str, runs: &[Vec<Run>]) -> String {
    let mut text = format!(
        "| {what} | target CPU per request | added | uprobed's own CPU per request | requests/s | spans lost |\n|---|---|---|---|---|---|\n"
    );
    let base: Vec<f64> = runs[0].iter().map(|run| run.cpu_per_request).collect();
    for (case, runs) in CASES.iter().zip(runs) {
        let cpu = median(runs.iter().map(|run| run.cpu_per_request));
        let added = median(runs.iter().zip(&base).map(|(run, base)| run.cpu_per_request - base));
        let rate = median(runs.iter().map(|run| run.requests_per_second));
        let lost = median(runs.iter().map(|run| run.lost));
        let own = median(runs.iter().map(|run| run.own_cpu));
        let none = || "–".to_owned();
        let (name, added, own, lost) = match case {
            Case::Nothing => ("nothing attached", none(), none(), none()),
            Case::Uprobed => {
                ("uprobed attached", format!("{added:.1} µs"), format!("{own:.1} µs"), format!("{:.2}%", lost * 100.0))
            }
            Case::Sdk => ("OpenTelemetry Go SDK compiled in", format!("{added:.1} µs"), none(), none()),
        };
        text.push_str(&format!("| {name} | {cpu:.1} µs | {added} | {own} | {rate:.0} | {lost} |\n"));
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn machine() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |model| model.trim_start_matches(['\t', ' ', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's version")?;
    let go = Command::new("go").args(["env", "GOVERSION"]).output().context("start go")?;
    let cores = thread::available_parallelism()?;
    Ok(format!("{cores} cores of {model}, Linux {}, {}", kernel.trim(), String::from_utf8_lossy(&go.stdout).trim()))
}
