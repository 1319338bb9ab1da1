//! `uprobed trace`, run beside the programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::otlp::{self, Span};
use crate::process::{Lines, Running};
use crate::root;

/// Reading a large binary on a busy machine, or an emulated one, takes a while.
const ATTACH: Duration = Duration::from_secs(180);
const END: Duration = Duration::from_secs(60);

/// The program under test: that of `make build`, or what `UPROBED` says.
pub fn uprobed() -> Result<PathBuf> {
    let path = std::env::var_os("UPROBED").map_or_else(|| root().join("target/release/uprobed"), PathBuf::from);
    if !path.exists() {
        bail!("{} is not built; run: make build", path.display());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("attaching probes takes root");
    }
    Ok(path)
}

/// A running `uprobed trace` that writes OTLP into a file.
#[derive(Debug)]
pub struct Tracer {
    running: Running,
    stderr: Lines,
    out: PathBuf,
}

/// What is left of it.
#[derive(Debug)]
pub struct Trace {
    pub spans: Vec<Span>,
    pub status: ExitStatus,
    pub stderr: Vec<String>,
}

impl Tracer {
    /// `arguments` follow `trace --format otlp --out FILE`.
    pub fn start<S: AsRef<OsStr>>(out: &Path, arguments: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut command = Command::new(uprobed()?);
        command.args(["trace", "--format", "otlp", "--out"]).arg(out).args(arguments);
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let stderr = Lines::of(running.child().stderr.take().context("uprobed has no standard error")?);
        Ok(Self { running, stderr, out: out.to_owned() })
    }

    /// Traces these processes, from the moment that it returns.
    pub fn attach(out: &Path, pids: &[u32], more: &[&str]) -> Result<Self> {
        let selection = pids.iter().flat_map(|pid| ["--pid".to_owned(), pid.to_string()]);
        let tracer = Self::start(out, selection.chain(more.iter().map(|word| (*word).to_owned())))?;
        for pid in pids {
            tracer.wait_attached(*pid)?;
        }
        Ok(tracer)
    }

    pub fn wait_attached(&self, pid: u32) -> Result<String> {
        let prefix = format!("attached pid={pid} ");
        self.wait_for(|line| line.starts_with(&prefix)).with_context(|| format!("wait until {pid} is attached"))
    }

    /// The first line on its standard error that matches.
    pub fn wait_for(&self, matches: impl Fn(&str) -> bool) -> Result<String> {
        self.stderr.wait_for(ATTACH, matches)
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.running.signal(signal)
    }

    pub fn kill(&mut self) {
        self.running.kill();
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// SIGTERM, and what it wrote until its end.
    pub fn stop(self) -> Result<Trace> {
        self.running.signal(Signal::TERM)?;
        self.end()
    }

    /// The same for one that may have refused to start.
    pub fn stop_if_running(mut self) -> Result<Trace> {
        if self.running.is_running() { self.stop() } else { self.end() }
    }

    /// Waits for its end by itself.
    pub fn end(mut self) -> Result<Trace> {
        let status = self.running.wait(END)?;
        let stderr = self.stderr.all();
        let spans = if self.out.exists() { otlp::read(&self.out)? } else { Vec::new() };
        Ok(Trace { spans, status, stderr })
    }
}

impl Trace {
    /// What the closing line says was lost.
    pub fn lost(&self) -> Result<u64> {
        let closing = self.stderr.last().map_or("", String::as_str);
        let lost = closing.split_whitespace().find_map(|word| word.strip_prefix("lost="));
        let lost = lost.with_context(|| format!("no lost= in the closing line: {closing}"))?;
        lost.trim_end_matches([',', ';']).parse().with_context(|| format!("read the number in lost={lost}"))
    }
}
