//! Go's own type descriptors (`internal/abi.Type` and what follows it), which stripping does not remove. Layouts of Go 1.18 to 1.27.
//! Names are made in `names`; which descriptors there are, in `inventory`.

use super::image::Image;
use super::moduledata::Moduledata;
use super::{Error, Field, Kind, TypeRef};

/// `abi.Type`
const COMMON: u64 = 48;
const FLAG_UNCOMMON: u8 = 1;
const FLAG_EXTRA_STAR: u8 = 2;
const FLAG_NAMED: u8 = 4;
const NAME_EMBEDDED: u8 = 8;
const MAX_NAME_BYTES: u64 = 16 * 1024;
const MAX_FIELDS: u64 = 8192;
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
        let bytes: [u8; COMMON as usize] = self.image.array(address)?;
        let word = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let size = u64::from(word(0).cast_unsigned()) | u64::from(word(4).cast_unsigned()) << 32;
        let kind = bytes[23] & KIND_MASK;
        if !(1..=26).contains(&kind) {
            return Err(Error::Corrupt(format!("a type of kind {kind} at {address:#x}")));
        }
        Ok(Descriptor { address, size, kind, flags: bytes[20], name: word(40), pointer_to_this: word(44) })
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
        let offset = u64::try_from(descriptor.name).map_err(|_| Error::Corrupt("a type's name".into()))?;
        let (name, _) = self.name_at(self.moduledata.types.saturating_add(offset))?;
        let star = descriptor.flags & FLAG_EXTRA_STAR != 0;
        Ok(if star { name.strip_prefix('*').unwrap_or(name) } else { name })
    }

    /// A name with its flags: a byte of flags, its length, itself.
    fn name_at(&self, address: u64) -> Result<(&'d str, u8), Error> {
        let bytes = self.image.bytes_from(address)?;
        let corrupt = || Error::Corrupt(format!("a name at {address:#x}"));
        let (&flags, rest) = bytes.split_first().ok_or_else(corrupt)?;
        let (length, used) = super::varint(rest).filter(|&(length, _)| length <= MAX_NAME_BYTES).ok_or_else(corrupt)?;
        let end = usize::try_from(length).ok().and_then(|length| used.checked_add(length)).ok_or_else(corrupt)?;
        let name = rest.get(used..end).ok_or_else(corrupt)?;
        std::str::from_utf8(name).map(|name| (name, flags)).map_err(|_| corrupt())
    }

    /// Address and number of a struct's fields or an interface's methods, all of them in the file.
    fn slice(&self, descriptor: &Descriptor, element: u64) -> Result<(u64, u64), Error> {
        let data = self.image.pointer(descriptor.address + COMMON + 8)?;
        let count = self.image.u64(descriptor.address + COMMON + 16)?;
        let length = count.checked_mul(element).ok_or_else(|| Error::Corrupt("a type with too many parts".into()))?;
        if count > 0 {
            self.image.bytes(data, length)?;
        }
        Ok((data, count))
    }

    pub fn fields(&self, descriptor: &Descriptor) -> Result<Vec<Field>, Error> {
        let (data, count) = self.slice(descriptor, STRUCT_FIELD)?;
        if count > MAX_FIELDS {
            return Err(Error::Corrupt(format!("a struct of {count} fields")));
        }
        let field = |index: u64| {
            let at = data + index * STRUCT_FIELD;
            let (name, flags) = self.name_at(self.image.pointer(at)?)?;
            let ty = TypeRef::Descriptor(self.image.pointer(at + 8)?);
            let offset = self.image.u64(at + 16)?;
            // 1.18 kept the offset above a bit.
            let (offset, embedded) = match self.moduledata.minor {
                ..19 => (offset >> 1, offset & 1 != 0),
                _ => (offset, flags & NAME_EMBEDDED != 0),
            };
            Ok(Field { name: name.to_owned(), offset, embedded, ty })
        };
        (0..count).map(field).collect()
    }

    pub fn field_types(&self, descriptor: &Descriptor) -> Result<Vec<u64>, Error> {
        let (data, count) = self.slice(descriptor, STRUCT_FIELD)?;
        (0..count).map(|index| self.image.pointer(data + index * STRUCT_FIELD + 8)).collect()
    }

    /// Of a pointer, slice, array or channel; of a map, its values.
    pub fn element(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        match descriptor.kind {
            kinds::MAP => self.image.pointer(descriptor.address + COMMON + 8),
            kinds::ARRAY | kinds::CHAN | kinds::POINTER | kinds::SLICE => self.key(descriptor),
            kind => Err(Error::Missing(format!("element of a type of kind {kind}"))),
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

    /// How many parameters and results a function has, and whether the last parameter is variadic.
    fn counts(&self, descriptor: &Descriptor) -> Result<(u64, u64, bool), Error> {
        let inputs = self.image.u16(descriptor.address + COMMON)?;
        let outputs = self.image.u16(descriptor.address + COMMON + 2)?;
        Ok((u64::from(inputs), u64::from(outputs & 0x7fff), outputs & 0x8000 != 0))
    }

    /// Parameters, results, and whether the last parameter is variadic.
    pub fn signature(&self, descriptor: &Descriptor) -> Result<(Vec<u64>, Vec<u64>, bool), Error> {
        let (inputs, outputs, variadic) = self.counts(descriptor)?;
        let uncommon = if descriptor.flags & FLAG_UNCOMMON != 0 { 16 } else { 0 };
        let data = descriptor.address + COMMON + 8 + uncommon;
        self.image.bytes(data, (inputs + outputs) * 8)?;
        let read = |range: std::ops::Range<u64>| range.map(|index| self.image.pointer(data + index * 8)).collect();
        let inputs_read: Result<Vec<u64>, Error> = read(0..inputs);
        Ok((inputs_read?, read(inputs..inputs + outputs)?, variadic))
    }

    /// Names and function types of an interface's methods.
    pub fn interface_methods(&self, descriptor: &Descriptor) -> Result<Vec<(&'d str, Option<u64>)>, Error> {
        let (data, count) = self.slice(descriptor, INTERFACE_METHOD)?;
        let method = |index: u64| {
            let at = data + index * INTERFACE_METHOD;
            let offset = u64::from(self.image.u32(at)?);
            let (name, _) = self.name_at(self.moduledata.types.saturating_add(offset))?;
            Ok((name, self.by_offset(self.image.i32(at + 4)?)))
        };
        (0..count).map(method).collect()
    }

    /// The function types of a type's methods, as far as the linker left them.
    pub fn method_types(&self, descriptor: &Descriptor) -> Result<Vec<u64>, Error> {
        let Some(uncommon) = self.uncommon(descriptor)? else { return Ok(Vec::new()) };
        let data = uncommon.address.saturating_add(u64::from(uncommon.methods_at));
        let count = u64::from(uncommon.methods);
        if count > 0 {
            self.image.bytes(data, count * METHOD)?;
        }
        let types = (0..count).filter_map(|index| self.by_offset(self.image.i32(data + index * METHOD + 4).ok()?));
        Ok(types.collect())
    }
}
