//! Child processes that end with the test, and lines that they print.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// With this a program begins the line that says where it listens.
const LISTENING: &str = "listening ";

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { child, name })
    }

    /// Starts a program that says where it listens, and gives what it says.
    pub fn listening(command: &mut Command, at_most: Duration) -> Result<(Self, String)> {
        let mut running = Self::start(command.stdout(Stdio::piped()))?;
        let stdout = running.child.stdout.take().with_context(|| format!("{} has no standard output", running.name))?;
        let line = Lines::of(stdout).wait_for(at_most, |line| line.starts_with(LISTENING));
        let line = line.with_context(|| format!("wait until {} listens", running.name))?;
        Ok((running, line.trim_start_matches(LISTENING).to_owned()))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("a pid out of range")?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    /// Waits for its end; one that takes longer is an error and is killed.
    pub fn wait(&mut self, at_most: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("wait for {}", self.name))? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.kill();
                bail!("{} did not end within {at_most:?}", self.name);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lines from a pipe, collected by a thread as they come.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                writer.change(|collected| collected.lines.push(line));
            }
            writer.change(|collected| collected.ended = true);
        });
        lines
    }

    /// The first line that matches, now or later.
    pub fn wait_for(&self, at_most: Duration, matches: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + at_most;
        let (collected, changed) = &*self.0;
        let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = collected.lines.iter().find(|line| matches(line)) {
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if collected.ended || left.is_zero() {
                let end = if collected.ended { "it ended" } else { "time is up" };
                bail!("no such line and {end}; it printed:\n{}", collected.lines.join("\n"));
            }
            collected = changed.wait_timeout(collected, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines, once the pipe is closed.
    pub fn all(&self) -> Vec<String> {
        let (collected, changed) = &*self.0;
        let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !collected.ended && Instant::now() < deadline {
            collected =
                changed.wait_timeout(collected, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0;
        }
        collected.lines.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Collected)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }
}

/// A port of the loopback interface that was free a moment ago.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
