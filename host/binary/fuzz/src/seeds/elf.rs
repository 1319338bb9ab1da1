//! Whole files: one with everything that a header can lead to, and such whose headers lie.

use super::{Seed, truncated};
use crate::Input;
use crate::elf::{self, File, Section, Segment};
use crate::targets::{BUILDINFO, RELOCATIONS, TEXT, load, symbol_table};

/// In the header: where the program and section headers are, how large and how many they are.
const SECTION_TABLE: usize = 40;
const COUNTS: usize = 52;
const PROGRAMS: usize = 64;
const PROGRAM: usize = 56;

pub fn all() -> Vec<Seed> {
    let sound = |binary: &uprobed_binary::Binary| {
        binary.build_id().as_deref() == Some("00112233445566778899")
            && binary.function("main.main").is_some()
            && binary.go().is_some()
    };
    let input = |file: Vec<u8>| Input { choices: [0, 0], parts: vec![file] };
    let file = everything(elf::EXECUTABLE, elf::AMD64, false);
    let mut seeds = vec![
        Seed::sound("executable", input(file.clone()), sound),
        Seed::sound("independent", input(everything(elf::SHARED, elf::AMD64, false)), sound),
        Seed::sound("packed", input(everything(elf::SHARED, elf::ARM64, true)), sound),
        Seed::broken("not-elf", input(b"#!/bin/sh\n".to_vec())),
    ];
    seeds.extend(truncated("executable", &input(file.clone())));
    seeds.extend(
        [5, 63, 64, 119].map(|length| Seed::broken(format!("truncated-at-{length}"), input(file[..length].to_vec()))),
    );
    seeds.extend(hostile(&file).into_iter().map(|(name, file)| Seed::broken(name, input(file))));
    seeds
}

pub fn section_table(file: &[u8]) -> usize {
    u64::from_le_bytes(*file[SECTION_TABLE..].first_chunk().expect("the seed has a header")) as usize
}

/// With so many relocations, the last place first.
pub fn relocated(count: usize) -> Input {
    let entries = (0..count as u64).rev().flat_map(|index| [BUILDINFO + index * 8, 8, TEXT + index]);
    let relocations: Vec<u8> = entries.flat_map(u64::to_le_bytes).collect();
    let dynamic = [7, RELOCATIONS, 8, relocations.len() as u64, 9, 24, 0, 0].map(u64::to_le_bytes).concat();
    let file = File {
        machine: elf::AMD64,
        kind: elf::SHARED,
        segments: vec![
            load(TEXT, elf::READ | elf::RUN, &[0xc3]),
            load(RELOCATIONS, elf::READ, &relocations),
            Segment { kind: elf::DYNAMIC, flags: elf::READ, address: 0, bytes: &dynamic },
        ],
        sections: Vec::new(),
    };
    Input { choices: [0, 0], parts: vec![file.assemble()] }
}

fn everything(kind: u16, machine: u16, packed: bool) -> Vec<u8> {
    let functions = [
        ("main.main", TEXT, 8),
        ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", TEXT + 8, 4),
        ("_Z3fooi", TEXT + 12, 4),
    ];
    let (symbols, names) = symbol_table(&functions);
    let build = super::buildinfo::blob("go1.26.8", "path\tmain\n");
    let relocations: Vec<u8> = if packed {
        [BUILDINFO, 0xff, BUILDINFO + 0x100, 3].map(u64::to_le_bytes).concat()
    } else {
        let kind = if machine == elf::AMD64 { 8 } else { 1027 };
        (0..4).flat_map(|index| [BUILDINFO + index * 8, kind, TEXT + index]).flat_map(u64::to_le_bytes).collect()
    };
    let table = if packed { [36, 35, 37, 8] } else { [7, 8, 9, 24] };
    let size = relocations.len() as u64;
    let dynamic = [table[0], RELOCATIONS, table[1], size, table[2], table[3], 0x6fff_fff9, 4, 0, 0];
    let dynamic = dynamic.map(u64::to_le_bytes).concat();
    let note = note();
    let symbols_of =
        |name, kind, link| Section { name, kind, bytes: &symbols, link, entry_size: 24, ..Section::default() };
    let strings = |name| Section { name, kind: elf::STRTAB, bytes: &names, ..Section::default() };
    File {
        machine,
        kind,
        segments: vec![
            load(TEXT, elf::READ | elf::RUN, &[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0xcc, 0xcc, 0xc3, 0xc3, 0xc3, 0xc3]),
            load(BUILDINFO, elf::READ | elf::WRITE, &build),
            load(RELOCATIONS, elf::READ, &relocations),
            Segment { kind: elf::DYNAMIC, flags: elf::READ, address: 0, bytes: &dynamic },
            Segment { kind: elf::NOTE, flags: elf::READ, address: 0, bytes: &note },
        ],
        sections: vec![
            Section { name: ".text", kind: elf::PROGBITS, address: TEXT, ..Section::default() },
            symbols_of(".symtab", elf::SYMTAB, 3),
            strings(".strtab"),
            symbols_of(".dynsym", elf::DYNSYM, 5),
            strings(".dynstr"),
            Section { name: ".go.buildinfo", kind: elf::PROGBITS, address: BUILDINFO, ..Section::default() },
            Section { name: ".bss", kind: elf::NOBITS, address: 0xa0_0000, ..Section::default() },
            Section {
                name: ".gnu_debuglink",
                kind: elf::PROGBITS,
                bytes: b"a.debug\0\x12\x34\x56\x78",
                ..Section::default()
            },
        ],
    }
    .assemble()
}

/// A build id of Go's and one of GNU's.
fn note() -> Vec<u8> {
    let mut note = [4u32, 8, 4].map(u32::to_le_bytes).concat();
    note.extend(b"Go\0\0abcd/efg");
    note.extend([4u32, 10, 3].map(u32::to_le_bytes).concat());
    note.extend(b"GNU\0\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\0\0");
    note
}

fn hostile(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let patch = |at: usize, bytes: &[u8]| {
        let mut file = file.to_vec();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let word = |at: usize, value: u64| patch(at, &value.to_le_bytes());
    let program = |index: usize, field: usize, value: u64| word(PROGRAMS + index * PROGRAM + field, value);
    let table = section_table(file);
    let section = |index: usize, field: usize, value: u64| word(table + index * 64 + field, value);
    let find = |wanted: &[u8]| file.windows(wanted.len()).position(|window| window == wanted).unwrap_or(0);
    let relocations = find(&[7u64, RELOCATIONS].map(u64::to_le_bytes).concat());
    let note = find(b"Go\0\0") - 12;
    vec![
        ("many-segments", patch(COUNTS + 4, &[0xff, 0xff])),
        ("segments-are-the-header", word(32, 0)),
        ("segments-beyond", word(32, u64::MAX - 55)),
        ("sections-are-the-header", word(SECTION_TABLE, 0)),
        ("sections-beyond", word(SECTION_TABLE, u64::MAX)),
        ("many-sections", patch(COUNTS + 8, &[0xff, 0xff])),
        // The first section then says how many there are.
        ("no-sections-but-a-table", patch(COUNTS + 8, &[0, 0])),
        ("names-nowhere", patch(COUNTS + 10, &[0xff, 0xff])),
        ("names-are-the-text", patch(COUNTS + 10, &[1, 0])),
        ("entries-of-no-size", patch(COUNTS + 2, &[0, 0])),
        ("segment-beyond-the-file", program(0, 8, u64::MAX - 3)),
        ("segment-larger-than-the-file", program(0, 32, 1 << 40)),
        ("segment-at-the-end-of-memory", program(0, 16, u64::MAX - 7)),
        ("segment-of-huge-memory", program(0, 40, u64::MAX)),
        ("segments-overlap", program(1, 16, TEXT)),
        ("segment-is-the-file", program(0, 8, 0)),
        ("section-beyond-the-file", section(2, 24, u64::MAX - 1)),
        ("section-larger-than-the-file", section(2, 32, 1 << 40)),
        ("symbols-of-odd-size", section(2, 56, 7)),
        ("symbols-name-themselves", section(2, 40, 2)),
        ("relocations-are-the-text", word(relocations + 8, TEXT)),
        ("relocations-beyond", word(relocations + 24, u64::MAX)),
        ("relocation-entries-of-no-size", word(relocations + 40, 0)),
        ("dynamic-without-an-end", word(relocations + 64, 7)),
        ("note-of-huge-name", patch(note, &[0xff; 4])),
        ("note-of-huge-text", patch(note + 4, &[0xff; 4])),
        ("note-of-no-size", patch(note, &[0; 8])),
    ]
}
