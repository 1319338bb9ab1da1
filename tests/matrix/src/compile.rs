//! Builds binaries with the Go toolchains that `GOTOOLCHAIN` fetches, and keeps them: what was built once is not built again, unless the
//! sources are newer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::variant::{Architecture, Mode, Variant};

/// The C compiler for arm64, of Debian's package `gcc-aarch64-linux-gnu`.
const CROSS_COMPILER: &str = "aarch64-linux-gnu-gcc";

pub struct Compiler {
    /// Of the Go module.
    pub sources: PathBuf,
    /// Where binaries are kept.
    pub kept: PathBuf,
    /// Whether only what was built before is used.
    pub reuse_only: bool,
    /// When the sources were last changed.
    pub changed: SystemTime,
}

impl Compiler {
    /// The binary's path, built if it is not there; none if nothing may be built.
    pub fn binary(&self, variant: Variant) -> Result<Option<PathBuf>> {
        let path = self.kept.join(variant.to_string());
        if self.reuse_only {
            return Ok(path.exists().then_some(path));
        }
        if fs::metadata(&path).and_then(|kept| kept.modified()).is_ok_and(|built| built >= self.changed) {
            return Ok(Some(path));
        }
        fs::create_dir_all(path.parent().context("a binary's path has a directory")?)?;
        // Not under its name until it is whole: an interrupted build leaves nothing that looks like a binary.
        let part = path.with_extension("part");
        let mut command = self.go(variant);
        command.arg("build").args(self.flags(variant)).arg("-o").arg(&part).arg(format!("./{}", variant.program));
        let output = command.output().context("start go; see https://go.dev/dl/")?;
        if !output.status.success() {
            bail!("build {variant}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        fs::rename(&part, &path).with_context(|| format!("rename {}", part.display()))?;
        Ok(Some(path))
    }

    /// The program that reads what there is to compare with, built with the Go that is installed.
    pub fn witness(&self) -> Result<PathBuf> {
        let path = self.kept.join("witness");
        fs::create_dir_all(&self.kept)?;
        let mut command = Command::new("go");
        command.current_dir(&self.sources).env("GOWORK", "off").env("CGO_ENABLED", "0");
        let status = command.args(["build", "-o"]).arg(&path).arg("./witness").status().context("start go")?;
        if !status.success() {
            bail!("build tests/go/matrix/witness: {status}");
        }
        Ok(path)
    }

    fn go(&self, variant: Variant) -> Command {
        let mut command = Command::new("go");
        command.current_dir(&self.sources).stdin(Stdio::null());
        command.env("GOTOOLCHAIN", format!("go{}", variant.toolchain.name)).env("GOWORK", "off");
        command.env("GOFLAGS", "-buildvcs=false").env("GOOS", "linux").env("GOARCH", variant.architecture.to_string());
        command.env("CGO_ENABLED", if variant.mode.needs_c() { "1" } else { "0" });
        if variant.architecture == Architecture::Arm64 {
            command.env("CC", CROSS_COMPILER);
        }
        command
    }

    fn flags(&self, variant: Variant) -> Vec<String> {
        let minor = variant.toolchain.minor;
        let mut flags = vec![format!("-modfile=go1.{minor}.mod")];
        let own: &[&str] = match variant.mode {
            Mode::Plain | Mode::Profiled => &[],
            Mode::Stripped => &["-ldflags=-s -w"],
            Mode::Pie => &["-buildmode=pie"],
            Mode::StrippedPie => &["-buildmode=pie", "-ldflags=-s -w"],
            Mode::ExternalPie => &["-buildmode=pie", "-ldflags=-linkmode=external"],
            Mode::Race => &["-race"],
            Mode::Trimpath => &["-trimpath"],
        };
        flags.extend(own.iter().map(|&flag| flag.to_owned()));
        if variant.mode == Mode::Profiled {
            flags.push(format!("-pgo=profiles/{}.pgo", variant.program));
        }
        flags
    }
}

/// When the newest file in a directory or below was changed.
pub fn changed(directory: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
        let entry = entry?;
        let its = if entry.file_type()?.is_dir() { changed(&entry.path())? } else { entry.metadata()?.modified()? };
        newest = newest.max(its);
    }
    Ok(newest)
}

/// Says early what a whole run would stumble over late.
pub fn need_tools(variants: &[Variant]) -> Result<()> {
    let needs =
        |architecture| variants.iter().any(|variant| variant.mode.needs_c() && variant.architecture == architecture);
    for (architecture, compiler, package) in [
        (Architecture::Amd64, "gcc", "gcc libc6-dev"),
        (Architecture::Arm64, CROSS_COMPILER, "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    ] {
        if needs(architecture) && !is_there(Path::new(compiler)) {
            bail!("{compiler} is missing; it comes with: apt-get install -y {package}");
        }
    }
    Ok(())
}

fn is_there(compiler: &Path) -> bool {
    let mut command = Command::new(compiler);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
