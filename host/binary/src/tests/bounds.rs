//! Files that would take long, or forever, to read: an error that says where it was too much, and soon.

use std::time::{Duration, Instant};

use super::*;

const SYMBOLS: u32 = 2;
const STRINGS: u32 = 3;
const COMPRESSED: u64 = 0x800;
const TEXT: u64 = 0x40_1000;
/// For builds without optimization, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Section<'a> {
    name: &'a str,
    kind: u32,
    flags: u64,
    address: u64,
    bytes: &'a [u8],
    /// The number of another, from 1 on.
    link: u32,
}

/// An executable of 256 bytes of text and these sections, with what there is of them in the order given from offset 0x178 on.
fn executable(sections: &[Section]) -> Vec<u8> {
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut file = vec![0; 64 + 56];
    file.extend([0xc3; 256]);
    let (mut headers, mut names) = (vec![0; 64], vec![0]);
    let mut add = |file: &mut Vec<u8>, section: &Section, bytes: &[u8], names: &mut Vec<u8>| {
        headers.extend([names.len() as u32, section.kind].map(u32::to_le_bytes).concat());
        names.extend([section.name.as_bytes(), b"\0"].concat());
        let bytes = if section.name == ".shstrtab" { names.clone() } else { bytes.to_vec() };
        headers.extend(words(&[section.flags, section.address, file.len() as u64, bytes.len() as u64]));
        headers.extend([section.link, 0].map(u32::to_le_bytes).concat());
        headers.extend(words(&[8, if section.kind == SYMBOLS { 24 } else { 0 }]));
        file.extend(bytes);
    };
    for section in sections {
        add(&mut file, section, section.bytes, &mut names);
    }
    add(&mut file, &Section { name: ".shstrtab", kind: STRINGS, ..Section::default() }, &[], &mut names);
    let at = file.len() as u64;
    file.extend(headers);
    let count = sections.len() as u16 + 2;
    let header = [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec(),
        words(&[TEXT, 64, at]),
        [0, 0, 64, 56, 1, 64, count, count - 1].map(u16::to_le_bytes).concat(),
    ]
    .concat();
    file[..64].copy_from_slice(&header);
    let segment = [[1u32, 5].map(u32::to_le_bytes).concat(), words(&[120, TEXT, TEXT, 256, 256, 8])].concat();
    file[64..120].copy_from_slice(&segment);
    file
}

fn symbol(name: u32, address: u64) -> Vec<u8> {
    [name.to_le_bytes().to_vec(), vec![0x12, 0, 1, 0], address.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec()]
        .concat()
}

/// One unit of DWARF 4 in C, its root of abbreviation 1 with the entries.
fn described(abbreviations: &[u8], entries: &[u8], strings: &[u8]) -> Vec<u8> {
    let abbreviations = [b"\x01\x11\x01\x13\x0b\0\0", abbreviations, b"\0"].concat();
    let body = [b"\x04\0\0\0\0\0\x08\x01\x0c", entries, b"\0"].concat();
    let info = [&(body.len() as u32).to_le_bytes(), &body[..]].concat();
    let section = |name, bytes| Section { name, kind: 1, bytes, ..Section::default() };
    executable(&[
        section(".debug_info", &info),
        section(".debug_abbrev", &abbreviations),
        section(".debug_str", strings),
    ])
}

fn of_type(file: &[u8], name: &str) -> String {
    let started = Instant::now();
    let found = Binary::parse(file).unwrap().dwarf_type_named(name);
    assert!(started.elapsed() < SOON, "{name} took {:?}", started.elapsed());
    found.map_or_else(|error| error.to_string(), |found| format!("{found:?}"))
}

#[test]
fn reads_no_more_names_of_symbols_than_a_file_can_have() {
    for length in [60_000, 4 << 20] {
        let strings = [b"\0", &vec![b'a'; length][..], b"\0"].concat();
        let symbols: Vec<u8> = (0..100_000).flat_map(|at| symbol(1 + at as u32 % 4096, TEXT + at % 256)).collect();
        let first = symbol(length as u32, TEXT);
        let symbols = [&[0; 24], &first[..], &symbols].concat();
        let file = executable(&[
            Section { name: ".symtab", kind: SYMBOLS, bytes: &symbols, link: 2, ..Section::default() },
            Section { name: ".strtab", kind: STRINGS, bytes: &strings, ..Section::default() },
        ]);
        let (binary, started) = (Binary::parse(&file).unwrap(), Instant::now());
        assert_eq!(binary.find_function("a").map(|function| function.address), Ok(TEXT));
        let error = binary.find_function("b").unwrap_err().to_string();
        assert!(error.starts_with("no function b before that at 0x4010"), "{error}");
        assert!(binary.functions().count() < 10_000);
        assert!(started.elapsed() < SOON, "{length} took {:?}", started.elapsed());
    }
}

#[test]
fn reads_no_more_names_of_scopes_than_programs_have() {
    // Namespaces, all with the name at the beginning of the strings, and at last a type.
    let abbreviations = b"\x02\x39\x01\x03\x0e\0\0\x03\x24\0\x03\x08\x0b\x0b\x3e\x0b\0\0";
    let entries = |count| [b"\x02\0\0\0\0\0".repeat(count), b"\x03int\0\x04\x05".to_vec()].concat();
    for length in [60_000, 70_000] {
        let strings = [vec![b'n'; length], vec![0]].concat();
        let expected = "a truncated or corrupt ELF file: its DWARF has more text in names than are read; int is not in what comes before 0x";
        let error = of_type(&described(abbreviations, &entries(20_000), &strings), "int");
        assert!(error.starts_with(expected), "{error}");
        let found = of_type(&described(abbreviations, &entries(20), &strings), "int");
        assert!(found.contains("Int { size: 4, signed: true }"), "{found}");
    }
}

#[test]
fn reads_no_more_attributes_than_entries_have() {
    // Flags that take no bytes.
    let abbreviations = [b"\x02\x24\0".to_vec(), b"\x0c\x19".repeat(4000), vec![0, 0]].concat();
    let expected = "a truncated or corrupt ELF file: its DWARF has more attributes than are read; int is not in what comes before 0x";
    let error = of_type(&described(&abbreviations, &[2; 4000], b""), "int");
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn refuses_a_bit_field_of_itself() {
    // struct node { x : 3, of its own type }, the member being at 0x14.
    let abbreviations = b"\x02\x13\x01\x03\x08\x0b\x0b\0\0\x03\x0d\0\x03\x08\x0d\x0b\x49\x13\0\0";
    let file = described(abbreviations, b"\x02node\0\x08\x03x\0\x03\x14\0\0\0\0", b"");
    let binary = Binary::parse(&file).unwrap();
    let node = binary.dwarf_type_named("node").unwrap().unwrap();
    let error = binary.field(&node, "x").unwrap_err().to_string();
    let expected = "a truncated or corrupt ELF file: its DWARF: the type at 0x14 of .debug_info is made of itself, or of more than 32 others";
    assert_eq!(error, expected);
}

#[test]
fn says_where_a_section_cannot_be_read() {
    let header = |kind: u32, size: u64| {
        [kind.to_le_bytes().to_vec(), vec![0; 4], size.to_le_bytes().to_vec(), vec![0; 8]].concat()
    };
    for (bytes, expected) in [
        (header(9, 9), "its .debug_info at 0x178: unsupported elf compression type"),
        (header(1, 1 << 40), "its .debug_info at 0x178 claims to be 1099511627776 bytes, compressed to 0"),
        ([header(1, 9), vec![7]].concat(), "its .debug_info at 0x178: "),
        (vec![1], "its .debug_info at 0x178: "),
    ] {
        let section = Section { name: ".debug_info", kind: 1, flags: COMPRESSED, bytes: &bytes, ..Section::default() };
        let error = of_type(&executable(&[section]), "int");
        assert!(error.starts_with(&format!("a truncated or corrupt ELF file: {expected}")), "{error}");
    }
}

#[test]
fn says_where_symbols_cannot_be_read() {
    let file =
        executable(&[Section { name: ".symtab", kind: SYMBOLS, bytes: &[1; 25], link: 9, ..Section::default() }]);
    let error = of_type(&file, "int");
    assert!(error.starts_with("a truncated or corrupt ELF file: its symbol tables, at 0x178: "), "{error}");
}

#[test]
fn refuses_sections_that_share_long_names() {
    let name = "s".repeat(1 << 20);
    let mut file = executable(&[Section { name: &name, kind: 1, ..Section::default() }; 1]);
    let at = file.len() - 3 * 64;
    let more: Vec<u8> = file[at + 64..at + 128].repeat(16);
    file.extend(more);
    file[60..62].copy_from_slice(&19u16.to_le_bytes());
    let error = Binary::parse(&file).err().expect("it has too much").to_string();
    let expected = format!("a truncated or corrupt ELF file: section headers at offset {at:#x}: names that do not end");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn says_where_build_info_is_that_it_cannot_read() {
    for (flags, expected) in [
        (2, "build info at offset 0x78 that ends before its strings do"),
        (0, "build info at offset 0x78 behind pointers, as Go before 1.18 wrote it"),
    ] {
        let mut file = executable(&[Section { name: ".go.buildinfo", kind: 1, address: TEXT, ..Section::default() }]);
        file[120..376].fill(0xff);
        file[120..134].copy_from_slice(b"\xff Go buildinf:");
        file[120 + 15] = flags;
        assert_eq!(Binary::parse(&file).unwrap().why_no_go_info().as_deref(), Some(expected));
    }
}
