//! Both demos run to their end. They check every trace themselves.

use std::process::Command;

use anyhow::{Context, Result, ensure};

#[test]
fn shows_two_services() -> Result<()> {
    run(env!("CARGO_BIN_EXE_demo"))
}

/// Its programs call few of their libraries' functions each, and the linker leaves out the others.
#[test]
fn shows_a_shop_of_every_library() -> Result<()> {
    run(env!("CARGO_BIN_EXE_demo-full"))
}

fn run(demo: &str) -> Result<()> {
    let output = Command::new(demo).output().with_context(|| format!("start {demo}"))?;
    let [printed, said] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    ensure!(output.status.success(), "it ended with {}:\n{said}\n{printed}", output.status);
    Ok(())
}
