//! Where entries are and what their attributes say: units with their abbreviations, and references from one to another.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gimli::{Abbreviations, AttributeValue, DebugStrOffsetsBase, LittleEndian, UnitOffset, UnitType, constants as dw};

use super::sections::Sections;
use super::tables::Budget;
use super::{Entry, Slice, corrupt};
use crate::Error;

/// Tables of abbreviations kept at a time; most compilers write one for each unit, Go's linker one for all.
const MAX_TABLES: usize = 4096;
/// Of a name alone, and of one with its scopes; C++ has long ones. What is longer is as if it had none.
pub(super) const MAX_NAME: usize = 64 << 10;

/// The place of an entry, over all sections that have any: an offset and what it is an offset in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct At(pub u64);

impl At {
    const OFFSET: u64 = (1 << 48) - 1;
    const DIMENSION: u32 = 48;
    const TYPES: u64 = 1 << 60;
    const ALTERNATE: u64 = 1 << 61;

    pub fn new(space: Space, offset: u64) -> Option<Self> {
        (offset <= Self::OFFSET).then_some(Self(space.bits() | offset))
    }

    pub fn offset(self) -> u64 {
        self.0 & Self::OFFSET
    }

    pub fn space(self) -> Space {
        match (self.0 & Self::TYPES != 0, self.0 & Self::ALTERNATE != 0) {
            (false, false) => Space::Info,
            (false, true) => Space::AlternateInfo,
            (true, false) => Space::Types,
            (true, true) => Space::AlternateTypes,
        }
    }

    /// How many of an array's dimensions are gone: what an array of arrays is of has no entry of its own.
    pub fn dimension(self) -> usize {
        (self.0 >> Self::DIMENSION & 0xff) as usize
    }

    pub fn with_dimension(self, dimension: usize) -> Option<Self> {
        let dimension = u8::try_from(dimension).ok()?;
        Some(Self(self.entry().0 | u64::from(dimension) << Self::DIMENSION))
    }

    pub fn entry(self) -> Self {
        Self(self.0 & !(0xff << Self::DIMENSION))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:#x} of {}", self.offset(), self.space())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Info,
    Types,
    AlternateInfo,
    AlternateTypes,
}

impl Space {
    fn bits(self) -> u64 {
        match self {
            Self::Info => 0,
            Self::Types => At::TYPES,
            Self::AlternateInfo => At::ALTERNATE,
            Self::AlternateTypes => At::TYPES | At::ALTERNATE,
        }
    }

    pub fn is_alternate(self) -> bool {
        matches!(self, Self::AlternateInfo | Self::AlternateTypes)
    }

    fn info_of_the_same_file(self) -> Self {
        if self.is_alternate() { Self::AlternateInfo } else { Self::Info }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Info => ".debug_info",
            Self::Types => ".debug_types",
            Self::AlternateInfo => "the alternate file's .debug_info",
            Self::AlternateTypes => "the alternate file's .debug_types",
        })
    }
}

/// The sections of a file and of the one that it shares with others, with what was read of both.
pub(super) struct Files<'d> {
    own: Sections<'d>,
    alternate: Option<Sections<'d>>,
    abbreviations: Mutex<Tables>,
}

/// By whether they are the shared file's, and their offsets.
struct Tables {
    kept: HashMap<(bool, usize), Arc<Abbreviations>>,
    own: Budget,
    alternate: Budget,
}

/// A unit: a compilation's, a part of several (`dwz`), or of one type.
pub(super) struct Unit<'a> {
    files: &'a Files<'a>,
    pub header: gimli::UnitHeader<Slice<'a>>,
    pub abbreviations: Arc<Abbreviations>,
    pub at: At,
    pub language: Option<gimli::DwLang>,
    strings: DebugStrOffsetsBase<usize>,
}

impl<'d> Files<'d> {
    pub fn new(own: Sections<'d>, alternate: Option<Sections<'d>>) -> Self {
        let budget = |sections: &Sections| Budget::of(sections.abbreviation_bytes());
        let (of_own, of_alternate) = (budget(&own), budget(alternate.as_ref().unwrap_or(&own)));
        let tables = Tables { kept: HashMap::new(), own: of_own, alternate: of_alternate };
        Self { own, alternate, abbreviations: Mutex::new(tables) }
    }

    pub fn spaces(&self) -> Vec<Space> {
        let own = [Space::Info, Space::Types];
        let alternate = [Space::AlternateInfo, Space::AlternateTypes];
        own.into_iter().chain(alternate.into_iter().filter(|_| self.alternate.is_some())).collect()
    }

    pub fn bytes(&self, space: Space) -> &[u8] {
        match (space, &self.alternate) {
            (Space::Info, _) => self.own.info(),
            (Space::Types, _) => self.own.types(),
            (Space::AlternateInfo, Some(alternate)) => alternate.info(),
            (Space::AlternateTypes, Some(alternate)) => alternate.types(),
            (_, None) => &[],
        }
    }

    fn sections(&self, space: Space) -> &Sections<'d> {
        self.alternate.as_ref().filter(|_| space.is_alternate()).unwrap_or(&self.own)
    }

    /// The header only, to step over units that cannot be read.
    pub fn header(&self, at: At) -> Result<gimli::UnitHeader<Slice<'_>>, Error> {
        let bytes = usize::try_from(at.offset()).ok().and_then(|offset| self.bytes(at.space()).get(offset..));
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or_else(|| Error::Corrupt(format!("its DWARF: no unit at {at}")))?;
        let header = match at.space() {
            Space::Info | Space::AlternateInfo => gimli::DebugInfo::new(bytes, LittleEndian).units().next(),
            Space::Types | Space::AlternateTypes => gimli::DebugTypes::new(bytes, LittleEndian).units().next(),
        };
        let header = header.map_err(|error| corrupt(at, error))?;
        header.ok_or_else(|| Error::Corrupt(format!("its DWARF: no unit at {at}")))
    }

    pub fn unit<'a>(&'a self, at: At) -> Result<Unit<'a>, Error>
    where
        'd: 'a,
    {
        let header = self.header(at)?;
        let abbreviations = self.abbreviations(at, &header)?;
        let root = header.entry(&abbreviations, header.root_offset()).map_err(|error| corrupt(at, error))?;
        let strings = match root.attr_value(dw::DW_AT_str_offsets_base) {
            Some(AttributeValue::DebugStrOffsetsBase(base)) => base,
            _ => DebugStrOffsetsBase::default_for_encoding_and_file(header.encoding(), gimli::DwarfFileType::Main),
        };
        let language = match root.attr_value(dw::DW_AT_language) {
            Some(AttributeValue::Language(language)) => Some(language),
            _ => None,
        };
        Ok(Unit { files: self, header, abbreviations, at, language, strings })
    }

    fn abbreviations(&self, at: At, header: &gimli::UnitHeader<Slice>) -> Result<Arc<Abbreviations>, Error> {
        let key = (at.space().is_alternate(), header.debug_abbrev_offset().0);
        let mut tables = self.abbreviations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.kept.get(&key) {
            return Ok(table.clone());
        }
        let sections = self.sections(at.space());
        let budget = if key.0 { &mut tables.alternate } else { &mut tables.own };
        if budget.take(sections.abbreviation_bytes(), key.1)? || tables.kept.len() == MAX_TABLES {
            tables.kept.clear();
        }
        let section = sections.abbreviations();
        let table = Arc::new(header.abbreviations(&section).map_err(|error| corrupt(at, error))?);
        tables.kept.insert(key, table.clone());
        Ok(table)
    }
}

impl<'a> Unit<'a> {
    pub fn is_go(&self) -> bool {
        self.language == Some(dw::DW_LANG_Go)
    }

    pub fn root(&self) -> Result<Entry<'a>, Error> {
        self.entry(self.header.root_offset())
    }

    pub fn entry(&self, offset: UnitOffset) -> Result<Entry<'a>, Error> {
        self.header.entry(&self.abbreviations, offset).map_err(|error| self.corrupt(offset, error))
    }

    pub fn corrupt(&self, offset: UnitOffset, error: gimli::Error) -> Error {
        self.place(offset).map_or_else(|| corrupt(self.at, error), |at| corrupt(at, error))
    }

    pub fn place(&self, offset: UnitOffset) -> Option<At> {
        At::new(self.at.space(), self.at.offset().checked_add(offset.0 as u64)?)
    }

    /// An entry's own name.
    pub fn name_of(&self, at: At) -> Option<String> {
        self.text(&self.entry(self.offset_of(at)?).ok()?, dw::DW_AT_name)
    }

    pub fn offset_of(&self, at: At) -> Option<UnitOffset> {
        let offset = at.offset().checked_sub(self.at.offset())?;
        let offset = UnitOffset(usize::try_from(offset).ok()?);
        (at.space() == self.at.space() && offset.is_in_bounds(&self.header)).then_some(offset)
    }

    /// What this unit calls itself, for messages.
    pub fn name(&self) -> String {
        self.root()
            .ok()
            .and_then(|root| self.text(&root, dw::DW_AT_name))
            .unwrap_or_else(|| "a unit without a name".into())
    }

    /// The file that has what is left out here (split DWARF).
    pub fn split(&self) -> Option<String> {
        let root = self.root().ok()?;
        let name = self.text(&root, dw::DW_AT_dwo_name).or_else(|| self.text(&root, dw::DW_AT_GNU_dwo_name));
        match self.header.type_() {
            UnitType::Skeleton(_) => Some(name.unwrap_or_else(|| "a file without a name".into())),
            _ => name,
        }
    }

    pub fn text(&self, entry: &Entry, attribute: gimli::DwAt) -> Option<String> {
        self.string(entry.attr_value(attribute)?)
    }

    pub fn string(&self, value: AttributeValue<Slice>) -> Option<String> {
        readable(self.bytes(value)?)
    }

    /// A string as it stands there, or so much of one too long that it is seen to be.
    pub fn bytes<'b>(&'b self, value: AttributeValue<Slice<'b>>) -> Option<&'b [u8]> {
        let sections = self.files.sections(self.at.space());
        Some(match value {
            AttributeValue::String(text) => &text.slice()[..text.len().min(MAX_NAME + 1)],
            AttributeValue::DebugStrRef(offset) => text_at(sections.strings(), offset.0)?,
            AttributeValue::DebugStrRefSup(offset) => text_at(self.files.alternate.as_ref()?.strings(), offset.0)?,
            AttributeValue::DebugLineStrRef(offset) => text_at(sections.line_strings(), offset.0)?,
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let format = self.header.format();
                let offset = sections.string_offsets().get_str_offset(format, self.strings, index).ok()?;
                text_at(sections.strings(), offset.0)?
            }
            _ => return None,
        })
    }

    /// What an attribute refers to.
    pub fn reference(&self, entry: &Entry, attribute: gimli::DwAt) -> Result<Option<Target>, Error> {
        entry.attr_value(attribute).map(|value| self.target(value, entry.offset())).transpose()
    }

    pub fn target(&self, value: AttributeValue<Slice>, of: UnitOffset) -> Result<Target, Error> {
        let at = match value {
            AttributeValue::UnitRef(offset) => self.place(offset),
            AttributeValue::DebugInfoRef(offset) => At::new(self.at.space().info_of_the_same_file(), offset.0 as u64),
            AttributeValue::DebugInfoRefSup(offset) if self.files.alternate.is_some() => {
                At::new(Space::AlternateInfo, offset.0 as u64)
            }
            AttributeValue::DebugInfoRefSup(_) => {
                let at = self.place(of).unwrap_or(self.at);
                return Err(Error::Missing(format!("alternate debug file, which the type at {at} refers to,")));
            }
            AttributeValue::DebugTypesRef(signature) => return Ok(Target::Signature(signature.0)),
            _ => None,
        };
        let missing =
            || Error::Corrupt(format!("its DWARF: a reference to no type at {}", self.place(of).unwrap_or(self.at)));
        at.map(Target::At).ok_or_else(missing)
    }
}

/// None if it is too long for a name.
pub(super) fn readable(text: &[u8]) -> Option<String> {
    (text.len() <= MAX_NAME).then(|| String::from_utf8_lossy(text).into_owned())
}

fn text_at(section: &[u8], offset: usize) -> Option<&[u8]> {
    let text = section.get(offset..)?;
    let text = &text[..text.len().min(MAX_NAME + 1)];
    Some(&text[..memchr::memchr(0, text).unwrap_or(text.len())])
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    At(At),
    /// Of a unit with one type.
    Signature(u64),
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
