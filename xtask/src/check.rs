//! Formatting, lints and licences, for each of the three worlds.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::place::Place;
use crate::step::{cargo, output, run, say};
use crate::{build, fuzz, tools};

pub fn all(place: &Place) -> Result<()> {
    say("checking the formatting");
    run(cargo(&place.root).args(["fmt", "--all", "--check"]))?;
    go_formatting(place)?;

    // The host includes the eBPF program, so it has to be there to be linted.
    build::ebpf(place)?;
    say("linting the eBPF program");
    run(build::ebpf_cargo(place, "clippy")?.args(["--release", "--", "-D", "warnings"]))?;

    say("linting the plugins");
    run(build::guest_cargo(place, "clippy", &build::guests(place)?).args(["--", "-D", "warnings"]))?;

    say("linting everything native (minutes the first time)");
    // Optimized like the build, so that both share the build scripts of the dependencies.
    run(cargo(&place.root).args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;

    say("linting the fuzz targets");
    for directory in fuzz::directories(place) {
        run(cargo(&directory).args(["fmt", "--check"]))?;
        let mut clippy = cargo(&directory);
        clippy.env("CARGO_TARGET_DIR", place.target.join("fuzz"));
        run(clippy.args(["clippy", "--lib", "--bins", "--tests", "--locked", "--", "-D", "warnings"]))?;
    }

    let deny = tools::cargo_deny(place)?;
    say("checking licences and sources");
    run(Command::new(deny).current_dir(&place.root).args(["check", "licenses", "bans", "sources"]))
}

fn go_formatting(place: &Place) -> Result<()> {
    tools::need_go()?;
    let unformatted = output(Command::new("gofmt").current_dir(&place.root).args(["-l", "tests", "demo"]))?;
    ensure!(unformatted.is_empty(), "gofmt would change:\n{unformatted}");
    Ok(())
}
