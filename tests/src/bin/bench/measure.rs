//! One run: a program and its load are started, watched and measured.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use rustix::thread::{CpuSet, sched_setaffinity};
use uprobed_tests::journal::Summary;
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::scratch;
use uprobed_tests::sink::Sink;
use uprobed_tests::tracer::uprobed;

use crate::libraries::Servers;
use crate::{Case, Options};

/// The target's core; the rest is for everything else.
const CORE: &str = "0";
/// How long the SDK lets a span wait for others, 5 s unless it is told. At the rates here they are never so few.
const SDK_DELAY: Duration = Duration::from_millis(500);
const START: Duration = Duration::from_secs(60);
/// The kernel's unit in /proc/PID/stat; USER_HZ, 100 on every Linux that Go runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is measured.
#[derive(Clone, Copy)]
pub struct Row {
    pub what: &'static str,
    /// What `--only` names.
    pub library: &'static str,
    /// Spans of one operation, and what is in each of them in OTLP's JSON, and not in others.
    pub spans: f64,
    pub mark: &'static str,
    pub stage: fn(&Bench, Case) -> Result<Stage>,
}

/// In every span.
pub const ANY: &str = "\"spanId\":";

/// A program that is ready, what it works with, and what makes it work.
pub struct Stage {
    pub target: Running,
    pub others: Vec<Running>,
    pub load: Load,
}

/// Keeps a target busy for so many seconds.
pub type Load = Box<dyn FnMut(u64) -> Result<Summary>>;

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Of the target, microseconds per operation.
    pub cpu: f64,
    pub operations_per_second: f64,
    /// What uprobed itself takes for an operation, on the other cores.
    pub own_cpu: f64,
    /// Of all spans that should be there.
    pub lost: f64,
}

pub struct Bench {
    pub directory: PathBuf,
    pub rate: Option<String>,
    pub servers: Servers,
    sink: Sink,
    seconds: u64,
}

impl Bench {
    pub fn new(cores: usize, options: &Options) -> Result<Self> {
        ensure!(cores >= 2, "one core is the target's, so it takes two");
        let mut others = CpuSet::new();
        (1..cores).for_each(|core| others.set(core));
        // Whatever is started from here is there as well.
        sched_setaffinity(None, &others).context("leave a core to the target")?;
        let directory = scratch().join("bench");
        // What an interrupted run left.
        if directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let servers = Servers::default();
        Ok(Self { directory, rate: options.rate.clone(), servers, sink: Sink::start()?, seconds: options.seconds })
    }

    pub fn run(&self, case: Case, row: &Row) -> Result<Run> {
        let Stage { target, others: _others, mut load } = (row.stage)(self, case)?;
        let out = self.directory.join("spans.jsonl");
        let tracer = if case == Case::Uprobed { Some(self.attach(target.pid(), &out)?) } else { None };

        let sent = self.sink.spans();
        let warm = load(1)?;
        let own = |tracer: &Option<Running>| tracer.as_ref().map_or(Ok(0.0), |tracer| cpu_seconds(tracer.pid()));
        let (before, own_before) = (cpu_seconds(target.pid())?, own(&tracer)?);
        let done = load(self.seconds)?;
        let cpu = cpu_seconds(target.pid())? - before;
        let own_cpu = (own(&tracer)? - own_before) * 1e6 / done.requests as f64;
        ensure!(done.errors == 0 && warm.errors == 0, "{} of {} operations failed", done.errors, done.requests);

        let expected = (warm.requests + done.requests) as f64 * row.spans;
        let spans = match (case, tracer) {
            (Case::Sdk, _) => {
                // What has waited for a batch to be full comes when it has waited for long.
                thread::sleep(2 * SDK_DELAY);
                self.sink.spans() - sent
            }
            (_, Some(tracer)) => detach(tracer, &out, row.mark)?,
            (_, None) => expected as u64,
        };
        let lost = 1.0 - spans as f64 / expected;
        let operations_per_second = done.requests as f64 / done.seconds;
        Ok(Run { cpu: cpu * 1e6 / done.requests as f64, operations_per_second, own_cpu, lost })
    }

    /// A target: alone on its core, with one thread for Go code, and the SDK in use if that is the case.
    pub fn target(&self, program: &Path, case: Case, arguments: &[&str]) -> Command {
        // taskset becomes the program itself, so the pid is the program's.
        let mut command = Command::new("taskset");
        command.arg("-c").arg(CORE).arg(program).args(arguments).env("GOMAXPROCS", "1");
        if case == Case::Sdk {
            command
                .args(["--collector", &self.sink.address])
                .env("OTEL_BSP_SCHEDULE_DELAY", SDK_DELAY.as_millis().to_string());
        }
        command
    }

    fn attach(&self, pid: u32, out: &Path) -> Result<Running> {
        let mut command = Command::new(uprobed()?);
        command.args(["trace", "--format", "otlp", "--pid", &pid.to_string(), "--out"]).arg(out);
        let mut tracer = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let stderr = Lines::of(tracer.child().stderr.take().context("uprobed has no standard error")?);
        stderr.wait_for(START, |line| line.starts_with("attached pid="))?;
        Ok(tracer)
    }
}

/// Starts a program that says where it listens.
pub fn listening(command: &mut Command) -> Result<(Running, String)> {
    Running::listening(command, START)
}

/// Ends uprobed and counts the spans with this mark that it wrote.
fn detach(mut tracer: Running, out: &Path, mark: &str) -> Result<u64> {
    tracer.signal(Signal::TERM)?;
    tracer.wait(START)?;
    let mut spans = 0;
    for line in BufReader::new(File::open(out).with_context(|| format!("open {}", out.display()))?).lines() {
        spans += line?.matches(mark).count() as u64;
    }
    fs::remove_file(out).with_context(|| format!("remove {}", out.display()))?;
    Ok(spans)
}

/// User and system time of a process, fields 14 and 15 of its stat (proc_pid_stat(5)).
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read the target's CPU time")?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    // The first field after the name is the third.
    let (user, system) = ticks(11).zip(ticks(12)).context("read the target's CPU time")?;
    Ok((user + system) / TICKS_PER_SECOND)
}
