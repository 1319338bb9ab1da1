//! `uprobed plan`.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use clap::Args;

use uprobed::{
    manifest::Manifest,
    plan::{self, Plan, Skipped, Subject},
    session::{Numbers, Prepared},
};

use super::{
    select::{self, Format},
    settings,
};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    target: select::Target,
    #[command(flatten)]
    plugins: settings::Plugins,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Show the capture programs as well
    #[arg(long, short)]
    verbose: bool,
}

impl Arguments {
    pub fn run(self) -> Result<u8> {
        let (executable, shown) = self.target.open()?;
        let binary = executable.binary()?;
        let plugins = self.plugins.load()?;
        let plugins: Vec<_> = plugins.into_iter().map(|plugin| Arc::new(Mutex::new(plugin))).collect();
        let mut prepared = Prepared::new(&plugins, &binary, &mut Numbers::default());
        let runtime = runtime(&mut prepared);
        match self.print(&shown, &prepared, &runtime) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            printed => printed.context("print the plan")?,
        }
        Ok(if prepared.parts.is_empty() { 5 } else { 0 })
    }

    fn print(&self, shown: &Path, prepared: &Prepared, runtime: &Plan) -> io::Result<()> {
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        match self.format {
            Format::Table => {
                for plan in plans(prepared, runtime) {
                    writeln!(out, "{}", plan::table(plan, self.verbose, true))?;
                }
                for (name, reason) in &prepared.declined {
                    writeln!(out, "{}", plan::wrapped(&format!("{name}: left out: "), reason))?;
                }
                if prepared.parts.is_empty() && prepared.declined.is_empty() {
                    writeln!(out, "no plugins")?;
                }
                Ok(())
            }
            Format::Json => {
                let plans: Vec<_> = plans(prepared, runtime).collect();
                let declined: Vec<_> = prepared
                    .declined
                    .iter()
                    .map(|(name, reason)| serde_json::json!({"plugin": name, "reason": reason}))
                    .collect();
                let manifests: Vec<&Manifest> = prepared.parts.iter().map(|part| &*part.manifest).collect();
                let all = serde_json::json!({
                    "executable": shown, "plugins": plans, "manifests": manifests, "declined": declined,
                });
                writeln!(out, "{all:#}")
            }
        }
    }
}

/// Every plugin's plan, and the host's own.
fn plans<'p>(prepared: &'p Prepared, runtime: &'p Plan) -> impl Iterator<Item = &'p Plan> {
    let has_own = !runtime.probes.is_empty() || !runtime.skipped.is_empty();
    prepared.parts.iter().map(|part| &part.plan).chain(has_own.then_some(runtime))
}

/// What the host itself attaches to Go's runtime, in the form of a plan.
fn runtime(prepared: &mut Prepared) -> Plan {
    let (mut probes, mut skipped) = (Vec::new(), Vec::new());
    match prepared.spawn.take() {
        Some(Ok(probe)) => probes.push(probe),
        Some(Err(why)) => skipped.push(Skipped { what: Subject::Goroutines, why }),
        None => {}
    }
    Plan {
        plugin: "uprobed".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        probes,
        skipped,
        context_types: Vec::new(),
        spans: Vec::new(),
    }
}
