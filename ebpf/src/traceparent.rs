//! Reads a W3C `traceparent` (Trace Context level 1, 3.2): `00-<32 hex>-<16 hex>-<2 hex>`, lower case.

use crate::wire::SpanContext;

/// Bytes of a version 00 header.
pub const BYTES: usize = 55;

/// The context of the parent; none where the bytes are not a valid header. `length` is the header's whole length: later versions may be
/// longer, and then go on with a dash.
#[inline(always)]
pub fn parse(text: &[u8; BYTES + 1], length: usize) -> Option<SpanContext> {
    if length < BYTES || text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
        return None;
    }
    let mut invalid = 0u8;
    let version = byte(text, 0, &mut invalid);
    if version == 0xff || (version == 0 && length != BYTES) || (length > BYTES && text[BYTES] != b'-') {
        return None;
    }
    let context = SpanContext {
        trace: [eight(text, 3, &mut invalid), eight(text, 19, &mut invalid)],
        span: eight(text, 36, &mut invalid),
    };
    byte(text, 53, &mut invalid);
    let is_empty = context.trace[0] | context.trace[1] == 0 || context.span == 0;
    if invalid != 0 || is_empty { None } else { Some(context) }
}

/// Eight bytes in memory order, from 16 digits. A function of its own for the sake of the kernel's small stack.
#[inline(never)]
fn eight(text: &[u8; BYTES + 1], at: usize, invalid: &mut u8) -> u64 {
    let mut number = 0u64;
    let mut index = 0;
    while index < 8 {
        number |= (byte(text, at + 2 * index, invalid) as u64) << (8 * index);
        index += 1;
    }
    number
}

#[inline(always)]
fn byte(text: &[u8; BYTES + 1], at: usize, invalid: &mut u8) -> u8 {
    let (high, low) = (DIGITS[text[at] as usize], DIGITS[text[at + 1] as usize]);
    *invalid |= (high | low) & NOT_A_DIGIT;
    high << 4 | low
}

const NOT_A_DIGIT: u8 = 0x80;

/// What `0`-`9` and `a`-`f` stand for. A table, because each branch would double what the kernel's verifier has to look at.
static DIGITS: [u8; 256] = {
    let mut digits = [NOT_A_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    fn read(text: &str) -> Option<String> {
        let mut bytes = [0; BYTES + 1];
        let taken = text.len().min(BYTES + 1);
        bytes[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        let context = parse(&bytes, text.len())?;
        let hex = |number: u64| number.to_le_bytes().map(|byte| std::format!("{byte:02x}")).concat();
        Some(std::format!("{}{} {}", hex(context.trace[0]), hex(context.trace[1]), hex(context.span)))
    }

    #[test]
    fn reads_ids_in_memory_order() {
        assert_eq!(
            read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").as_deref(),
            Some("0af7651916cd43dd8448eb211c80319c b7ad6b7169203331")
        );
    }

    #[test]
    fn reads_a_later_version_that_goes_on_with_a_dash() {
        assert!(read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what").is_some());
        assert!(read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what").is_none());
    }

    #[test]
    fn refuses_what_the_standard_calls_invalid() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
