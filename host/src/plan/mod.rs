//! Turns a manifest and a binary into a plan: sites, capture programs, and what was left out and why. Touches neither disk nor
//! kernel, and knows no library.
//!
//! - `path`, `arguments`: the two small languages of a manifest;
//! - `types`, `registers`: what types are, and where Go's calling convention puts their values;
//! - `walk`, `emit`: following a path, and the operations that do it at a hit;
//! - `bind`, `capture`, `compile`, `tighten`: from a probe to its program;
//! - `runtime`: what has to be known of Go's runtime, and the host's own probe there;
//! - `disassemble`, `table`: for people.

mod arguments;
mod bind;
mod capture;
mod compile;
mod disassemble;
mod emit;
mod path;
mod registers;
mod runtime;
mod skip;
mod table;
#[cfg(test)]
mod tests;
mod tighten;
mod types;
mod walk;

pub use disassemble::disassemble;
pub use runtime::spawn;
pub use skip::Skip;
pub use table::table;
pub use walk::Origin;

use crate::{
    binary::{self, Binary, Kind, Site},
    manifest::{self, Manifest, Probe, Role},
};
use bind::Kept;
use compile::Compiled;
use serde::Serialize;
use types::Ty;
use uprobed_ebpf::{
    program::{Program, flags},
    wire::CONTEXT_TYPES,
};

/// What to attach, for one plugin and one binary.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The plugin's scope: `uprobed/http`, `0.1.0`.
    pub plugin: String,
    pub version: String,
    pub probes: Vec<PlannedProbe>,
    pub skipped: Vec<Skipped>,
    /// Link-time addresses of the types through which contexts are followed.
    pub context_types: Vec<u64>,
    /// The kinds of span; a span's number is `first_span` plus its index here.
    pub spans: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct PlannedProbe {
    /// In the manifest.
    pub index: usize,
    pub name: String,
    pub group: String,
    /// None for the host's own.
    pub role: Option<Role>,
    pub span: String,
    pub symbol: String,
    pub sites: Vec<Site>,
    #[serde(skip)]
    pub program: Box<Program>,
    pub captures: Vec<CaptureSource>,
    /// The most bytes of one record, its head included; 0 for the host's own, which record nothing.
    pub bytes: u32,
    /// Alternatives that the types of this program rule out.
    pub dropped: Vec<Dropped>,
}

/// How a capture is read.
#[derive(Debug, Serialize)]
pub struct CaptureSource {
    pub name: String,
    /// Its alternatives in this program; none if it is absent.
    pub paths: Vec<PathSource>,
}

#[derive(Debug, Serialize)]
pub struct PathSource {
    pub path: String,
    /// `req+16 -> +56`
    pub offsets: String,
    /// None where no offset is needed: the value is an argument.
    pub origins: Vec<Origin>,
}

#[derive(Debug, Serialize)]
pub struct Dropped {
    /// `capture status`, `binding tcp`, `adopt`
    pub what: String,
    pub path: String,
    pub why: String,
}

#[derive(Debug, Serialize)]
pub struct Skipped {
    /// `probe serve`, `group http2`, `context type *context.valueCtx`
    pub what: String,
    #[serde(serialize_with = "as_text")]
    pub why: Skip,
}

fn as_text<S: serde::Serializer>(skip: &Skip, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(skip)
}

/// `plugin` goes into every record; spans are numbered from `first_span`, which is to be unique on this host.
pub fn plan(manifest: &Manifest, binary: &Binary, plugin: u32, first_span: u32) -> Plan {
    let mut spans: Vec<String> = Vec::new();
    for probe in &manifest.probes {
        if !spans.contains(&probe.span) {
            spans.push(probe.span.clone());
        }
    }
    let mut outcomes = outcomes(manifest, binary);
    let mut skipped = leave_out_groups(manifest, &mut outcomes);
    let context_types = context_types(manifest, binary, &mut skipped);
    let mut probes = Vec::new();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let Ok(Ready { symbol, sites, compiled }) = outcome else { continue };
        let probe = &manifest.probes[index];
        let mut program = compiled.program;
        program.plugin = plugin;
        program.probe = u16::try_from(index).unwrap_or(u16::MAX);
        let number = spans.iter().position(|span| *span == probe.span).unwrap_or(0);
        program.span = first_span.wrapping_add(number as u32);
        if sites.iter().any(|site| site.ignore_if_below_or_equal) {
            program.flags |= flags::IGNORE_IF_BELOW_OR_EQUAL;
        }
        probes.push(PlannedProbe {
            index,
            name: probe.name.clone(),
            group: manifest.groups.get(probe.group).map(|group| group.name.clone()).unwrap_or_default(),
            role: Some(probe.role),
            span: probe.span.clone(),
            symbol,
            sites,
            program,
            captures: compiled.captures,
            bytes: compiled.bytes,
            dropped: compiled.dropped,
        });
    }
    Plan { plugin: manifest.name.clone(), version: manifest.version.clone(), probes, skipped, context_types, spans }
}

/// A probe that can be attached as far as it goes by itself.
struct Ready {
    symbol: String,
    sites: Vec<Site>,
    compiled: Compiled,
}

/// Each probe by itself, starts first, then marks: the others use the words that these keep.
fn outcomes(manifest: &Manifest, binary: &Binary) -> Vec<Result<Ready, Skip>> {
    let mut kept: Vec<(&str, &str, Vec<Kept>)> = Vec::new();
    let mut outcomes: Vec<Option<Result<Ready, Skip>>> = manifest.probes.iter().map(|_| None).collect();
    let turn = |role| match role {
        Role::Start => 0,
        Role::Mark => 1,
        Role::Event | Role::End => 2,
    };
    for now in 0..3 {
        for (probe, outcome) in manifest.probes.iter().zip(&mut outcomes).filter(|(probe, _)| turn(probe.role) == now) {
            let known = kept.iter_mut().find(|(span, ..)| *span == probe.span);
            let mut result = ready(probe, binary, known.as_ref().map_or(&[], |(.., kept)| kept.as_slice()));
            if let Ok(Ready { compiled: Compiled { keeps, .. }, .. }) = &result {
                match (probe.role, known) {
                    (Role::Start, None) => kept.push((&probe.span, &probe.name, keeps.clone())),
                    (Role::Start, Some((_, name, first))) if !are_alike(first, keeps) => {
                        result = Err(Skip::KeepsDiffer((*name).to_owned()));
                    }
                    (Role::Mark, Some((.., all))) => all.clone_from(keeps),
                    _ => {}
                }
            }
            *outcome = Some(result);
        }
    }
    outcomes.into_iter().flatten().collect()
}

fn are_alike(one: &[Kept], other: &[Kept]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_like(other))
}

fn ready(probe: &Probe, binary: &Binary, kept: &[Kept]) -> Result<Ready, Skip> {
    runtime::minor_version(binary)?;
    let function = probe.symbols.iter().find_map(|symbol| binary.function(symbol));
    let function = function.ok_or_else(|| Skip::NoSymbol(probe.symbols.clone()))?;
    if !probe.if_mentioned.is_empty() && !probe.if_mentioned.iter().any(|name| binary.mentions(name)) {
        return Err(Skip::NotMentioned(probe.if_mentioned.clone()));
    }
    let sites = match probe.site {
        manifest::Site::Entry => binary::entry_site(binary, &function).map(|site| vec![site]),
        manifest::Site::Return => binary::return_sites(binary, &function),
    };
    let sites = sites.map_err(|refusal| Skip::Site { symbol: function.name.clone(), refusal })?;
    let compiled = compile::compile(binary, registers::abi(binary.architecture()), probe, kept)?;
    Ok(Ready { symbol: function.name, sites, compiled })
}

/// Probes of a group are attached together or not at all; leaves out what hangs on what is left out.
fn leave_out_groups(manifest: &Manifest, outcomes: &mut [Result<Ready, Skip>]) -> Vec<Skipped> {
    let mut skipped: Vec<Skipped> = manifest
        .probes
        .iter()
        .zip(outcomes.iter())
        .filter_map(|(probe, outcome)| {
            let why = outcome.as_ref().err()?.clone();
            Some(Skipped { what: format!("probe {}", probe.name), why })
        })
        .collect();
    let mut why: Vec<Option<Skip>> = vec![None; manifest.groups.len()];
    for (probe, outcome) in manifest.probes.iter().zip(outcomes.iter()) {
        if let (Err(_), Some(why)) = (outcome, why.get_mut(probe.group)) {
            why.get_or_insert(Skip::Incomplete(probe.name.clone()));
        }
    }
    // Each round leaves out the groups that need one left out before.
    for _ in 0..manifest.groups.len() {
        for (index, group) in manifest.groups.iter().enumerate() {
            let missing = group.needs.iter().find(|needed| why.get(**needed).is_none_or(Option::is_some));
            if let (None, Some(missing)) = (&why[index], missing) {
                let name =
                    manifest.groups.get(*missing).map_or_else(|| missing.to_string(), |group| group.name.clone());
                why[index] = Some(Skip::NeedsGroup(name));
            }
        }
    }
    let required = manifest.groups.iter().zip(&why).find(|(group, why)| group.required && why.is_some());
    if let Some((required, _)) = required {
        for why in why.iter_mut().filter(|why| why.is_none()) {
            *why = Some(Skip::Required(required.name.clone()));
        }
    }
    for (group, why) in manifest.groups.iter().zip(&why) {
        skipped.extend(why.clone().map(|why| Skipped { what: format!("group {}", group.name), why }));
    }
    for (probe, outcome) in manifest.probes.iter().zip(outcomes) {
        let left_out = why.get(probe.group).and_then(Option::as_ref);
        if let (Some(why), true) = (left_out, outcome.is_ok()) {
            *outcome = Err(why.clone());
        }
    }
    skipped
}

/// The types behind contexts. Those whose parent is not their first field would lead anywhere.
fn context_types(manifest: &Manifest, binary: &Binary, skipped: &mut Vec<Skipped>) -> Vec<u64> {
    let mut addresses = Vec::new();
    for name in &manifest.context_types {
        match context_type(name, binary) {
            Ok(address) if addresses.len() < CONTEXT_TYPES => addresses.push(address),
            found => {
                let why = found.err().unwrap_or(Skip::TooLong { what: "context types", most: CONTEXT_TYPES });
                skipped.push(Skipped { what: format!("context type {name}"), why });
            }
        }
    }
    addresses
}

fn context_type(name: &str, binary: &Binary) -> Result<u64, Skip> {
    const DEPTH: usize = 8;
    let Ty::Known(ty) = Ty::named(name, binary)? else { return Err(Skip::NoDescriptor(name.to_owned())) };
    let mut inner = if ty.kind == Kind::Pointer { binary.element(&ty)? } else { ty.clone() };
    for _ in 0..DEPTH {
        let Some(first) = binary.fields(&inner)?.into_iter().next() else { break };
        inner = binary.resolve(first.ty)?;
        match inner.kind {
            Kind::Interface { empty: false } => return ty.address.ok_or_else(|| Skip::NoDescriptor(name.to_owned())),
            Kind::Struct => {}
            _ => break,
        }
    }
    Err(Skip::NotAContext)
}
