//! Go's structs by name without an index: one pass over `.debug_info`, through a window, which skips all units but the one with the
//! types. Go's linker writes all types into the runtime's unit, after its functions, with names in place (`movetomodule` and `abbrevs`
//! of `cmd/link` and `cmd/internal/dwarf`, 1.18 to 1.27). Leaves what other tools have rewritten to the index.

use std::collections::HashMap;
use std::hash::BuildHasher;

use gimli::{LittleEndian, constants as dw};
use object::Object;
use object::read::elf::ElfFile64;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::forms::{Attributes, Plan, Plans};
use super::names::unescape;
use super::sections::{compressed, place};
use super::stream::Stream;
use super::{MAX_FIELDS, Slice};
use crate::Error;

/// Read before an entry is looked at; few are longer.
const USUAL: usize = 4096;
/// Of an entry with its name.
const MAX_ENTRY: usize = 1 << 20;
const MAX_HEADER: usize = 64;
/// As the runtime numbers kinds of types (`internal/abi`).
const STRUCT: u64 = 25;
/// The unit that has the types.
const WITH_TYPES: &[u8] = b"runtime";

/// A struct of Go's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In bytes.
    pub size: u64,
    /// Names and offsets in bytes, in order.
    pub fields: Vec<(String, u64)>,
    /// Its entry's offset in `.debug_info`.
    pub at: u64,
}

/// Those of these names that there are. None if it is not as Go's linker writes it, so that the index must be asked.
pub(crate) fn layouts(
    file: &ElfFile64<'_, object::LittleEndian>,
    names: &[&str],
) -> Result<Option<HashMap<String, Layout>>, Error> {
    for only in [Some(WITH_TYPES), None] {
        let info = file.section_by_name(".debug_info").ok_or_else(|| Error::Missing("DWARF".into()))?;
        let mut search = Search {
            stream: Stream::new(compressed(".debug_info", &info)?, place(&info))?,
            plans: Plans::read(file)?,
            wanted: names.iter().map(|name| (unescape(name), None)).collect(),
            has_types: false,
            names: None,
        };
        if !search.run(only)? {
            return Ok(None);
        }
        if search.has_types {
            let found = |name: &&str| Some(((*name).to_owned(), search.wanted.get(&unescape(name))?.clone()?));
            return Ok(Some(names.iter().filter_map(found).collect()));
        }
    }
    Ok(Some(HashMap::new()))
}

/// Hashes of the names of everything in the unit with the types, without escapes: what is not among them is no type of Go's in this file.
/// None if it is not as Go's linker writes it.
pub(crate) fn names(file: &ElfFile64<'_, object::LittleEndian>) -> Result<Option<FxHashSet<u64>>, Error> {
    let info = file.section_by_name(".debug_info").ok_or_else(|| Error::Missing("DWARF".into()))?;
    let mut search = Search {
        stream: Stream::new(compressed(".debug_info", &info)?, place(&info))?,
        plans: Plans::read(file)?,
        wanted: HashMap::new(),
        has_types: false,
        names: Some(FxHashSet::default()),
    };
    let is_read = search.run(Some(WITH_TYPES))? && search.has_types;
    Ok(search.names.filter(|_| is_read))
}

/// As the set of [`names`] has it.
pub(crate) fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(unescape(name))
}

struct Search<'d> {
    stream: Stream<'d>,
    plans: Plans<'d>,
    /// By names without escapes.
    wanted: HashMap<String, Option<Layout>>,
    has_types: bool,
    /// Hashes of all names, if they are asked for.
    names: Option<FxHashSet<u64>>,
}

/// A struct that was asked for, while its fields come.
type Open = Option<(String, Layout)>;

struct Unit {
    end: u64,
    encoding: gimli::Encoding,
    abbreviations: usize,
}

impl Search<'_> {
    /// False if it cannot be read without an index.
    fn run(&mut self, only: Option<&[u8]>) -> Result<bool, Error> {
        while self.stream.offset() < self.stream.length() {
            let unit = self.unit()?;
            let plan = self.plans.plan(unit.abbreviations, unit.encoding)?;
            let bytes = self.stream.next(USUAL)?;
            // What begins with forms not known here is none of Go's.
            let attributes = plan.entry(bytes).and_then(|root| root.read(bytes)).unwrap_or_default();
            let is_go = attributes.language == Some(u64::from(dw::DW_LANG_Go.0));
            if is_go && attributes.name.is_none() {
                return Ok(false);
            }
            let is_wanted = is_go && only.is_none_or(|only| attributes.name == Some(only));
            if is_wanted && !self.entries(&plan, unit.end)? {
                return Ok(false);
            }
            // A library of asm files comes as a unit of the same name.
            if self.has_types && only.is_some() {
                break;
            }
            self.stream.skip_to(unit.end)?;
        }
        Ok(true)
    }

    /// Reads the unit's header and passes it.
    fn unit(&mut self) -> Result<Unit, Error> {
        let start = self.stream.offset();
        let corrupt =
            |error: gimli::Error| Error::Corrupt(format!("its .debug_info at {start:#x}: {error}").to_lowercase());
        let whole_section = self.stream.length();
        let bytes = self.stream.next(MAX_HEADER)?;
        let mut reader = Slice::new(&bytes[..bytes.len().min(MAX_HEADER)], LittleEndian);
        let whole = reader.len();
        use gimli::Reader;
        let (length, format) = reader.read_initial_length().map_err(corrupt)?;
        let end = start + (whole - reader.len()) as u64;
        let end = end.checked_add(length as u64).filter(|&end| end <= whole_section);
        let end =
            end.ok_or_else(|| Error::Corrupt(format!("its .debug_info: the unit at {start:#x} ends beyond it")))?;
        let version = reader.read_u16().map_err(corrupt)?;
        let mut kind = dw::DW_UT_compile;
        let (address_size, abbreviations);
        match version {
            2..=4 => {
                abbreviations = reader.read_offset(format).map_err(corrupt)?;
                address_size = reader.read_u8().map_err(corrupt)?;
            }
            5 => {
                kind = gimli::DwUt(reader.read_u8().map_err(corrupt)?);
                address_size = reader.read_u8().map_err(corrupt)?;
                abbreviations = reader.read_offset(format).map_err(corrupt)?;
            }
            _ => return Err(corrupt(gimli::Error::UnknownVersion(version.into()))),
        }
        let more = match kind {
            dw::DW_UT_type | dw::DW_UT_split_type => 8 + usize::from(format.word_size()),
            dw::DW_UT_skeleton | dw::DW_UT_split_compile => 8,
            _ => 0,
        };
        reader.skip(more).map_err(corrupt)?;
        let passed = whole - reader.len();
        self.stream.pass(passed);
        Ok(Unit { end, encoding: gimli::Encoding { format, version, address_size }, abbreviations })
    }

    /// Of a unit, from its root on.
    fn entries(&mut self, plan: &Plan, end: u64) -> Result<bool, Error> {
        let mut depth = 0usize;
        let mut open: Open = None;
        while self.stream.offset() < end {
            let at = self.stream.offset();
            let mut bytes = self.stream.next(USUAL)?;
            if bytes.first() == Some(&0) {
                self.stream.pass(1);
                depth = depth.saturating_sub(1);
                if depth <= 1 {
                    self.close(&mut open)?;
                }
                if depth == 0 {
                    break;
                }
                continue;
            }
            let mut found = plan.entry(bytes).and_then(|entry| Some((entry.length(bytes)?, entry)));
            if found.is_none() && bytes.len() < MAX_ENTRY {
                bytes = self.stream.next(MAX_ENTRY)?;
                found = plan.entry(bytes).and_then(|entry| Some((entry.length(bytes)?, entry)));
            }
            let (length, entry) = found.ok_or_else(|| short(at))?;
            let is_type = entry.tag == dw::DW_TAG_structure_type && depth == 1;
            if let Some(names) = self.names.as_mut().filter(|_| depth == 1) {
                let name = entry.read(bytes).and_then(|attributes| std::str::from_utf8(attributes.name?).ok());
                names.extend(name.map(hash));
            }
            let is_field = entry.tag == dw::DW_TAG_member && depth == 2 && open.is_some();
            if is_type || is_field {
                self.has_types |= is_type;
                let attributes = entry.read(bytes).ok_or_else(|| short(at))?;
                if !take(&attributes, at, &self.wanted, &mut open)? {
                    return Ok(false);
                }
            }
            self.stream.pass(length);
            match entry.has_children {
                true => depth += 1,
                false if depth == 1 => self.close(&mut open)?,
                false => {}
            }
        }
        Ok(true)
    }

    fn close(&mut self, open: &mut Open) -> Result<(), Error> {
        match open.take() {
            Some((name, layout)) => self.found(name, layout),
            None => Ok(()),
        }
    }

    fn found(&mut self, name: String, layout: Layout) -> Result<(), Error> {
        let Some(place) = self.wanted.get_mut(&name) else { return Ok(()) };
        match place {
            None => *place = Some(layout),
            Some(first) if first.size == layout.size && first.fields == layout.fields => {}
            Some(first) => {
                return Err(Error::Refused(format!(
                    "{name} is not one type: {} bytes (at {:#x} of .debug_info), and another of {} bytes (at {:#x})",
                    first.size, first.at, layout.size, layout.at
                )));
            }
        }
        Ok(())
    }
}

/// Begins a struct, or adds a field to the one that was begun. False if it cannot be read without an index.
fn take(
    attributes: &Attributes,
    at: u64,
    names: &HashMap<String, Option<Layout>>,
    open: &mut Open,
) -> Result<bool, Error> {
    let Some(name) = attributes.name else { return Ok(false) };
    let Some((of, layout)) = open else {
        // Strings and slices are structs too, to a debugger.
        let is_struct = attributes.go_kind.is_none_or(|kind| kind == STRUCT);
        let size = attributes.size.unwrap_or(0);
        *open = wanted(names, name).filter(|_| is_struct).map(|name| (name, Layout { size, fields: Vec::new(), at }));
        return Ok(true);
    };
    if layout.fields.len() == MAX_FIELDS {
        return Err(Error::Corrupt(format!("its DWARF: {of} at {at:#x} has more than {MAX_FIELDS} fields")));
    }
    let Some(offset) = attributes.offset else { return Ok(false) };
    layout.fields.push((String::from_utf8_lossy(name).into_owned(), offset));
    Ok(true)
}

fn wanted(names: &HashMap<String, Option<Layout>>, name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    match name.contains('%') {
        true => Some(unescape(name)).filter(|name| names.contains_key(name)),
        false => names.contains_key(name).then(|| name.to_owned()),
    }
}

fn short(at: u64) -> Error {
    Error::Corrupt(format!("its .debug_info: no whole entry at {at:#x}"))
}
