//! Commands, their arguments, and the one place that decides exit codes.

mod exit;
mod inspect;
mod output;
mod plan;
mod run;
mod select;
mod settings;
mod trace;
mod watch;

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::{Parser, Subcommand};

pub use exit::Failure;

const RED: Style = AnsiColor::Red.on_default().bold();

/// One line on standard error for what went wrong.
pub fn complain(error: impl Display) {
    anstream::eprintln!("{RED}error:{RED:#} {error:#}");
}

/// Traces programs that were never changed for it, as OpenTelemetry spans.
#[derive(Parser)]
#[command(version, about, long_about = None, after_help = exit::HELP)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trace processes or a command, and print what they do
    #[command(after_help = exit::HELP)]
    Trace(trace::Arguments),
    /// Run as a daemon, as a configuration file says
    #[command(after_help = exit::HELP)]
    Run(run::Arguments),
    /// Show what would be attached where, and why not; touches nothing
    #[command(after_help = exit::HELP)]
    Plan(plan::Arguments),
    /// Show what an executable is made of: modules, functions, types with their offsets; for authors of plugins
    #[command(after_help = exit::HELP)]
    Inspect(inspect::Arguments),
    /// Show what can be set for the plugins, as a file for --settings
    #[command(after_help = exit::HELP)]
    Settings(settings::Arguments),
}

impl Arguments {
    /// The process's exit code.
    pub fn run(self) -> Result<u8> {
        match self.command {
            Command::Trace(arguments) => arguments.run(),
            Command::Run(arguments) => arguments.run(),
            Command::Plan(arguments) => arguments.run(),
            Command::Inspect(arguments) => arguments.run(),
            Command::Settings(arguments) => arguments.run(),
        }
    }
}
