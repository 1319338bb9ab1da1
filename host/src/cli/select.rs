//! What `trace` and `plan` share: plugins and where they are.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use uprobed::plugin::{self, Engine, Plugin};

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
