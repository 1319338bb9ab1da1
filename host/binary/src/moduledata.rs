//! Finds the Go runtime's table of contents, `runtime.firstmoduledata`: where the text, the functions and the types are. Its layout
//! is each release's own (`runtime/symtab.go`), known here for Go 1.18 to 1.27; a newer
//! release is read as 1.27, and refused if what is found that way does not check.

use super::Error;
use super::descriptors::Descriptors;
use super::image::Image;

const WORD: u64 = 8;
const MAGIC_118: u32 = 0xffff_fff0;
const MAGIC_120: u32 = 0xffff_fff1;
/// Bytes of the pclntab's header: magic, sizes, counts, the text's start and five offsets.
const PCLNTAB_HEADER: u64 = 72;
/// A search through the file follows for each.
const MAX_PCLNTABS: usize = 8;
const MAX_POINTERS: usize = 64;

/// A pclntab's header, checked against the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pclntab {
    pub address: u64,
    pub functions: u64,
    /// Zero in Go 1.26 and later: then only moduledata knows it.
    pub text: u64,
    pub names: u64,
    pub names_end: u64,
    /// Of values by address.
    pub tables: u64,
    /// Of the table of functions; their records are relative to it too.
    pub table: u64,
}

/// Link-time addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moduledata {
    pub pclntab: Pclntab,
    pub text: u64,
    pub types: u64,
    pub types_end: u64,
    pub roots: Roots,
    /// What functions' records refer to (`go:func.*`).
    pub function_data: u64,
    /// Go's minor version, 18 for 1.18.
    pub minor: u32,
    /// Bytes of a map's descriptor.
    pub map_size: u64,
}

impl Moduledata {
    /// `abi.FuncIDWrapper`: what the compiler made to call something else.
    pub fn wrapper_id(&self) -> u8 {
        match self.minor {
            ..22 => 21,
            22..25 => 22,
            _ => 23,
        }
    }
}

/// From where every type that is left can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// Up to 1.26: offsets from `types` (i32), and pointers to itabs; address and number of each.
    Links { types: (u64, u64), itabs: (u64, u64) },
    /// From 1.27: descriptors one after another, then itabs; address and end of each.
    Ranges { types: (u64, u64), itabs: (u64, u64) },
}

/// `go1.26.8`, `go1.27rc1`, `devel go1.28-0123456789`
pub(super) fn minor(version: &str) -> Option<u32> {
    let rest = version.split("go1.").nth(1)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

pub(super) fn find(image: &Image, version: Option<&str>) -> Result<Moduledata, Error> {
    let version = version.ok_or_else(|| Error::Missing("Go version".into()))?;
    let minor = minor(version).ok_or_else(|| Error::Unsupported(format!("of {version}, an unknown version")))?;
    if minor < 18 {
        return Err(Error::Unsupported(format!("of {version}, before Go 1.18")));
    }
    // A release that is newer than what is known here may have kept the layout; the check of what is read that way tells.
    let map_size = match minor {
        27.. => 136,
        24.. if !version.contains("noswissmap") => 112,
        _ => 88,
    };
    let mut refused = None;
    for (address, pclntab) in places(image) {
        let found = read(image, address, pclntab, minor).and_then(|moduledata| {
            let moduledata = Moduledata { map_size, ..moduledata };
            Descriptors { image, moduledata: &moduledata }.check().map(|()| moduledata)
        });
        match found {
            Ok(moduledata) => return Ok(moduledata),
            Err(error) => refused = refused.or(Some((address, error))),
        }
    }
    Err(match refused {
        Some((address, error)) => {
            let why = if let Error::Corrupt(why) = error { why } else { error.to_string() };
            Error::Corrupt(format!("what is at {address:#x} is not moduledata as {version} has it: {why}"))
        }
        None => Error::Missing(format!("moduledata of {version}")),
    })
}

/// Where moduledata may be, each with the pclntab to which it points.
fn places<'a>(image: &'a Image) -> impl Iterator<Item = (u64, Pclntab)> + 'a {
    let named = image.section(".go.module").and_then(|section| {
        let pclntab = pclntab(image, image.pointer(section.address).ok()?)?;
        Some((section.address, pclntab))
    });
    let searched = std::iter::once_with(|| pclntabs(image)).flatten();
    let pointers = |pclntab: Pclntab| pointers_to(image, pclntab.address).into_iter().map(move |at| (at, pclntab));
    // Others point to the pclntab too; only moduledata has the addresses of its tables besides.
    let has_tables = |&(address, pclntab): &(u64, Pclntab)| {
        let word = |index: u64| image.pointer(address.checked_add(index * WORD)?).ok();
        word(1) == Some(pclntab.names) && word(16) == Some(pclntab.table)
    };
    named.into_iter().chain(searched.flat_map(pointers)).filter(has_tables)
}

/// By section name, or else by its first bytes.
fn pclntabs(image: &Image) -> Vec<Pclntab> {
    let named = [".gopclntab", ".data.rel.ro.gopclntab"].into_iter().filter_map(|name| image.section(name));
    let mut found: Vec<_> = named.filter_map(|section| pclntab(image, section.address)).collect();
    if found.is_empty() {
        for segment in &image.segments {
            let words = segment.words().enumerate();
            let magic = words.filter(|(_, word)| matches!(word, [0xf0 | 0xf1, 0xff, 0xff, 0xff, 0, 0, 1 | 4, 8]));
            let places = magic.map(|(at, _)| segment.address.wrapping_add(at as u64 * WORD));
            found.extend(places.filter_map(|place| pclntab(image, place)).take(MAX_PCLNTABS));
        }
    }
    found.truncate(MAX_PCLNTABS);
    found
}

fn pclntab(image: &Image, address: u64) -> Option<Pclntab> {
    let [pad1, pad2, quantum, word] = image.array(address.checked_add(4)?).ok()?;
    let magic = image.u32(address).ok()?;
    if !matches!(magic, MAGIC_118 | MAGIC_120) || (pad1, pad2) != (0, 0) || !matches!(quantum, 1 | 4) || word != 8 {
        return None;
    }
    let header = image.bytes(address, PCLNTAB_HEADER).ok()?;
    let field = |index: usize| header.get(index * 8..)?.first_chunk().copied().map(u64::from_le_bytes);
    let functions = field(1)?;
    let names = address.checked_add(field(4)?)?;
    let names_end = address.checked_add(field(5)?)?;
    let tables = address.checked_add(field(7)?)?;
    let table = address.checked_add(field(8)?)?;
    image.bytes(table, functions.checked_add(1)?.checked_mul(8)?).ok()?;
    image.bytes_from(names).ok()?;
    let text = image.pointer(address + 24).ok()?;
    Some(Pclntab { address, functions, text, names, names_end, tables, table })
}

/// Where a pointer to `target` stands in writable memory.
fn pointers_to(image: &Image, target: u64) -> Vec<u64> {
    let mut places: Vec<_> = image.relocations.places_of(image, target).take(MAX_POINTERS).collect();
    for segment in image.segments.iter().filter(|segment| segment.writable) {
        let words = segment.words().enumerate();
        let equal = words.filter(|(_, word)| **word == target.to_le_bytes());
        places.extend(equal.map(|(at, _)| segment.address.wrapping_add(at as u64 * WORD)).take(MAX_POINTERS));
    }
    places.truncate(MAX_POINTERS);
    places
}

/// Says what does not fit, by the word's index.
fn read(image: &Image, address: u64, pclntab: Pclntab, minor: u32) -> Result<Moduledata, Error> {
    let refused = |what: String| Error::Corrupt(what);
    let word = |index: u64| image.pointer(address.saturating_add(index * WORD));
    let beyond = || refused(format!("sizes beyond the address space at {address:#x}"));
    let sum = |left: u64, right: u64| left.checked_add(right).ok_or_else(beyond);
    // covctrs and ecovctrs came with 1.20.
    let types_at = if minor >= 20 { 37 } else { 35 };
    let text = word(22)?;
    let types = word(types_at)?;
    let (types_end, roots) = if minor >= 27 {
        let itabs = sum(types, word(types_at + 3)?)?;
        let ranges = Roots::Ranges {
            // A word is left free, so that no type has offset 0 (runtime.moduleTypelinks).
            types: (sum(types, WORD)?, sum(types, word(types_at + 1)?)?),
            itabs: (itabs, sum(itabs, word(types_at + 4)?)?),
        };
        (word(types_at + 2)?, ranges)
    } else {
        let roots = [types_at + 4, types_at + 5].into_iter().find_map(|at| links(image, &|at| word(at).ok(), at));
        (
            word(types_at + 1)?,
            roots.ok_or_else(|| refused(format!("no type links near {:#x}", types_at * WORD + address)))?,
        )
    };
    // Behind rodata; until 1.26 the ends of the types' parts were not there.
    let function_data = word(types_at + if minor >= 27 { 6 } else { 3 })?;
    if !image.segment(text).is_some_and(|segment| segment.executable) {
        return Err(refused(format!("text at {text:#x}, where nothing is executable")));
    }
    if types >= types_end || image.bytes(types, types_end - types).is_err() {
        return Err(refused(format!("types from {types:#x} to {types_end:#x}, which the file does not have")));
    }
    Ok(Moduledata { pclntab, text, types, types_end, roots, function_data, minor, map_size: 0 })
}

/// The slices of type links and itab links, which stand after a slice of text sections. That one moved by a word when epclntab came,
/// so it has to look like one.
fn links(image: &Image, word: &impl Fn(u64) -> Option<u64>, at: u64) -> Option<Roots> {
    let slice = |at: u64| {
        let (data, count, capacity) = (word(at)?, word(at + 1)?, word(at + 2)?);
        (count == capacity).then_some((data, count))
    };
    let (sections, types, itabs) = (slice(at)?, slice(at + 3)?, slice(at + 6)?);
    let whole = |(data, count): (u64, u64), size: u64| {
        count.checked_mul(size).is_some_and(|length| count == 0 || image.bytes(data, length).is_ok())
    };
    let found = sections.1 > 0 && whole(sections, 24) && whole(types, 4) && whole(itabs, WORD);
    found.then_some(Roots::Links { types, itabs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_minor_version() {
        for (text, expected) in [
            ("go1.26.8", Some(26)),
            ("go1.27rc1", Some(27)),
            ("devel go1.28-0123456789 Sat", Some(28)),
            ("go1.21.13 X:boringcrypto", Some(21)),
            ("unknown", None),
            ("go1.", None),
        ] {
            assert_eq!(minor(text), expected, "{text}");
        }
    }
}
