//! Types from DWARF, versions 2 to 5: for what has no descriptor, and for native code. Nothing is read until a type is asked for; then
//! names are indexed once, and types read one by one. Leaves out lines, locations, inlining, and split DWARF (`.dwo`, `.dwp`), which it
//! names where it would be needed.

mod forms;
mod index;
mod layouts;
mod lookup;
mod members;
mod names;
mod parts;
mod sections;
mod stream;
mod tables;
mod types;
mod unit;

pub use layouts::Layout;
pub(crate) use layouts::{hash, layouts, names};
pub(crate) use names::unescape;
pub(crate) use sections::has_dwarf;

use gimli::{EndianSlice, LittleEndian, UnitOffset, constants as dw};
use object::read::elf::ElfFile64;

use super::{Error, Field, Kind, Part, Source, Type, TypeRef};
use index::Index;
use sections::Sections;
use unit::{At, Files, Target, Unit};

/// Go's own attributes (`cmd/internal/dwarf`).
const GO_KIND: gimli::DwAt = gimli::DwAt(0x2900);
const GO_KEY: gimli::DwAt = gimli::DwAt(0x2901);
const GO_ELEM: gimli::DwAt = gimli::DwAt(0x2902);
const GO_EMBEDDED_FIELD: gimli::DwAt = gimli::DwAt(0x2903);

/// Of a typedef of a typedef, a pointer to a pointer, a struct in a struct.
const MAX_DEPTH: u32 = 32;
/// Of a struct.
const MAX_FIELDS: usize = 8192;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

pub(super) struct Dwarf<'d> {
    files: Files<'d>,
    index: Index,
}

/// An entry with its unit.
struct Place<'a> {
    unit: Unit<'a>,
    offset: UnitOffset,
    at: At,
}

impl<'d> Dwarf<'d> {
    /// Of a file, with the one that it shares with others if there is one (`dwz`), or with the name of that if it was not given.
    pub fn read(
        file: &ElfFile64<'d, object::LittleEndian>,
        alternate: Option<&ElfFile64<'d, object::LittleEndian>>,
        lacking: Option<String>,
    ) -> Result<Self, Error> {
        let files = Files::new(Sections::read(file)?, alternate.map(Sections::read).transpose()?);
        let mut index = Index::read(&files);
        index.gaps.lacking = lacking.filter(|_| alternate.is_none());
        Ok(Self { files, index })
    }

    fn place(&self, at: At) -> Result<Place<'_>, Error> {
        let missing = || Error::Corrupt(format!("its DWARF: no type at {at}"));
        let unit = self.files.unit(self.index.unit_of(at.entry()).ok_or_else(missing)?)?;
        let offset = unit.offset_of(at.entry()).ok_or_else(missing)?;
        Ok(Place { unit, offset, at: at.entry() })
    }

    fn at(&self, target: Target) -> Result<At, Error> {
        match target {
            Target::At(at) => Ok(at),
            Target::Signature(signature) => self
                .index
                .signature(signature)
                .ok_or_else(|| Error::Missing(format!("unit for the type of signature {signature:#018x}"))),
        }
    }

    fn reference(&self, place: &Place, entry: &Entry, attribute: gimli::DwAt) -> Result<Option<At>, Error> {
        place.unit.reference(entry, attribute)?.map(|target| self.at(target)).transpose()
    }
}

impl<'a> Place<'a> {
    fn entry(&self) -> Result<Entry<'a>, Error> {
        self.unit.entry(self.offset)
    }

    /// Its direct children.
    fn children(&self, mut each: impl FnMut(&Entry<'a>) -> Result<(), Error>) -> Result<(), Error> {
        let failed = |error| corrupt(self.at, error);
        let mut entries = self.unit.header.entries_raw(&self.unit.abbreviations, Some(self.offset)).map_err(failed)?;
        let mut entry = Entry::null();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            if !entries.read_entry(&mut entry).map_err(failed)? {
                // The end of a list of children: of the type's own at depth 1.
                if depth <= 1 {
                    break;
                }
                continue;
            }
            match depth {
                0 if !entry.has_children() => break,
                1 => each(&entry)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn unsigned(entry: &Entry, attribute: gimli::DwAt) -> Option<u64> {
    entry.attr(attribute)?.udata_value()
}

fn is_set(entry: &Entry, attribute: gimli::DwAt) -> bool {
    entry.attr_value(attribute) == Some(gimli::AttributeValue::Flag(true))
}

fn corrupt(at: At, error: gimli::Error) -> Error {
    Error::Corrupt(format!("its DWARF at {at}: {error}").to_lowercase())
}
