//! Services of `net/http`: what it costs to serve a request, and to make one.

use std::process::Command;

use anyhow::{Context, Result};
use uprobed_tests::programs::{LOAD, PLAIN, Program, SERVICE};

use crate::Case;
use crate::libraries;
use crate::measure::{ANY, Bench, Load, Row, Stage, listening};

const SDK: Program = Program::new("go-bench/http").go("auto").flags(libraries::SDK);

pub const ROWS: [Row; 2] = [
    Row { what: "a request served", library: "http", spans: 1.0, mark: ANY, stage: served },
    Row { what: "a request served and a call made for it", library: "http", spans: 2.0, mark: ANY, stage: called },
];

fn served(bench: &Bench, case: Case) -> Result<Stage> {
    // Without calls to make, a service has no client linked in, and no probes for one.
    let program = if case == Case::Sdk { SDK.build()? } else { PLAIN.build()? };
    let (target, url) = listening(&mut bench.target(&program, case, &[]))?;
    Ok(Stage { target, others: Vec::new(), load: requests(bench, url, "/plain/{i}")? })
}

fn called(bench: &Bench, case: Case) -> Result<Stage> {
    let (upstream, url) = listening(Command::new(PLAIN.build()?).env("GOMAXPROCS", "1"))?;
    let program = if case == Case::Sdk { SDK.build()? } else { SERVICE.build()? };
    let (target, url) = listening(&mut bench.target(&program, case, &["--upstream", &url]))?;
    Ok(Stage { target, others: vec![upstream], load: requests(bench, url, "/call/{i}")? })
}

/// Requests of the load generator's, 16 at once.
fn requests(bench: &Bench, url: String, path: &'static str) -> Result<Load> {
    let (program, rate) = (LOAD.build()?, bench.rate.clone());
    Ok(Box::new(move |seconds| {
        let mut command = Command::new(&program);
        command.args(["--url", &url, "--paths", path, "--c", "16", "--for", &format!("{seconds}s")]);
        command.args(rate.iter().flat_map(|rate| ["--rate", rate]));
        let printed = command.output().context("start the load")?;
        serde_json::from_slice(&printed.stdout).context("read the load's summary")
    }))
}
