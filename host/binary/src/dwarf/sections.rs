//! The sections of one file's DWARF that describe types, whole in memory: in place, or decompressed (zlib and zstd by `SHF_COMPRESSED`,
//! and zlib by the old names `.zdebug_*`).

use std::borrow::Cow;

use gimli::LittleEndian;
use object::read::elf::ElfFile64;
use object::{CompressedData, CompressionFormat, Object, ObjectSection};

use super::Slice;
use crate::Error;

/// A section is not decompressed beyond this, nor by a factor that zlib cannot have reached.
pub(super) const MAX_SECTION: u64 = 512 << 20;
const MAX_RATIO: u64 = 1100;

type Bytes<'d> = Cow<'d, [u8]>;

pub(super) struct Sections<'d> {
    info: Bytes<'d>,
    /// Units of types of their own, before DWARF 5.
    types: Bytes<'d>,
    abbreviations: Bytes<'d>,
    strings: Bytes<'d>,
    string_offsets: Bytes<'d>,
    line_strings: Bytes<'d>,
}

impl<'d> Sections<'d> {
    pub fn read(file: &ElfFile64<'d, object::LittleEndian>) -> Result<Self, Error> {
        let section = |name: &str| section(file, name);
        let sections = Self {
            info: section(".debug_info")?,
            types: section(".debug_types")?,
            abbreviations: section(".debug_abbrev")?,
            strings: section(".debug_str")?,
            string_offsets: section(".debug_str_offsets")?,
            line_strings: section(".debug_line_str")?,
        };
        if sections.info.is_empty() {
            return Err(Error::Missing("DWARF".into()));
        }
        Ok(sections)
    }

    pub fn info(&self) -> &[u8] {
        &self.info
    }

    pub fn types(&self) -> &[u8] {
        &self.types
    }

    pub fn abbreviations(&self) -> gimli::DebugAbbrev<Slice<'_>> {
        gimli::DebugAbbrev::new(&self.abbreviations, LittleEndian)
    }

    pub fn abbreviation_bytes(&self) -> &[u8] {
        &self.abbreviations
    }

    pub fn strings(&self) -> &[u8] {
        &self.strings
    }

    pub fn string_offsets(&self) -> gimli::DebugStrOffsets<Slice<'_>> {
        Slice::new(&self.string_offsets, LittleEndian).into()
    }

    pub fn line_strings(&self) -> &[u8] {
        &self.line_strings
    }
}

/// Whether the file says anything about types, be it compressed.
pub(crate) fn has_dwarf(file: &ElfFile64<'_, object::LittleEndian>) -> bool {
    file.section_by_name(".debug_info")
        .is_some_and(|section| section.compressed_data().is_ok_and(|data| !data.data.is_empty()))
}

/// As it stands in the file, once its header was found to claim nothing impossible.
pub(super) fn compressed<'d>(name: &str, section: &impl ObjectSection<'d>) -> Result<CompressedData<'d>, Error> {
    let data = section.compressed_data().map_err(|error| broken(name, place(section), &error))?;
    let length = data.data.len() as u64;
    let likely = match data.format {
        CompressionFormat::None => true,
        // A few bytes of it may stand for a whole block of one byte.
        CompressionFormat::Zstandard => data.uncompressed_size <= MAX_SECTION,
        _ => data.uncompressed_size <= MAX_SECTION.min(length.saturating_mul(MAX_RATIO)),
    };
    match likely {
        true => Ok(data),
        false => Err(Error::Corrupt(format!(
            "its {name} at {:#x} claims to be {} bytes, compressed to {length}",
            place(section),
            data.uncompressed_size
        ))),
    }
}

/// Whole; empty if there is none.
pub(super) fn section<'d>(file: &ElfFile64<'d, object::LittleEndian>, name: &str) -> Result<Bytes<'d>, Error> {
    match file.section_by_name(name) {
        Some(section) => {
            compressed(name, &section)?.decompress().map_err(|error| broken(name, place(&section), &error))
        }
        None => Ok(Cow::Borrowed(&[])),
    }
}

/// Where a section begins in the file.
pub(super) fn place<'d>(section: &impl ObjectSection<'d>) -> u64 {
    section.file_range().map_or(0, |(offset, _)| offset)
}

/// At an offset in the file.
pub(super) fn broken(name: &str, at: u64, error: &dyn std::fmt::Display) -> Error {
    Error::Corrupt(format!("its {name} at {at:#x}: {error}").to_lowercase())
}
