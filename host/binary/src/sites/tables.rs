//! Tables of jumps, as compilers make them of a `switch`.

use super::super::image::Image;

/// Of one table; longer ones are not followed.
const MAX_ENTRIES: u64 = 4096;

/// Where a jump's targets stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub address: u64,
    pub entries: Entries,
    /// How many, where the code compares its index with that; else as many as lead into the function.
    pub count: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    /// Eight bytes each, relocated if the program is.
    Addresses,
    /// To be added to `base`: `size` bytes each, with a sign or not, times `scale`.
    Offsets { base: u64, size: u8, signed: bool, scale: u8 },
}

/// Every target; nothing if there is none, or one of a table of known length lies outside of the function.
pub(super) fn targets(image: &Image, table: &Table, contains: impl Fn(u64) -> bool) -> Option<Vec<u64>> {
    // Offsets read beyond the table would lead anywhere, addresses only to functions.
    let is_open = table.count.is_none();
    if is_open && table.entries != Entries::Addresses || table.count.is_some_and(|count| count > MAX_ENTRIES) {
        return None;
    }
    let mut targets = Vec::new();
    for index in 0..table.count.unwrap_or(MAX_ENTRIES) {
        match entry(image, table, index).filter(|&target| contains(target)) {
            Some(target) => targets.push(target),
            None if is_open => break,
            None => return None,
        }
    }
    targets.sort_unstable();
    targets.dedup();
    (!targets.is_empty()).then_some(targets)
}

fn entry(image: &Image, table: &Table, index: u64) -> Option<u64> {
    let at = |size: u64| table.address.checked_add(index * size);
    let Entries::Offsets { base, size, signed, scale } = table.entries else { return image.pointer(at(8)?).ok() };
    let at = at(u64::from(size))?;
    let offset = match (size, signed) {
        (1, true) => i64::from(i8::from_le_bytes(image.array(at).ok()?)),
        (1, false) => i64::from(u8::from_le_bytes(image.array(at).ok()?)),
        (2, true) => i64::from(image.u16(at).ok()?.cast_signed()),
        (2, false) => i64::from(image.u16(at).ok()?),
        (4, _) => i64::from(image.i32(at).ok()?),
        _ => return None,
    };
    Some(base.wrapping_add_signed(offset * i64::from(scale)))
}
