//! The matrix: builds the programs of `tests/go/matrix`, plans the plugin of its library for each, checks that plan and what
//! `uprobed-binary` reads against Go's own readers, prints a line for each binary and writes the table. What the host needs and what plugins
//! do without stands in `tests/wanted`.

mod check;
mod compile;
mod planned;
mod table;
mod variant;
mod witness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use uprobed_binary::Binary;
use uprobed_matrix::plan::{Manifest, Plans};
use uprobed_matrix::wanted::{Wanted, Without};

use check::{Check, Outcome};
use compile::Compiler;
use planned::Planned;
use variant::{Mode, Variant};
use witness::Witness;

const USAGE: &str = "usage: uprobed-matrix [--slice] [--kept DIRECTORY] [--reuse-only] [--uprobed FILE] [--plugins DIRECTORY] [--table FILE] [WORD,WORD…]…
  --slice       a part that takes minutes: the newest Go plain and as a stripped PIE, the oldest stripped
  --kept        where the binaries are kept from run to run; target/matrix unless told
  --reuse-only  check what is there, build nothing
  --uprobed     what plans; target/release/uprobed unless told
  --plugins     what is planned; target/plugins unless told
  --table       write the table of what was checked
  WORD          only binaries of which it is a part: go1.27.4, arm64, race, grpc; every argument must hold";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Options {
    kept: Option<PathBuf>,
    uprobed: Option<PathBuf>,
    plugins: Option<PathBuf>,
    table: Option<PathBuf>,
    reuse_only: bool,
    slice: bool,
    filters: Vec<String>,
}

/// Where what is compared comes from.
struct Sources {
    compiler: Compiler,
    /// The program that reads what there is to compare with.
    witness: PathBuf,
    uprobed: PathBuf,
    plugins: PathBuf,
    /// `tests/wanted`
    wanted: PathBuf,
}

/// A binary that was checked.
pub struct Row {
    pub variant: Variant,
    /// The libraries that the table names, with their versions.
    pub libraries: String,
    pub outcome: Outcome,
}

fn run() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().context("find the checkout")?;
    let kept = options.kept.clone().unwrap_or_else(|| root.join("target/matrix"));
    let sources = root.join("tests/go/matrix");
    let changed = compile::changed(&sources)?;
    let compiler = Compiler { sources, kept, reuse_only: options.reuse_only, changed };
    let chosen: Vec<Variant> = Variant::all().filter(|&variant| options.chooses(variant)).collect();
    if !options.reuse_only {
        compile::need_tools(&chosen)?;
    }
    let sources = Sources {
        witness: compiler.witness()?,
        uprobed: options.uprobed.clone().unwrap_or_else(|| root.join("target/release/uprobed")),
        plugins: options.plugins.clone().unwrap_or_else(|| root.join("target/plugins")),
        wanted: root.join("tests/wanted"),
        compiler,
    };
    let (rows, failures) = check_all(&sources, &chosen);
    if let Some(path) = &options.table {
        fs::write(path, table::write(&rows)).with_context(|| format!("write {}", path.display()))?;
    }
    if rows.is_empty() {
        bail!("nothing was checked");
    }
    let structs: usize = rows.iter().map(|row| row.outcome.agreeing).sum();
    println!("{} binaries, {structs} structs agree, {failures} binaries with mismatches", rows.len());
    if failures > 0 {
        bail!("{failures} binaries are not read as they are");
    }
    Ok(())
}

/// A binary that cannot be built or read is a failure, and the others are still checked.
fn check_all(sources: &Sources, chosen: &[Variant]) -> (Vec<Row>, usize) {
    let mut last: Option<(Variant, Witness)> = None;
    let mut rows = Vec::new();
    let mut failures = 0;
    for &variant in chosen {
        match check_one(sources, variant, &mut last) {
            Ok(None) => {}
            Ok(Some(row)) => {
                print(&row);
                failures += usize::from(!row.outcome.mismatches.is_empty());
                rows.push(row);
            }
            Err(error) => {
                println!("{variant}: {error:#}");
                failures += 1;
            }
        }
    }
    (rows, failures)
}

fn check_one(sources: &Sources, variant: Variant, last: &mut Option<(Variant, Witness)>) -> Result<Option<Row>> {
    let Some(path) = sources.compiler.binary(variant)? else { return Ok(None) };
    let Some(seen) = sources.compiler.binary(variant.witness())? else { return Ok(None) };
    let witness = match last.take() {
        Some((of, witness)) if of == variant.witness() => witness,
        _ => Witness::ask(&sources.witness, &seen)?,
    };
    let (_, witness) = last.insert((variant.witness(), witness));
    let plans = Plans::ask(&sources.uprobed, &sources.plugins, &path)?;
    let data = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let binary = Binary::parse(&data).with_context(|| format!("read {}", path.display()))?;
    let go = binary.go().with_context(|| format!("no build info in {}", path.display()))?;
    let wanted = Wanted::read(&sources.wanted.join("runtime.toml"))?;
    let without = Without::read(&sources.wanted.join(variant.program).with_extension("toml"))?;
    let stripped = variant.mode.is_stripped();
    let functions = plans.manifests.iter().flat_map(Manifest::functions).collect();
    let mut outcome = Check { binary: &binary, go, wanted: &wanted, functions, witness, stripped }.run();
    let planned = Planned { plans: &plans, go, witness, without: &without, stripped };
    planned.check(variant.program, &mut outcome)?;
    Ok(Some(Row { variant, libraries: table::libraries(go), outcome }))
}

fn print(row: &Row) {
    let Outcome { fields, functions, inlined, bypassed, pruned, absent, agreeing, unseen, mismatches } = &row.outcome;
    println!(
        "{}: {} fields and {functions} functions found, {} inlined, {} bypassed, {} pruned, {} absent, {agreeing} structs agree, {} have no DWARF",
        row.variant,
        fields.len(),
        inlined.len(),
        bypassed.len(),
        pruned.len(),
        absent.len(),
        unseen.len(),
    );
    for mismatch in mismatches {
        println!("    {mismatch}");
    }
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--kept" => options.kept = Some(arguments.next().context(USAGE)?.into()),
                "--uprobed" => options.uprobed = Some(arguments.next().context(USAGE)?.into()),
                "--plugins" => options.plugins = Some(arguments.next().context(USAGE)?.into()),
                "--table" => options.table = Some(arguments.next().context(USAGE)?.into()),
                "--reuse-only" => options.reuse_only = true,
                "--slice" => options.slice = true,
                _ if argument.starts_with('-') => bail!(USAGE),
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    fn chooses(&self, variant: Variant) -> bool {
        let name = variant.to_string();
        let is_part = |words: &String| words.split(',').any(|word| name.split('/').any(|part| part == word));
        variant.exists() && (!self.slice || in_slice(variant)) && self.filters.iter().all(is_part)
    }
}

fn in_slice(variant: Variant) -> bool {
    let newest = variant.toolchain == variant::newest() && matches!(variant.mode, Mode::Plain | Mode::StrippedPie);
    let oldest = variant.toolchain == variant::oldest() && variant.mode == Mode::Stripped && variant.program == "http";
    variant.architecture == variant::Architecture::Amd64 && (newest || oldest)
}
