//! Go's table of functions (`runtime.pclntab`, Go 1.18 and later), which stripping keeps. Every function of the program's text has a
//! record, C code that Go's own linker linked included; what the system's linker added has none.
//!
//! An address is the text's plus an offset: a text of several sections, where it would be more than that (`textsectmap`), is made by
//! `cmd/link` for ARM, PPC64 and macOS only (`splitTextSections`, Go 1.18 to 1.27).

use super::super::Error;
use super::super::image::Image;
use super::super::moduledata::Moduledata;

const MAX_FUNCTIONS: u64 = 16_000_000;
/// Of a name.
pub(super) const MAX_NAME: usize = 16 * 1024;
/// Of a `runtime._func` until 1.19; 1.20 put the line where a function begins before the id.
const OLD_RECORD: usize = 40;
const RECORD: usize = 44;
/// `abi.FuncFlagAsm`
const ASSEMBLY: u8 = 4;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(in super::super) struct Pclntab<'d> {
    /// From `runtime.pclntab` on: the table of functions, then their records.
    records: &'d [u8],
    names: &'d [u8],
    /// Tables of values by address (`runtime.pctab`).
    tables: &'d [u8],
    /// What records refer to (`go:func.*`).
    data: &'d [u8],
    pub text: u64,
    pub count: u32,
    pub minor: u32,
    wrapper: u8,
}

/// A function's `runtime._func`, as far as it is wanted here.
#[derive(Clone, Copy)]
pub(in super::super) struct Record<'d> {
    bytes: &'d [u8],
    fixed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Written {
    InGo,
    /// By the compiler, to call something else.
    AsWrapper,
    InAssembly,
    /// In C, or whatever else the linker was given.
    Otherwise,
}

impl<'d> Pclntab<'d> {
    pub fn new(image: &Image<'d>, moduledata: &Moduledata) -> Result<Self, Error> {
        let pclntab = &moduledata.pclntab;
        Ok(Self {
            records: image.bytes_from(pclntab.table)?,
            names: image.bytes(pclntab.names, pclntab.names_end.saturating_sub(pclntab.names))?,
            tables: image.bytes_from(pclntab.tables)?,
            data: image.bytes_from(moduledata.function_data).unwrap_or_default(),
            text: moduledata.text,
            count: u32::try_from(pclntab.functions.min(MAX_FUNCTIONS)).unwrap_or(0),
            minor: moduledata.minor,
            wrapper: moduledata.wrapper_id(),
        })
    }

    /// Link-time address and size. A function reaches to the next one's beginning, so the padding after it counts.
    pub fn place(&self, index: u32) -> Option<(u64, u64)> {
        let at = index as usize * 8;
        let (start, next) = (u64::from(word(self.records, at)?), u64::from(word(self.records, at + 8)?));
        Some((self.text.saturating_add(start), next.saturating_sub(start)))
    }

    /// The end of the last function.
    pub fn end(&self) -> u64 {
        word(self.records, self.count as usize * 8).map_or(0, |end| self.text.saturating_add(u64::from(end)))
    }

    /// The last function that begins at the address or before.
    pub fn before(&self, address: u64) -> Option<u32> {
        let offset = u32::try_from(address.checked_sub(self.text)?).ok()?;
        let rows = self.records.get(..self.count as usize * 8)?.as_chunks::<8>().0;
        let end = rows.partition_point(|&[a, b, c, d, ..]| u32::from_le_bytes([a, b, c, d]) <= offset);
        u32::try_from(end.checked_sub(1)?).ok()
    }

    pub fn record(&self, index: u32) -> Option<Record<'d>> {
        let at = word(self.records, index as usize * 8 + 4)? as usize;
        let fixed = if self.minor >= 20 { RECORD } else { OLD_RECORD };
        let bytes = self.records.get(at..)?;
        (bytes.len() >= fixed).then_some(Record { bytes, fixed })
    }

    pub fn name(&self, index: u32) -> Option<&'d [u8]> {
        self.name_at(self.record(index)?.name())
    }

    pub fn name_at(&self, offset: u32) -> Option<&'d [u8]> {
        let name = self.names.get(offset as usize..)?;
        let name = &name[..name.len().min(MAX_NAME)];
        Some(&name[..memchr::memchr(0, name)?])
    }

    /// All names with their offsets, those of functions that were inlined everywhere too.
    pub fn names(&self) -> impl Iterator<Item = (u32, &'d [u8])> + use<'d> {
        let (names, mut start) = (self.names, 0);
        memchr::memchr_iter(0, names).map_while(move |end| {
            let name = (u32::try_from(start).ok()?, &names[start..end]);
            start = end + 1;
            Some(name)
        })
    }

    pub fn written(&self, index: u32) -> Option<Written> {
        let record = self.record(index)?;
        Some(match () {
            () if record.id() == self.wrapper => Written::AsWrapper,
            () if record.has_no_unit() => Written::Otherwise,
            () if record.flags() & ASSEMBLY != 0 => Written::InAssembly,
            () => Written::InGo,
        })
    }

    /// A table of values by address.
    pub fn table(&self, offset: u32) -> Option<&'d [u8]> {
        self.tables.get(offset as usize..)
    }

    pub fn data(&self) -> &'d [u8] {
        self.data
    }
}

impl Record<'_> {
    pub fn name(&self) -> u32 {
        word(self.bytes, 4).unwrap_or(0)
    }

    /// `abi.FuncID`
    pub fn id(&self) -> u8 {
        self.bytes[self.fixed - 4]
    }

    fn flags(&self) -> u8 {
        self.bytes[self.fixed - 3]
    }

    /// What was not compiled by Go has neither a compilation unit nor tables.
    fn has_no_unit(&self) -> bool {
        word(self.bytes, 32) == Some(NONE) && word(self.bytes, 16) == Some(0) && self.bytes[self.fixed - 1] == 0
    }

    /// By `abi.PCDATA_*`: where among the tables of values its table begins.
    pub fn value_table(&self, which: u32) -> Option<u32> {
        let count = word(self.bytes, 28)?;
        let table = (which < count).then(|| word(self.bytes, self.fixed + which as usize * 4)).flatten();
        table.filter(|&table| table != 0)
    }

    /// By `abi.FUNCDATA_*`: where in the functions' data it begins.
    pub fn data(&self, which: u32) -> Option<u32> {
        if which >= u32::from(self.bytes[self.fixed - 1]) {
            return None;
        }
        let skipped = word(self.bytes, 28)?.checked_add(which)? as usize;
        word(self.bytes, self.fixed.checked_add(skipped.checked_mul(4)?)?).filter(|&data| data != NONE)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}
