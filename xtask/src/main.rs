//! What `make` calls: gets the tools that are missing, builds the three worlds in their order, runs tests and measurements.
//!
//! The pinned Rust toolchain is not its business: it runs on it already. What the tests and measurements themselves do
//! stands in `tests/`.

mod build;
mod check;
mod fuzz;
mod kernel;
mod live;
mod matrix;
mod place;
mod step;
mod test;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::place::Place;

const TASKS: &str = "build, demo, demo-full, test, test-kernel, fuzz, matrix, bench, bench-large, check, clean";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let place = Place::find()?;
    match task.as_deref() {
        Some("build") => build::all(&place),
        Some("ebpf") => build::ebpf(&place),
        Some("plugins") => build::plugins(&place),
        Some("demo") => live::demo(&place, &rest),
        Some("demo-full") => live::demo_full(&place, &rest),
        Some("bench") => live::bench(&place, &rest),
        Some("bench-large") => live::bench_large(&place, &rest),
        Some("test") => test::run(&place, &rest),
        Some("test-kernel") => kernel::run(&place),
        Some("fuzz") => fuzz::run(&place, &rest),
        Some("matrix") => matrix::run_all(&place, &rest),
        Some("check") => check::all(&place),
        Some("clean") => build::clean(&place),
        Some(other) => bail!("no task {other}; there are {TASKS}"),
        None => bail!("say which task: {TASKS}"),
    }
}
