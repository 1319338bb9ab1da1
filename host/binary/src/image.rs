//! An ELF file as the kernel would map it: segments, and bounded reads by link-time address. Knows nothing of Go or DWARF.

use object::LittleEndian;
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader};

use super::relocations::Relocations;
use super::{Architecture, Error};

type Header = elf::FileHeader64<LittleEndian>;

/// More than the linkers make; keeps a search over all of them short.
const MAX_SEGMENTS: usize = 256;
const MAX_SECTIONS: usize = 65_536;
/// Of their names together: all are read whenever one is looked for, and several may share one.
const MAX_SECTION_NAMES: usize = 8 << 20;
const PAGE: u64 = 4096;
/// User space ends below; so sums of an address in a segment and a length in the file do not overflow.
const MAX_ADDRESS: u64 = 1 << 56;

pub(super) struct Image<'d> {
    pub data: &'d [u8],
    pub architecture: Architecture,
    pub position_independent: bool,
    pub segments: Vec<Segment<'d>>,
    pub sections: Vec<Section<'d>>,
    pub relocations: Relocations<'d>,
}

/// A loaded segment.
pub(super) struct Segment<'d> {
    pub address: u64,
    pub file_offset: u64,
    /// What the file has of it; the rest, up to its size in memory, is zero.
    pub bytes: &'d [u8],
    pub writable: bool,
    pub executable: bool,
}

pub(super) struct Section<'d> {
    pub name: &'d str,
    pub address: u64,
}

impl<'d> Image<'d> {
    pub fn parse(data: &'d [u8]) -> Result<Self, Error> {
        let header = header(data)?;
        let endian = LittleEndian;
        let architecture = match header.e_machine(endian) {
            elf::EM_X86_64 => Architecture::Amd64,
            elf::EM_AARCH64 => Architecture::Arm64,
            machine => return Err(unsupported(&format!("for machine {}", machine.0))),
        };
        let position_independent = match header.e_type(endian) {
            elf::ET_EXEC => false,
            elf::ET_DYN => true,
            kind => return Err(unsupported(&format!("of type {}", kind.0))),
        };
        let segments = segments(header, data)?;
        if segments.is_empty() {
            return Err(Error::Corrupt(format!(
                "nothing to load in the headers at offset {:#x}",
                header.e_phoff(endian)
            )));
        }
        let sections = sections(header, data)?;
        let relocations = Relocations::default();
        let mut image = Self { data, architecture, position_independent, segments, sections, relocations };
        image.relocations = Relocations::read(&image);
        Ok(image)
    }

    /// Bytes that were copied out of a file, as if they were all of it.
    pub fn of_bytes(address: u64, bytes: &'d [u8], architecture: Architecture) -> Self {
        let segment = Segment { address, file_offset: 0, bytes, writable: false, executable: false };
        Self {
            data: bytes,
            architecture,
            position_independent: false,
            segments: vec![segment],
            sections: Vec::new(),
            relocations: Relocations::default(),
        }
    }

    /// The file with its symbol tables, for those who need more than addresses.
    pub fn file(&self) -> Option<ElfFile64<'d, LittleEndian>> {
        ElfFile64::parse(self.data).ok()
    }

    pub fn first_load_address(&self) -> u64 {
        self.segments.iter().map(|segment| segment.address & !(PAGE - 1)).min().unwrap_or(0)
    }

    /// GNU's build id in hexadecimal digits, or else Go's as it is.
    pub fn build_id(&self) -> Option<String> {
        let endian = LittleEndian;
        let programs = Header::parse(self.data).ok()?.program_headers(endian, self.data).ok()?;
        let mut go = None;
        for program in programs {
            let Ok(Some(mut notes)) = program.notes(endian, self.data) else { continue };
            while let Ok(Some(note)) = notes.next() {
                match (note.name(), note.n_type(endian).0) {
                    (b"GNU", 3) => return Some(note.desc().iter().map(|byte| format!("{byte:02x}")).collect()),
                    (b"Go", 4) => go = std::str::from_utf8(note.desc()).ok().map(str::to_owned),
                    _ => {}
                }
            }
        }
        go
    }

    pub fn section(&self, name: &str) -> Option<&Section<'d>> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub fn segment(&self, address: u64) -> Option<&Segment<'d>> {
        self.segments.iter().find(|segment| segment.contains(address))
    }

    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let segment = self.segment(address)?;
        segment.file_offset.checked_add(address - segment.address)
    }

    /// Everything that the file has of the segment from this address on.
    pub fn bytes_from(&self, address: u64) -> Result<&'d [u8], Error> {
        let segment = self.segment(address).ok_or_else(|| unmapped(address))?;
        let start = usize::try_from(address - segment.address).map_err(|_| unmapped(address))?;
        segment.bytes.get(start..).ok_or_else(|| unmapped(address))
    }

    pub fn bytes(&self, address: u64, length: u64) -> Result<&'d [u8], Error> {
        let length = usize::try_from(length).map_err(|_| unmapped(address))?;
        self.bytes_from(address)?.get(..length).ok_or_else(|| unmapped(address))
    }

    pub fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], Error> {
        self.bytes_from(address)?.first_chunk().copied().ok_or_else(|| unmapped(address))
    }

    pub fn u16(&self, address: u64) -> Result<u16, Error> {
        self.array(address).map(u16::from_le_bytes)
    }

    pub fn u32(&self, address: u64) -> Result<u32, Error> {
        self.array(address).map(u32::from_le_bytes)
    }

    pub fn i32(&self, address: u64) -> Result<i32, Error> {
        self.array(address).map(i32::from_le_bytes)
    }

    pub fn u64(&self, address: u64) -> Result<u64, Error> {
        self.array(address).map(u64::from_le_bytes)
    }

    /// A pointer as it is before the program is moved: with its relocation applied for a load at the link-time address.
    pub fn pointer(&self, address: u64) -> Result<u64, Error> {
        match self.relocations.value(self, address) {
            Some(value) => Ok(value),
            None => self.u64(address),
        }
    }

    pub fn dynamic(&self) -> Option<&'d [elf::Dyn64<LittleEndian>]> {
        let programs = Header::parse(self.data).ok()?.program_headers(LittleEndian, self.data).ok()?;
        programs.iter().find_map(|program| program.dynamic(LittleEndian, self.data).ok().flatten())
    }
}

impl<'d> Segment<'d> {
    /// Its aligned words, as they are in the file.
    pub fn words(&self) -> impl Iterator<Item = &'d [u8; 8]> + use<'d> {
        self.bytes.as_chunks().0.iter()
    }

    fn contains(&self, address: u64) -> bool {
        address.checked_sub(self.address).is_some_and(|offset| offset < self.bytes.len() as u64)
    }
}

fn unmapped(address: u64) -> Error {
    Error::Corrupt(format!("nothing at address {address:#x}"))
}

fn corrupt(error: object::Error, table: &str, offset: u64) -> Error {
    Error::Corrupt(format!("{table} at offset {offset:#x}: {error}").to_lowercase())
}

fn header(data: &[u8]) -> Result<&Header, Error> {
    if !data.starts_with(&elf::ELFMAG) {
        return Err(Error::NotElf);
    }
    match data.get(elf::ELFMAG.len()..6) {
        None => return Err(ends_in_header(data)),
        Some([2, 1]) => {}
        Some([1, _]) => return Err(unsupported("for 32 bits")),
        Some([_, 2]) => return Err(unsupported("for big-endian machines")),
        Some(_) => return Err(Error::Corrupt("of no known class, at offset 0x4".into())),
    }
    if data.len() < size_of::<Header>() {
        return Err(ends_in_header(data));
    }
    Header::parse(data).map_err(|error| corrupt(error, "header", 0))
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("{what}, not a 64-bit little-endian executable for x86-64 or aarch64"))
}

fn ends_in_header(data: &[u8]) -> Error {
    Error::Corrupt(format!("it ends within the header, at offset {:#x}", data.len()))
}

fn segments<'d>(header: &Header, data: &'d [u8]) -> Result<Vec<Segment<'d>>, Error> {
    let endian = LittleEndian;
    let programs = header
        .program_headers(endian, data)
        .map_err(|error| corrupt(error, "program headers", header.e_phoff(endian)))?;
    if programs.len() > MAX_SEGMENTS {
        return Err(Error::Corrupt(format!("{} segments at offset {:#x}", programs.len(), header.e_phoff(endian))));
    }
    let mut segments = Vec::new();
    let mut total = 0u64;
    for program in programs.iter().filter(|program| program.p_type(endian) == elf::PT_LOAD) {
        let bytes = program.data(endian, data).map_err(|()| {
            let (offset, length) = (program.p_offset(endian), program.p_filesz(endian));
            Error::Corrupt(format!("it ends within a segment, {length:#x} bytes at offset {offset:#x}"))
        })?;
        let end = program.p_vaddr(endian).checked_add(program.p_memsz(endian).max(bytes.len() as u64));
        if end.is_none_or(|end| end > MAX_ADDRESS) {
            let address = program.p_vaddr(endian);
            return Err(Error::Corrupt(format!("a segment beyond user space, at address {address:#x}")));
        }
        // Linkers let segments share a page at most; a search over all of them must not take longer than over the file.
        total = total.saturating_add(bytes.len() as u64);
        if total > 2 * data.len() as u64 {
            let offset = program.p_offset(endian);
            return Err(Error::Corrupt(format!("segments that overlap, the last at offset {offset:#x}")));
        }
        let flags = program.p_flags(endian);
        segments.push(Segment {
            address: program.p_vaddr(endian),
            file_offset: program.p_offset(endian),
            bytes,
            writable: flags.0 & elf::PF_W.0 != 0,
            executable: flags.0 & elf::PF_X.0 != 0,
        });
    }
    Ok(segments)
}

/// Whether sections can be looked for by name in a file that is not the binary itself.
pub(super) fn check_sections(data: &[u8]) -> Result<(), Error> {
    sections(header(data)?, data).map(drop)
}

/// The table of sections' names; empty if there is none.
fn strings<'d>(header: &Header, data: &'d [u8]) -> Result<&'d [u8], object::Error> {
    let sections = header.section_headers(LittleEndian, data)?;
    let index = if sections.is_empty() { 0 } else { header.shstrndx(LittleEndian, data)? };
    match sections.get(index as usize).filter(|_| index != 0) {
        Some(section) => section.data(LittleEndian, data),
        None => Ok(&[]),
    }
}

fn sections<'d>(header: &Header, data: &'d [u8]) -> Result<Vec<Section<'d>>, Error> {
    let endian = LittleEndian;
    let broken = |error| corrupt(error, "section headers", header.e_shoff(endian));
    let table = header.sections(endian, data).map_err(broken)?;
    if table.len() > MAX_SECTIONS {
        return Err(Error::Corrupt(format!("{} sections at offset {:#x}", table.len(), header.e_shoff(endian))));
    }
    let strings = strings(header, data).map_err(broken)?;
    let mut left = MAX_SECTION_NAMES;
    let mut sections = Vec::new();
    for section in table.iter() {
        let name = strings.get(section.sh_name(endian) as usize..).unwrap_or_default();
        let name = &name[..name.len().min(left)];
        let Some(name) = memchr::memchr(0, name).map(|end| &name[..end]) else {
            let (at, names) = (header.e_shoff(endian), name.len());
            return Err(Error::Corrupt(format!(
                "section headers at offset {at:#x}: names that do not end, or are too long, the last after {names} bytes"
            )));
        };
        left -= name.len();
        let Ok(name) = std::str::from_utf8(name) else { continue };
        sections.push(Section { name, address: section.sh_addr(endian) });
    }
    Ok(sections)
}
