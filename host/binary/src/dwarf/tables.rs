//! What tables of abbreviations take: units may name places in the same bytes, each of which is a table of its own. Bounds what is kept
//! of them, and what is read of them in all.

use gimli::{LittleEndian, Reader, constants as dw};

use super::Slice;
use crate::Error;

/// Bytes of the tables that are kept; parsed, they take some thirty times as much.
const MAX_KEPT: usize = 2 << 20;
/// Tables that were not kept are read again.
const MAX_TIMES: usize = 16;
const MIN_READ: usize = 16 << 20;

pub(super) struct Budget {
    kept: usize,
    left: usize,
}

impl Budget {
    pub fn of(section: &[u8]) -> Self {
        Self { kept: 0, left: section.len().saturating_mul(MAX_TIMES).max(MIN_READ) }
    }

    /// Whether those kept have to go before the table at this offset of `.debug_abbrev` is kept.
    pub fn take(&mut self, section: &[u8], offset: usize) -> Result<bool, Error> {
        let length = length(section.get(offset..).unwrap_or_default());
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            Error::Corrupt(format!(
                "its .debug_abbrev: more tables in the same bytes than are read, the next at {offset:#x}"
            ))
        })?;
        let is_full = self.kept > 0 && self.kept + length > MAX_KEPT;
        self.kept = if is_full { length } else { self.kept + length };
        Ok(is_full)
    }
}

/// Up to the end of the table, or to where it is broken.
fn length(bytes: &[u8]) -> usize {
    let mut rest = Slice::new(bytes, LittleEndian);
    while let Ok(code) = rest.read_uleb128() {
        let has_more = code != 0 && rest.skip_leb128().and_then(|()| rest.skip(1)).is_ok() && attributes(&mut rest);
        if !has_more {
            break;
        }
    }
    bytes.len() - rest.len()
}

fn attributes(rest: &mut Slice) -> bool {
    while let (Ok(name), Ok(form)) = (rest.read_uleb128(), rest.read_uleb128()) {
        if form == u64::from(dw::DW_FORM_implicit_const.0) && rest.skip_leb128().is_err() {
            return false;
        }
        if (name, form) == (0, 0) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_a_table() {
        for (bytes, expected) in [
            (&b"\x01\x11\x01\x03\x08\0\0\0rest"[..], 8),
            (b"\x01\x11\x01\x03\x21\x80\x01\0\0\x02\x24\0\0\0\0rest", 15),
            (b"\0rest", 1),
            (b"", 0),
            (b"\x01\x11\x01\x03", 4),
        ] {
            assert_eq!(length(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn bounds_tables_in_the_same_bytes() {
        let section = [b"\x01\x24\0\0\0".repeat(100_000), vec![0]].concat();
        let (mut budget, mut cleared) = (Budget::of(&section), 0);
        for offset in 0..40 {
            match budget.take(&section, offset * 5) {
                Ok(is_full) => cleared += u32::from(is_full),
                Err(error) => {
                    let expected = "a truncated or corrupt ELF file: its .debug_abbrev: more tables in the same bytes than are read, the next at 0xa5";
                    assert_eq!((error.to_string().as_str(), cleared), (expected, 8));
                    return;
                }
            }
        }
        panic!("40 tables of 500 KB were read");
    }
}
