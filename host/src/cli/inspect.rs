//! `uprobed inspect`.

use std::{
    io::{self, Write},
    path::Path,
};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use clap::Args;

use uprobed::{
    binary::{Cost, Site, first_callers},
    inspect::{Agreement, Function, Place, Report, Struct},
};

use super::{
    exit::Failure,
    select::{self, Format},
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    target: select::Target,
    /// A type's fields, by its full name, as net/http.Request; may be given again
    #[arg(long = "type", value_name = "NAME")]
    types: Vec<String>,
    /// Functions with this full name, in which * stands for anything, as 'net/http.(*Request).*'; may be given again
    #[arg(long = "functions", value_name = "PATTERN")]
    functions: Vec<String>,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Arguments {
    pub fn run(self) -> Result<u8> {
        let (executable, shown) = self.target.open()?;
        let binary = executable.binary()?;
        let report = Report::new(&binary, &self.types, &self.functions)
            .map_err(|error| Failure::Usage(format!("--functions: {error}")))?;
        let printed = match self.format {
            Format::Table => {
                table(&shown, executable.debug_file(), &report, self.types.is_empty() && self.functions.is_empty())
            }
            Format::Json => json(&shown, executable.debug_file(), &report),
        };
        match printed {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            printed => printed.context("print what is there")?,
        }
        Ok(if report.missing.is_empty() { 0 } else { 5 })
    }
}

fn json(shown: &Path, debug_file: Option<&Path>, report: &Report) -> io::Result<()> {
    let all = serde_json::json!({"executable": shown, "debug_file": debug_file, "report": report});
    writeln!(io::stdout().lock(), "{all:#}")
}

fn table(shown: &Path, debug_file: Option<&Path>, report: &Report, with_modules: bool) -> io::Result<()> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    let placement = if report.position_independent { "position independent" } else { "at a fixed address" };
    let go = report.go.as_deref().unwrap_or("not a Go program");
    writeln!(out, "{BOLD}{}{BOLD:#}  {go}, {}, {placement}", shown.display(), report.architecture)?;
    if let Some(id) = &report.build_id {
        writeln!(out, "{DIM}build id {id}{DIM:#}")?;
    }
    if let Some(path) = debug_file {
        writeln!(out, "{DIM}debug file {}{DIM:#}", path.display())?;
    }
    if with_modules {
        modules(&mut out, report)?;
    }
    for ty in &report.types {
        structure(&mut out, ty)?;
    }
    for function in &report.functions {
        self::function(&mut out, function)?;
    }
    if report.more_functions > 0 {
        writeln!(out, "{DIM}and {} more{DIM:#}", report.more_functions)?;
    }
    for missing in &report.missing {
        writeln!(out, "\n{WARN}{}{WARN:#}  {}", missing.name, missing.why)?;
    }
    Ok(())
}

fn modules(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if let Some(main) = &report.main {
        writeln!(out, "{DIM}main package {main}{DIM:#}")?;
    }
    let width = report.modules.iter().map(|module| module.path.chars().count()).max().unwrap_or(0).min(72);
    if !report.modules.is_empty() {
        writeln!(out, "\n{BOLD}modules{BOLD:#}")?;
    }
    for module in &report.modules {
        writeln!(out, "  {:<width$}  {}", module.path, module.version)?;
    }
    if !report.settings.is_empty() {
        writeln!(out, "\n{BOLD}built with{BOLD:#}")?;
    }
    for setting in &report.settings {
        writeln!(out, "  {}={}", setting.key, setting.value)?;
    }
    Ok(())
}

fn structure(out: &mut impl Write, ty: &Struct) -> io::Result<()> {
    write!(out, "\n{BOLD}{}{BOLD:#}  {}, {} bytes, by {}", ty.name, ty.kind, ty.size, ty.source)?;
    match ty.agreement {
        Agreement::Alone => writeln!(out)?,
        Agreement::Agrees => writeln!(out, ", as dwarf has it")?,
        Agreement::Disagrees => writeln!(out, ", {BAD}dwarf has it otherwise{BAD:#}")?,
    }
    let width = ty.fields.iter().map(|field| field.name.chars().count()).max().unwrap_or(0).min(40);
    for field in &ty.fields {
        let embedded = if field.embedded { " (embedded)" } else { "" };
        write!(
            out,
            "  {:>6}  {:>5}  {:<width$}  {DIM}{}{embedded}{DIM:#}",
            field.offset, field.size, field.name, field.ty
        )?;
        match field.elsewhere {
            Some(offset) => writeln!(out, "  {BAD}dwarf: {offset}{BAD:#}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn function(out: &mut impl Write, function: &Function) -> io::Result<()> {
    let convention = match function.convention {
        "go" => "",
        "go-stack" => ", arguments on the stack",
        _ => ", native",
    };
    write!(
        out,
        "\n{BOLD}{}{BOLD:#}  {DIM}{:#x}, {} bytes{convention}{DIM:#}",
        function.name, function.address, function.size
    )?;
    writeln!(out)?;
    if let Some(demangled) = &function.demangled {
        writeln!(out, "  {DIM}{demangled}{DIM:#}")?;
    }
    if function.inlined > 0 {
        const SHOWN: usize = 3;
        let callers = first_callers(&function.inlined_into, function.inlined, SHOWN);
        writeln!(out, "  {WARN}also inlined into {callers}: calls there do not come to it{WARN:#}")?;
    }
    match &function.entry {
        Place::At(site) => self::site(out, "entry", site)?,
        Place::Refused(why) => writeln!(out, "  {:<7} {WARN}{why}{WARN:#}", "entry")?,
    }
    match &function.returns {
        Place::At(sites) => sites.iter().try_for_each(|site| self::site(out, "return", site)),
        Place::Refused(why) => writeln!(out, "  {:<7} {WARN}{why}{WARN:#}", "return"),
    }
}

fn site(out: &mut impl Write, what: &str, site: &Site) -> io::Result<()> {
    let cost = match site.cost {
        Cost::Emulated => "emulated",
        Cost::Stepped => "single-stepped",
    };
    writeln!(out, "  {what:<7} {:#x}  {:<36} {DIM}{cost}{DIM:#}", site.address, site.instruction)
}
