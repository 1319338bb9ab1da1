//! `uprobed settings`, and the plugins with what the operator set for them.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;

use uprobed::{
    plugin::Plugin,
    settings::{self, Declared, Settings},
};

use super::{exit::Failure, select};

#[derive(Args)]
pub struct Arguments {
    /// Where the plugins are [default: beside the installation]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Result<u8> {
        let plugins = select::load(self.plugins.as_deref())?;
        match io::stdout().lock().write_all(settings::print(&declared(&plugins)).as_bytes()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            printed => printed.context("print the settings")?,
        }
        Ok(0)
    }
}

/// The plugins of a command, and what is set for them.
#[derive(Args)]
pub struct Plugins {
    /// Where the plugins are [default: beside the installation]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// What is set for the plugins: TOML with a table [settings.NAME] for each; `uprobed settings` shows what there is
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Plugins {
    pub fn load(&self) -> Result<Vec<Plugin>> {
        let source = self.settings.as_deref().map(Source::read).transpose()?;
        load(self.plugins.as_deref(), source.as_slice())
    }
}

/// A file with settings in it.
pub struct Source<'a> {
    pub path: &'a Path,
    pub text: String,
    /// What else it may have.
    pub beside: &'static [&'static str],
}

impl<'a> Source<'a> {
    /// Reads a file that has nothing else.
    pub fn read(path: &'a Path) -> Result<Self> {
        let wrong = |error| Failure::Configuration(format!("{}: {error}", path.display()));
        Ok(Self { path, text: fs::read_to_string(path).map_err(wrong)?, beside: &[] })
    }
}

/// Loads all plugins of a directory and gives them what these files set; what a later one sets counts.
pub fn load(directory: Option<&Path>, sources: &[Source<'_>]) -> Result<Vec<Plugin>> {
    let mut plugins = select::load(directory)?;
    let settings = read(sources, &declared(&plugins))?;
    for plugin in &mut plugins {
        plugin.settings = settings.of(plugin.name());
    }
    Ok(plugins)
}

/// Says everything that is wrong, a line each; the last is the error.
fn read(sources: &[Source<'_>], plugins: &[Declared<'_>]) -> Result<Settings, Failure> {
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    for source in sources {
        match Settings::read(&source.text, source.beside, plugins) {
            Ok(more) => settings = settings.overridden_by(more),
            Err(wrong) => {
                problems.extend(wrong.iter().map(|problem| format!("{}:{problem}", source.path.display())));
            }
        }
    }
    let Some(last) = problems.pop() else { return Ok(settings) };
    for problem in problems {
        super::complain(problem);
    }
    Err(Failure::Configuration(last))
}

fn declared(plugins: &[Plugin]) -> Vec<Declared<'_>> {
    plugins.iter().map(Plugin::declared).collect()
}
