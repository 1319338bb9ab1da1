//! Functions by name: from the symbol table, or from Go's table of functions, which stripping keeps. An index of hashes (8 bytes a
//! function) is made when a name is first asked for.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::OnceLock;

use object::LittleEndian;
use object::elf;
use object::read::elf::{ElfFile64, Sym};

use super::image::Image;
use super::moduledata::Moduledata;
use super::{Convention, Error, Function};

const MAX_FUNCTIONS: u64 = 16_000_000;
const MAX_NAME: usize = 16 * 1024;
const FIPS_PACKAGE: &str = "crypto/internal/fips140/";

pub(super) struct Functions<'d> {
    table: Table<'d>,
    by_name: OnceLock<Vec<(u32, u32)>>,
    by_address: OnceLock<Vec<(u64, u32)>>,
}

enum Table<'d> {
    Symbols(Box<ElfFile64<'d, LittleEndian>>, Which),
    Pclntab(Moduledata),
    Nothing,
}

#[derive(Clone, Copy)]
enum Which {
    Full,
    Dynamic,
}

impl<'d> Functions<'d> {
    /// `moduledata` is asked for only if there is no symbol table.
    pub fn new<'m>(image: &Image<'d>, moduledata: impl FnOnce() -> Option<&'m Moduledata>) -> Self {
        let file = image.file();
        let table = match file {
            Some(file) if !file.elf_symbol_table().is_empty() => Table::Symbols(Box::new(file), Which::Full),
            file => match (moduledata(), file) {
                (Some(moduledata), _) => Table::Pclntab(moduledata.clone()),
                (None, Some(file)) => Table::Symbols(Box::new(file), Which::Dynamic),
                (None, None) => Table::Nothing,
            },
        };
        Self { table, by_name: OnceLock::new(), by_address: OnceLock::new() }
    }

    pub fn len(&self) -> u32 {
        let len = match &self.table {
            Table::Symbols(file, which) => which.of(file).len() as u64,
            Table::Pclntab(moduledata) => moduledata.pclntab.functions,
            Table::Nothing => 0,
        };
        u32::try_from(len.min(MAX_FUNCTIONS)).unwrap_or(0)
    }

    pub fn get(&self, image: &Image<'d>, index: u32) -> Option<Function> {
        let (name, address, size) = self.raw(image, index)?;
        Some(Function { name: std::str::from_utf8(name).ok()?.to_owned(), address, size, convention: Convention::Go })
    }

    pub fn named(&self, image: &Image<'d>, name: &str) -> Option<Function> {
        let index = self.by_name.get_or_init(|| {
            let all = (0..self.len()).filter_map(|index| Some((hash(self.raw(image, index)?.0), index)));
            let mut all: Vec<_> = all.collect();
            all.sort_unstable();
            all
        });
        let wanted = hash(name.as_bytes());
        let start = index.partition_point(|&(hash, _)| hash < wanted);
        let same = index[start..].iter().take_while(|&&(hash, _)| hash == wanted).map(|&(_, index)| index);
        let same = same.filter(|&index| self.raw(image, index).is_some_and(|raw| raw.0 == name.as_bytes()));
        let best = same.min_by_key(|&index| self.is_wrapper(image, index));
        self.get(image, best?)
    }

    /// Go's table has a function and the wrapper that serves the other calling convention under one name.
    fn is_wrapper(&self, image: &Image, index: u32) -> bool {
        let Table::Pclntab(moduledata) = &self.table else { return false };
        function_id(image, moduledata, index).is_ok_and(|id| id == moduledata.wrapper_id())
    }

    /// The function that has this address in it.
    pub fn containing(&self, image: &Image<'d>, address: u64) -> Option<Function> {
        let index = self.by_address.get_or_init(|| {
            let all = (0..self.len()).filter_map(|index| Some((self.raw(image, index)?.1, index)));
            let mut all: Vec<_> = all.collect();
            all.sort_unstable();
            all
        });
        let end = index.partition_point(|&(start, _)| start <= address);
        let function = self.get(image, index[..end].last()?.1)?;
        (address - function.address < function.size.max(1)).then_some(function)
    }

    fn raw(&self, image: &Image<'d>, index: u32) -> Option<(&'d [u8], u64, u64)> {
        match &self.table {
            Table::Symbols(file, which) => symbol(file, *which, index),
            Table::Pclntab(moduledata) => entry(image, moduledata, index).ok(),
            Table::Nothing => None,
        }
    }
}

impl Which {
    fn of<'a, 'd>(self, file: &'a ElfFile64<'d, LittleEndian>) -> &'a SymbolTable<'d> {
        match self {
            Self::Full => file.elf_symbol_table(),
            Self::Dynamic => file.elf_dynamic_symbol_table(),
        }
    }
}

type SymbolTable<'d> = object::read::elf::SymbolTable<'d, elf::FileHeader64<LittleEndian>>;

fn symbol<'d>(file: &ElfFile64<'d, LittleEndian>, which: Which, index: u32) -> Option<(&'d [u8], u64, u64)> {
    let endian = LittleEndian;
    let table = which.of(file);
    let symbol = table.symbol(object::SymbolIndex(index as usize)).ok()?;
    let defined = symbol.st_type() == elf::STT_FUNC && symbol.st_value(endian) != 0;
    let name = defined.then(|| symbol.name(endian, table.strings()).ok()).flatten()?;
    Some((name, symbol.st_value(endian), symbol.st_size(endian)))
}

pub(super) fn count(moduledata: &Moduledata) -> u32 {
    u32::try_from(moduledata.pclntab.functions.min(MAX_FUNCTIONS)).unwrap_or(0)
}

/// From Go's table: a function reaches to the next one's beginning, so the padding after it (int3 on amd64) counts.
pub(super) fn entry<'d>(image: &Image<'d>, moduledata: &Moduledata, index: u32) -> Result<(&'d [u8], u64, u64), Error> {
    let pclntab = &moduledata.pclntab;
    let at = pclntab.table + u64::from(index) * 8;
    let (start, next) = (u64::from(image.u32(at)?), u64::from(image.u32(at + 8)?));
    let name = u64::from(image.u32(record(image, moduledata, index)?.saturating_add(4))?);
    let name = image.bytes_from(pclntab.names.saturating_add(name))?;
    let end = name.iter().take(MAX_NAME).position(|&byte| byte == 0);
    let end = end.ok_or_else(|| Error::Corrupt("a function's name without an end".into()))?;
    Ok((&name[..end], moduledata.text.saturating_add(start), next.saturating_sub(start)))
}

/// Where a function's `runtime._func` is.
pub(super) fn record(image: &Image, moduledata: &Moduledata, index: u32) -> Result<u64, Error> {
    let table = moduledata.pclntab.table;
    Ok(table.saturating_add(u64::from(image.u32(table + u64::from(index) * 8 + 4)?)))
}

/// `abi.FuncID`; the line where a function begins came before it in 1.20.
fn function_id(image: &Image, moduledata: &Moduledata, index: u32) -> Result<u8, Error> {
    let at = if moduledata.minor >= 20 { 40 } else { 36 };
    image.array::<1>(record(image, moduledata, index)?.saturating_add(at)).map(|[id]| id)
}

fn hash(name: &[u8]) -> u32 {
    let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(name);
    (hash >> 32) as u32
}

/// Link-time addresses of the FIPS 140 module's text, which checks itself when the program starts (Go 1.24 and later).
pub(super) fn fips_text(image: &Image) -> Option<(u64, u64)> {
    // crypto/internal/fips140/check.Linkinfo: a magic of 16 bytes, a sum of 32, a pointer to itself, then the sections' ends.
    let section = image.section(".go.fipsinfo")?;
    let start = image.pointer(section.address.checked_add(56)?).ok()?;
    let end = image.pointer(section.address.checked_add(64)?).ok()?;
    Some((start, end))
}

pub(super) fn is_fips(image: &Image, function: &Function) -> bool {
    let text = fips_text(image);
    function.name.starts_with(FIPS_PACKAGE) || text.is_some_and(|(start, end)| (start..end).contains(&function.address))
}

/// Bytes that a function can have at most; longer ones are not disassembled.
pub(super) const MAX_CODE: u64 = 4 << 20;

pub(super) fn code<'d>(image: &Image<'d>, function: &Function) -> Result<&'d [u8], Error> {
    let executable = image.segment(function.address).is_some_and(|segment| segment.executable);
    if !executable || function.size > MAX_CODE {
        let Function { name, address, size, .. } = function;
        return Err(Error::Corrupt(format!("{name} at {address:#x} with {size} bytes")));
    }
    image.bytes(function.address, function.size)
}
