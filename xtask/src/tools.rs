//! Tools that the build needs beside the toolchain: looked for, and built once into the cache where that is possible.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::step::{cargo, output, run, say, succeeds};

const BPF_LINKER: &str = "0.13.0";
const CARGO_DENY: &str = "0.20.2";
/// The oldest Go with everything that the services under test use.
const GO: u32 = 21;

/// The directory that holds bpf-linker, linked against the toolchain's own LLVM.
pub fn bpf_linker(place: &Place) -> Result<PathBuf> {
    let bin = place.cache.join("bin");
    // It does not start without the LLVM that it was linked against, so this notices a toolchain that is gone.
    if version_of(&bin.join("bpf-linker")).is_some_and(|version| version.ends_with(BPF_LINKER)) {
        return Ok(bin);
    }
    say("building bpf-linker (about a minute, once)");
    let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
    let library = llvm_library(&sysroot.join("lib"))?;
    let llvm = place.cache.join("llvm");
    fs::create_dir_all(llvm.join("lib")).with_context(|| format!("make {}", llvm.display()))?;
    let link = llvm.join("lib/libLLVM.so");
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link).with_context(|| format!("remove {}", link.display()))?;
    }
    std::os::unix::fs::symlink(&library, &link).with_context(|| format!("link {}", link.display()))?;
    let major = llvm_major()?;
    run(install(place, "bpf-linker", BPF_LINKER)
        .args(["--no-default-features", "--features", &format!("llvm-{major}")])
        .env("LLVM_PREFIX", &llvm)
        .env("RUSTFLAGS", format!("-C link-arg=-Wl,-rpath,{}", sysroot.join("lib").display())))?;
    Ok(bin)
}

pub fn cargo_deny(place: &Place) -> Result<PathBuf> {
    let binary = place.cache.join("bin/cargo-deny");
    if version_of(&binary).is_none_or(|version| !version.ends_with(CARGO_DENY)) {
        say("building cargo-deny (a few minutes, once)");
        // Unoptimized: it takes a second to run either way, and a third of the time to build.
        run(install(place, "cargo-deny", CARGO_DENY)
            .args(["--no-default-features", "--debug"])
            .env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    Ok(binary)
}

/// Go, which builds the services under test.
pub fn need_go() -> Result<()> {
    const BRINGS: &str = "Go 1.21 or newer comes from https://go.dev/doc/install, or with: apt-get install -y -t bookworm-backports golang-go";
    let Ok(printed) = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output() else {
        bail!("go is missing; {BRINGS}");
    };
    let version = String::from_utf8_lossy(&printed.stdout);
    let minor = version
        .trim()
        .strip_prefix("go1.")
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok());
    match minor {
        Some(minor) if minor >= GO => Ok(()),
        _ => bail!("go is too old: {}; {BRINGS}", version.trim()),
    }
}

pub fn need_root(task: &str) -> Result<()> {
    if output(Command::new("id").arg("-u"))?.trim() == "0" {
        return Ok(());
    }
    bail!("make {task} attaches probes, which takes root: sudo make {task}");
}

/// A Debian package, and a file that it brings.
pub type Package = (&'static str, &'static str);

pub const POSTGRESQL: Package = ("postgresql", "/usr/lib/postgresql");
/// What Kafka runs on.
pub const JAVA: Package = ("openjdk-17-jre-headless", "/usr/bin/java");
/// What fetches Kafka.
pub const MAVEN: Package = ("maven", "/usr/bin/mvn");

/// Installs those that a task needs and that are missing.
pub fn need_packages(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    say(&command);
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive");
    if succeeds(&mut install) {
        return Ok(());
    }
    // An image without package lists knows no package.
    run(Command::new("apt-get").args(["update", "-q"]))
        .with_context(|| format!("missing packages; they come with: {command}"))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .with_context(|| format!("missing packages; they come with: {command}"))
}

fn install(place: &Place, name: &str, version: &str) -> Command {
    let mut command = cargo(&place.root);
    // Not the workspace's target directory: cargo install keeps its own and removes it.
    command.env_remove("CARGO_TARGET_DIR");
    command.args(["install", "--quiet", name, "--version", version, "--locked", "--force", "--root"]).arg(&place.cache);
    command
}

/// The last word of what `--version` prints, if the binary is there and starts.
fn version_of(binary: &Path) -> Option<String> {
    let printed = Command::new(binary).arg("--version").output().ok().filter(|printed| printed.status.success())?;
    String::from_utf8_lossy(&printed.stdout).split_whitespace().last().map(str::to_owned)
}

fn llvm_library(directory: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libLLVM.so.")) {
            return Ok(path);
        }
    }
    bail!("no libLLVM.so.* in {}", directory.display())
}

/// bpf-linker has a feature for each LLVM; it must be the toolchain's.
fn llvm_major() -> Result<String> {
    let printed = output(Command::new("rustc").arg("-vV"))?;
    let version = printed
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .context("rustc -vV names no LLVM version")?;
    Ok(version.split('.').next().unwrap_or(version).to_owned())
}
