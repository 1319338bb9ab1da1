//! Builds the programs that live tests start with the installed Go, for a machine that has no Go and no shared library:
//! under the names by which the tests look for them when `UPROBED_PREBUILT` says where.

use std::path::PathBuf;

use anyhow::{Context, Result};
use uprobed_tests::programs::{LOAD, SERVICE};

fn main() -> Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).context("say into which directory")?);
    for program in [SERVICE, LOAD] {
        let name = program.name();
        program.without_c().build_to(&directory.join(name))?;
    }
    Ok(())
}
