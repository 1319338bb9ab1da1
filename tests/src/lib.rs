//! What the live tests, the demo and the measurement share: Go programs that are built and run, uprobed beside them, the
//! spans that it wrote, and the comparison of those with what the programs know about themselves.
//!
//! No expected value comes from uprobed.

pub mod broker;
pub mod collector;
pub mod databases;
pub mod demo;
pub mod faults;
pub mod journal;
pub mod otlp;
pub mod process;
pub mod programs;
pub mod scene;
pub mod sink;
pub mod tracer;
pub mod tree;
pub mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

/// What a program ends with that did this; says what went wrong.
pub fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Where tests put what they build and write; `UPROBED_SCRATCH` says another place.
pub fn scratch() -> PathBuf {
    std::env::var_os("UPROBED_SCRATCH").map_or_else(|| root().join("target/tests"), PathBuf::from)
}
