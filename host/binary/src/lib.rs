//! Reads an executable's bytes: build info, functions, types with their fields, and the sites where probes cost least.
//! Knows ELF, DWARF and Go; knows neither plugins nor the kernel, and does no I/O.

mod apart;
mod buildinfo;
mod debuglink;
mod demangle;
mod descriptors;
mod dwarf;
mod functions;
mod image;
mod inlined;
mod inventory;
mod links;
mod model;
mod moduledata;
mod names;
mod relocations;
mod sites;
#[cfg(test)]
mod tests;
mod version;

pub use apart::TypeNames;
pub use debuglink::{AlternateLink, Check, DebugLink};
pub use dwarf::Layout;
pub use functions::NotFound;
pub use inlined::{Inlining, first_callers};
pub use model::{Architecture, Convention, Error, Field, Function, GoInfo, Kind, Module, Role, Source, Type, TypeRef};
pub use sites::{Cost, Refusal, Site, call_sites, entry_site, return_sites};
pub use version::{Condition, ConditionError, Verdict, compare};

use std::sync::OnceLock;

use descriptors::Descriptors;
use dwarf::Dwarf;
use functions::Functions;
use functions::pclntab::Pclntab;
use image::Image;
use inventory::Inventory;
use links::Links;
use moduledata::Moduledata;
use rustc_hash::FxHashSet;

/// An executable. Cheap to make: everything beyond the headers is read when it is first asked for.
pub struct Binary<'d> {
    image: Image<'d>,
    go: OnceLock<Option<GoInfo>>,
    moduledata: OnceLock<Result<Moduledata, Error>>,
    functions: OnceLock<Functions<'d>>,
    links: OnceLock<Links<'d>>,
    inventory: OnceLock<Inventory>,
    dwarf: OnceLock<Result<Dwarf<'d>, Error>>,
    dwarf_names: OnceLock<Option<FxHashSet<u64>>>,
    debug: debuglink::DebugFiles<'d>,
}

impl<'d> Binary<'d> {
    /// Reads the headers only.
    pub fn parse(data: &'d [u8]) -> Result<Self, Error> {
        Ok(Self {
            image: Image::parse(data)?,
            go: OnceLock::new(),
            moduledata: OnceLock::new(),
            functions: OnceLock::new(),
            links: OnceLock::new(),
            inventory: OnceLock::new(),
            dwarf: OnceLock::new(),
            dwarf_names: OnceLock::new(),
            debug: debuglink::DebugFiles::default(),
        })
    }

    pub fn architecture(&self) -> Architecture {
        self.image.architecture
    }

    pub fn is_position_independent(&self) -> bool {
        self.image.position_independent
    }

    /// Where in the file a link-time address is.
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        self.image.file_offset(address)
    }

    /// The lowest loaded address, page aligned: what the load bias is measured from.
    pub fn first_load_address(&self) -> u64 {
        self.image.first_load_address()
    }

    /// The bytes that types and functions are read from, without names and code: Go's descriptors, and its table of functions.
    pub fn go_tables(&self) -> Result<[&'d [u8]; 2], Error> {
        let moduledata = self.moduledata()?;
        let types = self.image.bytes(moduledata.types, moduledata.types_end.saturating_sub(moduledata.types))?;
        let functions = self.image.bytes(moduledata.pclntab.table, moduledata.pclntab.functions.saturating_mul(8))?;
        Ok([types, functions])
    }

    /// Whether it says something about types itself, or the debug file that it was given does.
    pub fn has_dwarf(&self) -> bool {
        self.debug.described(&self.image).is_ok_and(|file| dwarf::has_dwarf(&file))
    }

    /// GNU's build id in hexadecimal digits, or else Go's as it is.
    pub fn build_id(&self) -> Option<String> {
        self.image.build_id()
    }

    /// None if it is not a Go program, or one before 1.18.
    pub fn go(&self) -> Option<&GoInfo> {
        self.go.get_or_init(|| buildinfo::read(&self.image)).as_ref()
    }

    /// By its full name, if that leads to one function only; `find_function` says why not.
    pub fn function(&self, name: &str) -> Option<Function> {
        self.only_function(name).ok()
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

    /// By name with full package paths: `*example.com/shop/cart.Item`, `runtime.g`. None if the binary does not have it: the linker
    /// leaves out what the program can neither make nor reflect upon, and there is no DWARF that has it either. Types declared in
    /// different functions of a package share a name: of those with one layout it is the first by address, and otherwise
    /// `Error::Ambiguous`.
    pub fn type_named(&self, name: &str) -> Result<Option<Type>, Error> {
        match self.descriptor_named(name) {
            Ok(Some(address)) => self.type_at(address).map(Some),
            Ok(None) if self.is_nowhere(name) => Ok(None),
            Ok(None) => self.dwarf_type_named(name),
            Err(error @ Error::Ambiguous { .. }) => Err(error),
            // In a program that is not Go's they are not expected.
            Err(error) => match self.dwarf_type_named(name)? {
                None if self.go().is_some() => Err(error),
                found => Ok(found),
            },
        }
    }

    /// Whether a type of Go's is not in DWARF either: found out without the index that everything else is asked of, because plans ask for
    /// types that most programs do not have.
    fn is_nowhere(&self, name: &str) -> bool {
        let names = self.dwarf_names.get_or_init(|| {
            let file = self.debug.described(&self.image).ok().filter(dwarf::has_dwarf)?;
            dwarf::names(&file).ok()?
        });
        // C's names have no dots.
        name.contains('.') && names.as_ref().is_some_and(|names| !names.contains(&dwarf::hash(name)))
    }

    /// Of all types that have descriptors, in no order, each once.
    pub fn type_names(&self) -> impl Iterator<Item = String> {
        let names = self.descriptors().map(|descriptors| {
            let names = self.inventory(&descriptors).names(&descriptors);
            names.collect::<Vec<_>>()
        });
        names.into_iter().flatten()
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
        if !matches!(ty.kind, Kind::Struct | Kind::Union | Kind::Variants) {
            return Err(Error::Missing(format!("fields of {}", ty.name)));
        }
        match ty.reference {
            TypeRef::Descriptor(address) => {
                let descriptors = self.descriptors()?;
                descriptors.fields(&descriptors.get(address)?)?.collect()
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
            let part = format!("{part:?}").to_lowercase();
            return Err(Error::Missing(format!("{part} of {}", ty.name)));
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

    fn descriptor_named(&self, name: &str) -> Result<Option<u64>, Error> {
        let descriptors = self.descriptors()?;
        let name = &names::natural(name);
        let mut found = self.links(&descriptors).named(&descriptors, name);
        if found.is_empty() {
            found = self.inventory(&descriptors).named(&descriptors, name);
        }
        let Some((&first, others)) = found.split_first() else { return Ok(None) };
        for &other in others {
            if !names::are_alike(&descriptors, first, other)? {
                return Err(Error::Ambiguous { name: name.to_string(), first, second: other });
            }
        }
        Ok(Some(first))
    }

    fn links(&self, descriptors: &Descriptors<'_, 'd>) -> &Links<'d> {
        self.links.get_or_init(|| Links::read(descriptors))
    }

    fn inventory(&self, descriptors: &Descriptors<'_, 'd>) -> &Inventory {
        self.inventory.get_or_init(|| Inventory::read(descriptors, self.links(descriptors)))
    }

    fn dwarf(&self) -> Result<&Dwarf<'d>, Error> {
        self.dwarf.get_or_init(|| self.debug.dwarf(&self.image)).as_ref().map_err(Clone::clone)
    }

    fn function_table(&self) -> &Functions<'d> {
        self.functions.get_or_init(|| {
            let moduledata = self.moduledata().ok();
            let pclntab = moduledata.and_then(|moduledata| Pclntab::new(&self.image, moduledata).ok());
            Functions::new(&self.image, self.go().is_some(), pclntab, self.debug.symbols())
        })
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
