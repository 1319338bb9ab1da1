//! A plugin as it serves one binary: its instance, the facts about the target, and names for the types behind interfaces.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use uprobed_ebpf::{
    program::{Code, Program},
    wire::state,
};

use crate::{
    binary::TypeNames,
    fragment::{Said, Scope},
    manifest::Manifest,
    plugin::{self, Event, Plugin, Target},
};

/// The most names of types kept for one binary.
const NAMES: usize = 4096;

pub struct Decoder {
    pub scope: Arc<Scope>,
    plugin: Arc<Mutex<Plugin>>,
    answers: plugin::Decoder,
    /// Captures of each probe that hold a type's address: a bit each.
    types: HashMap<u16, u64>,
    /// None where no capture holds a type.
    apart: Option<Arc<TypeNames>>,
    names: Mutex<HashMap<u64, Arc<str>>>,
}

impl Decoder {
    pub fn new(
        plugin: Arc<Mutex<Plugin>>,
        manifest: &Manifest,
        target: &Target,
        apart: Option<Arc<TypeNames>>,
        programs: &[&Program],
    ) -> Self {
        let types =
            programs.iter().map(|program| (program.probe, typed_captures(program))).filter(|(_, bits)| *bits != 0);
        Self {
            scope: Arc::new(Scope {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                schema_url: manifest.schema_url.clone(),
                open_seconds: manifest.limits.open_seconds,
            }),
            types: types.collect(),
            plugin,
            answers: plugin::Decoder::new(target, manifest),
            apart,
            names: Mutex::default(),
        }
    }

    pub fn decode(&self, events: &[Event], data: &[u8]) -> Result<Vec<(usize, Said)>> {
        let mut plugin = self.plugin.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(plugin.decode(&self.answers, events, data)?)
    }

    /// Copies an event's captures, with names in place of types.
    pub fn copy(&self, probe: u16, captures: &[u8], into: &mut Vec<u8>) {
        match self.types.get(&probe) {
            Some(types) => copy_named(*types, captures, |address| self.name(address), into),
            None => into.extend_from_slice(captures),
        }
    }

    /// The name of the type at this link-time address; empty for nil, `?` if it cannot be told (a type made at run time).
    fn name(&self, address: u64) -> Arc<str> {
        if address == 0 {
            return "".into();
        }
        let mut names = self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(name) = names.get(&address) {
            return name.clone();
        }
        let name = self.apart.as_ref().and_then(|apart| apart.name(address).ok());
        let name: Arc<str> = name.unwrap_or_else(|| "?".into()).into();
        if names.len() < NAMES {
            names.insert(address, name.clone());
        }
        name
    }
}

/// Copies captures; those that `types` has a bit for hold a type's address, which its name replaces. `into` is at a multiple of four bytes
/// before and after, as each capture is.
fn copy_named(types: u64, captures: &[u8], name: impl Fn(u64) -> Arc<str>, into: &mut Vec<u8>) {
    let mut rest = captures;
    while let [index, status, low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let padded = length.next_multiple_of(4).min(after.len());
        let (bytes, next) = after.split_at(padded);
        let address = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        match address {
            Some(address) if *status == state::READ && types >> (index & 63) & 1 == 1 => {
                let name = name(address);
                let status = if name.is_empty() { state::ABSENT } else { state::READ };
                let name = &name.as_bytes()[..name.len().min(u16::MAX.into())];
                into.extend_from_slice(&[*index, status]);
                into.extend_from_slice(&(name.len() as u16).to_le_bytes());
                into.extend_from_slice(name);
                into.resize(into.len().next_multiple_of(4), 0);
            }
            _ => into.extend_from_slice(&rest[..4 + padded]),
        }
        rest = next;
    }
}

/// Whether events of these programs hold types, for which a decoder needs names.
pub fn holds_types(programs: &[&Program]) -> bool {
    programs.iter().any(|program| typed_captures(program) != 0)
}

fn typed_captures(program: &Program) -> u64 {
    let ops = program.ops.iter().take(program.ops_len.into());
    ops.filter(|op| op.code == Code::TYPE).fold(0, |bits, op| bits | 1 << (op.a & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(index: u8, status: u8, bytes: &[u8]) -> Vec<u8> {
        let mut capture = vec![index, status, bytes.len() as u8, 0];
        capture.extend_from_slice(bytes);
        capture.resize(capture.len().next_multiple_of(4), 0);
        capture
    }

    fn named(types: u64, captures: &[u8]) -> Vec<u8> {
        let name = |address: u64| if address == 0 { "".into() } else { format!("*t.T{address}").into() };
        let mut into = Vec::new();
        copy_named(types, captures, name, &mut into);
        into
    }

    #[test]
    fn puts_names_in_place_of_types_and_leaves_the_rest() {
        let text = capture(0, state::READ, b"hello");
        let before = [text.clone(), capture(1, state::READ, &7u64.to_le_bytes())].concat();
        let after = [text, capture(1, state::READ, b"*t.T7")].concat();
        assert_eq!(named(0b10, &before), after);
        assert_eq!(named(0, &before), before);
    }

    #[test]
    fn says_absent_for_nil_and_keeps_a_failure() {
        assert_eq!(named(1, &capture(0, state::READ, &[0; 8])), capture(0, state::ABSENT, b""));
        let failed = capture(0, state::UNREADABLE, b"");
        assert_eq!(named(1, &failed), failed);
    }

    #[test]
    fn copies_no_more_than_there_is() {
        let mut cut = capture(0, state::READ, b"hello");
        cut.truncate(6);
        assert_eq!(named(0, &cut), cut);
    }
}
