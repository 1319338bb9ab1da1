//! Puts an executable together: headers, segments, sections. Leaves everything out that its caller does not name.

pub const AMD64: u16 = 62;
pub const ARM64: u16 = 183;
pub const EXECUTABLE: u16 = 2;
pub const SHARED: u16 = 3;

pub const LOAD: u32 = 1;
pub const DYNAMIC: u32 = 2;
pub const NOTE: u32 = 4;

pub const READ: u32 = 4;
pub const WRITE: u32 = 2;
pub const RUN: u32 = 1;

pub const PROGBITS: u32 = 1;
pub const SYMTAB: u32 = 2;
pub const STRTAB: u32 = 3;
pub const NOTES: u32 = 7;
pub const NOBITS: u32 = 8;
pub const DYNSYM: u32 = 11;
pub const VERSIONS: u32 = 0x6fff_ffff;
pub const COMPRESSED: u64 = 0x800;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const ALIGNMENT: usize = 16;

pub struct File<'a> {
    pub machine: u16,
    pub kind: u16,
    pub segments: Vec<Segment<'a>>,
    pub sections: Vec<Section<'a>>,
}

pub struct Segment<'a> {
    pub kind: u32,
    pub flags: u32,
    pub address: u64,
    pub bytes: &'a [u8],
}

/// One with an address lies in the segment there, and has no bytes of its own.
#[derive(Clone, Copy, Default)]
pub struct Section<'a> {
    pub name: &'a str,
    pub kind: u32,
    pub flags: u64,
    pub address: u64,
    pub bytes: &'a [u8],
    pub link: u32,
    pub entry_size: u64,
}

impl File<'_> {
    pub fn assemble(&self) -> Vec<u8> {
        let mut file = vec![0; HEADER + PROGRAM_HEADER * self.segments.len()];
        let offsets: Vec<usize> = self.segments.iter().map(|segment| append(&mut file, segment.bytes)).collect();
        for (index, (segment, &offset)) in self.segments.iter().zip(&offsets).enumerate() {
            let at = HEADER + PROGRAM_HEADER * index;
            file[at..at + PROGRAM_HEADER].copy_from_slice(&program_header(segment, offset));
        }
        let mut headers = section_header(&Section::default(), 0, 0, 0);
        let mut names = vec![0];
        let name_table = Section { name: ".shstrtab", kind: STRTAB, ..Section::default() };
        for section in &self.sections {
            let name = append_name(&mut names, section.name);
            let (offset, size) = match self.segments.iter().position(|segment| segment.holds(section)) {
                Some(at) => {
                    let skipped = (section.address - self.segments[at].address) as usize;
                    (offsets[at] + skipped, self.segments[at].bytes.len() - skipped)
                }
                None => (append(&mut file, section.bytes), section.bytes.len()),
            };
            headers.extend(section_header(section, name, offset, size));
        }
        let name = append_name(&mut names, name_table.name);
        let offset = append(&mut file, &names);
        headers.extend(section_header(&name_table, name, offset, names.len()));
        let section_headers = append(&mut file, &headers);
        let header = self.header(section_headers);
        file[..HEADER].copy_from_slice(&header);
        file
    }

    fn header(&self, section_headers: usize) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let segments = self.segments.len() as u16;
        let sections = self.sections.len() as u16 + 2;
        header.extend([self.kind, self.machine].map(u16::to_le_bytes).concat());
        header.extend(1u32.to_le_bytes());
        header.extend([0, HEADER as u64, section_headers as u64].map(u64::to_le_bytes).concat());
        header.extend(0u32.to_le_bytes());
        let counts = [HEADER as u16, PROGRAM_HEADER as u16, segments, 64, sections, sections - 1];
        header.extend(counts.map(u16::to_le_bytes).concat());
        header
    }
}

impl Segment<'_> {
    fn holds(&self, section: &Section) -> bool {
        let end = self.address + self.bytes.len() as u64;
        self.kind == LOAD && section.address != 0 && (self.address..end).contains(&section.address)
    }
}

fn append(file: &mut Vec<u8>, bytes: &[u8]) -> usize {
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
    let offset = file.len();
    file.extend(bytes);
    offset
}

fn append_name(names: &mut Vec<u8>, name: &str) -> usize {
    let offset = names.len();
    names.extend(name.as_bytes());
    names.push(0);
    offset
}

fn program_header(segment: &Segment, offset: usize) -> Vec<u8> {
    let size = segment.bytes.len() as u64;
    let mut header = [segment.kind, segment.flags].map(u32::to_le_bytes).concat();
    header.extend([offset as u64, segment.address, segment.address, size, size, 8].map(u64::to_le_bytes).concat());
    header
}

fn section_header(section: &Section, name: usize, offset: usize, size: usize) -> Vec<u8> {
    let mut header = [name as u32, section.kind].map(u32::to_le_bytes).concat();
    header.extend([section.flags, section.address, offset as u64, size as u64].map(u64::to_le_bytes).concat());
    header.extend([section.link, 0].map(u32::to_le_bytes).concat());
    header.extend([8, section.entry_size].map(u64::to_le_bytes).concat());
    header
}
