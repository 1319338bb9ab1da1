//! What the services and the load generator wrote about themselves. Mirrors `tests/go`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A request that a service answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Handled {
    pub method: String,
    pub path: String,
    /// 0 where the handler panicked or took the connection over.
    pub status: i64,
}

/// A request that a service made.
#[derive(Clone, Debug, Deserialize)]
pub struct Called {
    pub method: String,
    pub path: String,
    /// 0 where no answer came.
    pub status: i64,
    #[serde(default)]
    pub error: String,
    /// The path of the request on whose behalf it was made; empty if there was none.
    pub from: String,
    /// It may be a trace of its own as well.
    pub or_root: bool,
}

/// A request of the load generator.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    pub path: String,
    pub status: i64,
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub traceparent: String,
}

#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
enum Line {
    Server(Handled),
    Call(Called),
}

/// The load generator's closing line.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Summary {
    pub requests: u64,
    pub errors: u64,
    pub seconds: f64,
}

/// What one service did.
#[derive(Clone, Debug, Default)]
pub struct ServiceJournal {
    pub pid: u32,
    pub handled: Vec<Handled>,
    pub called: Vec<Called>,
}

pub fn read_service(pid: u32, path: &Path) -> Result<ServiceJournal> {
    let mut journal = ServiceJournal { pid, ..Default::default() };
    for line in lines(path)? {
        match line {
            Line::Server(handled) => journal.handled.push(handled),
            Line::Call(called) => journal.called.push(called),
        }
    }
    Ok(journal)
}

pub fn read_sent(path: &Path) -> Result<Vec<Sent>> {
    lines(path)
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("read {line} in {}", path.display())))
        .collect()
}
