//! The demos and the measurement: builds what they trace with, and hands over to the programs in `tests/`.

use anyhow::Result;

use crate::place::Place;
use crate::step::{cargo, run, say};
use crate::{build, tools};

/// What brings the servers that programs are traced against.
const SERVERS: [tools::Package; 3] = [tools::POSTGRESQL, tools::JAVA, tools::MAVEN];

pub fn demo(place: &Place, arguments: &[String]) -> Result<()> {
    hand_over(place, "demo", &[], arguments)
}

pub fn demo_full(place: &Place, arguments: &[String]) -> Result<()> {
    hand_over(place, "demo-full", &SERVERS, arguments)
}

pub fn bench(place: &Place, arguments: &[String]) -> Result<()> {
    hand_over(place, "bench", &SERVERS, arguments)
}

/// What it costs to read a large program: no probe, no root.
pub fn bench_large(place: &Place, arguments: &[String]) -> Result<()> {
    tools::need_go()?;
    build::all(place)?;
    say("building the measurement");
    run(cargo(&place.root).args(["build", "--release", "--package", "uprobed-matrix"]))?;
    run(std::process::Command::new(place.target.join("release/uprobed-large")).args(arguments))
}

fn hand_over(place: &Place, name: &str, packages: &[tools::Package], arguments: &[String]) -> Result<()> {
    tools::need_go()?;
    tools::need_root(name)?;
    tools::need_packages(packages)?;
    build::all(place)?;
    say(&format!("building the {name}"));
    run(cargo(&place.root).args(["build", "--release", "--package", "uprobed-tests", "--bins"]))?;
    run(std::process::Command::new(place.target.join("release").join(name)).current_dir(&place.root).args(arguments))
}
