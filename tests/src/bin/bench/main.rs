//! What tracing costs the traced program: its CPU per operation, alone on one core, without anything, with uprobed attached, and with
//! the OpenTelemetry Go SDK compiled in.
//!
//! Fresh processes for every run, the three in turn within each round, medians over the rounds. All else, the load and
//! uprobed among it, shares the other cores. Not a test: nothing here passes or fails.

mod libraries;
mod measure;
mod services;
mod table;

use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::measure::{Bench, Row, Run};

/// How a program is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Nothing,
    Uprobed,
    Sdk,
}

const CASES: [Case; 3] = [Case::Nothing, Case::Uprobed, Case::Sdk];

struct Options {
    rounds: usize,
    seconds: u64,
    /// Requests a second, of services; as many as there can be without.
    rate: Option<String>,
    /// Libraries.
    only: Vec<String>,
}

fn main() -> ExitCode {
    uprobed_tests::exit_code(run())
}

fn run() -> Result<()> {
    let rows = [&services::ROWS[..], &libraries::ROWS[..]].concat();
    let options = options(&rows)?;
    let bench = Bench::new(thread::available_parallelism()?.get(), &options)?;
    let mut tables = Vec::new();
    for row in rows.iter().filter(|row| options.only.is_empty() || options.only.iter().any(|only| only == row.library))
    {
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); CASES.len()];
        for round in 1..=options.rounds {
            for (case, runs) in CASES.iter().zip(&mut runs) {
                let run = bench.run(*case, row).with_context(|| format!("{case:?}, {}", row.what))?;
                eprintln!("{}, round {round}, {case:?}: {run}", row.what);
                runs.push(run);
            }
        }
        tables.push(table::table(row.what, &runs));
    }
    println!("\n{}\n\n{}", table::machine()?, tables.join("\n"));
    Ok(())
}

fn options(rows: &[Row]) -> Result<Options> {
    let mut options = Options { rounds: 5, seconds: 4, rate: None, only: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--rounds" => options.rounds = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--rate" => options.rate = Some(value),
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            _ => bail!("no option {name}; there are --rounds, --seconds, --rate and --only"),
        }
    }
    for only in &options.only {
        let has = |row: &Row| row.library == only;
        ensure!(rows.iter().any(has), "nothing of {only:?} is measured; there are http, grpc, sql and kafka");
    }
    Ok(options)
}
