//! Inputs of some megabytes, each run once: what takes little longer than its size in small would take hours in large, and no input that
//! is small enough to be mutated shows it.

use super::module::TYPES_PART;
use super::{Seed, descriptors, dwarf, elf, pclntab, symbols};
use crate::Input;
use crate::elf::{EXECUTABLE, File, Section};
use crate::targets::{TEXT, load, symbol_table};

/// Of whatever there can be many of.
const MANY: usize = 40_000;
const LONG_NAME: usize = 1 << 20;

pub fn elf() -> Vec<Seed> {
    let name = "n".repeat(LONG_NAME);
    let mut sections = vec![Section { name: &name, kind: crate::elf::PROGBITS, ..Section::default() }];
    sections.resize(MANY, Section::default());
    let machine = crate::elf::AMD64;
    let mut file =
        File { machine, kind: EXECUTABLE, segments: vec![load(TEXT, crate::elf::READ, &[0xc3])], sections }.assemble();
    let table = elf::section_table(&file);
    for index in 1..MANY {
        let within = 1 + index as u32 % 4096;
        file[table + index * 64..][..4].copy_from_slice(&within.to_le_bytes());
    }
    let whole = Input { choices: [0, 0], parts: vec![file] };
    vec![Seed::broken("sections-of-one-name", whole), Seed::broken("backward-relocations", elf::relocated(MANY))]
}

pub fn symbols() -> Vec<Seed> {
    let functions = vec![("", TEXT, 8); MANY];
    let (mut symbols, _) = symbol_table(&functions);
    for (index, symbol) in symbols.as_chunks_mut::<24>().0.iter_mut().enumerate() {
        symbol[..4].copy_from_slice(&(1 + index as u32 % 4096).to_le_bytes());
    }
    let input = |name: Vec<u8>| {
        let names = [vec![0], name, vec![0]].concat();
        let parts = vec![symbols.clone(), names.clone(), symbols.clone(), names, Vec::new()];
        Input { choices: [0, 0], parts }
    };
    vec![
        Seed::broken("symbols-of-one-name", input(vec![b'n'; LONG_NAME])),
        Seed::broken("symbols-of-one-mangled-name", input(b"_Z3addi".repeat(LONG_NAME / 7))),
        Seed::broken("symbols-that-double", symbols::with_names(&vec![&symbols::doubling_templates(30)[..]; MANY / 8])),
    ]
}

pub fn dwarf() -> Vec<Seed> {
    [4, 5].into_iter().flat_map(dwarf_of).collect()
}

fn dwarf_of(version: u16) -> Vec<Seed> {
    let zero = 0u32.to_le_bytes();
    let namespace = [&[22][..], &zero, &[0]].concat();
    let structure = [&[3][..], &zero, &[8, 0, 0]].concat();
    let long = |entries: Vec<u8>| dwarf::with_strings(version, &entries, [vec![b'n'; 60_000], vec![0]].concat());
    let first = dwarf::first(version);
    // Each is a name for the next.
    let chain = (1..=MANY as u32).flat_map(|index| [&[6][..], b"node\0", &(first + index * 10).to_le_bytes()].concat());
    let declaration = [namespace[..5].repeat(60), vec![9, 0, 0, 0, 0], vec![0; 60]].concat();
    let defined = [&[10][..], &(first + 60 * 5).to_le_bytes(), &[8, 0, 0]].concat().repeat(MANY / 8);
    let scopes = [vec![b'n'; 1000], vec![0]].concat();
    let name = |what: &str| format!("{what}-{version}");
    vec![
        Seed::broken(name("namespaces-of-one-name"), long(namespace.repeat(MANY))),
        Seed::broken(name("structs-of-one-name"), long(structure.repeat(MANY))),
        Seed::broken(
            name("definitions-within-long-names"),
            dwarf::with_strings(version, &[declaration, defined].concat(), scopes),
        ),
        Seed::broken(name("names-for-names"), dwarf::with_strings(version, &chain.collect::<Vec<_>>(), Vec::new())),
        Seed::broken(name("units-with-overlapping-abbreviations"), dwarf::overlapping_abbreviations(version, MANY / 4)),
    ]
}

pub fn pclntab() -> Vec<Seed> {
    vec![
        Seed::broken("functions-with-one-table", pclntab::sharing(MANY / 4, 60_000, 16)),
        Seed::broken("functions-of-one-name", pclntab::sharing(MANY / 4, 16, 60_000)),
    ]
}

pub fn descriptors() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for minor in [18, 26, 27] {
        seeds.push(Seed::broken(format!("structs-that-overlap-1.{minor}"), descriptors::overlapping(minor, MANY)));
        let mut filled = descriptors::overlapping(minor, 8);
        filled.parts[TYPES_PART].resize(LONG_NAME, b'n');
        seeds.push(Seed::broken(format!("types-are-a-name-1.{minor}"), filled));
    }
    seeds
}
