//! Tables of functions of every layout, with inlining, and such that refer to themselves, overlap or count too far.

use super::module::{Contents, MODULE_PART, PCLNTAB_PART};
use super::{Seed, descriptors, patched, truncated};
use crate::Input;
use crate::targets::ARM64;

const HEADER: usize = 72;
const NAMES: [&str; 5] = ["main.main", "main.(*T).Get", "main.Map[go.shape.int]", "lib.called", "main.inlined"];
const FUNCTIONS: usize = 4;
/// Bytes of code for each function.
const CODE: u32 = 64;

pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for minor in 18..=29 {
        seeds.push(Seed::sound(format!("sound-1.{minor}"), contents(minor).input(), is_understood));
    }
    for minor in [18, 21, 26, 27] {
        let contents = contents(minor);
        seeds.push(Seed::sound(format!("independent-1.{minor}"), contents.independent(), is_understood));
        seeds.push(Seed::sound(format!("packed-1.{minor}"), contents.packed(), is_understood));
        seeds.push(Seed::sound(format!("unnamed-1.{minor}"), contents.unnamed(), is_understood));
    }
    let sound = contents(26).input();
    let mut arm64 = sound.clone();
    arm64.choices[1] |= ARM64;
    seeds.push(Seed::broken("arm64", arm64));
    seeds.extend(truncated("1.26", &sound));
    seeds.extend(hostile(&sound));
    seeds.push(Seed::broken("long-tables", sharing(400, 24_000, 16)));
    seeds
}

fn is_understood(binary: &uprobed_binary::Binary) -> bool {
    binary.function("main.(*T).Get").is_some_and(|function| function.size == u64::from(CODE))
        && binary.functions().count() == FUNCTIONS
        && binary.mentions("main.inlined")
        && !binary.mentions("main.absent")
}

fn hostile(sound: &Input) -> Vec<Seed> {
    let layout = Layout::of(sound);
    let header = |index: usize, value: u64| patched(sound, PCLNTAB_PART, index * 8, &value.to_le_bytes());
    let record = |at: usize, value: u32| patched(sound, PCLNTAB_PART, layout.record + at, &value.to_le_bytes());
    let table = |at: usize, value: u32| patched(sound, PCLNTAB_PART, layout.table + at, &value.to_le_bytes());
    let module = |word: usize, value: u64| patched(sound, MODULE_PART, word * 8, &value.to_le_bytes());
    let rows = [
        ("no-functions", header(1, 0)),
        ("more-functions-than-bytes", header(1, 1 << 20)),
        ("functions-overflow", header(1, u64::MAX / 8)),
        ("names-before-the-file", header(4, u64::MAX - 0xffff)),
        ("names-are-the-table", header(4, layout.table as u64)),
        ("table-is-the-header", header(8, 0)),
        ("table-overflow", header(8, u64::MAX)),
        ("record-is-the-table", table(4, 0)),
        ("record-is-another", table(4, 60)),
        ("record-beyond", table(4, u32::MAX)),
        ("entries-backwards", table(8, 0)),
        ("entry-far", table(0, u32::MAX)),
        ("name-beyond", record(4, u32::MAX)),
        ("name-within-another", record(4, 3)),
        ("many-pcdata", record(28, u32::MAX)),
        ("tables-overlap", record(44 + 8, 1)),
        ("tree-beyond", record(44 + 24, u32::MAX - 1)),
        ("text-is-data", module(22, 0x70_0000)),
        ("types-backwards", module(38, 0x50_0000)),
        ("link-is-moduledata", module(44, 0x70_0000)),
        ("links-overflow", module(45, u64::MAX)),
    ];
    rows.into_iter().map(|(name, input)| Seed::broken(name, input)).collect()
}

/// Functions that share a table of values and a name, of so many bytes: what one costs, all cost.
pub fn sharing(functions: usize, table: usize, name: usize) -> Input {
    let mut parts = Parts::default();
    parts.names.push(0);
    parts.names.extend(b"main.inlined\0");
    parts.names.resize(14 + name, b'n');
    parts.names.push(0);
    parts.tables.extend([2, 1].repeat(table / 2));
    parts.tables.push(0);
    // Of a call of what has a name at 1.
    parts.trees.extend([0, 1, 0, 0].map(u32::to_le_bytes).concat().repeat(64));
    for index in 0..functions {
        parts.function(26, index as u32 * CODE, 1, 0, 14 + index as u32 % 8);
    }
    parts.contents(26).input()
}

/// Where things are in pclntab.
struct Layout {
    table: usize,
    record: usize,
}

impl Layout {
    fn of(input: &Input) -> Self {
        let part = &input.parts[PCLNTAB_PART];
        let table = u64::from_le_bytes(*part[64..].first_chunk().expect("the seed has a header")) as usize;
        let record = u32::from_le_bytes(*part[table + 4..].first_chunk().expect("the seed has functions")) as usize;
        Self { table, record: table + record }
    }
}

/// Four functions, into one of which another was inlined.
pub fn contents(minor: u8) -> Contents {
    let mut parts = Parts::default();
    let mut offsets = Vec::new();
    parts.names.push(0);
    for name in NAMES {
        offsets.push(parts.names.len() as u32);
        parts.names.extend(name.as_bytes());
        parts.names.push(0);
    }
    // -1 for 16 bytes, 0 for 16, then -1 again.
    parts.tables.extend([0, 0, 16, 2, 16, 1, 32, 0]);
    let (size, name) = if minor >= 20 { (16, 4) } else { (20, 12) };
    let mut call = vec![0; size];
    call[name..name + 4].copy_from_slice(&offsets[4].to_le_bytes());
    parts.trees.extend(call);
    let from_other = offsets[3];
    for (index, name) in offsets[..FUNCTIONS].iter().enumerate() {
        let table = if *name == from_other { 1 } else { 0 };
        parts.function(minor, index as u32 * CODE, table, if table == 0 { u32::MAX } else { 0 }, *name);
    }
    parts.contents(minor)
}

#[derive(Default)]
struct Parts {
    names: Vec<u8>,
    tables: Vec<u8>,
    trees: Vec<u8>,
    records: Vec<(u32, Vec<u8>)>,
}

impl Parts {
    /// A `runtime._func`, with its table of places in the inline tree, and that tree.
    fn function(&mut self, minor: u8, entry: u32, table: u32, tree: u32, name: u32) {
        let mut record = [entry, name, 0, 0, 0, 0, 0, 3, 0].map(u32::to_le_bytes).concat();
        if minor >= 20 {
            record.extend(1u32.to_le_bytes());
        }
        record.extend([0, 0, 0, 4]);
        record.extend([0, 0, table, u32::MAX, u32::MAX, u32::MAX, tree].map(u32::to_le_bytes).concat());
        self.records.push((entry, record));
    }

    fn contents(&self, minor: u8) -> Contents {
        let functions = self.records.len();
        let names = HEADER;
        let tables = names + self.names.len();
        let table = (tables + self.tables.len()).next_multiple_of(8);
        let mut pclntab = if minor >= 20 { 0xffff_fff1u32 } else { 0xffff_fff0 }.to_le_bytes().to_vec();
        pclntab.extend([0, 0, 1, 8]);
        let text = if minor >= 26 { 0 } else { crate::targets::TEXT };
        let offsets = [functions, 0, 0, names, tables, tables, tables, table].map(|offset| offset as u64);
        let mut header = offsets;
        header[2] = text;
        pclntab.extend(header.map(u64::to_le_bytes).concat());
        pclntab.extend(&self.names);
        pclntab.extend(&self.tables);
        pclntab.resize(table, 0);
        let mut at = functions * 8 + 8;
        for (entry, record) in &self.records {
            pclntab.extend([*entry, at as u32].map(u32::to_le_bytes).concat());
            at += record.len();
        }
        pclntab.extend([functions as u32 * CODE, 0].map(u32::to_le_bytes).concat());
        self.records.iter().for_each(|(_, record)| pclntab.extend(record));
        let function_data = pclntab.len() as u64;
        pclntab.extend(&self.trees);
        let code = [&[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3][..], &[0xcc; CODE as usize - 6]].concat();
        Contents {
            text: code.repeat(functions),
            pclntab,
            names: names as u64,
            table: table as u64,
            functions: functions as u64,
            function_data,
            ..descriptors::simple(minor)
        }
    }
}
