//! Builds the same programs with every Go version, in every way, for both architectures, and checks what is read from each. Hours where
//! nothing was built before; with arguments a part of it (`make matrix ARGS='--slice'`).

use anyhow::{Context, Result};

use crate::place::Place;
use crate::step::{cargo, run, say};
use crate::{build, tools};

/// The whole is written to `docs/matrix.md`.
pub fn run_all(place: &Place, arguments: &[String]) -> Result<()> {
    tools::need_go()?;
    build::all(place)?;
    say("building and reading the matrix");
    let mut command = cargo(&place.root);
    command.args(["run", "--release", "--package", "uprobed-matrix", "--"]).args(arguments);
    if arguments.is_empty() {
        let docs = place.root.join("docs");
        std::fs::create_dir_all(&docs).with_context(|| format!("create {}", docs.display()))?;
        command.arg("--table").arg(docs.join("matrix.md"));
    }
    run(&mut command)
}
