//! DWARF of versions 4 and 5, Go's and C's, and such that refers to itself, overlaps, or does not end.

use super::buildinfo::varint;
use super::{Seed, patched, truncated};
use crate::Input;
use crate::targets::SHARED;

const INFO: usize = 0;
const ABBREVIATIONS: usize = 1;
const STRINGS: usize = 2;

/// Tags, attributes and forms by their numbers in the standard.
mod dw {
    pub const ARRAY: u8 = 0x01;
    pub const ENUMERATION: u8 = 0x04;
    pub const POINTER: u8 = 0x0f;
    pub const UNIT: u8 = 0x11;
    pub const STRUCTURE: u8 = 0x13;
    pub const TYPEDEF: u8 = 0x16;
    pub const UNION: u8 = 0x17;
    pub const NAMESPACE: u8 = 0x39;
    pub const BASE: u8 = 0x24;
    pub const SUBRANGE: u8 = 0x21;
    pub const MEMBER: u8 = 0x0d;
    pub const NAME: u16 = 0x03;
    pub const SIZE: u16 = 0x0b;
    pub const BIT_SIZE: u16 = 0x0d;
    pub const LANGUAGE: u16 = 0x13;
    pub const COUNT: u16 = 0x37;
    pub const LOCATION: u16 = 0x38;
    pub const DECLARATION: u16 = 0x3c;
    pub const ENCODING: u16 = 0x3e;
    pub const SPECIFICATION: u16 = 0x47;
    pub const TYPE: u16 = 0x49;
    pub const DATA1: u16 = 0x0b;
    pub const DATA2: u16 = 0x05;
    pub const STRING: u16 = 0x08;
    pub const ALTERNATE: u16 = 0x1f20;
    pub const ALTERNATE_STRING: u16 = 0x1f21;
    pub const SIGNATURE: u16 = 0x20;
    /// Go's own.
    pub const GO_KIND: u16 = 0x2900;
    pub const STRP: u16 = 0x0e;
    pub const UDATA: u16 = 0x0f;
    pub const REF4: u16 = 0x13;
    pub const REF_ADDR: u16 = 0x10;
    pub const FLAG_PRESENT: u16 = 0x19;
    pub const EXPRLOC: u16 = 0x18;
    pub const INDIRECT: u16 = 0x16;
}

/// Tag, whether there are children, attributes with their forms.
type Abbreviation = (u8, bool, &'static [(u16, u16)]);

/// Their numbers are 1, 2 and so on.
const FORMS: [Abbreviation; 22] = [
    (dw::UNIT, true, &[(dw::NAME, dw::STRING), (dw::LANGUAGE, dw::DATA1)]),
    (dw::BASE, false, &[(dw::NAME, dw::STRING), (dw::ENCODING, dw::DATA1), (dw::SIZE, dw::DATA1)]),
    (dw::STRUCTURE, true, &[(dw::NAME, dw::STRP), (dw::SIZE, dw::DATA2)]),
    (dw::MEMBER, false, &[(dw::NAME, dw::STRING), (dw::LOCATION, dw::UDATA), (dw::TYPE, dw::REF4)]),
    (dw::POINTER, false, &[(dw::TYPE, dw::REF4)]),
    (dw::TYPEDEF, false, &[(dw::NAME, dw::STRING), (dw::TYPE, dw::REF4)]),
    (dw::ARRAY, true, &[(dw::TYPE, dw::REF4)]),
    (dw::SUBRANGE, false, &[(dw::COUNT, dw::UDATA)]),
    (dw::STRUCTURE, false, &[(dw::NAME, dw::STRP), (dw::DECLARATION, dw::FLAG_PRESENT)]),
    (dw::STRUCTURE, true, &[(dw::SPECIFICATION, dw::REF4), (dw::SIZE, dw::DATA2)]),
    (dw::UNION, true, &[(dw::NAME, dw::STRING), (dw::SIZE, dw::UDATA)]),
    (dw::MEMBER, false, &[(dw::NAME, dw::STRING), (dw::LOCATION, dw::EXPRLOC), (dw::TYPE, dw::REF_ADDR)]),
    (dw::MEMBER, false, &[(dw::NAME, dw::INDIRECT), (dw::BIT_SIZE, dw::DATA1), (dw::TYPE, dw::REF4)]),
    (dw::ENUMERATION, true, &[(dw::NAME, dw::STRING), (dw::SIZE, dw::DATA1), (dw::TYPE, dw::REF4)]),
    (0x34, false, &[(dw::NAME, dw::STRP)]),
    // As Go's linker writes types, and one in a unit for types alone.
    (dw::STRUCTURE, true, &[(dw::NAME, dw::STRING), (dw::SIZE, dw::UDATA), (dw::GO_KIND, dw::DATA1)]),
    (dw::MEMBER, false, &[(dw::NAME, dw::STRING), (dw::LOCATION, dw::UDATA), (dw::TYPE, dw::REF_ADDR)]),
    (dw::POINTER, false, &[(dw::NAME, dw::STRING), (dw::TYPE, dw::REF_ADDR), (dw::GO_KIND, dw::DATA1)]),
    (dw::TYPEDEF, false, &[(dw::NAME, dw::STRING), (dw::TYPE, dw::ALTERNATE)]),
    (dw::TYPEDEF, false, &[(dw::NAME, dw::ALTERNATE_STRING), (dw::TYPE, dw::SIGNATURE)]),
    (dw::STRUCTURE, true, &[(dw::NAME, dw::STRING), (dw::SIZE, dw::DATA1)]),
    (dw::NAMESPACE, true, &[(dw::NAME, dw::STRP)]),
];

/// What refers to another place refers to this one until it is known.
const LATER: u32 = 0;

pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for version in [4, 5] {
        let sound = sound(version, 12);
        for (name, choices) in [("plain", [0, 0]), ("compressed", [0xff, 0]), ("compressed-as-once", [0xff, 0x80])] {
            let input = Input { choices, ..sound.clone() };
            seeds.push(Seed::sound(format!("{name}-{version}"), input, is_understood));
        }
        seeds.push(Seed::sound(format!("go-{version}"), go(version), |binary| {
            binary
                .dwarf_layouts(&["main.T"])
                .is_ok_and(|found| found.get("main.T").is_some_and(|found| found.size == 16))
        }));
        seeds.push(Seed::sound(format!("language-{version}"), self::sound(version, 22), is_understood));
        let shared = Input { choices: [SHARED, 0], ..shared(version) };
        seeds.push(Seed::sound(format!("shared-{version}"), shared, |binary| binary.alternate_link().is_some()));
        seeds.extend(truncated(&version.to_string(), &sound));
        seeds.extend(hostile(version, &sound));
        for (name, entries) in cyclic() {
            seeds.push(Seed::broken(format!("{name}-{version}"), input(unit(version, 12, &entries))));
        }
        seeds.push(Seed::broken(format!("units-overlap-{version}"), overlapping(version)));
        seeds.push(Seed::broken(format!("one-name-{version}"), long_name(version)));
    }
    seeds.push(Seed::broken("compressed-bomb", bomb()));
    seeds
}

fn is_understood(binary: &uprobed_binary::Binary) -> bool {
    let Ok(Some(node)) = binary.dwarf_type_named("node") else { return false };
    binary.fields(&node).is_ok_and(|fields| fields.len() == 4 && fields[3].offset == 24)
}

fn input(info: Vec<u8>) -> Input {
    let strings = b"node\0opaque\0".to_vec();
    Input {
        choices: [0, 0],
        parts: vec![info, abbreviations(), strings, Vec::new(), Vec::new(), Vec::new(), Vec::new()],
    }
}

fn abbreviations() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, (tag, children, attributes)) in FORMS.iter().enumerate() {
        bytes.extend([index as u8 + 1, *tag, u8::from(*children)]);
        let numbers = attributes.iter().flat_map(|&(attribute, form)| [attribute, form]);
        bytes.extend(numbers.flat_map(|number| varint(number.into())));
        bytes.extend([0, 0]);
    }
    bytes.push(0);
    bytes
}

fn header(version: u16, length: u32) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(version.to_le_bytes());
    match version {
        5 => bytes.extend([1, 8, 0, 0, 0, 0]),
        _ => bytes.extend([0, 0, 0, 0, 8]),
    }
    bytes
}

/// A unit of these entries.
fn unit(version: u16, language: u8, entries: &[u8]) -> Vec<u8> {
    unit_called("unit", version, language, entries)
}

fn unit_called(name: &str, version: u16, language: u8, entries: &[u8]) -> Vec<u8> {
    let mut body = vec![1];
    body.extend(name.as_bytes());
    body.push(0);
    body.push(language);
    body.extend(entries);
    body.push(0);
    let rest = header(version, 0).len() - 4;
    [header(version, (rest + body.len()) as u32), body].concat()
}

/// Where a unit's first entry is within it.
pub fn first(version: u16) -> u32 {
    (header(version, 0).len() + 1 + 5 + 1) as u32
}

fn member(name: &str, offset: u8, ty: u32) -> Vec<u8> {
    [&[4][..], name.as_bytes(), &[0, offset], &ty.to_le_bytes()].concat()
}

/// `struct node { int value; node *next; count[4] all; alias other; }`, a union, an enumeration, a declaration and its definition.
fn sound(version: u16, language: u8) -> Input {
    let base = first(version);
    let int = [&[2][..], b"int\0", &[5, 4]].concat();
    let pointer = base + int.len() as u32;
    let typedef = pointer + 5;
    let array = typedef + 11;
    let node = array + 8;
    let fields =
        [member("value", 0, base), member("next", 8, pointer), member("all", 16, array), member("other", 24, typedef)];
    let mut entries = int;
    entries.extend([&[5][..], &node.to_le_bytes()].concat());
    entries.extend([&[6][..], b"alias\0", &base.to_le_bytes()].concat());
    entries.extend([&[7][..], &pointer.to_le_bytes(), &[8, 4, 0]].concat());
    entries.extend([&[3][..], &0u32.to_le_bytes(), &40u16.to_le_bytes()].concat());
    entries.extend(fields.concat());
    entries.push(0);
    let declaration = base + entries.len() as u32;
    entries.extend([&[9][..], &5u32.to_le_bytes()].concat());
    entries.extend([&[10][..], &declaration.to_le_bytes(), &8u16.to_le_bytes()].concat());
    entries.extend([&[12][..], b"by\0", &[2, 0x23, 8], &base.to_le_bytes(), &[0]].concat());
    entries.extend([&[11][..], b"union\0", &[8]].concat());
    entries.extend([&[13][..], &[dw::STRING as u8], b"bits\0", &[3], &base.to_le_bytes(), &[0]].concat());
    entries.extend([&[14][..], b"enum\0", &[4], &base.to_le_bytes(), &[0]].concat());
    input(unit(version, language, &entries))
}

/// `type T struct { next *T; value int }` where Go's linker has it.
fn go(version: u16) -> Input {
    const GO: u8 = 22;
    let start = first(version) + 3;
    let int = [&[2][..], b"int\0", &[5, 8]].concat();
    let pointer = start + int.len() as u32;
    let own = pointer + 14;
    let mut entries = int;
    entries.extend([&[18][..], b"*main.T\0", &own.to_le_bytes(), &[22]].concat());
    entries.extend([&[16][..], b"main.T\0", &[16, 25]].concat());
    entries.extend([&[17][..], b"next\0", &[0], &pointer.to_le_bytes()].concat());
    entries.extend([&[17][..], b"value\0", &[8], &start.to_le_bytes(), &[0]].concat());
    input(unit_called("runtime", version, GO, &entries))
}

/// Types of another file, and one by its signature.
fn shared(version: u16) -> Input {
    let base = first(version);
    let mut entries = [&[2][..], b"int\0", &[5, 4]].concat();
    entries.extend([&[19][..], b"node\0", &base.to_le_bytes()].concat());
    entries.extend([&[20][..], &0u32.to_le_bytes(), &7u64.to_le_bytes()].concat());
    let mut input = input(unit(version, 12, &entries));
    // A unit for types alone has a signature and an offset of its type behind its header.
    let mut body = header(4, 0)[4..].to_vec();
    let ty = body.len() as u32 + 4 + 12 + 7;
    body.extend([&7u64.to_le_bytes()[..], &ty.to_le_bytes(), &[1], b"unit\0", &[12]].concat());
    body.extend([&[21][..], b"signed\0", &[8]].concat());
    body.extend([&[17][..], b"next\0", &[0], &base.to_le_bytes(), &[0, 0]].concat());
    input.parts[5] = [&(body.len() as u32).to_le_bytes()[..], &body].concat();
    input.parts[6] = b"\x05\0\0/shared\0\x04\x01\x23\x45\x67".to_vec();
    input
}

/// Names for themselves, pointers to themselves, arrays of themselves; offsets are those of a unit of version 4.
fn cyclic() -> Vec<(&'static str, Vec<u8>)> {
    let at = first(4).to_le_bytes();
    let after = (first(4) + 10).to_le_bytes();
    vec![
        ("typedef-of-itself", [&[6][..], b"node\0", &at].concat()),
        ("typedef-of-typedef", [&[6][..], b"node\0", &after, &[6], b"node\0", &at].concat()),
        ("pointer-to-itself", [&[5][..], &at, &[6], b"node\0", &at].concat()),
        ("array-of-itself", [&[7][..], &at, &[8, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 6], b"node\0", &at].concat()),
        ("specification-of-itself", [&[10][..], &at, &[8, 0, 0, 6], b"node\0", &at].concat()),
        ("struct-of-itself", [&[3][..], &LATER.to_le_bytes(), &[8, 0], &member("next", 0, first(4)), &[0]].concat()),
        ("enumeration-of-itself", [&[14][..], b"node\0", &[4], &at, &[0]].concat()),
        ("nested-deep", [&[3][..], &LATER.to_le_bytes(), &[8, 0]].concat().repeat(500)),
    ]
}

fn hostile(version: u16, sound: &Input) -> Vec<Seed> {
    let info = |at: usize, bytes: &[u8]| patched(sound, INFO, at, bytes);
    let abbreviation = |at: usize, bytes: &[u8]| patched(sound, ABBREVIATIONS, at, bytes);
    let table = if version == 5 { 8 } else { 6 };
    let mut endless = sound.clone();
    endless.parts[STRINGS] = vec![b'%'; 3000];
    let mut many = sound.clone();
    many.parts[ABBREVIATIONS] = (0..=255u8).flat_map(|tag| [0xff, 0xff, 0xff, 0xff, 0x0f, tag, 1, 0, 0]).collect();
    let rows = [
        ("unit-beyond", info(0, &0x7fff_ffffu32.to_le_bytes())),
        ("unit-of-64-bits", info(0, &u32::MAX.to_le_bytes())),
        ("unit-of-no-length", info(0, &[0; 4])),
        ("version-unknown", info(4, &[9, 0])),
        ("address-size-of-nothing", info(if version == 5 { 7 } else { 10 }, &[0])),
        ("abbreviations-beyond", info(table, &u32::MAX.to_le_bytes())),
        ("abbreviations-from-the-middle", info(table, &5u32.to_le_bytes())),
        ("abbreviation-without-an-end", abbreviation(abbreviations().len() - 3, &[0xff; 3])),
        ("indirect-of-indirect", abbreviation(4, &[dw::INDIRECT as u8])),
        ("children-of-all", abbreviation(2, &[1])),
        ("strings-without-an-end", endless),
        ("abbreviations-of-one-number", many),
        ("compressed-by-word-alone", Input { choices: [0, 0x7f], ..sound.clone() }),
        ("compressed-twice", Input { choices: [1, 0x81], ..sound.clone() }),
    ];
    rows.map(|(name, input)| Seed::broken(format!("{name}-{version}"), input)).into()
}

/// Units that begin within others: the headers lie in the entries' names.
fn overlapping(version: u16) -> Input {
    let inner = unit(version, 12, &[&[2][..], b"int\0", &[5, 4]].concat());
    let text: Vec<u8> = inner.iter().map(|&byte| byte.max(1)).collect();
    let entries = [&[2][..], &text, &[0, 5, 4]].concat().repeat(20);
    input([unit(version, 12, &entries), inner].concat())
}

/// Many types that have one long name.
fn long_name(version: u16) -> Input {
    let entries = [&[3][..], &0u32.to_le_bytes(), &[8, 0, 0]].concat().repeat(100);
    with_strings(version, &entries, [vec![b'n'; 6000], vec![0]].concat())
}

pub fn with_strings(version: u16, entries: &[u8], strings: Vec<u8>) -> Input {
    let mut input = input(unit(version, 12, entries));
    input.parts[STRINGS] = strings;
    input
}

/// Units whose tables of abbreviations each begin with another one, and have the rest in common.
pub fn overlapping_abbreviations(version: u16, units: usize) -> Input {
    let table = if version == 5 { 8 } else { 6 };
    let one = unit(version, 12, &[]);
    let mut info = one.repeat(units);
    for (index, unit) in info.chunks_mut(one.len()).enumerate() {
        unit[table..table + 4].copy_from_slice(&(index as u32 * 7).to_le_bytes());
    }
    let mut input = input(info);
    // Numbers of three bytes, each once: a tag, no children, no attributes.
    let numbers = (0..units).flat_map(|index| [varint(0x4000 + index as u64), vec![dw::BASE, 0, 0, 0]].concat());
    input.parts[ABBREVIATIONS] = numbers.chain([0]).collect();
    input
}

/// Zeros, which compress a thousandfold.
fn bomb() -> Input {
    let mut input = input(unit(4, 12, &[]));
    input.choices = [1 << STRINGS, 0];
    input.parts[STRINGS] = vec![0; 60_000];
    input
}
