//! The targets: which parts an input has, and the executable that is put around them.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::elf::{self, File, Section, Segment};
use crate::input::Input;
use crate::seeds::{self, Seed};

/// Link-time addresses of what executables here are made of.
pub const TEXT: u64 = 0x40_1000;
pub const PCLNTAB: u64 = 0x50_0000;
pub const TYPES: u64 = 0x60_0000;
pub const MODULE: u64 = 0x70_0000;
pub const RELOCATIONS: u64 = 0x80_0000;
pub const BUILDINFO: u64 = 0x90_0000;

pub trait Target {
    /// Where each part of an input lies in memory.
    const PARTS: &'static [u64];
    /// The executable around an input's parts.
    fn file(input: &Input) -> Vec<u8>;
    fn seeds() -> Vec<Seed>;
    /// Seeds that are too large to be mutated.
    fn large() -> Vec<Seed> {
        Vec::new()
    }
}

/// Headers, segments, sections, symbols, notes, dynamic relocations: the whole file.
pub struct Elf;
/// What the Go linker says about a build.
pub struct Buildinfo;
/// Go's table of functions, with inlining, and the table of contents that leads there.
pub struct Pclntab;
/// Go's type descriptors, itabs, and the table of contents that leads there.
pub struct Descriptors;
/// Symbol tables, and the names in them, mangled ones too.
pub struct Symbols;
/// The sections of DWARF, compressed or not.
pub struct Dwarf;
/// A function's instructions.
pub struct Code;

impl Target for Elf {
    const PARTS: &'static [u64] = &[TEXT];

    fn file(input: &Input) -> Vec<u8> {
        input.parts[0].clone()
    }

    fn seeds() -> Vec<Seed> {
        seeds::elf::all()
    }

    fn large() -> Vec<Seed> {
        seeds::large::elf()
    }
}

impl Target for Buildinfo {
    const PARTS: &'static [u64] = &[BUILDINFO];

    fn file(input: &Input) -> Vec<u8> {
        let [blob] = &input.parts[..] else { return Vec::new() };
        let section = Section { name: ".go.buildinfo", kind: elf::PROGBITS, address: BUILDINFO, ..Section::default() };
        File {
            machine: elf::AMD64,
            kind: elf::EXECUTABLE,
            segments: vec![load(TEXT, elf::READ | elf::RUN, &[0xc3]), load(BUILDINFO, elf::READ | elf::WRITE, blob)],
            sections: if input.choices[0] & 1 == 0 { vec![section] } else { Vec::new() },
        }
        .assemble()
    }

    fn seeds() -> Vec<Seed> {
        seeds::buildinfo::all()
    }
}

/// Parts of both Go targets.
pub const GO_PARTS: &[u64] = &[TEXT, PCLNTAB, TYPES, MODULE, RELOCATIONS];

impl Target for Pclntab {
    const PARTS: &'static [u64] = GO_PARTS;

    fn file(input: &Input) -> Vec<u8> {
        go_program(input)
    }

    fn seeds() -> Vec<Seed> {
        seeds::pclntab::all()
    }

    fn large() -> Vec<Seed> {
        seeds::large::pclntab()
    }
}

impl Target for Descriptors {
    const PARTS: &'static [u64] = GO_PARTS;

    fn file(input: &Input) -> Vec<u8> {
        go_program(input)
    }

    fn seeds() -> Vec<Seed> {
        seeds::descriptors::all()
    }

    fn large() -> Vec<Seed> {
        seeds::large::descriptors()
    }
}

/// Choices of a Go program's input, in the second byte; the first is the minor version above 18.
pub const ARM64: u8 = 1;
pub const INDEPENDENT: u8 = 2;
/// The tables are found by what they begin with.
pub const UNNAMED: u8 = 4;
/// Relative relocations are packed (RELR).
pub const PACKED: u8 = 8;
/// Go 1.26 and later say where moduledata is.
pub const MODULE_NAMED: u8 = 16;

fn go_program(input: &Input) -> Vec<u8> {
    let [minor, choices] = input.choices;
    let [text, pclntab, types, module, relocations] = &input.parts[..] else { return Vec::new() };
    let chosen = |choice: u8| choices & choice != 0;
    let build = seeds::buildinfo::blob(&format!("go1.{}.1", 18 + minor % 12), "path\tmain\n");
    let size = relocations.len() as u64;
    let (table, length, entry) = if chosen(PACKED) { (36, 35, 37) } else { (7, 8, 9) };
    let dynamic = [table, RELOCATIONS, length, size, entry, if chosen(PACKED) { 8 } else { 24 }, 0, 0];
    let dynamic = dynamic.map(u64::to_le_bytes).concat();
    let mut segments = vec![
        load(TEXT, elf::READ | elf::RUN, text),
        load(PCLNTAB, elf::READ, pclntab),
        load(TYPES, elf::READ, types),
        load(MODULE, elf::READ | elf::WRITE, module),
        load(RELOCATIONS, elf::READ, relocations),
        load(BUILDINFO, elf::READ | elf::WRITE, &build),
    ];
    if chosen(INDEPENDENT) {
        segments.push(Segment { kind: elf::DYNAMIC, flags: elf::READ, address: 0, bytes: &dynamic });
    }
    let named = |name, address| Section { name, kind: elf::PROGBITS, address, ..Section::default() };
    let mut sections = vec![named(".text", TEXT), named(".go.buildinfo", BUILDINFO)];
    if !chosen(UNNAMED) {
        let name = if chosen(INDEPENDENT) { ".data.rel.ro.gopclntab" } else { ".gopclntab" };
        sections.extend([named(name, PCLNTAB), named(".typelink", TYPES)]);
    }
    if chosen(MODULE_NAMED) {
        sections.push(named(".go.module", MODULE));
    }
    File {
        machine: if chosen(ARM64) { elf::ARM64 } else { elf::AMD64 },
        kind: if chosen(INDEPENDENT) { elf::SHARED } else { elf::EXECUTABLE },
        segments,
        sections,
    }
    .assemble()
}

impl Target for Symbols {
    const PARTS: &'static [u64] = &[0; 5];

    fn file(input: &Input) -> Vec<u8> {
        let [symbols, names, dynamic, dynamic_names, versions] = &input.parts[..] else { return Vec::new() };
        let section =
            |name, kind, bytes, link, entry_size| Section { name, kind, bytes, link, entry_size, ..Section::default() };
        File {
            machine: elf::AMD64,
            kind: elf::EXECUTABLE,
            segments: vec![load(TEXT, elf::READ | elf::RUN, &[0xc3; 256])],
            sections: vec![
                section(".symtab", elf::SYMTAB, symbols, 2, 24),
                section(".strtab", elf::STRTAB, names, 0, 0),
                section(".dynsym", elf::DYNSYM, dynamic, 4, 24),
                section(".dynstr", elf::STRTAB, dynamic_names, 0, 0),
                section(".gnu.version", elf::VERSIONS, versions, 3, 2),
            ],
        }
        .assemble()
    }

    fn seeds() -> Vec<Seed> {
        seeds::symbols::all()
    }

    fn large() -> Vec<Seed> {
        seeds::large::symbols()
    }
}

/// In the order of an input's parts.
const DWARF_SECTIONS: [&str; 7] = ["info", "abbrev", "str", "line_str", "str_offsets", "types", "sup"];
/// In the second byte of choices: bit n says that section n claims to be compressed, whatever it is; bit n of the first, that it is.
const OLD_COMPRESSION: u8 = 0x80;
/// In the first: there are a build id and a link by it to a file that shares types, which is the file itself.
pub const SHARED: u8 = 0x80;
const BUILD_ID_NOTE: &[u8] = b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0\x01\x23\x45\x67";
const ALTERNATE_LINK: &[u8] = b"/shared\0\x01\x23\x45\x67";

impl Target for Dwarf {
    const PARTS: &'static [u64] = &[0; DWARF_SECTIONS.len()];

    fn file(input: &Input) -> Vec<u8> {
        let [compressed, claimed] = input.choices;
        let old = claimed & OLD_COMPRESSION != 0;
        let mut contents = Vec::new();
        for (index, part) in input.parts.iter().enumerate() {
            let is_compressed = compressed & 1 << index != 0;
            let name = DWARF_SECTIONS[index];
            let prefix = if is_compressed && old { ".zdebug_" } else { ".debug_" };
            let flags = if is_compressed && !old || claimed & 1 << index != 0 { elf::COMPRESSED } else { 0 };
            let bytes = if is_compressed { compress(part, old) } else { part.clone() };
            contents.push((format!("{prefix}{name}"), flags, bytes));
        }
        let section = |(name, flags, bytes)| Section { name, kind: elf::PROGBITS, flags, bytes, ..Section::default() };
        let mut sections: Vec<Section> =
            contents.iter().map(|(name, flags, bytes)| section((name, *flags, bytes))).collect();
        if compressed & SHARED != 0 {
            let kind = elf::NOTES;
            sections.push(Section { name: ".note.gnu.build-id", kind, bytes: BUILD_ID_NOTE, ..Section::default() });
            sections.push(section((".gnu_debugaltlink", 0, ALTERNATE_LINK)));
        }
        File {
            machine: elf::AMD64,
            kind: elf::EXECUTABLE,
            segments: vec![load(TEXT, elf::READ | elf::RUN, &[0xc3])],
            sections,
        }
        .assemble()
    }

    fn seeds() -> Vec<Seed> {
        seeds::dwarf::all()
    }

    fn large() -> Vec<Seed> {
        seeds::large::dwarf()
    }
}

/// As a compressed section is: an `Elf64_Chdr` before it, or as the GNU tools once did it.
fn compress(bytes: &[u8], old: bool) -> Vec<u8> {
    let mut compressed = if old {
        [&b"ZLIB"[..], &(bytes.len() as u64).to_be_bytes()].concat()
    } else {
        [1u32.to_le_bytes().to_vec(), vec![0; 4], [bytes.len() as u64, 1].map(u64::to_le_bytes).concat()].concat()
    };
    let mut encoder = ZlibEncoder::new(&mut compressed, Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish().map(drop)).expect("memory takes it");
    compressed
}

impl Target for Code {
    const PARTS: &'static [u64] = &[TEXT];

    /// Three functions: two that share the code as the choices say, and one to be called at its end.
    fn file(input: &Input) -> Vec<u8> {
        let [choices, cut] = input.choices;
        let [code] = &input.parts[..] else { return Vec::new() };
        let cut = u64::from(cut).min(code.len() as u64);
        let rest = code.len() as u64 - cut;
        let functions = [("main.main", TEXT, cut), ("main.(*T).Get", TEXT + cut, rest), ("lib.called", TEXT, 0)];
        let (symbols, names) = symbol_table(&functions);
        let build = seeds::buildinfo::blob("go1.26.8", "path\tmain\n");
        let mut sections = vec![
            Section { name: ".text", kind: elf::PROGBITS, address: TEXT, ..Section::default() },
            Section {
                name: ".symtab",
                kind: elf::SYMTAB,
                bytes: &symbols,
                link: 3,
                entry_size: 24,
                ..Section::default()
            },
            Section { name: ".strtab", kind: elf::STRTAB, bytes: &names, ..Section::default() },
        ];
        if choices & 2 != 0 {
            sections.push(Section {
                name: ".go.buildinfo",
                kind: elf::PROGBITS,
                address: BUILDINFO,
                ..Section::default()
            });
        }
        File {
            machine: if choices & 1 != 0 { elf::ARM64 } else { elf::AMD64 },
            kind: elf::EXECUTABLE,
            segments: vec![load(TEXT, elf::READ | elf::RUN, code), load(BUILDINFO, elf::READ | elf::WRITE, &build)],
            sections,
        }
        .assemble()
    }

    fn seeds() -> Vec<Seed> {
        seeds::code::all()
    }
}

/// Functions in a symbol table, and the table of their names.
pub fn symbol_table(functions: &[(&str, u64, u64)]) -> (Vec<u8>, Vec<u8>) {
    let (mut symbols, mut names) = (vec![0; 24], vec![0]);
    for (name, address, size) in functions {
        symbols.extend((names.len() as u32).to_le_bytes());
        // A global function, in the first section.
        symbols.extend([0x12, 0, 1, 0]);
        symbols.extend([*address, *size].map(u64::to_le_bytes).concat());
        names.extend(name.as_bytes());
        names.push(0);
    }
    (symbols, names)
}

pub fn load(address: u64, flags: u32, bytes: &[u8]) -> Segment<'_> {
    Segment { kind: elf::LOAD, flags, address, bytes }
}
