//! Functions of ELF symbol tables: `.symtab`, `.dynsym`, and the `.symtab` of a separate debug file.

use object::LittleEndian;
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, SectionHeader, Sym};

type Header = elf::FileHeader64<LittleEndian>;
type Table<'d> = object::read::elf::SymbolTable<'d, Header>;

const ENDIAN: LittleEndian = LittleEndian;
/// Of a name; C++ has some of tens of KiB. A symbol with a longer one is left out.
const MAX_NAME: usize = 64 << 10;
/// In `.gnu.version`: linked by its name with the version only.
const HIDDEN_VERSION: u16 = 0x8000;

#[derive(Clone, Copy)]
pub(super) struct Symbols<'d> {
    table: Table<'d>,
    strings: &'d [u8],
    /// Of dynamic symbols, if they have any.
    versions: &'d [elf::Versym<LittleEndian>],
}

#[derive(Clone, Copy)]
pub(super) struct Symbol<'d> {
    /// Without a version.
    pub name: &'d [u8],
    pub address: u64,
    pub size: u64,
    /// Its address is that of a function that chooses one (`STT_GNU_IFUNC`).
    pub is_resolver: bool,
}

impl<'d> Symbols<'d> {
    pub fn full(file: &ElfFile64<'d, LittleEndian>) -> Option<Self> {
        let table = *file.elf_symbol_table();
        (!table.is_empty()).then(|| Self { table, strings: strings(file, &table), versions: &[] })
    }

    pub fn dynamic(file: &ElfFile64<'d, LittleEndian>, data: &'d [u8]) -> Option<Self> {
        let table = *file.elf_dynamic_symbol_table();
        let sections = file.elf_header().sections(ENDIAN, data).ok();
        let versions = sections.and_then(|sections| sections.gnu_versym(ENDIAN, data).ok().flatten());
        let versions = versions.map_or(&[][..], |(versions, _)| versions);
        (!table.is_empty()).then(|| Self { table, strings: strings(file, &table), versions })
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Where it is, without its name, if it is a function that is defined.
    pub fn address(&self, index: u32) -> Option<u64> {
        let symbol = self.table.symbols().get(index as usize)?;
        let is_function = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
        let is_defined = symbol.st_shndx(ENDIAN) != elf::SHN_UNDEF && symbol.st_value(ENDIAN) != 0;
        (is_function && is_defined).then(|| symbol.st_value(ENDIAN))
    }

    /// Bytes that are read to get the name of a function, whether it can be had or not.
    pub fn cost(&self, index: u32) -> usize {
        let symbol = self.address(index).and_then(|_| self.table.symbols().get(index as usize));
        let text = symbol.map(|symbol| self.text(symbol)).unwrap_or_default();
        terminated(text).unwrap_or(text).len()
    }

    /// From the beginning of a symbol's name on, as far as one may reach.
    fn text(&self, symbol: &elf::Sym64<LittleEndian>) -> &'d [u8] {
        let text = self.strings.get(symbol.st_name(ENDIAN) as usize..).unwrap_or_default();
        &text[..text.len().min(MAX_NAME)]
    }

    pub fn get(&self, index: u32) -> Option<Symbol<'d>> {
        let address = self.address(index)?;
        let symbol = self.table.symbols().get(index as usize)?;
        let hidden =
            self.versions.get(index as usize).is_some_and(|version| version.0.get(ENDIAN).0 & HIDDEN_VERSION != 0);
        let name = terminated(self.text(symbol)).filter(|name| !name.is_empty() && !hidden)?;
        Some(Symbol {
            name: without_version(name),
            address,
            size: symbol.st_size(ENDIAN),
            is_resolver: symbol.st_type() == elf::STT_GNU_IFUNC,
        })
    }
}

fn strings<'d>(file: &ElfFile64<'d, LittleEndian>, table: &Table<'d>) -> &'d [u8] {
    let section = file.elf_section_table().section(table.string_section());
    section.and_then(|section| section.data(ENDIAN, file.data())).unwrap_or_default()
}

/// Many symbols may share one name, so that a search for its end must not be longer than names are.
fn terminated(text: &[u8]) -> Option<&[u8]> {
    memchr::memchr(0, text).map(|end| &text[..end])
}

/// `foo` of `foo@@VERSION`, the one that a program without versions is linked with; `foo@VERSION` is another function.
fn without_version(name: &[u8]) -> &[u8] {
    memchr::memchr(b'@', name).filter(|&at| name[at..].starts_with(b"@@")).map_or(name, |at| &name[..at])
}
