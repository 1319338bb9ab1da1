//! The shop of `tests/go-grpc`: a server, and a front that calls it for requests that come in by HTTP; and what they know of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use uprobed_tests::process::Running;
use uprobed_tests::programs::Program;

const START: Duration = Duration::from_secs(20);

/// One version of the library, built one way.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    pub name: &'static str,
    go: &'static str,
    flags: &'static [&'static str],
}

/// The oldest that the oldest Go builds.
pub const OLDEST: Version = Version { name: "oldest", go: "go1.18.10", flags: &["-modfile=../old.mod"] };
pub const MIDDLE: Version =
    Version { name: "middle", go: "go1.22.12", flags: &["-modfile=../middle.mod", "-ldflags=-s -w"] };
pub const NEWEST: Version = Version { name: "newest", go: "local", flags: &[] };
pub const NEWEST_STRIPPED: Version = Version { name: "stripped", go: "local", flags: &["-ldflags=-s -w"] };

/// A call that a program made, as it came back.
#[derive(Clone, Debug, Deserialize)]
pub struct Called {
    /// The path of the request, or `grpc ID`, the call that it was made for.
    pub from: String,
    pub id: String,
    pub method: String,
    pub code: i64,
    pub target: String,
    #[serde(default)]
    pub traceparent: String,
}

/// A call that a server's own code answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Served {
    pub id: String,
    pub method: String,
    pub code: i64,
}

#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
enum Line {
    Called(Called),
    Served(Served),
}

/// What one program wrote about itself.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub pid: u32,
    pub called: Vec<Called>,
    pub served: Vec<Served>,
}

/// Both programs, running.
pub struct Shop {
    pub server: Running,
    pub front: Running,
    /// Where the front listens.
    pub url: String,
    journals: BTreeMap<&'static str, PathBuf>,
}

impl Shop {
    /// `arguments` are the server's; `-tls` is the front's, too.
    pub fn open(directory: &Path, version: Version, arguments: &[&str]) -> Result<Self> {
        let journals =
            BTreeMap::from(["server", "front"].map(|name| (name, directory.join(format!("{name}.journal")))));
        let program = |path| Program::new(path).go(version.go).flags(version.flags).build();
        let mut command = Command::new(program("go-grpc/server")?);
        let (server, line) = Running::listening(command.arg("--log").arg(&journals["server"]).args(arguments), START)?;
        let (address, web) = line.split_once(' ').context("the server names two addresses")?;
        let mut command = Command::new(program("go-grpc/front")?);
        command.arg("--log").arg(&journals["front"]).args(["--server", address, "--web", web]);
        if arguments.contains(&"--tls") {
            command.arg("--tls");
        }
        let (front, url) = Running::listening(&mut command, START)?;
        Ok(Self { server, front, url, journals })
    }

    /// SIGTERM to both, and what they wrote: the front's journal, the server's.
    pub fn close(mut self) -> Result<(Journal, Journal)> {
        let front = stop(&mut self.front, &self.journals["front"])?;
        Ok((front, stop(&mut self.server, &self.journals["server"])?))
    }

    /// The same for the front alone.
    pub fn close_front(mut self) -> Result<Journal> {
        stop(&mut self.front, &self.journals["front"])
    }
}

fn stop(running: &mut Running, path: &Path) -> Result<Journal> {
    running.signal(Signal::TERM)?;
    let status = running.wait(START)?;
    ensure!(status.success(), "the program ended with {status}");
    let mut journal = Journal { pid: running.pid(), ..Default::default() };
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    for line in text.lines() {
        match serde_json::from_str(line).with_context(|| format!("read {line} in {}", path.display()))? {
            Line::Called(called) => journal.called.push(called),
            Line::Served(served) => journal.served.push(served),
        }
    }
    Ok(journal)
}
