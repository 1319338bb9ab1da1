//! Builds the three worlds: the eBPF program, the plugins, and the host, which includes the first.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::place::Place;
use crate::step::{cargo, output, run, say};
use crate::tools;

pub const GUEST: &str = "wasm32-unknown-unknown";
pub const BPF: &str = "bpfel-unknown-none";

pub fn all(place: &Place) -> Result<()> {
    ebpf(place)?;
    plugins(place)?;
    say("building uprobed (minutes the first time)");
    run(cargo(&place.root).args(["build", "--release", "--package", "uprobed"]))
}

pub fn ebpf(place: &Place) -> Result<()> {
    say("building the eBPF program");
    run(ebpf_cargo(place, "build")?.arg("--release"))?;
    let built = place.target.join("ebpf").join(BPF).join("release/uprobed-ebpf");
    copy(&built, &place.ebpf_object())
}

/// cargo for the eBPF program: another target, its own `core`, and a directory of its own, because RUSTC_BOOTSTRAP would
/// make build scripts that both worlds share run again and again.
pub fn ebpf_cargo(place: &Place, subcommand: &str) -> Result<std::process::Command> {
    let linker = tools::bpf_linker(place)?;
    let mut path = linker.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = cargo(&place.root);
    command
        .env("PATH", path)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", place.target.join("ebpf"))
        // BTF, which the kernel wants for callbacks, is made from debug information.
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .args([subcommand, "--package", "uprobed-ebpf", "--bin", "uprobed-ebpf", "--target", BPF, "-Zbuild-std=core"]);
    Ok(command)
}

pub fn plugins(place: &Place) -> Result<()> {
    let guests = guests(place)?;
    for directory in guests.iter().map(|guest| &guest.destination) {
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        // The host refuses a directory that others can write to, whatever the umask was.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    say("building the plugins");
    run(&mut guest_cargo(place, "build", &guests))?;
    for guest in &guests {
        let built = place.target.join("guests").join(GUEST).join("release").join(&guest.artifact);
        copy(&built, &guest.destination.join(format!("{}.wasm", guest.name)))?;
    }
    Ok(())
}

/// cargo for the plugins: small, and in a directory of their own, so that they need not wait while the host is built.
pub fn guest_cargo(place: &Place, subcommand: &str, guests: &[Guest]) -> std::process::Command {
    let mut command = cargo(&place.root);
    command
        .env("CARGO_TARGET_DIR", place.target.join("guests"))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .args([subcommand, "--release", "--target", GUEST])
        .args(guests.iter().flat_map(|guest| ["--package", &guest.package]));
    command
}

pub fn clean(place: &Place) -> Result<()> {
    match fs::remove_dir_all(&place.target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", place.target.display()))
        }
        _ => Ok(()),
    }
}

/// A plugin of this repository: `plugins/http` is package `uprobed-http`, say, and becomes `http.wasm`. Those in `tests/plugins` go into a
/// directory of their own.
pub struct Guest {
    pub name: String,
    pub package: String,
    artifact: PathBuf,
    destination: PathBuf,
}

pub fn guests(place: &Place) -> Result<Vec<Guest>> {
    let metadata = output(cargo(&place.root).args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("read what cargo metadata printed")?;
    let mut guests = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let Some((directory, above)) = manifest.parent().and_then(|path| Some((path, path.parent()?))) else {
            continue;
        };
        let destination = match above.strip_prefix(&place.root) {
            Ok(above) if above == Path::new("plugins") => place.plugins(),
            Ok(above) if above == Path::new("tests/plugins") => place.target.join("test-plugins"),
            _ => continue,
        };
        let library = package["targets"].as_array().into_iter().flatten().find(|target| {
            target["crate_types"].as_array().is_some_and(|types| types.iter().any(|kind| kind == "cdylib"))
        });
        let library = library.with_context(|| format!("{} has no cdylib", manifest.display()))?;
        let crate_name = library["name"].as_str().unwrap_or_default().replace('-', "_");
        guests.push(Guest {
            name: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            package: package["name"].as_str().unwrap_or_default().to_owned(),
            artifact: format!("{crate_name}.wasm").into(),
            destination,
        });
    }
    if guests.is_empty() {
        bail!("no plugin in {}", place.root.join("plugins").display());
    }
    Ok(guests)
}

/// Copies only what changed, so that what depends on it is not built again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    // Beside it first: a uprobed that watches the directory must never see half a file.
    let beside = to.with_extension("new");
    fs::write(&beside, bytes).with_context(|| format!("write {}", beside.display()))?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o644))?;
    fs::rename(&beside, to).with_context(|| format!("write {}", to.display()))
}
