//! What both demos do: ordinary services are started, `uprobed trace` beside them, orders come in, some of the traces are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::journal::{Sent, read_sent};
use crate::process::{Lines, Running, free_port};
use crate::programs::{LOAD, Program};
use crate::root;
use crate::tracer::uprobed;
use crate::tree::{self, Tree};

const ATTACH: Duration = Duration::from_secs(60);

/// Short, so that lines stay short; it only has to differ from the last run's.
pub fn nonce() -> Result<String> {
    Ok(format!("{:04x}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() & 0xffff))
}

/// Builds a program into this directory, by the Go that its module asks for. `path` is that of its sources, from `tests/`.
pub fn build(path: &'static str, directory: &Path) -> Result<PathBuf> {
    let binary = directory.join(Path::new(path).file_name().context("a program without a name")?);
    Program::new(path).go("auto").build_to(&binary)?;
    Ok(binary)
}

/// Starts a service and waits until it listens, on the address that is its first argument; tells that.
pub fn serve(binary: &Path, arguments: &[&str]) -> Result<(Running, String)> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(binary);
    command.arg(&address).args(arguments).current_dir(root());
    let mut running = Running::start(&mut command)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&address).is_err() {
        ensure!(running.is_running() && Instant::now() < deadline, "{} does not listen on {address}", binary.display());
        thread::sleep(Duration::from_millis(10));
    }
    Ok((running, address))
}

/// Sends orders to their end.
pub fn load(url: &str, journal: &Path, arguments: &[&str]) -> Result<Vec<Sent>> {
    let mut command = Command::new(LOAD.build()?);
    command.args(["--url", url]).args(arguments).arg("--log").arg(journal);
    let status = command.stdout(Stdio::null()).status().context("start the load")?;
    ensure!(status.success(), "the load ended with {status}");
    read_sent(journal)
}

/// A running `uprobed trace` that prints trees.
#[derive(Debug)]
pub struct Printing {
    tracer: Running,
    printed: Lines,
    said: Lines,
}

impl Printing {
    /// Returns when all of them are traced.
    pub fn attach(services: &[&Running]) -> Result<Self> {
        let mut command = Command::new(uprobed()?);
        command.arg("trace");
        let shown: Vec<String> = services.iter().map(|service| format!("--pid {}", service.pid())).collect();
        eprintln!("==> uprobed trace {}", shown.join(" "));
        command.args(services.iter().flat_map(|service| ["--pid".to_owned(), service.pid().to_string()]));
        command.env("COLUMNS", std::env::var_os("COLUMNS").unwrap_or_else(|| "120".into()));
        if std::io::stdout().is_terminal() {
            command.env("CLICOLOR_FORCE", "1");
        }
        let mut tracer = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let printed = Lines::of(tracer.child().stdout.take().context("uprobed has no standard output")?);
        let said = Lines::of(tracer.child().stderr.take().context("uprobed has no standard error")?);
        for service in services {
            let prefix = format!("attached pid={} ", service.pid());
            eprintln!("{}", said.wait_for(ATTACH, |line| line.starts_with(&prefix))?);
        }
        Ok(Self { tracer, printed, said })
    }

    /// Ends it; what it printed.
    pub fn end(mut self) -> Result<Vec<Tree>> {
        self.tracer.signal(Signal::TERM)?;
        let status = self.tracer.wait(ATTACH)?;
        let said = self.said.all();
        ensure!(status.success(), "uprobed ended with {status}:\n{}", said.join("\n"));
        if let Some(closing) = said.last() {
            eprintln!("{closing}");
        }
        Ok(tree::read(&self.printed.all().join("\n")))
    }
}

/// So many of them, in their order: the first of each shape before others.
pub fn show<S: Ord>(trees: &[Tree], most: usize, shape: impl Fn(&Tree) -> S) {
    let mut shapes = BTreeMap::new();
    for (index, tree) in trees.iter().enumerate() {
        shapes.entry(shape(tree)).or_insert(index);
    }
    let first: BTreeSet<usize> = shapes.into_values().collect();
    let more = (0..trees.len()).filter(|index| !first.contains(index));
    let mut chosen: Vec<usize> = first.iter().copied().chain(more).take(most).collect();
    chosen.sort_unstable();
    println!();
    for index in chosen {
        print!("{}", trees[index].text);
    }
    if trees.len() > most {
        println!("… and {} more\n", trees.len() - most);
    }
}
