//! Functions that may have no code of their own: which ones were inlined, and into which others. From the trees that the runtime
//! keeps for its stack traces (`runtime/symtab.go`, `runtime/symtabinl.go`), which stripping leaves. Leaves out where they were.

use super::image::Image;
use super::moduledata::Moduledata;
use super::{Error, functions, varint};

/// `abi.PCDATA_InlTreeIndex` and `abi.FUNCDATA_InlTree`.
const INDEX_TABLE: u64 = 2;
const TREE: u64 = 3;
/// Bytes of a `runtime.inlinedCall`: kind, name, place, line.
const CALL: usize = 16;
const NAME: usize = 4;
/// Calls in one function; the runtime's own bound.
const MAX_CALLS: u64 = 1 << 20;
/// Calls, and steps through tables, in all functions together: a program of 100 MB has some millions.
const MAX_STEPS: u64 = 1 << 28;

/// Whether the function was inlined into one of another package. Before Go 1.20, whose trees are different: into any.
pub(super) fn is_inlined_elsewhere(image: &Image, moduledata: &Moduledata, name: &str) -> Result<bool, Error> {
    let Some(offset) = name_offset(image, moduledata, name)? else { return Ok(false) };
    if moduledata.minor < 20 {
        return Ok(true);
    }
    let mut steps = MAX_STEPS;
    for index in 0..functions::count(moduledata) {
        if steps == 0 {
            return Err(Error::Corrupt("more inlined calls than a program can have".into()));
        }
        // A broken record says nothing about the others.
        let Ok(calls) = calls(image, moduledata, index, &mut steps) else { continue };
        if calls.iter().any(|call| call[NAME..].starts_with(&offset.to_le_bytes())) {
            let (caller, ..) = functions::entry(image, moduledata, index)?;
            if package(caller) != package(name.as_bytes()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Where the name stands in the table of functions' names, which has inlined ones as well.
fn name_offset(image: &Image, moduledata: &Moduledata, name: &str) -> Result<Option<u32>, Error> {
    let pclntab = &moduledata.pclntab;
    let names = image.bytes(pclntab.names, pclntab.names_end.saturating_sub(pclntab.names))?;
    let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
    let found = names.windows(wanted.len()).position(|window| window == wanted);
    Ok(found.and_then(|at| u32::try_from(at + 1).ok()))
}

/// The calls that were inlined into a function. What they cost is taken off `steps`.
fn calls<'d>(image: &Image<'d>, data: &Moduledata, index: u32, steps: &mut u64) -> Result<&'d [[u8; CALL]], Error> {
    let record = functions::record(image, data, index)?;
    let word = |place: u64| image.u32(record.saturating_add(place)).map(u64::from);
    let [.., data_count] = image.array::<44>(record)?;
    let table_count = word(28)?;
    if table_count <= INDEX_TABLE || u64::from(data_count) <= TREE {
        return Ok(&[]);
    }
    let (table, tree) = (word(44 + INDEX_TABLE * 4)?, word(44 + (table_count + TREE) * 4)?);
    if table == 0 || tree == u64::from(u32::MAX) {
        return Ok(&[]);
    }
    let table = image.bytes_from(data.pclntab.tables.saturating_add(table))?;
    let calls = greatest(table, steps).map_or(0, |greatest| greatest.saturating_add(1).min(MAX_CALLS));
    *steps = steps.saturating_sub(calls);
    let bytes = image.bytes(data.function_data.saturating_add(tree), calls * CALL as u64)?;
    Ok(bytes.as_chunks().0)
}

/// The greatest value in a table of values by address: pairs of differences, the value's with its sign in the lowest bit, up to a
/// value that does not differ. None if there is none above -1.
fn greatest(mut table: &[u8], steps: &mut u64) -> Option<u64> {
    let (mut value, mut greatest, mut is_first) = (-1i64, -1i64, true);
    while *steps > 0 {
        *steps -= 1;
        let (difference, length) = varint(table)?;
        if difference == 0 && !is_first {
            break;
        }
        is_first = false;
        let (_, more) = varint(&table[length..])?;
        table = &table[length + more..];
        let half = (difference >> 1).cast_signed();
        value = value.saturating_add(if difference & 1 == 1 { !half } else { half });
        greatest = greatest.max(value);
    }
    u64::try_from(greatest).ok()
}

/// `net/http` of `net/http.(*Request).Clone`; the arguments of a generic function may hold other paths.
fn package(function: &[u8]) -> &[u8] {
    let plain = function.split(|byte| matches!(byte, b'[' | b'(')).next().unwrap_or_default();
    let last = plain.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = plain[last..].iter().position(|byte| *byte == b'.').map_or(plain.len(), |dot| last + dot);
    &plain[..dot]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_package_of_a_function() {
        for (function, expected) in [
            ("example.com/http.(*Request).Clone", "example.com/http"),
            ("main.main.func1", "main"),
            ("gopkg.in/yaml%2ev3.Marshal", "gopkg.in/yaml%2ev3"),
            ("example.com/a.Map[example.com/b.Key,int].Get", "example.com/a"),
            ("memmove", "memmove"),
        ] {
            assert_eq!(package(function.as_bytes()), expected.as_bytes(), "{function}");
        }
    }

    #[test]
    fn finds_the_greatest_value_of_a_table() {
        for (table, expected) in [
            // -1 for 5 bytes, 0, 1, back to 0, -1.
            (&[0, 5, 2, 1, 2, 1, 1, 1, 1, 1, 0][..], Some(1)),
            (&[0, 5, 0], None),
            (&[], None),
            (&[2], None),
            (&[0x80, 0x80], None),
            (&[2, 1].repeat(1000), Some(99)),
        ] {
            assert_eq!(greatest(table, &mut 100), expected, "{table:?}");
        }
    }
}
