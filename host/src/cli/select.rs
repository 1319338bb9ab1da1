//! What commands share: what they look at, plugins and where they are.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use uprobed::{
    discovery::{Process, Selector},
    executable::Executable,
    plugin::{self, Engine, Plugin},
    probes::Surroundings,
    session::Unattachable,
};

use super::exit::Failure;

/// What `plan` and `inspect` look at.
#[derive(Args)]
#[group(id = "target", required = true, multiple = false)]
pub struct Target {
    /// An executable
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
    /// The executable of this process
    #[arg(long, value_name = "N")]
    pid: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

impl Target {
    /// The executable, and its path for people.
    pub fn open(&self) -> Result<(Executable, PathBuf)> {
        match (&self.exe, self.pid) {
            (Some(path), _) => Ok((Executable::at_rest(path)?, path.clone())),
            (None, Some(pid)) => {
                let process = process(pid)?;
                let executable = Executable::open(&process.image(), &process.executable, &process.root())?;
                Ok((executable, process.executable))
            }
            (None, None) => Err(Failure::Usage("give --exe or --pid".into()).into()),
        }
    }
}

/// `plugins` beside the executable (in a checkout `target/plugins`, beside `target/release`), or where an installation puts them.
pub fn default_plugins() -> Result<PathBuf> {
    let executable = env::current_exe().context("find the executable of uprobed")?;
    let directory = executable.parent().unwrap_or(Path::new("/"));
    let candidates = [
        directory.join("plugins"),
        directory.join("../plugins"),
        directory.join("../lib/uprobed/plugins"),
        "/usr/lib/uprobed/plugins".into(),
    ];
    let found = candidates.iter().find(|path| path.is_dir()).unwrap_or(&candidates[2]);
    Ok(found.canonicalize().unwrap_or_else(|_| found.clone()))
}

/// A process that was named by its number.
pub fn process(pid: u32) -> Result<Process> {
    Process::read(pid).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unattachable::Ended(pid).into(),
        io::ErrorKind::PermissionDenied => {
            Surroundings::Privileges(format!("CAP_SYS_PTRACE (for process {pid})")).into()
        }
        _ => anyhow::Error::new(error).context(format!("look at process {pid}")),
    })
}

/// An executable that was named by its path: it has to be one that could be probed at all.
pub fn executable(path: &Path) -> Result<Selector> {
    Executable::at_rest(path)?.binary()?;
    Selector::executable(path)
}

/// Loads all plugins of a directory. The first one that is refused is an error: what is there is meant to be used.
pub fn load(directory: Option<&Path>) -> Result<Vec<Plugin>> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => default_plugins()?,
    };
    let engine = Engine::new()?;
    let mut plugins = Vec::new();
    for (_, plugin) in plugin::directory(&engine, &directory)? {
        plugins.push(plugin?);
    }
    Ok(plugins)
}
