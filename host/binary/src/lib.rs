//! Reads an executable's bytes: build info, functions, types with their fields, and the sites where probes cost least.
//! Knows ELF, DWARF and Go; knows neither plugins nor the kernel, and does no I/O.

mod buildinfo;
mod descriptors;
mod dwarf;
mod functions;
mod image;
mod inlined;
mod inventory;
mod moduledata;
mod names;
mod sites;
#[cfg(test)]
mod tests;

pub use sites::{Cost, Refusal, Site, call_site, entry_site, return_sites};

use std::collections::HashMap;
use std::sync::OnceLock;

use descriptors::Descriptors;
use dwarf::Dwarf;
use functions::Functions;
use image::Image;
use moduledata::Moduledata;

/// An executable. Cheap to make: everything beyond the headers is read when it is first asked for.
pub struct Binary<'d> {
    image: Image<'d>,
    go: OnceLock<Option<GoInfo>>,
    moduledata: OnceLock<Result<Moduledata, Error>>,
    functions: OnceLock<Functions<'d>>,
    inventory: OnceLock<HashMap<Box<str>, u64>>,
    dwarf: OnceLock<Result<Dwarf<'d>, Error>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

/// What the Go linker wrote about the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoInfo {
    /// `go1.26.8`
    pub version: String,
    /// The main package's path.
    pub main: Option<String>,
    pub modules: Vec<Module>,
}

/// A module that was linked in; a replaced one has the name that imports use and the version that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub path: String,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// Link-time address.
    pub address: u64,
    pub size: u64,
    pub convention: Convention,
}

/// Where a function's callers put its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// Go's register ABI (ABIInternal).
    Go,
    /// Go's stack ABI (ABI0): assembly, and what wraps it.
    GoStack,
    /// The platform's: System V on amd64, AAPCS64 on arm64.
    Native,
}

/// Where a type was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Go runtime's own type descriptors.
    Descriptor,
    Dwarf,
}

/// What a type is, below its name. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int { size: u8, signed: bool },
    Float { size: u8 },
    Complex { size: u8 },
    String,
    Slice,
    Array { len: u64 },
    Map,
    Pointer,
    Interface { empty: bool },
    Struct,
    Func,
    Chan,
    UnsafePointer,
}

/// Names a type within its binary without having read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeRef {
    /// Link-time address of a descriptor.
    Descriptor(u64),
    /// Offset in `.debug_info`.
    Dwarf(u64),
}

/// A type; what it is made of is asked of its binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// With full package paths: `*example.com/shop/cart.Item`, `map[string][]string`.
    pub name: String,
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// The descriptor's link-time address; none from DWARF.
    pub address: Option<u64>,
    pub source: Source,
    pub reference: TypeRef,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// In bytes from the beginning of its struct.
    pub offset: u64,
    pub embedded: bool,
    pub ty: TypeRef,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not an ELF file")]
    NotElf,
    #[error("an ELF file {0}, not a 64-bit little-endian executable for x86-64 or aarch64")]
    Unsupported(String),
    #[error("a truncated or corrupt ELF file: {0}")]
    Corrupt(String),
    #[error("no {0} in the binary")]
    Missing(String),
}

impl<'d> Binary<'d> {
    /// Reads the headers only.
    pub fn parse(data: &'d [u8]) -> Result<Self, Error> {
        Ok(Self {
            image: Image::parse(data)?,
            go: OnceLock::new(),
            moduledata: OnceLock::new(),
            functions: OnceLock::new(),
            inventory: OnceLock::new(),
            dwarf: OnceLock::new(),
        })
    }

    pub fn architecture(&self) -> Architecture {
        self.image.architecture
    }

    pub fn is_position_independent(&self) -> bool {
        self.image.position_independent
    }

    /// The lowest loaded address, page aligned: what the load bias is measured from.
    pub fn first_load_address(&self) -> u64 {
        self.image.first_load_address()
    }

    /// GNU's build id in hexadecimal digits, or else Go's as it is.
    pub fn build_id(&self) -> Option<String> {
        self.image.build_id()
    }

    /// None if it is not a Go program, or one before 1.18.
    pub fn go(&self) -> Option<&GoInfo> {
        self.go.get_or_init(|| buildinfo::read(&self.image)).as_ref()
    }

    /// By its full name, as the linker knows it.
    pub fn function(&self, name: &str) -> Option<Function> {
        self.function_table().named(&self.image, name)
    }

    /// Whether the program has this function, be it only inlined into one of another package: what a package inlines of its own does not
    /// count, because it does so in every program.
    pub fn mentions(&self, name: &str) -> bool {
        let is_inlined = |moduledata| inlined::is_inlined_elsewhere(&self.image, moduledata, name).unwrap_or(false);
        self.function(name).is_some() || self.moduledata().is_ok_and(is_inlined)
    }

    pub fn functions(&self) -> impl Iterator<Item = Function> {
        let table = self.function_table();
        (0..table.len()).filter_map(|index| table.get(&self.image, index))
    }

    /// The function that has this link-time address in it.
    pub fn function_at(&self, address: u64) -> Option<Function> {
        self.function_table().containing(&self.image, address)
    }

    pub fn code(&self, function: &Function) -> Result<&'d [u8], Error> {
        functions::code(&self.image, function)
    }

    /// By name with full package paths: `*example.com/shop/cart.Item`, `runtime.g`. None if the binary does not have it.
    pub fn type_named(&self, name: &str) -> Result<Option<Type>, Error> {
        let descriptor = self.inventory().ok().and_then(|inventory| inventory.get(name).copied());
        match descriptor {
            Some(address) => self.type_at(address).map(Some),
            None => self.dwarf_type_named(name),
        }
    }

    /// Of all types that have descriptors, in no order.
    pub fn type_names(&self) -> impl Iterator<Item = String> {
        self.inventory().into_iter().flat_map(|inventory| inventory.keys().map(|name| name.to_string()))
    }

    /// By name, from DWARF only.
    pub fn dwarf_type_named(&self, name: &str) -> Result<Option<Type>, Error> {
        match self.dwarf() {
            Ok(dwarf) => dwarf.named(name),
            Err(Error::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// By a descriptor's link-time address.
    pub fn type_at(&self, address: u64) -> Result<Type, Error> {
        self.resolve(TypeRef::Descriptor(address))
    }

    /// By a descriptor's link-time address: `*example.com/shop/cart.Item`. Cheaper than `type_at` where only the name matters.
    pub fn type_name(&self, address: u64) -> Result<String, Error> {
        names::name(&self.descriptors()?, address)
    }

    pub fn resolve(&self, reference: TypeRef) -> Result<Type, Error> {
        let address = match reference {
            TypeRef::Dwarf(offset) => return self.dwarf()?.resolve(offset),
            TypeRef::Descriptor(address) => address,
        };
        let descriptors = self.descriptors()?;
        let descriptor = descriptors.get(address)?;
        Ok(Type {
            name: names::name(&descriptors, address)?,
            kind: descriptors.kind(&descriptor)?,
            size: descriptor.size,
            address: Some(address),
            source: Source::Descriptor,
            reference,
        })
    }

    /// Of a struct, in order.
    pub fn fields(&self, ty: &Type) -> Result<Vec<Field>, Error> {
        if ty.kind != Kind::Struct {
            return Err(Error::Missing(format!("struct {}", ty.name)));
        }
        match ty.reference {
            TypeRef::Descriptor(address) => {
                let descriptors = self.descriptors()?;
                descriptors.fields(&descriptors.get(address)?)
            }
            TypeRef::Dwarf(offset) => self.dwarf()?.fields(offset),
        }
    }

    /// What a pointer, slice, array or channel is of; of a map, its values.
    pub fn element(&self, ty: &Type) -> Result<Type, Error> {
        self.part(ty, Part::Element)
    }

    /// Of a map.
    pub fn key(&self, ty: &Type) -> Result<Type, Error> {
        self.part(ty, Part::Key)
    }

    /// Of a map: the struct that holds several of its entries, a bucket (`topbits`, `keys`, `elems`, `overflow`) or a group of
    /// Swiss tables (`ctrl`, `slots`; from 1.27 on perhaps `keys` and `elems`).
    pub fn group(&self, ty: &Type) -> Result<Type, Error> {
        self.part(ty, Part::Group)
    }

    /// A struct's own field by name (not through embedded ones), with its type.
    pub fn field(&self, ty: &Type, name: &str) -> Result<Option<(Field, Type)>, Error> {
        match self.fields(ty)?.into_iter().find(|field| field.name == name) {
            Some(field) => self.resolve(field.ty).map(|ty| Some((field, ty))),
            None => Ok(None),
        }
    }

    fn part(&self, ty: &Type, part: Part) -> Result<Type, Error> {
        let has = match part {
            Part::Element => {
                matches!(ty.kind, Kind::Pointer | Kind::Slice | Kind::Array { .. } | Kind::Map | Kind::Chan)
            }
            Part::Key | Part::Group => ty.kind == Kind::Map,
        };
        if !has {
            return Err(Error::Missing(format!("{part:?} of {}", ty.name).to_lowercase()));
        }
        let address = match ty.reference {
            TypeRef::Dwarf(offset) => return self.dwarf()?.part(offset, part),
            TypeRef::Descriptor(address) => address,
        };
        let descriptors = self.descriptors()?;
        let descriptor = descriptors.get(address)?;
        self.type_at(match part {
            Part::Element => descriptors.element(&descriptor)?,
            Part::Key => descriptors.key(&descriptor)?,
            Part::Group => descriptors.group(&descriptor)?,
        })
    }

    fn moduledata(&self) -> Result<&Moduledata, Error> {
        let version = || self.go().map(|go| go.version.as_str());
        self.moduledata.get_or_init(|| moduledata::find(&self.image, version())).as_ref().map_err(Clone::clone)
    }

    fn descriptors(&self) -> Result<Descriptors<'_, 'd>, Error> {
        Ok(Descriptors { image: &self.image, moduledata: self.moduledata()? })
    }

    fn inventory(&self) -> Result<&HashMap<Box<str>, u64>, Error> {
        let descriptors = self.descriptors()?;
        Ok(self.inventory.get_or_init(|| inventory::read(&descriptors)))
    }

    fn dwarf(&self) -> Result<&Dwarf<'d>, Error> {
        self.dwarf.get_or_init(|| Dwarf::read(&self.image)).as_ref().map_err(Clone::clone)
    }

    fn function_table(&self) -> &Functions<'d> {
        self.functions.get_or_init(|| Functions::new(&self.image, || self.moduledata().ok()))
    }
}

/// What a type is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Element,
    Key,
    Group,
}

/// A number in groups of seven bits, the lowest first, and how many bytes it took.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}
