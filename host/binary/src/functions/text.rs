//! What functions' code says, and which of it is not to be touched.

use super::super::image::Image;
use super::super::{Architecture, Error, Function};
use super::names;

const FIPS_PACKAGE: &str = "crypto/internal/fips140/";
/// Longer functions are no wrappers.
const MAX_WRAPPER: u64 = 1024;
/// Packages whose assembly may say that it follows the register ABI (`objabi.PkgSpecial.AllowAsmABI`, Go 1.18 to 1.27).
const MAY_USE_REGISTERS: [&[u8]; 8] = [
    b"runtime",
    b"reflect",
    b"syscall",
    b"internal/bytealg",
    b"internal/chacha8rand",
    b"internal/runtime/syscall",
    b"internal/runtime/syscall/linux",
    b"internal/runtime/startlinetest",
];

/// Link-time addresses of the FIPS 140 module's text, which checks itself when the program starts (Go 1.24 and later).
pub(in super::super) fn fips_text(image: &Image) -> Option<(u64, u64)> {
    // crypto/internal/fips140/check.Linkinfo: a magic of 16 bytes, a sum of 32, a pointer to itself, then the sections' ends.
    let section = image.section(".go.fipsinfo")?;
    let start = image.pointer(section.address.checked_add(56)?).ok()?;
    let end = image.pointer(section.address.checked_add(64)?).ok()?;
    Some((start, end))
}

pub(in super::super) fn is_fips(image: &Image, function: &Function) -> bool {
    let text = fips_text(image);
    function.name.starts_with(FIPS_PACKAGE) || text.is_some_and(|(start, end)| (start..end).contains(&function.address))
}

/// Bytes that a function can have at most; longer ones are not disassembled.
pub(in super::super) const MAX_CODE: u64 = 4 << 20;

pub(in super::super) fn code<'d>(image: &Image<'d>, function: &Function) -> Result<&'d [u8], Error> {
    let executable = image.segment(function.address).is_some_and(|segment| segment.executable);
    if !executable || function.size > MAX_CODE {
        let Function { name, address, size, .. } = function;
        return Err(Error::Corrupt(format!("{name} at {address:#x} with {size} bytes")));
    }
    image.bytes(function.address, function.size)
}

/// Whether assembly of that name may follow the register ABI, if it has no wrapper: assembly that follows the stack ABI has one
/// wherever Go code calls it.
pub(super) fn may_use_registers(name: &[u8]) -> bool {
    MAY_USE_REGISTERS.contains(&names::package(name))
}

/// Whether code calls or jumps to a function, as a wrapper does. Looks at every place where such an instruction may be.
pub(super) fn calls(image: &Image, address: u64, size: u64, target: u64) -> bool {
    let Ok(code) = image.bytes(address, size.min(MAX_WRAPPER)) else { return false };
    match image.architecture {
        Architecture::Amd64 => code.windows(5).enumerate().any(|(at, bytes)| match bytes {
            &[0xe8 | 0xe9, a, b, c, d] => {
                let next = address.wrapping_add(at as u64 + 5);
                next.wrapping_add_signed(i64::from(i32::from_le_bytes([a, b, c, d]))) == target
            }
            _ => false,
        }),
        Architecture::Arm64 => code.as_chunks().0.iter().enumerate().any(|(at, &word)| {
            // B and BL: 26 bits of signed distance in instructions.
            let word = u32::from_le_bytes(word);
            let distance = i64::from((word << 6).cast_signed() >> 4);
            let here = address.wrapping_add(at as u64 * 4);
            matches!(word >> 26, 0b000101 | 0b100101) && here.wrapping_add_signed(distance) == target
        }),
    }
}
