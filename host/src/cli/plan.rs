//! `uprobed plan`.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use uprobed::{
    binary::Binary,
    discovery::Process,
    plan,
    session::{Numbers, Prepared, Unattachable, map},
};

use super::{exit::Failure, select};

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

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Where the plugins are [default: beside the installation]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Arguments {
    pub fn run(self) -> Result<u8> {
        let (path, shown) = match (&self.target.exe, self.target.pid) {
            (Some(path), _) => (path.clone(), path.clone()),
            (None, Some(pid)) => {
                let process = Process::read(pid).map_err(|_| Unattachable::Ended(pid))?;
                (process.image(), process.executable)
            }
            (None, None) => return Err(Failure::Usage("give --exe or --pid".into()).into()),
        };
        let plugins = select::load(self.plugins.as_deref())?;
        let plugins: Vec<_> = plugins.into_iter().map(|plugin| Arc::new(Mutex::new(plugin))).collect();
        let map = map(&path).map_err(|source| Unattachable::Unreadable { path: shown.clone(), source })?;
        let binary = Binary::parse(&map).map_err(|source| Unattachable::Binary { path: shown.clone(), source })?;
        let prepared = Prepared::new(&plugins, &binary, &mut Numbers::default());
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        match self.format {
            Format::Table => {
                for part in &prepared.parts {
                    let heading = format!("{} {} ({})", part.manifest.name, part.manifest.version, part.name);
                    let table = plan::table(&part.plan, true);
                    write!(out, "{heading}\n{table}").context("print the plan")?;
                }
                for (name, reason) in &prepared.declined {
                    writeln!(out, "{name}: left out: {reason}").context("print the plan")?;
                }
            }
            Format::Json => {
                let plans: Vec<_> = prepared
                    .parts
                    .iter()
                    .map(|part| serde_json::json!({"plugin": part.manifest.name, "version": part.manifest.version, "plan": part.plan}))
                    .collect();
                let declined: Vec<_> = prepared
                    .declined
                    .iter()
                    .map(|(name, reason)| serde_json::json!({"plugin": name, "reason": reason}))
                    .collect();
                let all = serde_json::json!({"executable": shown, "plugins": plans, "declined": declined});
                writeln!(out, "{all:#}").context("print the plan")?;
            }
        }
        Ok(if prepared.parts.is_empty() { 5 } else { 0 })
    }
}
