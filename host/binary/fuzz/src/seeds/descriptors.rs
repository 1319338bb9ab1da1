//! Type descriptors of every layout, and such that are made of themselves, share their parts, or count too far.

use super::buildinfo::varint;
use super::module::{Contents, TYPES_PART};
use super::{Seed, patched, pclntab, truncated};
use crate::Input;
use crate::targets::TYPES;

const COMMON: usize = 48;
const UNCOMMON: usize = 16;
const ITAB: usize = 32;
/// A word is left free, so that no type has offset 0.
const FIRST: usize = 8;

/// A type by its index in the program.
type Index = usize;

#[derive(Clone)]
struct Type {
    name: &'static str,
    package: Option<&'static str>,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    Basic { kind: u8, size: u64 },
    Pointer(Index),
    Slice(Index),
    Array(Index, u64),
    Chan(Index),
    Map { key: Index, value: Index, group: Index },
    Func(Vec<Index>, Vec<Index>),
    Interface(Vec<(&'static str, Index)>),
    Struct(Vec<(&'static str, Index)>),
}

pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for minor in 18..=29 {
        seeds.push(Seed::sound(format!("sound-1.{minor}"), with_code(minor, &program()).input(), is_understood));
    }
    for minor in [18, 24, 26, 27] {
        let contents = with_code(minor, &program());
        seeds.push(Seed::sound(format!("packed-1.{minor}"), contents.packed(), is_understood));
        seeds.push(Seed::sound(format!("independent-1.{minor}"), contents.independent(), is_understood));
    }
    for minor in [21, 26, 27] {
        seeds.extend(truncated(&format!("1.{minor}"), &with_code(minor, &program()).input()));
        for (name, types) in cyclic() {
            seeds.push(Seed::broken(format!("{name}-1.{minor}"), with_code(minor, &types).input()));
        }
        for (name, input) in hostile(minor) {
            seeds.push(Seed::broken(format!("{name}-1.{minor}"), input));
        }
        seeds.push(Seed::broken(format!("overlapping-structs-1.{minor}"), overlapping(minor, 500)));
    }
    seeds
}

fn is_understood(binary: &uprobed_binary::Binary) -> bool {
    let Ok(Some(ty)) = binary.type_named("main.T") else { return false };
    let fields = binary.fields(&ty).unwrap_or_default();
    let parts = fields.iter().filter(|field| binary.resolve(field.ty).is_ok()).count();
    let map = binary.type_named("map[string]main.T").ok().flatten();
    parts == 9 && map.is_some_and(|map| binary.element(&map).is_ok_and(|value| value.name == "main.T"))
}

/// Types alone, for seeds that are about something else.
pub fn simple(minor: u8) -> Contents {
    lay_out(minor, &program())
}

fn with_code(minor: u8, types: &[Type]) -> Contents {
    let types = lay_out(minor, types);
    let Contents { types, descriptors, links, itab_links, itabs, .. } = types;
    Contents { types, descriptors, links, itab_links, itabs, ..pclntab::contents(minor) }
}

fn plain(name: &'static str, shape: Shape) -> Type {
    Type { name, package: None, shape }
}

fn named(name: &'static str, shape: Shape) -> Type {
    Type { name, package: Some("main"), shape }
}

/// A struct with a field of everything.
fn program() -> Vec<Type> {
    let fields = vec![
        ("next", 1),
        ("name", 2),
        ("items", 3),
        ("grid", 4),
        ("queue", 5),
        ("by", 6),
        ("call", 7),
        ("any", 8),
        ("reader", 9),
    ];
    vec![
        named("main.T", Shape::Struct(fields)),
        plain("*main.T", Shape::Pointer(0)),
        plain("string", Shape::Basic { kind: 24, size: 16 }),
        plain("[]main.T", Shape::Slice(0)),
        plain("[4]main.T", Shape::Array(0, 4)),
        plain("chan main.T", Shape::Chan(0)),
        plain("map[string]main.T", Shape::Map { key: 2, value: 0, group: 10 }),
        plain("func(int) interface {}", Shape::Func(vec![11], vec![8])),
        plain("interface {}", Shape::Interface(Vec::new())),
        named("main.Reader", Shape::Interface(vec![("Read", 7), ("Close", 7)])),
        plain("struct { ctrl int }", Shape::Struct(vec![("ctrl", 11)])),
        plain("int", Shape::Basic { kind: 2, size: 8 }),
    ]
}

/// Types without a name of their own that are made of themselves, which Go cannot write.
fn cyclic() -> Vec<(&'static str, Vec<Type>)> {
    let with = |index: usize, shape: Shape| {
        let mut types = program();
        types[index] = plain("T", shape);
        types
    };
    let both = |first: Shape, second: Shape| {
        let mut types = with(1, first);
        types[3] = plain("T", second);
        types
    };
    vec![
        ("cyclic-struct", with(0, Shape::Struct(vec![("next", 0), ("other", 0)]))),
        ("cyclic-pointer", with(1, Shape::Pointer(1))),
        ("cyclic-slice", with(3, Shape::Slice(3))),
        ("cyclic-array", with(4, Shape::Array(4, u64::MAX))),
        ("cyclic-chan", with(5, Shape::Chan(5))),
        ("cyclic-map", with(6, Shape::Map { key: 6, value: 6, group: 6 })),
        ("cyclic-func", with(7, Shape::Func(vec![7, 7, 7], vec![7, 7, 7]))),
        ("cyclic-interface", with(9, Shape::Interface(vec![("Read", 9), ("Close", 9)]))),
        ("cyclic-pair", both(Shape::Slice(3), Shape::Map { key: 1, value: 1, group: 3 })),
        ("itab-of-no-interface", with(9, Shape::Struct(vec![("next", 9)]))),
        ("doubling", doubling()),
    ]
}

/// Each struct has the next one twice, so that a name of the first would be a name of two to the thirtieth.
fn doubling() -> Vec<Type> {
    let mut types = program();
    for index in 12..42 {
        types.push(plain("T", Shape::Struct(vec![("a", index + 1), ("b", index + 1)])));
    }
    types.push(plain("int", Shape::Basic { kind: 2, size: 8 }));
    types[0] = plain("T", Shape::Struct(vec![("next", 12)]));
    types
}

fn hostile(minor: u8) -> Vec<(&'static str, Input)> {
    let types = program();
    let sound = with_code(minor, &types).input();
    let at = offsets(minor, &types);
    let patch = |index: usize, offset: usize, bytes: &[u8]| patched(&sound, TYPES_PART, at[index] + offset, bytes);
    let word = |index: usize, offset: usize, value: u64| patch(index, offset, &value.to_le_bytes());
    vec![
        ("fields-are-the-struct", word(0, 56, TYPES + FIRST as u64)),
        ("fields-unaligned", word(0, 56, TYPES + FIRST as u64 + 1)),
        ("fields-nowhere", word(0, 56, u64::MAX - 7)),
        ("many-fields", word(0, 64, 1 << 20)),
        ("fields-overflow", word(0, 64, u64::MAX / 24 + 2)),
        ("methods-overflow", word(9, 64, u64::MAX / 8 + 1)),
        ("array-overflow", word(4, 64, u64::MAX)),
        ("size-overflow", word(0, 0, u64::MAX)),
        ("element-is-a-name", word(1, 48, TYPES + sound.parts[TYPES_PART].len() as u64 - 8)),
        ("element-nowhere", word(3, 48, u64::MAX)),
        ("many-parameters", patch(7, 48, &[0xff; 4])),
        ("name-is-itself", patch(0, 40, &(at[0] as u32).to_le_bytes())),
        ("name-negative", patch(0, 40, &(-9i32).to_le_bytes())),
        ("name-beyond", patch(0, 40, &i32::MAX.to_le_bytes())),
        ("pointer-is-itself", patch(0, 44, &(at[0] as u32).to_le_bytes())),
        ("many-methods", patch(0, COMMON + 32 + 4, &[0xff, 0xff])),
        ("methods-beyond", patch(0, COMMON + 32 + 8, &u32::MAX.to_le_bytes())),
        ("kind-unknown", patch(0, 23, &[27])),
        ("flags-all", patch(1, 20, &[0xff])),
    ]
}

/// A struct at every fourth word, whose fields are all the words from there on.
pub fn overlapping(minor: u8, count: usize) -> Input {
    let mut contents = with_code(minor, &program());
    let start = contents.types.len().next_multiple_of(8);
    contents.types.resize(start + count * 32, 0);
    for index in 0..count {
        let at = start + index * 32;
        let header = &mut contents.types[at..at + 32];
        // The flags and the kind of one are in the middle of the fields of others.
        header[..8].copy_from_slice(&(TYPES + at as u64).to_le_bytes());
        header[16..24].copy_from_slice(&[0, 0, 0, 0, 0, 8, 8, 25]);
        header[24..].copy_from_slice(&(count as u64).to_le_bytes());
    }
    // The type of the first field of what is listed.
    let field = offsets(minor, &program())[0] + COMMON + 32 + UNCOMMON + 8;
    contents.types[field..field + 8].copy_from_slice(&(TYPES + start as u64).to_le_bytes());
    contents.input()
}

impl Shape {
    fn kind(&self) -> u8 {
        match self {
            Self::Basic { kind, .. } => *kind,
            Self::Array(..) => 17,
            Self::Chan(_) => 18,
            Self::Func(..) => 19,
            Self::Interface(_) => 20,
            Self::Map { .. } => 21,
            Self::Pointer(_) => 22,
            Self::Slice(_) => 23,
            Self::Struct(_) => 25,
        }
    }

    /// Bytes of the common part and of the kind's own.
    fn base(&self, minor: u8) -> usize {
        match self {
            Self::Basic { .. } => COMMON,
            Self::Pointer(_) | Self::Slice(_) | Self::Func(..) => COMMON + 8,
            Self::Chan(_) => COMMON + 16,
            Self::Array(..) => COMMON + 24,
            Self::Interface(_) | Self::Struct(_) => COMMON + 32,
            Self::Map { .. } if minor >= 27 => 136,
            Self::Map { .. } if minor >= 24 => 112,
            Self::Map { .. } => 88,
        }
    }

    /// Bytes of what follows.
    fn parts(&self) -> usize {
        match self {
            Self::Func(inputs, outputs) => (inputs.len() + outputs.len()) * 8,
            Self::Interface(methods) => methods.len() * 8,
            Self::Struct(fields) => fields.len() * 24,
            _ => 0,
        }
    }
}

/// Where each descriptor is, and where the last one ends: in the order of their names, as the linker sorts them.
fn offsets(minor: u8, types: &[Type]) -> Vec<usize> {
    let mut offsets = vec![0; types.len()];
    let mut end = FIRST;
    for index in sorted(types) {
        let ty = &types[index];
        offsets[index] = end;
        let uncommon = if ty.package.is_some() { UNCOMMON } else { 0 };
        end = (end + ty.shape.base(minor) + uncommon + ty.shape.parts()).next_multiple_of(8);
    }
    offsets.push(end);
    offsets
}

fn sorted(types: &[Type]) -> Vec<Index> {
    let mut order: Vec<Index> = (0..types.len()).collect();
    order.sort_by_key(|&index| types[index].name);
    order
}

/// Names, each written where it is first needed.
struct Names {
    start: usize,
    bytes: Vec<u8>,
}

impl Names {
    fn offset(&mut self, name: &str) -> u32 {
        let offset = self.start + self.bytes.len();
        self.bytes.push(1);
        self.bytes.extend(varint(name.len() as u64));
        self.bytes.extend(name.as_bytes());
        offset as u32
    }

    fn address(&mut self, name: &str) -> u64 {
        TYPES + u64::from(self.offset(name))
    }
}

/// Descriptors, the linker's lists, one itab, names.
fn lay_out(minor: u8, types: &[Type]) -> Contents {
    let at = offsets(minor, types);
    let descriptors = at[types.len()];
    let itab_links = (descriptors + types.len() * 4).next_multiple_of(8);
    let itab = itab_links + 8;
    let mut names = Names { start: itab + ITAB, bytes: Vec::new() };
    let mut bytes = vec![0; FIRST];
    let pointer_to = |index: Index| types.iter().position(|ty| matches!(ty.shape, Shape::Pointer(to) if to == index));
    for index in sorted(types) {
        bytes.resize(at[index], 0);
        let pointer = pointer_to(index).map_or(0, |pointer| at[pointer]);
        bytes.extend(descriptor(minor, &types[index], &at, (index, pointer), &mut names));
    }
    bytes.resize(descriptors, 0);
    sorted(types).iter().for_each(|&index| bytes.extend((at[index] as u32).to_le_bytes()));
    bytes.resize(itab_links, 0);
    bytes.extend((TYPES + itab as u64).to_le_bytes());
    bytes.extend([TYPES + at[9] as u64, TYPES + at[1] as u64, 0, 0].map(u64::to_le_bytes).concat());
    bytes.extend(names.bytes);
    Contents {
        minor,
        types: bytes,
        descriptors: descriptors as u64,
        links: (descriptors as u64, types.len() as u64),
        itab_links: (itab_links as u64, 1),
        itabs: (itab as u64, ITAB as u64),
        text: Vec::new(),
        pclntab: Vec::new(),
        names: 0,
        table: 0,
        functions: 0,
        function_data: 0,
    }
}

/// With its own index, and where the pointer to it is.
fn descriptor(minor: u8, ty: &Type, at: &[usize], (index, pointer): (Index, usize), names: &mut Names) -> Vec<u8> {
    let address = |index: &Index| TYPES + at[*index] as u64;
    let size = if let Shape::Basic { size, .. } = ty.shape { size } else { 8 };
    let mut bytes = [size, 8].map(u64::to_le_bytes).concat();
    let flags = if ty.package.is_some() { 1 | 4 } else { 0 };
    bytes.extend([0, 0, 0, 0, flags, 8, 8, ty.shape.kind()]);
    bytes.extend([0; 16]);
    bytes.extend([names.offset(ty.name), pointer as u32].map(u32::to_le_bytes).concat());
    let uncommon = if ty.package.is_some() { UNCOMMON } else { 0 };
    let parts_at = TYPES + (at[index] + ty.shape.base(minor) + uncommon) as u64;
    let mut parts = Vec::new();
    let own = match &ty.shape {
        Shape::Basic { .. } => Vec::new(),
        Shape::Pointer(element) | Shape::Slice(element) => vec![address(element)],
        Shape::Chan(element) => vec![address(element), 3],
        Shape::Array(element, length) => vec![address(element), address(element), *length],
        Shape::Map { key, value, group } => vec![address(key), address(value), address(group)],
        Shape::Func(inputs, outputs) => {
            inputs.iter().chain(outputs).for_each(|part| parts.extend(address(part).to_le_bytes()));
            vec![inputs.len() as u64 | (outputs.len() as u64) << 16]
        }
        Shape::Interface(methods) => {
            for (name, ty) in methods {
                parts.extend([names.offset(name), at[*ty] as u32].map(u32::to_le_bytes).concat());
            }
            vec![names.address("main"), parts_at, methods.len() as u64, methods.len() as u64]
        }
        Shape::Struct(fields) => {
            for (place, (name, ty)) in fields.iter().enumerate() {
                let offset = place as u64 * 8 * if minor < 19 { 2 } else { 1 };
                parts.extend([names.address(name), address(ty), offset].map(u64::to_le_bytes).concat());
            }
            vec![names.address("main"), parts_at, fields.len() as u64, fields.len() as u64]
        }
    };
    bytes.extend(own.into_iter().flat_map(u64::to_le_bytes));
    bytes.resize(ty.shape.base(minor), 0);
    if let Some(package) = ty.package {
        bytes.extend([names.offset(package), 0, 16, 0].map(u32::to_le_bytes).concat());
    }
    bytes.extend(parts);
    bytes
}
