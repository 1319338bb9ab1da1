//! Runs every test of every world and closes with one line that says how many passed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::step::{cargo, say};
use crate::{build, fuzz, kernel, matrix, tools};

/// Seconds of processor time for each target.
const FUZZED: u64 = 10;

#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// `filters` go to the live tests alone, as to `cargo test`: then nothing else runs.
pub fn run(place: &Place, filters: &[String]) -> Result<()> {
    tools::need_go()?;
    tools::need_root("test")?;
    // What native programs are built with, and taken apart; the servers that are traced against, and what fetches one.
    tools::need_packages(&[
        ("g++", "/usr/bin/g++"),
        ("binutils", "/usr/bin/objcopy"),
        tools::POSTGRESQL,
        ("mariadb-server", "/usr/sbin/mariadbd"),
        tools::JAVA,
        tools::MAVEN,
    ])?;
    build::all(place)?;
    let mut tally = Tally::default();
    if filters.is_empty() {
        say("running the unit tests");
        for package in native_packages(place)? {
            tally.cargo_test(cargo(&place.root).args([
                "test",
                "--release",
                "--no-fail-fast",
                "--package",
                &package,
            ]))?;
        }
    }
    say("running the live tests");
    let mut live = cargo(&place.root);
    live.args(["test", "--release", "--no-fail-fast", "--package", "uprobed-tests", "--", "--test-threads=1"]);
    tally.cargo_test(live.args(filters))?;
    if filters.is_empty() {
        tally.one("the live test on Linux 6.1", kernel::run(place));
        tally.one("a part of the matrix of Go builds", matrix::run_all(place, &["--slice".to_owned()]));
        tally.one(
            "fuzzing what reads executables and statements",
            fuzz::fuzz(place, FUZZED, &fuzz::targets().collect::<Vec<_>>()),
        );
    }
    let line = format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    fs::write(place.target.join("test-result"), format!("{line}\n")).context("write target/test-result")?;
    println!("{line}");
    if tally.failed > 0 || tally.passed == 0 {
        bail!("not every test passed");
    }
    Ok(())
}

impl Tally {
    /// Passes on what cargo prints and adds up its closing lines.
    fn cargo_test(&mut self, command: &mut Command) -> Result<()> {
        // An error says what it has to say; where it was made is noise.
        let mut child =
            command.env("RUST_LIB_BACKTRACE", "0").stdout(Stdio::piped()).spawn().context("start cargo test")?;
        let printed = child.stdout.take().context("cargo test has no output")?;
        let failed_before = self.failed;
        for line in BufReader::new(printed).lines() {
            let line = line.context("read what cargo test printed")?;
            writeln!(io::stdout(), "{line}")?;
            self.add(&line);
        }
        let status = child.wait().context("wait for cargo test")?;
        if !status.success() && self.failed == failed_before {
            // It did not build, or a test binary died: no closing line tells.
            self.failed += 1;
        }
        Ok(())
    }

    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    fn one(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                self.failed += 1;
            }
        }
    }
}

/// Every package but the live tests'.
fn native_packages(place: &Place) -> Result<Vec<String>> {
    let mut packages: Vec<String> =
        ["uprobed", "uprobed-binary", "uprobed-ebpf", "uprobed-matrix", "uprobed-sdk", "xtask"]
            .map(str::to_owned)
            .into();
    packages.extend(build::guests(place)?.into_iter().map(|guest| guest.package));
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_closing_lines() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        tally.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.00s");
        tally.add("3 passed; not a closing line");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (4, 2, 1));
    }
}
