//! Services under load, with uprobed beside them, and the verdict on what it saw.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::journal::{self, Sent, ServiceJournal, Summary};
use crate::otlp::Span;
use crate::process::{Lines, Running};
use crate::programs::{LOAD, Program};
use crate::scratch;
use crate::tracer::{Trace, Tracer};
use crate::verdict::{self, World};

const START: Duration = Duration::from_secs(20);
/// Slow machines run 10,000 requests, too.
const LOAD_END: Duration = Duration::from_secs(300);
const SHOWN: usize = 20;

/// A directory of its own for one test, made anew each time.
#[derive(Debug)]
pub struct Scene {
    pub directory: PathBuf,
}

impl Scene {
    pub fn new(name: &str) -> Result<Self> {
        let directory = scratch().join("run").join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        Ok(Self { directory })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Starts a service and waits until it listens.
    pub fn service(&self, name: &str, program: &Program, arguments: &[&str]) -> Result<Service> {
        self.service_from(name, &program.build()?, arguments)
    }

    /// The same with a binary that is there.
    pub fn service_from(&self, name: &str, binary: &Path, arguments: &[&str]) -> Result<Service> {
        let journal = self.file(&format!("{name}.journal"));
        let mut command = Command::new(binary);
        let (running, url) = Running::listening(command.arg("--log").arg(&journal).args(arguments), START)?;
        Ok(Service { running, url, journal })
    }

    /// `a`, which calls `b`.
    pub fn pair(&self, program: &Program, arguments: &[&str]) -> Result<(Service, Service)> {
        let back = self.service("b", program, arguments)?;
        let front = self.service("a", program, &[arguments, &["--upstream", &back.url]].concat())?;
        Ok((front, back))
    }

    pub fn trace(&self, services: &[&Service]) -> Result<Tracer> {
        let pids: Vec<u32> = services.iter().map(|service| service.pid()).collect();
        Tracer::attach(&self.file("spans.jsonl"), &pids, &[])
    }

    /// Runs the load generator to its end.
    pub fn load(&self, service: &Service, arguments: &[&str]) -> Result<Vec<Sent>> {
        self.start_load(service, arguments)?.end().map(|(_, sent)| sent)
    }

    /// The same against an address.
    pub fn load_url(&self, url: &str, arguments: &[&str]) -> Result<Vec<Sent>> {
        self.start_load_url(url, arguments)?.end().map(|(_, sent)| sent)
    }

    pub fn start_load(&self, service: &Service, arguments: &[&str]) -> Result<Load> {
        self.start_load_url(&service.url, arguments)
    }

    fn start_load_url(&self, url: &str, arguments: &[&str]) -> Result<Load> {
        let journal = self.file("load.journal");
        let mut command = Command::new(LOAD.build()?);
        command.args(["--url", url, "--insecure"]).arg("--log").arg(&journal).args(arguments).stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let stdout = Lines::of(running.child().stdout.take().context("the load has no standard output")?);
        Ok(Load { running, stdout, journal })
    }

    /// Ends all, compares, and shows the first problems. Seeds every fault, too: each must be noticed.
    pub fn verify(self, tracer: Tracer, services: Vec<Service>, sent: Vec<Sent>) -> Result<Trace> {
        let trace = tracer.stop()?;
        ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
        let services: Result<Vec<_>> = services.into_iter().map(Service::stop).collect();
        let world = World { services: services?, sent };
        self.judge(&world, &trace.spans).with_context(|| trace.stderr.join("\n"))?;
        ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
        fs::remove_dir_all(&self.directory).with_context(|| format!("remove {}", self.directory.display()))?;
        Ok(trace)
    }

    pub fn judge(&self, world: &World, spans: &[Span]) -> Result<()> {
        let problems = verdict::problems(world, spans);
        let shown = problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n  ");
        ensure!(
            problems.is_empty(),
            "{} problems with {} spans (kept in {}):\n  {shown}",
            problems.len(),
            spans.len(),
            self.directory.display()
        );
        for (fault, faulty) in crate::faults::seeded(spans) {
            ensure!(!verdict::problems(world, &faulty).is_empty(), "the verdict did not notice {fault}");
        }
        Ok(())
    }
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    running: Running,
    pub url: String,
    journal: PathBuf,
}

impl Service {
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap_or_default()
    }

    /// SIGTERM, and what it wrote about itself.
    pub fn stop(mut self) -> Result<ServiceJournal> {
        self.running.signal(Signal::TERM)?;
        let status = self.running.wait(START)?;
        ensure!(status.success(), "the service ended with {status}");
        journal::read_service(self.pid(), &self.journal)
    }
}

/// A running load generator.
#[derive(Debug)]
pub struct Load {
    running: Running,
    stdout: Lines,
    journal: PathBuf,
}

impl Load {
    /// No further requests; those under way come to their end.
    pub fn stop(self) -> Result<(Summary, Vec<Sent>)> {
        self.running.signal(Signal::TERM)?;
        self.end()
    }

    pub fn end(mut self) -> Result<(Summary, Vec<Sent>)> {
        let status = self.running.wait(LOAD_END)?;
        ensure!(status.success(), "the load ended with {status}");
        let printed = self.stdout.all().join("");
        let summary = serde_json::from_str(&printed).with_context(|| format!("read the summary {printed}"))?;
        Ok((summary, journal::read_sent(&self.journal)?))
    }

    pub fn is_running(&mut self) -> bool {
        self.running.is_running()
    }
}
