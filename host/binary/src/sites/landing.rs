//! Landing pads, where an exception enters a function: what the binary itself lists for the unwinder, in `.eh_frame` and
//! `.gcc_except_table` (C++, Rust, C with `-fexceptions`). Leaves out what each of them is for.

use gimli::{
    BaseAddresses, CommonInformationEntry, EhFrame, EhFrameHdr, EhFrameOffset, EndianSlice, Error, LittleEndian,
    Pointer, Reader as _, Section as _, UnwindSection as _,
};

use super::super::image::Image;

type Bytes<'d> = EndianSlice<'d, LittleEndian>;

/// `DW_EH_PE_omit`, `DW_EH_PE_uleb128`, `DW_EH_PE_udata4`
const OMITTED: u8 = 0xff;
const ULEB128: u8 = 1;
const UDATA4: u8 = 3;

/// Bytes of what several functions' entries share (a CIE); compilers make some tens. It is read anew for each function.
const MAX_SHARED: u32 = 4096;
/// Bytes of one function's list, of which each call takes some four to nine.
const MAX_LIST: usize = 256 << 10;

/// Of the function, or the part of one, that begins at the address.
pub(super) fn pads(image: &Image, start: u64) -> Vec<u64> {
    listed(image, start).unwrap_or_default()
}

fn listed(image: &Image, start: u64) -> Option<Vec<u64>> {
    let section = |name: &str| {
        let address = image.section(name)?.address;
        Some((address, image.bytes_from(address).ok()?))
    };
    let ((index_at, index), (frames_at, frames)) = (section(".eh_frame_hdr")?, section(".eh_frame")?);
    let bases = BaseAddresses::default().set_eh_frame_hdr(index_at).set_eh_frame(frames_at);
    let index = EhFrameHdr::new(index, LittleEndian).parse(&bases, 8).ok()?;
    let section = EhFrame::new(frames, LittleEndian);
    let entry = index.table()?.fde_for_address(&section, &bases, start, shared).ok()?;
    let Pointer::Direct(table) = entry.lsda().filter(|_| entry.initial_address() == start)? else { return None };
    call_sites(EndianSlice::new(image.bytes_from(table).ok()?, LittleEndian), start).ok().flatten()
}

fn shared<'d>(
    frames: &EhFrame<Bytes<'d>>,
    bases: &BaseAddresses,
    offset: EhFrameOffset,
) -> gimli::Result<CommonInformationEntry<Bytes<'d>>> {
    let mut header = *frames.reader();
    header.skip(offset.0)?;
    if header.read_u32()? > MAX_SHARED {
        return Err(Error::OffsetOutOfBounds(offset.0 as u64));
    }
    frames.cie_from_offset(bases, offset)
}

/// From the table as `_Unwind_GetLanguageSpecificData` gives it to GCC's and LLVM's personality routines.
fn call_sites(mut table: Bytes, start: u64) -> gimli::Result<Option<Vec<u64>>> {
    // Pads that are counted from elsewhere than the function's beginning are made by neither for a function with one range of code.
    if table.read_u8()? != OMITTED {
        return Ok(None);
    }
    if table.read_u8()? != OMITTED {
        table.read_uleb128()?;
    }
    let encoding = table.read_u8()?;
    let length = table.read_uleb128()?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_LIST {
        return Ok(None);
    }
    let mut sites = table.split(length)?;
    let mut pads = Vec::new();
    while !sites.is_empty() {
        let number = |sites: &mut Bytes| match encoding {
            ULEB128 => sites.read_uleb128(),
            UDATA4 => sites.read_u32().map(u64::from),
            _ => Err(Error::UnknownPointerEncoding(gimli::DwEhPe(encoding))),
        };
        let (_from, _length, pad) = (number(&mut sites)?, number(&mut sites)?, number(&mut sites)?);
        let _action = sites.read_uleb128()?;
        if pad != 0 {
            pads.push(start.wrapping_add(pad));
        }
    }
    pads.sort_unstable();
    pads.dedup();
    Ok(Some(pads))
}
