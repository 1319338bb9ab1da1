//! Turns a manifest and a binary into a plan: sites, capture programs, and what was left out and why. Touches neither disk nor
//! kernel, and knows no library.
//!
//! - `path`, `arguments`: the two small languages of a manifest;
//! - `types`, `registers`: what types are, and where Go's calling convention puts their values;
//! - `versions`, `known`, `agree`: for which modules something holds, what a plugin knows itself, and whether all sources say the same;
//! - `walk`, `emit`: following a path, and the operations that do it at a hit;
//! - `bind`, `capture`, `compile`, `tighten`: from a probe to its program;
//! - `runtime`: what has to be known of Go's runtime, and the host's own probe there;
//! - `disassemble`, `table`: for people.

mod agree;
mod arguments;
mod bind;
mod capture;
mod compile;
mod disassemble;
mod emit;
mod known;
mod path;
mod registers;
mod runtime;
mod skip;
mod table;
#[cfg(test)]
mod tests;
mod tighten;
mod types;
mod versions;
mod walk;

pub use disassemble::disassemble;
pub use runtime::spawn;
pub use skip::{Skip, Subject};
pub use table::{table, wrapped};
pub use walk::Origin;

use crate::{
    binary::{self, Binary, Function, Inlining, Kind, NotFound, Site},
    manifest::{self, Manifest, Probe, Role},
};
use agree::{Facts, Witness};
use bind::Kept;
use compile::Compiled;
use known::Known;
use serde::Serialize;
use std::{
    collections::{HashMap, HashSet},
    fmt,
};
use types::Ty;
use uprobed_ebpf::{
    program::{Program, flags},
    wire::CONTEXT_TYPES,
};

/// What to attach, for one plugin and one binary.
#[derive(Clone, Debug, Serialize)]
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

#[derive(Clone, Debug, Serialize)]
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
    /// Calls that pass the probe by.
    pub bypass: Option<Bypass>,
    #[serde(skip)]
    pub program: Box<Program>,
    pub captures: Vec<CaptureSource>,
    /// The most bytes of one record, its head included; 0 for the host's own, which record nothing.
    pub bytes: u32,
    /// Alternatives that the types of this program rule out.
    pub dropped: Vec<Dropped>,
    /// Every field that it goes through.
    pub fields: Facts,
}

/// Functions that the compiler copied another one into: their calls of it do not come to its probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bypass {
    /// Some of them.
    pub callers: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Bypass {
    /// Those of other packages come first.
    fn new(inlining: &Inlining) -> Self {
        const SHOWN: usize = 3;
        Self { callers: inlining.callers.iter().take(SHOWN).cloned().collect(), count: inlining.count }
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&binary::first_callers(&self.callers, self.count, self.callers.len()))
    }
}

/// How a capture is read.
#[derive(Clone, Debug, Serialize)]
pub struct CaptureSource {
    pub name: String,
    /// Its alternatives in this program; none if it is absent.
    pub paths: Vec<PathSource>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PathSource {
    pub path: String,
    /// `req+16 -> +56`
    pub offsets: String,
    /// None where no offset is needed: the value is an argument.
    pub origins: Vec<Origin>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Dropped {
    /// `capture status`, `binding tcp`, `adopt`
    pub what: String,
    pub path: String,
    pub why: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Skipped {
    #[serde(serialize_with = "as_text")]
    pub what: Subject,
    #[serde(serialize_with = "as_text")]
    pub why: Skip,
}

fn as_text<S: serde::Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// `plugin` goes into every record; spans are numbered from `first_span`, which is to be unique on this host.
pub fn plan(manifest: &Manifest, binary: &Binary, plugin: u32, first_span: u32) -> Plan {
    let mut spans: Vec<String> = Vec::new();
    for probe in &manifest.probes {
        if !spans.contains(&probe.span) {
            spans.push(probe.span.clone());
        }
    }
    let mut skipped = Vec::new();
    let known = Known::new(manifest, binary, &mut skipped);
    let mut outcomes = outcomes(manifest, binary, &known);
    leave_out_disagreeing(&mut outcomes, binary, &known);
    skipped.extend(leave_out_groups(manifest, &mut outcomes));
    let context_types = context_types(manifest, binary, &mut skipped);
    let mut probes = Vec::new();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let Ok(Ready { symbol, sites, bypass, compiled }) = outcome else { continue };
        let probe = &manifest.probes[index];
        let mut program = compiled.program;
        program.probe = u16::try_from(index).unwrap_or(u16::MAX);
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
            bypass,
            program,
            captures: compiled.captures,
            bytes: compiled.bytes,
            dropped: compiled.dropped,
            fields: compiled.facts,
        });
    }
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    let mut plan = Plan { plugin: name, version, probes, skipped, context_types, spans };
    plan.number(plugin, first_span);
    plan
}

impl Plan {
    /// The same for another decoder, and for spans of its own.
    pub fn number(&mut self, plugin: u32, first_span: u32) {
        for probe in &mut self.probes {
            let number = self.spans.iter().position(|span| *span == probe.span).unwrap_or(0);
            probe.program.plugin = plugin;
            probe.program.span = first_span.wrapping_add(number as u32);
        }
    }
}

/// A probe that can be attached as far as it goes by itself.
struct Ready {
    symbol: String,
    sites: Vec<Site>,
    bypass: Option<Bypass>,
    compiled: Compiled,
}

/// Each probe by itself, starts first, then marks: the others use the words that these keep.
fn outcomes(manifest: &Manifest, binary: &Binary, known: &Known) -> Vec<Result<Ready, Skip>> {
    let inlined = inlined(manifest, binary);
    let mut kept: Vec<(&str, &str, Vec<Kept>)> = Vec::new();
    let mut outcomes: Vec<Option<Result<Ready, Skip>>> = manifest.probes.iter().map(|_| None).collect();
    let turn = |role| match role {
        Role::Start => 0,
        Role::Mark => 1,
        Role::Event | Role::End => 2,
    };
    for now in 0..3 {
        for (probe, outcome) in manifest.probes.iter().zip(&mut outcomes).filter(|(probe, _)| turn(probe.role) == now) {
            let span = kept.iter_mut().find(|(span, ..)| *span == probe.span);
            let of_span = span.as_ref().map_or(&[][..], |(.., kept)| kept.as_slice());
            let most = manifest.limits.event_bytes;
            let mut result = ready(probe, binary, of_span, known, &inlined).and_then(|ready| {
                let fits = ready.compiled.bytes <= most;
                if fits { Ok(ready) } else { Err(Skip::TooLong { what: "bytes an event", most: most as usize }) }
            });
            if let Ok(Ready { compiled: Compiled { keeps, .. }, .. }) = &result {
                match (probe.role, span) {
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

fn ready(
    probe: &Probe,
    binary: &Binary,
    kept: &[Kept],
    known: &Known,
    inlined: &HashMap<String, Inlining>,
) -> Result<Ready, Skip> {
    for requirement in &probe.requires {
        if let Some(why) = versions::holds(requirement, binary)? {
            return Err(why);
        }
    }
    let function = probe.symbols.iter().find_map(|symbol| Some((symbol, binary.function(symbol)?)));
    let (symbol, function) = function.ok_or_else(|| no_symbol(&probe.symbols, binary, inlined))?;
    let is_there = |name: &String| binary.mentions_given(name, inlined);
    if !probe.if_mentioned.is_empty() && !probe.if_mentioned.iter().any(is_there) {
        return Err(Skip::NotMentioned(probe.if_mentioned.clone()));
    }
    let compiled = compile::compile(binary, registers::abi(binary, &function)?, probe, kept, known)?;
    if !probe.called_by.is_empty() {
        return called(probe, binary, &function, compiled, inlined);
    }
    let sites = match probe.site {
        manifest::Site::Entry => binary::entry_site(binary, &function).map(|site| vec![site]),
        manifest::Site::Return => binary::return_sites(binary, &function),
    };
    let sites = sites.map_err(|refusal| Skip::Site { symbol: function.name.clone(), refusal })?;
    Ok(Ready { bypass: inlined.get(symbol).map(Bypass::new), symbol: function.name, sites, compiled })
}

/// The same at the calls of the function by another.
fn called(
    probe: &Probe,
    binary: &Binary,
    function: &Function,
    compiled: Compiled,
    inlined: &HashMap<String, Inlining>,
) -> Result<Ready, Skip> {
    let caller = probe.called_by.iter().find_map(|name| Some((name, binary.function(name)?)));
    let (name, caller) = caller.ok_or_else(|| no_symbol(&probe.called_by, binary, inlined))?;
    let sites = binary::call_sites(binary, &caller, &function.name)
        .map_err(|refusal| Skip::Site { symbol: caller.name.clone(), refusal })?;
    let symbol = format!("{} by {}", function.name, caller.name);
    Ok(Ready { bypass: inlined.get(name).map(Bypass::new), symbol, sites, compiled })
}

/// Why there is no code for any of these symbols.
fn no_symbol(symbols: &[String], binary: &Binary, inlined: &HashMap<String, Inlining>) -> Skip {
    let inlined = symbols.iter().find_map(|symbol| Some((symbol, inlined.get(symbol)?)));
    if let Some((symbol, inlining)) = inlined {
        return Skip::Inlined { symbol: symbol.clone(), into: Bypass::new(inlining) };
    }
    // One that is there under several names, or is chosen when the program is loaded, says more than one that is not there.
    let tried = symbols.iter().filter_map(|symbol| binary.find_function(symbol).err());
    let found = tried.into_iter().find(|reason| !matches!(reason, NotFound::Absent { .. }));
    found.map_or_else(|| Skip::NoSymbol(symbols.to_vec()), |reason| Skip::NotFound(reason.to_string()))
}

/// What the compiler copied elsewhere of the functions that are spoken of. Found in one go.
fn inlined(manifest: &Manifest, binary: &Binary) -> HashMap<String, Inlining> {
    let named = manifest
        .probes
        .iter()
        .flat_map(|probe| probe.symbols.iter().chain(&probe.if_mentioned).chain(&probe.called_by));
    let names: HashSet<&str> = named.map(String::as_str).collect();
    binary.inlining(&names.into_iter().collect::<Vec<_>>())
}

/// Leaves out what relies on a field of which the sources say different things.
fn leave_out_disagreeing(outcomes: &mut [Result<Ready, Skip>], binary: &Binary, known: &Known) {
    let witness = {
        let facts = outcomes.iter().flatten().map(|ready| &ready.compiled.facts);
        Witness::new(binary, known, facts)
    };
    for outcome in outcomes {
        let Ok(ready) = outcome else { continue };
        let objection =
            witness.as_ref().map_or_else(|skip| Some(skip.clone()), |it| it.objects_to(&ready.compiled.facts));
        if let Some(skip) = objection {
            *outcome = Err(skip);
        }
    }
}

/// Probes of a group are attached together or not at all; leaves out what hangs on what is left out.
fn leave_out_groups(manifest: &Manifest, outcomes: &mut [Result<Ready, Skip>]) -> Vec<Skipped> {
    let mut skipped: Vec<Skipped> = manifest
        .probes
        .iter()
        .zip(outcomes.iter())
        .filter_map(|(probe, outcome)| {
            let why = outcome.as_ref().err()?.clone();
            Some(Skipped { what: Subject::Probe(probe.name.clone()), why })
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
        skipped.extend(why.clone().map(|why| Skipped { what: Subject::Group(group.name.clone()), why }));
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
                skipped.push(Skipped { what: Subject::ContextType(name.clone()), why });
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
