//! Types from DWARF, versions 2 to 5, compressed or not: for what has no descriptor, and for native code. Nothing is read until a type
//! is asked for; then names are indexed once, and types read one by one. Leaves out lines, locations and inlining.

use std::borrow::Cow;
use std::collections::HashMap;

use gimli::{AttributeValue, DebugInfoOffset, EndianSlice, LittleEndian, SectionId, UnitOffset, constants as dw};
use object::{Object, ObjectSection};

use super::image::Image;
use super::{Error, Field, Kind, Part, Source, Type, TypeRef};

/// Go's own attributes (`cmd/internal/dwarf`).
const GO_KIND: gimli::DwAt = gimli::DwAt(0x2900);
const GO_KEY: gimli::DwAt = gimli::DwAt(0x2901);
const GO_ELEM: gimli::DwAt = gimli::DwAt(0x2902);
const GO_EMBEDDED_FIELD: gimli::DwAt = gimli::DwAt(0x2903);

/// A section is not decompressed beyond this, nor by a factor that zlib cannot have reached.
const MAX_SECTION: u64 = 512 << 20;
const MAX_RATIO: u64 = 1100;
const MAX_NAMES: usize = 4_000_000;
/// Of a typedef of a typedef, and of a pointer to a pointer.
const MAX_DEPTH: u32 = 32;
const MAX_FIELDS: usize = 8192;
const NEEDED: [SectionId; 6] = [
    SectionId::DebugInfo,
    SectionId::DebugAbbrev,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
];

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;
type Unit<'a> = gimli::Unit<Slice<'a>>;

pub(super) struct Dwarf<'d> {
    sections: gimli::DwarfSections<Cow<'d, [u8]>>,
    index: Index,
}

#[derive(Default)]
struct Index {
    /// Offsets of entries in `.debug_info`.
    names: HashMap<Box<str>, u64>,
    /// Offsets of units, ascending.
    units: Vec<usize>,
}

/// An entry with its unit and the loaded sections.
struct Place<'a> {
    dwarf: gimli::Dwarf<Slice<'a>>,
    unit: Unit<'a>,
    offset: UnitOffset,
}

impl<'d> Dwarf<'d> {
    pub fn read(image: &Image<'d>) -> Result<Self, Error> {
        let file = image.file().ok_or_else(|| Error::Corrupt("its symbol tables".into()))?;
        let sections = gimli::DwarfSections::load(|id| match file.section_by_name(id.name()) {
            Some(section) if NEEDED.contains(&id) => contents(&section),
            _ => Ok(Cow::Borrowed(&[][..])),
        })?;
        let mut dwarf = Self { sections, index: Index::default() };
        if gimli::Section::reader(&dwarf.borrow().debug_info).slice().is_empty() {
            return Err(Error::Missing("DWARF".into()));
        }
        dwarf.index = index(&dwarf.borrow()).map_err(corrupt)?;
        Ok(dwarf)
    }

    pub fn named(&self, name: &str) -> Result<Option<Type>, Error> {
        self.index.names.get(name).map(|&offset| self.resolve(offset)).transpose()
    }

    pub fn resolve(&self, offset: u64) -> Result<Type, Error> {
        let (place, name) = self.definition(offset)?;
        let entry = place.entry()?;
        let size = unsigned(&entry, dw::DW_AT_byte_size);
        let kind = self.kind(&place, &entry, size.unwrap_or(0))?;
        let size = match (size, kind) {
            (Some(size), _) => size,
            (None, Kind::Array { len }) => self.part(offset, Part::Element)?.size.saturating_mul(len),
            // Pointers, and Go's maps, channels and functions, which are pointers.
            (None, Kind::Interface { .. }) => 16,
            (None, _) => u64::from(place.unit.encoding().address_size),
        };
        let name = match name {
            Some(name) => name,
            None => self.composed_name(&place, &entry, 0)?,
        };
        Ok(Type { name, kind, size, address: None, source: Source::Dwarf, reference: TypeRef::Dwarf(offset) })
    }

    pub fn fields(&self, offset: u64) -> Result<Vec<Field>, Error> {
        let (place, _) = self.definition(offset)?;
        let mut tree = place.unit.entries_tree(Some(place.offset)).map_err(corrupt)?;
        let mut members = tree.root().map_err(corrupt)?.children();
        let mut fields = Vec::new();
        while let Some(member) = members.next().map_err(corrupt)? {
            let entry = member.entry();
            if entry.tag() != dw::DW_TAG_member {
                continue;
            }
            if fields.len() == MAX_FIELDS {
                return Err(Error::Corrupt(format!("a struct of more than {MAX_FIELDS} fields")));
            }
            let Some(ty) = place.reference(entry, dw::DW_AT_type) else { continue };
            fields.push(Field {
                name: place.text(entry).unwrap_or_default(),
                offset: unsigned(entry, dw::DW_AT_data_member_location).unwrap_or(0),
                embedded: matches!(entry.attr_value(GO_EMBEDDED_FIELD), Some(AttributeValue::Flag(true))),
                ty: TypeRef::Dwarf(ty),
            });
        }
        Ok(fields)
    }

    pub fn part(&self, offset: u64, part: Part) -> Result<Type, Error> {
        let (place, _) = self.definition(offset)?;
        let entry = place.entry()?;
        let attribute = match part {
            Part::Key => GO_KEY,
            Part::Element if entry.attr(GO_ELEM).is_some() => GO_ELEM,
            Part::Element => dw::DW_AT_type,
            Part::Group => return Err(Error::Missing("a map's group in DWARF".into())),
        };
        let part = place.reference(&entry, attribute);
        self.resolve(part.ok_or_else(|| Error::Missing(format!("what the type at {offset:#x} is made of")))?)
    }

    /// The entry that says what a type is, behind names for it, and the first of those names.
    fn definition(&self, mut offset: u64) -> Result<(Place<'_>, Option<String>), Error> {
        let mut name = None;
        for _ in 0..MAX_DEPTH {
            let place = self.place(offset)?;
            let entry = place.entry()?;
            name = name.or_else(|| place.text(&entry).map(|name| unescape(&name)));
            let alias = matches!(
                entry.tag(),
                dw::DW_TAG_typedef | dw::DW_TAG_const_type | dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type
            );
            // Go writes interfaces, maps and channels as typedefs of how the runtime keeps them.
            if !alias || entry.attr(GO_KIND).is_some() {
                return Ok((place, name));
            }
            match place.reference(&entry, dw::DW_AT_type) {
                Some(next) => offset = next,
                None => return Err(Error::Missing(format!("type behind {}", name.unwrap_or_default()))),
            }
        }
        Err(Error::Corrupt("a type that is a name for itself".into()))
    }

    fn kind(&self, place: &Place, entry: &Entry, size: u64) -> Result<Kind, Error> {
        let size = u8::try_from(size).unwrap_or(0);
        let encoding = match entry.attr_value(dw::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => Some(encoding),
            _ => None,
        };
        Ok(match (unsigned(entry, GO_KIND), entry.tag()) {
            (Some(18), _) => Kind::Chan,
            (Some(19), _) | (_, dw::DW_TAG_subroutine_type) => Kind::Func,
            (Some(20), _) => {
                let target =
                    place.reference(entry, dw::DW_AT_type).map(|target| self.definition(target)).transpose()?;
                let target = target.and_then(|(_, name)| name);
                Kind::Interface { empty: target.as_deref() == Some("runtime.eface") }
            }
            (Some(21), _) => Kind::Map,
            (Some(23), _) => Kind::Slice,
            (Some(24), _) => Kind::String,
            (Some(26), _) => Kind::UnsafePointer,
            (_, dw::DW_TAG_pointer_type) if entry.attr(dw::DW_AT_type).is_none() => Kind::UnsafePointer,
            (_, dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type) => Kind::Pointer,
            (_, dw::DW_TAG_array_type) => Kind::Array { len: place.array_length()? },
            (_, dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type) => Kind::Struct,
            (_, dw::DW_TAG_enumeration_type) => Kind::Int { size, signed: false },
            (_, dw::DW_TAG_base_type) => match encoding {
                Some(dw::DW_ATE_boolean) => Kind::Bool,
                Some(dw::DW_ATE_float) => Kind::Float { size },
                Some(dw::DW_ATE_complex_float) => Kind::Complex { size },
                Some(dw::DW_ATE_signed | dw::DW_ATE_signed_char) => Kind::Int { size, signed: true },
                _ => Kind::Int { size, signed: false },
            },
            (_, tag) => return Err(Error::Unsupported(format!("with a type that is a {tag}"))),
        })
    }

    /// Of what has no name of its own, as C's pointers.
    fn composed_name(&self, place: &Place, entry: &Entry, depth: u32) -> Result<String, Error> {
        let inner = |this: &Self| -> Result<String, Error> {
            let Some(target) = place.reference(entry, dw::DW_AT_type).filter(|_| depth < MAX_DEPTH) else {
                return Ok("void".into());
            };
            match this.definition(target)? {
                (_, Some(name)) => Ok(name),
                (place, None) => this.composed_name(&place, &place.entry()?, depth + 1),
            }
        };
        Ok(match entry.tag() {
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type => format!("*{}", inner(self)?),
            dw::DW_TAG_array_type => format!("[{}]{}", place.array_length()?, inner(self)?),
            dw::DW_TAG_subroutine_type => "func".into(),
            tag => format!("unnamed {tag}"),
        })
    }

    fn place(&self, offset: u64) -> Result<Place<'_>, Error> {
        let missing = || Error::Corrupt(format!("no type at {offset:#x} of its DWARF"));
        let offset = usize::try_from(offset).map_err(|_| missing())?;
        let after = self.index.units.partition_point(|&unit| unit <= offset);
        let unit = *self.index.units[..after].last().ok_or_else(missing)?;
        let dwarf = self.borrow();
        let header = dwarf.unit_header(DebugInfoOffset(unit)).map_err(corrupt)?;
        let offset = DebugInfoOffset(offset).to_unit_offset(&header).ok_or_else(missing)?;
        let unit = dwarf.unit(header).map_err(corrupt)?;
        Ok(Place { dwarf, unit, offset })
    }

    fn borrow(&self) -> gimli::Dwarf<Slice<'_>> {
        self.sections.borrow(|section| EndianSlice::new(section, LittleEndian))
    }
}

impl<'a> Place<'a> {
    fn entry(&self) -> Result<Entry<'a>, Error> {
        self.unit.entry(self.offset).map_err(corrupt)
    }

    fn text(&self, entry: &Entry<'a>) -> Option<String> {
        text(&self.dwarf, &self.unit, entry.attr_value(dw::DW_AT_name)?)
    }

    /// What an attribute refers to, as an offset in `.debug_info`.
    fn reference(&self, entry: &Entry, attribute: gimli::DwAt) -> Option<u64> {
        match entry.attr_value(attribute)? {
            AttributeValue::UnitRef(offset) => Some(offset.to_debug_info_offset(&self.unit.header)?.0 as u64),
            AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64),
            _ => None,
        }
    }

    fn array_length(&self) -> Result<u64, Error> {
        let mut tree = self.unit.entries_tree(Some(self.offset)).map_err(corrupt)?;
        let mut children = tree.root().map_err(corrupt)?.children();
        while let Some(child) = children.next().map_err(corrupt)? {
            let range = child.entry();
            if range.tag() == dw::DW_TAG_subrange_type {
                let last = unsigned(range, dw::DW_AT_upper_bound);
                let count = unsigned(range, dw::DW_AT_count).or_else(|| last?.checked_add(1));
                return Ok(count.unwrap_or(0));
            }
        }
        Ok(0)
    }
}

fn text<'a>(dwarf: &gimli::Dwarf<Slice<'a>>, unit: &Unit<'a>, value: AttributeValue<Slice<'a>>) -> Option<String> {
    let text = dwarf.attr_string(unit, value).ok()?;
    std::str::from_utf8(text.slice()).ok().map(str::to_owned)
}

fn unsigned(entry: &Entry, attribute: gimli::DwAt) -> Option<u64> {
    entry.attr(attribute)?.udata_value()
}

/// Names of types at the top of each unit, and the units' offsets.
fn index(dwarf: &gimli::Dwarf<Slice>) -> gimli::Result<Index> {
    let mut index = Index::default();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let Some(offset) = header.debug_info_offset() else { continue };
        index.units.push(offset.0);
        // A unit that cannot be read is left out.
        if let Ok(unit) = dwarf.unit(header) {
            let _unreadable = index_unit(dwarf, &unit, &mut index.names);
        }
    }
    Ok(index)
}

fn index_unit(dwarf: &gimli::Dwarf<Slice>, unit: &Unit, names: &mut HashMap<Box<str>, u64>) -> gimli::Result<()> {
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() && names.len() < MAX_NAMES {
        let depth = entries.next_depth();
        let offset = entries.next_offset();
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        let tag = abbreviation.tag();
        if depth != 1 || !is_type(tag) {
            entries.skip_attributes(abbreviation.attributes())?;
            continue;
        }
        let mut name = None;
        let mut declaration = false;
        for &attribute in abbreviation.attributes() {
            let attribute = entries.read_attribute(attribute)?;
            match attribute.name() {
                dw::DW_AT_name => name = text(dwarf, unit, attribute.value()),
                dw::DW_AT_declaration => declaration = true,
                _ => {}
            }
        }
        let (Some(name), Some(offset)) = (name, offset.to_debug_info_offset(&unit.header)) else { continue };
        if !declaration {
            names.entry(unescape(&name).into_boxed_str()).or_insert(offset.0 as u64);
        }
    }
    Ok(())
}

fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_pointer_type
            | dw::DW_TAG_array_type
            | dw::DW_TAG_base_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_subroutine_type
    )
}

/// Go's linker writes dots in a path's last element, and what is not printable, as `%2e`.
fn unescape(name: &str) -> String {
    let mut parts = name.split('%');
    let mut text = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                text.push(byte);
                text.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                text.push(b'%');
                text.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8(text).unwrap_or_else(|_| name.to_owned())
}

fn contents<'d>(section: &impl ObjectSection<'d>) -> Result<Cow<'d, [u8]>, Error> {
    let broken = |error: object::Error| Error::Corrupt(error.to_string().to_lowercase());
    let data = section.compressed_data().map_err(broken)?;
    let compressed = data.data.len() as u64;
    if data.uncompressed_size > MAX_SECTION.max(compressed)
        || data.uncompressed_size > compressed.saturating_mul(MAX_RATIO)
    {
        return Err(Error::Corrupt(format!("a compressed section of {} bytes", data.uncompressed_size)));
    }
    data.decompress().map_err(broken)
}

fn corrupt(error: gimli::Error) -> Error {
    Error::Corrupt(format!("its DWARF: {error}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_the_linkers_names() {
        for (name, expected) in [("a/yaml%2ev3.Node", "a/yaml.v3.Node"), ("50%", "50%"), ("%zz.T", "%zz.T")] {
            assert_eq!(unescape(name), expected);
        }
    }
}
