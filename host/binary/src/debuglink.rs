//! Debug files beside a binary: how it names them, and whether a file is the one it names. Does no I/O: who has the files looks for them.

use std::collections::HashMap;
use std::sync::OnceLock;

use object::read::elf::{ElfFile64, FileHeader, SectionHeader};
use object::{LittleEndian, Object, ObjectSection, elf};

use crate::dwarf::{self, Layout};
use crate::image::{self, Image};
use crate::{Binary, Error, Kind, TypeRef};

type File<'d> = ElfFile64<'d, LittleEndian>;

/// What `.gnu_debuglink` says: a file name without directories, and the CRC-32 of that file's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugLink {
    pub name: String,
    pub crc: u32,
}

/// What `.gnu_debugaltlink` (or DWARF 5's `.debug_sup`) says: a path, and the other file's build id in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlternateLink {
    pub path: String,
    pub build_id: String,
}

/// By what a debug file is known to be of this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// GNU's build ids are equal. Reads notes only.
    BuildId,
    /// Its CRC-32 is that of the debug link, and its build id is not another. Reads the whole file.
    DebugLink,
}

/// Files that were given besides the binary itself.
#[derive(Default)]
pub(crate) struct DebugFiles<'d> {
    debug: Option<File<'d>>,
    alternate: Option<File<'d>>,
}

impl<'d> DebugFiles<'d> {
    /// The binary's own DWARF if it has any, or else the debug file's.
    pub fn dwarf(&self, image: &Image<'d>) -> Result<dwarf::Dwarf<'d>, Error> {
        let file = self.described(image)?;
        dwarf::Dwarf::read(&file, self.alternate.as_ref(), alternate_link(&file).map(|link| link.path))
    }

    pub fn described(&self, image: &Image<'d>) -> Result<File<'d>, Error> {
        let own = file_of(image)?;
        match &self.debug {
            Some(debug) if !dwarf::has_dwarf(&own) => parse(debug.data()),
            _ => Ok(own),
        }
    }

    /// A file whose `.symtab` has the names that the binary's own lacks.
    pub fn symbols(&self) -> Option<&File<'d>> {
        self.debug.as_ref()
    }
}

impl<'d> Binary<'d> {
    /// The debug file that the binary names, if it does. Debuggers look for it in this order, each below the root of the file system
    /// that the process sees (its container's, `/proc/PID/root`), with `DIRECTORY` the one that the binary is in:
    ///
    /// 1. `/usr/lib/debug/.build-id/ab/cdef….debug`, by `gnu_build_id` (`Check::BuildId`);
    /// 2. `DIRECTORY/NAME`, by this link (`Check::DebugLink`), as are the next two;
    /// 3. `DIRECTORY/.debug/NAME`;
    /// 4. `/usr/lib/debug/DIRECTORY/NAME`.
    pub fn debug_link(&self) -> Option<DebugLink> {
        let (name, crc) = self.image.file()?.gnu_debuglink().ok()??;
        Some(DebugLink { name: std::str::from_utf8(name).ok()?.to_owned(), crc })
    }

    /// The file that the binary's DWARF, or its debug file's, shares with others (`dwz -m`). A path that is not absolute is relative to
    /// the directory of the file that names it; `/usr/lib/debug/.build-id/ab/cdef….debug` has it as well.
    pub fn alternate_link(&self) -> Option<AlternateLink> {
        alternate_link(&self.debug.described(&self.image).ok()?)
    }

    /// GNU's build id in hexadecimal digits, never Go's.
    pub fn gnu_build_id(&self) -> Option<String> {
        build_id(&self.image.file()?)
    }

    /// Go's structs of these names (with full package paths) as DWARF has them, those that it has: in one pass over compressed sections, in
    /// little memory, where `dwarf_type_named` would index everything first. They are the same as its answers.
    pub fn dwarf_layouts(&self, names: &[&str]) -> Result<HashMap<String, Layout>, Error> {
        let file = self.debug.described(&self.image)?;
        if !dwarf::has_dwarf(&file) {
            return Err(Error::Missing("DWARF".into()));
        }
        if let Some(found) = dwarf::layouts(&file, names)? {
            return Ok(found);
        }
        let mut found = HashMap::new();
        for &name in names {
            let Some(ty) = self.dwarf_type_named(name)?.filter(|ty| ty.kind == Kind::Struct) else { continue };
            let TypeRef::Dwarf(at) = ty.reference else { continue };
            let fields = self.fields(&ty)?.into_iter().map(|field| (field.name, field.offset)).collect();
            found.insert(name.to_owned(), Layout { size: ty.size, fields, at });
        }
        Ok(found)
    }

    /// With types and names from a debug file where the binary has none of its own.
    pub fn with_debug_file(mut self, file: &'d [u8], check: Check) -> Result<Self, Error> {
        let debug = parse(file)?;
        if debug.elf_header().e_machine != file_of(&self.image)?.elf_header().e_machine {
            return Err(Error::Mismatch("it is for another machine".into()));
        }
        match (self.gnu_build_id(), build_id(&debug)) {
            (Some(own), Some(other)) if own != other => {
                return Err(Error::Mismatch(format!("its build id is {other}, not {own}")));
            }
            (Some(_), Some(_)) => {}
            (None, _) if check == Check::BuildId => return Err(Error::Missing("GNU build id".into())),
            (_, None) if check == Check::BuildId => return Err(Error::Mismatch("it has no build id".into())),
            _ => {}
        }
        if check == Check::DebugLink {
            let link = self.debug_link().ok_or_else(|| Error::Missing("debug link".into()))?;
            let crc = crc32fast::hash(file);
            if crc != link.crc {
                return Err(Error::Mismatch(format!("its crc is {crc:#010x}, not {:#010x}", link.crc)));
            }
        }
        self.debug.debug = Some(debug);
        (self.dwarf, self.dwarf_names, self.functions) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(self)
    }

    /// With the file that the binary's DWARF, or its debug file's, shares with others; to be given after the debug file.
    pub fn with_alternate_debug_file(mut self, file: &'d [u8]) -> Result<Self, Error> {
        let alternate = parse(file)?;
        let link = self.alternate_link().ok_or_else(|| Error::Missing("alternate debug link".into()))?;
        let id = build_id(&alternate).or_else(|| Some(hexadecimal(supplementary(&alternate)?.2)));
        if id.as_deref() != Some(&link.build_id) {
            let id = id.unwrap_or_else(|| "none".into());
            return Err(Error::Mismatch(format!("the alternate file's build id is {id}, not {}", link.build_id)));
        }
        self.debug.alternate = Some(alternate);
        (self.dwarf, self.dwarf_names, self.functions) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(self)
    }
}

fn file_of<'d>(image: &Image<'d>) -> Result<File<'d>, Error> {
    parse(image.data)
}

fn alternate_link(file: &File) -> Option<AlternateLink> {
    let gnu = file.gnu_debugaltlink().ok().flatten();
    let (path, id) =
        gnu.or_else(|| supplementary(file).filter(|&(is_itself, ..)| !is_itself).map(|(_, path, id)| (path, id)))?;
    Some(AlternateLink { path: std::str::from_utf8(path).ok()?.to_owned(), build_id: hexadecimal(id) })
}

fn parse(data: &[u8]) -> Result<File<'_>, Error> {
    let file = ElfFile64::parse(data).map_err(|error| {
        let places: Vec<_> = symbol_tables(data).iter().map(|place| format!("{place:#x}")).collect();
        match places.is_empty() {
            true => Error::Corrupt(format!("its headers, from 0x0 on: {error}").to_lowercase()),
            false => Error::Corrupt(format!("its symbol tables, at {}: {error}", places.join(" and ")).to_lowercase()),
        }
    })?;
    image::check_sections(data)?;
    Ok(file)
}

/// Where in the file the tables are that are read together with the headers.
fn symbol_tables(data: &[u8]) -> Vec<u64> {
    let header = elf::FileHeader64::<LittleEndian>::parse(data).ok();
    let sections = header.and_then(|header| header.section_headers(LittleEndian, data).ok()).unwrap_or_default();
    let kinds = [elf::SHT_SYMTAB, elf::SHT_DYNSYM, elf::SHT_SYMTAB_SHNDX];
    let tables = sections.iter().filter(|section| kinds.contains(&section.sh_type(LittleEndian)));
    tables.map(|section| section.sh_offset(LittleEndian)).take(kinds.len()).collect()
}

/// By sections: a debug file's segments are those of the binary, and not in it.
fn build_id(file: &File) -> Option<String> {
    file.build_id().ok()?.map(hexadecimal)
}

/// DWARF 5's `.debug_sup`: whether the file is the shared one itself, the other's path, and a checksum (DWARF 5, 7.3.6).
fn supplementary<'d>(file: &File<'d>) -> Option<(bool, &'d [u8], &'d [u8])> {
    let section = file.section_by_name(".debug_sup")?;
    let data = section.data().ok()?;
    let (version, data) = data.split_first_chunk()?;
    let (&is_itself, data) = data.split_first()?;
    let end = data.iter().position(|&byte| byte == 0)?;
    let (length, taken) = crate::varint(data.get(end + 1..)?)?;
    let checksum = data.get(end + 1 + taken..)?.get(..usize::try_from(length).ok()?)?;
    (u16::from_le_bytes(*version) == 5).then_some((is_itself != 0, &data[..end], checksum))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
