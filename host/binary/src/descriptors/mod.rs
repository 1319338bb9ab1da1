//! Go's own type descriptors (`internal/abi.Type` and what follows it), which stripping does not remove. Layouts of Go 1.18 to 1.27.
//! Names are made in `names`; which descriptors there are, in `links` and `inventory`; what one refers to, in `parts`.

mod parts;

use super::image::Image;
use super::links::Links;
use super::moduledata::Moduledata;
use super::{Error, Field, Kind, TypeRef};

/// `abi.Type`
const COMMON: u64 = 48;
const FLAG_UNCOMMON: u8 = 1;
const FLAG_EXTRA_STAR: u8 = 2;
const FLAG_NAMED: u8 = 4;
const NAME_TAG: u8 = 2;
const NAME_PACKAGE: u8 = 4;
const NAME_EMBEDDED: u8 = 8;
const MAX_NAME_BYTES: u64 = 16 * 1024;
/// Fields of a struct, methods of an interface.
const MAX_PARTS: u64 = 8192;
/// So many of the linker's list are looked at before moduledata is believed.
const CHECKED: usize = 32;
const KIND_MASK: u8 = 31;
const STRUCT_FIELD: u64 = 24;
const METHOD: u64 = 16;
const INTERFACE_METHOD: u64 = 8;

/// The kinds that have parts, by their numbers in `abi.Kind`.
pub(super) mod kinds {
    pub const ARRAY: u8 = 17;
    pub const CHAN: u8 = 18;
    pub const FUNC: u8 = 19;
    pub const INTERFACE: u8 = 20;
    pub const MAP: u8 = 21;
    pub const POINTER: u8 = 22;
    pub const SLICE: u8 = 23;
    pub const STRUCT: u8 = 25;
}

pub(super) struct Descriptors<'a, 'd> {
    pub image: &'a Image<'d>,
    pub moduledata: &'a Moduledata,
}

/// A descriptor's common part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub address: u64,
    pub size: u64,
    pub kind: u8,
    flags: u8,
    name: i32,
    pub pointer_to_this: i32,
}

/// What follows the part of a descriptor's kind, for named types and those with methods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uncommon {
    address: u64,
    package: i32,
    methods: u16,
    methods_at: u32,
}

impl Descriptor {
    pub fn is_named(&self) -> bool {
        self.flags & FLAG_NAMED != 0
    }
}

impl<'d> Descriptors<'_, 'd> {
    pub fn get(&self, address: u64) -> Result<Descriptor, Error> {
        if address < self.moduledata.types || address >= self.moduledata.types_end {
            return Err(Error::Missing(format!("type descriptor at {address:#x}")));
        }
        if !address.is_multiple_of(8) {
            return Err(Error::Corrupt(format!("a type at {address:#x}, which is not aligned")));
        }
        let bytes: [u8; COMMON as usize] = self.image.array(address)?;
        let word = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let size = u64::from(word(0).cast_unsigned()) | u64::from(word(4).cast_unsigned()) << 32;
        let kind = bytes[23] & KIND_MASK;
        if !(1..=26).contains(&kind) {
            return Err(Error::Corrupt(format!("a type of kind {kind} at {address:#x}")));
        }
        Ok(Descriptor { address, size, kind, flags: bytes[20], name: word(40), pointer_to_this: word(44) })
    }

    /// Whether this is what a linker makes: types that can be read, with names, in the order of these.
    pub fn check(&self) -> Result<(), Error> {
        let mut last = "";
        for address in Links::first(self, CHECKED)? {
            let descriptor = self.get(address)?;
            let name = self.short_name(&descriptor)?;
            if name.is_empty() || name < last {
                return Err(Error::Corrupt(format!("a type called {name:?} behind {last:?} at {address:#x}")));
            }
            self.uncommon(&descriptor)?;
            last = name;
        }
        Ok(())
    }

    /// Offsets from the beginning of the types; 0 and -1 stand for none.
    pub fn by_offset(&self, offset: i32) -> Option<u64> {
        let offset = u64::try_from(offset).ok().filter(|&offset| offset != 0)?;
        self.moduledata.types.checked_add(offset).filter(|&address| address < self.moduledata.types_end)
    }

    pub fn kind(&self, descriptor: &Descriptor) -> Result<Kind, Error> {
        let size = u8::try_from(descriptor.size).unwrap_or(0);
        Ok(match descriptor.kind {
            1 => Kind::Bool,
            2..=6 => Kind::Int { size, signed: true },
            7..=12 => Kind::Int { size, signed: false },
            13 | 14 => Kind::Float { size },
            15 | 16 => Kind::Complex { size },
            kinds::ARRAY => Kind::Array { len: self.image.u64(descriptor.address + COMMON + 16)? },
            kinds::CHAN => Kind::Chan,
            kinds::FUNC => Kind::Func,
            kinds::INTERFACE => Kind::Interface { empty: self.slice(descriptor, INTERFACE_METHOD)?.1 == 0 },
            kinds::MAP => Kind::Map,
            kinds::POINTER => Kind::Pointer,
            kinds::SLICE => Kind::Slice,
            24 => Kind::String,
            kinds::STRUCT => Kind::Struct,
            _ => Kind::UnsafePointer,
        })
    }

    /// Bytes of the part that all descriptors of this kind have.
    fn base_size(&self, kind: u8) -> u64 {
        match kind {
            kinds::ARRAY => 72,
            kinds::CHAN => 64,
            kinds::FUNC | kinds::POINTER | kinds::SLICE => 56,
            kinds::INTERFACE | kinds::STRUCT => 80,
            kinds::MAP => self.moduledata.map_size,
            _ => COMMON,
        }
    }

    pub fn uncommon(&self, descriptor: &Descriptor) -> Result<Option<Uncommon>, Error> {
        if descriptor.flags & FLAG_UNCOMMON == 0 {
            return Ok(None);
        }
        let address = descriptor.address + self.base_size(descriptor.kind);
        let bytes: [u8; 16] = self.image.array(address)?;
        let [p0, p1, p2, p3, m0, m1, _, _, a0, a1, a2, a3, ..] = bytes;
        Ok(Some(Uncommon {
            address,
            package: i32::from_le_bytes([p0, p1, p2, p3]),
            methods: u16::from_le_bytes([m0, m1]),
            methods_at: u32::from_le_bytes([a0, a1, a2, a3]),
        }))
    }

    /// Bytes of a whole descriptor, with what belongs to it (`abi.Type.DescriptorSize` of Go 1.27).
    pub fn whole_size(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        let uncommon = self.uncommon(descriptor)?;
        let more = match descriptor.kind {
            kinds::FUNC => {
                let (inputs, outputs, _) = self.counts(descriptor)?;
                (inputs + outputs) * 8
            }
            kinds::INTERFACE => self.slice(descriptor, INTERFACE_METHOD)?.1 * INTERFACE_METHOD,
            kinds::STRUCT => self.slice(descriptor, STRUCT_FIELD)?.1 * STRUCT_FIELD,
            _ => 0,
        };
        let uncommon = uncommon.map_or(0, |uncommon| 16 + u64::from(uncommon.methods) * METHOD);
        Ok(self.base_size(descriptor.kind) + uncommon + more)
    }

    /// The package's full path; empty for what is built in.
    pub fn package(&self, descriptor: &Descriptor) -> Result<&'d str, Error> {
        let package = self.uncommon(descriptor)?.and_then(|uncommon| u64::try_from(uncommon.package).ok());
        match package {
            None | Some(0) => Ok(""),
            Some(offset) => self.name_at(self.moduledata.types.saturating_add(offset)).map(|(name, _)| name),
        }
    }

    /// The package to which a struct's fields or an interface's methods belong that are not exported.
    pub fn parts_package(&self, descriptor: &Descriptor) -> Result<&'d str, Error> {
        match self.image.pointer(descriptor.address + COMMON)? {
            0 => Ok(""),
            address => self.name_at(address).map(|(name, _)| name),
        }
    }

    /// As the runtime prints it, with the package's last part only.
    pub fn short_name(&self, descriptor: &Descriptor) -> Result<&'d str, Error> {
        let offset = u64::try_from(descriptor.name).map_err(|_| {
            Error::Corrupt(format!("a name at offset {} of the type at {:#x}", descriptor.name, descriptor.address))
        })?;
        let (name, _) = self.name_at(self.moduledata.types.saturating_add(offset))?;
        let star = descriptor.flags & FLAG_EXTRA_STAR != 0;
        Ok(if star { name.strip_prefix('*').unwrap_or(name) } else { name })
    }

    /// A name with its flags: a byte of flags, its length, itself.
    fn name_at(&self, address: u64) -> Result<(&'d str, u8), Error> {
        let corrupt = || Error::Corrupt(format!("a name at {address:#x}"));
        let (&flags, rest) = self.image.bytes_from(address)?.split_first().ok_or_else(corrupt)?;
        let (name, _) = counted(rest).ok_or_else(corrupt)?;
        std::str::from_utf8(name).map(|name| (name, flags)).map_err(|_| corrupt())
    }

    /// The package of a name that carries it, behind the name and the tag: of a method that is not exported, in an interface without
    /// a name.
    fn name_package(&self, address: u64) -> Result<Option<&'d str>, Error> {
        let corrupt = || Error::Corrupt(format!("a name's package at {address:#x}"));
        let (&flags, rest) = self.image.bytes_from(address)?.split_first().ok_or_else(corrupt)?;
        if flags & NAME_PACKAGE == 0 {
            return Ok(None);
        }
        let (_, mut rest) = counted(rest).ok_or_else(corrupt)?;
        if flags & NAME_TAG != 0 {
            (_, rest) = counted(rest).ok_or_else(corrupt)?;
        }
        let offset = rest.first_chunk().copied().map(u32::from_le_bytes).ok_or_else(corrupt)?;
        self.name_at(self.moduledata.types.saturating_add(offset.into())).map(|(name, _)| Some(name))
    }

    /// Address and number of a struct's fields or an interface's methods, all of them in the file.
    fn slice(&self, descriptor: &Descriptor, element: u64) -> Result<(u64, u64), Error> {
        let data = self.image.pointer(descriptor.address + COMMON + 8)?;
        let count = self.image.u64(descriptor.address + COMMON + 16)?;
        if count > MAX_PARTS {
            return Err(Error::Corrupt(format!("a type of {count} parts at {:#x}", descriptor.address)));
        }
        // Of none, the address may be anything.
        if count == 0 {
            return Ok((0, 0));
        }
        self.image.bytes(data, count * element)?;
        Ok((data, count))
    }

    pub fn fields(&self, descriptor: &Descriptor) -> Result<impl Iterator<Item = Result<Field, Error>>, Error> {
        let (data, count) = self.slice(descriptor, STRUCT_FIELD)?;
        Ok((0..count).map(move |index| self.field(data + index * STRUCT_FIELD)))
    }

    fn field(&self, at: u64) -> Result<Field, Error> {
        let (name, flags) = self.name_at(self.image.pointer(at)?)?;
        let ty = TypeRef::Descriptor(self.image.pointer(at + 8)?);
        let offset = self.image.u64(at + 16)?;
        // 1.18 kept the offset above a bit.
        let (offset, embedded) = match self.moduledata.minor {
            ..19 => (offset >> 1, offset & 1 != 0),
            _ => (offset, flags & NAME_EMBEDDED != 0),
        };
        Ok(Field { name: name.to_owned(), offset, embedded, ty })
    }

    /// Of a pointer, slice, array or channel; of a map, its values.
    pub fn element(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        match descriptor.kind {
            kinds::MAP => self.image.pointer(descriptor.address + COMMON + 8),
            kinds::ARRAY | kinds::CHAN | kinds::POINTER | kinds::SLICE => self.key(descriptor),
            kind => Err(Error::Missing(format!("element of a type of kind {kind} at {:#x}", descriptor.address))),
        }
    }

    /// The first type that a descriptor is made of: a map's key.
    pub fn key(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        self.image.pointer(descriptor.address + COMMON)
    }

    /// The struct in which a map keeps several of its entries: a bucket, or a group of Swiss tables.
    pub fn group(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        self.image.pointer(descriptor.address + COMMON + 16)
    }

    /// Of a channel: 1 receives, 2 sends.
    pub fn direction(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        self.image.u64(descriptor.address + COMMON + 8)
    }
}

/// Bytes after their number, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, used) = super::varint(bytes).filter(|&(length, _)| length <= MAX_NAME_BYTES)?;
    bytes.get(used..)?.split_at_checked(usize::try_from(length).ok()?)
}
