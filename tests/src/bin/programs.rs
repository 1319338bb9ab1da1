//! Builds the programs that live tests start with the installed compilers, for a machine that has none:
//! under the names by which the tests look for them when `UPROBED_PREBUILT` says where.

use std::path::PathBuf;

use anyhow::{Context, Result};
use uprobed_tests::programs::{self, LOAD, ORDERS, SERVICE};

fn main() -> Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).context("say into which directory")?);
    for program in [SERVICE, LOAD] {
        let name = program.name();
        program.without_c().build_to(&directory.join(name))?;
    }
    programs::orders(&directory.join(ORDERS))
}
