//! The programs under `tests/`: in Go, built by the Go that a test asks for, and in C. Go's own cache makes a second build quick.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{root, scratch};

pub const OLDEST: &str = "go1.18.10";
pub const NEWEST: &str = "go1.27.4";
/// Go versions that the http plugin has to work with; the newest is the last.
pub const VERSIONS: [&str; 4] = [OLDEST, "go1.21.13", "go1.24.9", NEWEST];

/// One program, built one way.
#[derive(Clone, Debug)]
pub struct Program {
    /// A directory below `tests/`: `go/service`.
    pub path: &'static str,
    /// `local`, or a version that Go fetches by itself: `go1.24.9`.
    pub go: &'static str,
    pub flags: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
}

/// The ordinary service, as the installed Go builds it.
pub const SERVICE: Program = Program::new("go/service");
/// A service in which no client is linked.
pub const PLAIN: Program = Program::new("go/plain");
/// Calls the URL that it is given three times, at once.
pub const FIRST: Program = Program::new("go/first");
pub const LOAD: Program = Program::new("go/load");
/// The C program's file.
pub const ORDERS: &str = "orders";

impl Program {
    pub const fn new(path: &'static str) -> Self {
        Self { path, go: "local", flags: &[], environment: &[] }
    }

    pub const fn go(mut self, version: &'static str) -> Self {
        self.go = version;
        self
    }

    pub const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    /// Without C: it then needs no shared library.
    pub const fn without_c(mut self) -> Self {
        self.environment = &[("CGO_ENABLED", "0")];
        self
    }

    /// Tells what was built, how, in a file name.
    pub fn name(&self) -> String {
        let words = [&[self.path, self.go], self.flags].concat();
        let with_c = if self.environment.is_empty() { "" } else { "-static" };
        let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        words.join("-").chars().map(harmless).chain(with_c.chars()).collect()
    }

    /// Builds it, unless that was done beforehand, and tells where it is.
    pub fn build(&self) -> Result<PathBuf> {
        if let Some(path) = prebuilt(&self.name())? {
            return Ok(path);
        }
        let output = scratch().join("bin").join(self.name());
        self.build_to(&output)?;
        Ok(output)
    }

    pub fn build_to(&self, output: &Path) -> Result<()> {
        let directory = root().join("tests").join(self.path);
        let mut command = Command::new("go");
        command.current_dir(&directory).env("GOTOOLCHAIN", self.go).env("GOFLAGS", "").env("GOWORK", "off");
        command.envs(self.environment.iter().copied()).arg("build").args(self.flags).arg("-o").arg(output).arg(".");
        let printed = command.output().context("start go; it comes from https://go.dev/doc/install")?;
        if !printed.status.success() {
            bail!("go build in {} with {}: {}", directory.display(), self.go, String::from_utf8_lossy(&printed.stderr));
        }
        Ok(())
    }
}

/// Compiles `tests/c/orders.c` into a file, or copies it there from where it was built beforehand.
pub fn orders(output: &Path) -> Result<()> {
    if let Some(path) = prebuilt(ORDERS)? {
        fs::copy(&path, output).with_context(|| format!("copy {}", path.display()))?;
        return Ok(());
    }
    let source = root().join("tests/c/orders.c");
    let mut command = Command::new("gcc");
    command.args(["-g", "-O2", "-pthread", "-o"]).arg(output).arg(source);
    let printed = command.output().context("start gcc")?;
    ensure!(printed.status.success(), "gcc: {}", String::from_utf8_lossy(&printed.stderr));
    Ok(())
}

/// A program that is not to be built here: where `UPROBED_PREBUILT` names a directory, it has to be there.
fn prebuilt(name: &str) -> Result<Option<PathBuf>> {
    let Some(directory) = std::env::var_os("UPROBED_PREBUILT") else { return Ok(None) };
    let path = PathBuf::from(directory).join(name);
    ensure!(path.exists(), "{} was not built beforehand", path.display());
    Ok(Some(path))
}
