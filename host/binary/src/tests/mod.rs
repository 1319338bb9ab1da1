//! Reads real programs, built here by several releases of Go, and broken ones.

mod bounds;
mod broken;
mod descriptors_broken;
mod descriptors_lookup;
mod dwarf_broken;
mod dwarf_files;
mod dwarf_go;
mod dwarf_native;
mod functions;
mod inlined;
mod sites_native;
mod sites_rows;
mod sites_whole;
mod symbols;
mod types;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::*;

const VERSIONS: [&str; 4] = ["go1.21.13", "go1.24.9", "go1.26.8", "go1.27.4"];
const PLAIN: &[&str] = &[];
const STRIPPED: &[&str] = &["-ldflags=-s -w"];
const PIE: &[&str] = &["-buildmode=pie"];
const STRIPPED_PIE: &[&str] = &["-buildmode=pie", "-ldflags=-s -w"];
/// By the system's linker, with packed relative relocations.
const RELR: &[&str] = &["-buildmode=pie", "-ldflags=-linkmode=external \"-extldflags=-Wl,-z,pack-relative-relocs\""];

const SOURCE: &str = include_str!("main.go");
const GO_MOD: &str = "module fixture\n\ngo 1.21\n";

/// The program as that release builds it. Each is built once a run; Go caches what it compiles.
fn program(version: &str, architecture: &str, arguments: &[&str]) -> Arc<Vec<u8>> {
    static PROGRAMS: OnceLock<Mutex<HashMap<String, Arc<Vec<u8>>>>> = OnceLock::new();
    let key = format!("{version} {architecture} {arguments:?}");
    let mut programs = PROGRAMS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    programs.entry(key).or_insert_with(|| Arc::new(build(version, architecture, arguments))).clone()
}

fn build(version: &str, architecture: &str, arguments: &[&str]) -> Vec<u8> {
    build_source(version, architecture, arguments, SOURCE)
}

fn build_source(version: &str, architecture: &str, arguments: &[&str], source: &str) -> Vec<u8> {
    build_with(version, architecture, arguments, source, &[])
}

/// With files besides `main.go`, by their paths.
fn build_with(version: &str, architecture: &str, arguments: &[&str], source: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let directory = Directory::new();
    for (path, text) in more {
        let path = directory.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::write(directory.0.join("go.mod"), GO_MOD).unwrap();
    std::fs::write(directory.0.join("main.go"), source).unwrap();
    let cgo = if arguments == RELR { "1" } else { "0" };
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o", "program"])
        .args(arguments)
        .current_dir(&directory.0)
        .envs([("GOTOOLCHAIN", version), ("GOARCH", architecture), ("CGO_ENABLED", cgo), ("GOFLAGS", "")])
        .output()
        .expect("go builds the programs that this test reads: install Go 1.21 or newer");
    assert!(output.status.success(), "{version} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(directory.0.join("program")).unwrap()
}

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("uprobed-binary-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn says_what_it_was_built_from() {
    for version in VERSIONS {
        for (arguments, independent) in [(STRIPPED, false), (STRIPPED_PIE, true)] {
            let program = program(version, "amd64", arguments);
            let binary = Binary::parse(&program).unwrap();
            let go = binary.go().unwrap();
            assert_eq!((go.version.as_str(), go.main.as_deref()), (version, Some("fixture")));
            assert_eq!(go.modules, [Module { path: "fixture".into(), version: "(devel)".into(), replaced_by: None }]);
            assert_eq!((binary.architecture(), binary.is_position_independent()), (Architecture::Amd64, independent));
            assert_eq!(binary.first_load_address(), 0x40_0000);
            assert!(binary.build_id().is_some_and(|id| !id.is_empty()));
        }
    }
}
