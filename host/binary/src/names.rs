//! Names of types with full package paths. Descriptors say a named type's package in full but print its last part only, and
//! print composites with those; so composites are put together here, as Go's DWARF writes them.

use std::borrow::Cow;
use std::fmt::Write;

use super::Error;
use super::descriptors::{Descriptor, Descriptors, kinds};
use super::dwarf::unescape;

/// Longer ones are refused; protobuf's table of methods has 3 KiB, because it is a struct of functions of structs.
pub(super) const MAX_BYTES: usize = 16 * 1024;
const MAX_DEPTH: u32 = 32;
pub(super) const MAX_PARTS: u32 = 4096;

/// As it is written in a program. Type arguments have the dots of a path's last element as the linker escapes them: the type
/// `main.Box[example.com/v1.0.0.T]` is called `main.Box[example.com/v1%2e0%2e0.T]` (seen in Go 1.26 and 1.27).
pub(super) fn natural(name: &str) -> Cow<'_, str> {
    if name.contains('%') { Cow::Owned(unescape(name)) } else { Cow::Borrowed(name) }
}

pub(super) fn name(descriptors: &Descriptors, address: u64) -> Result<String, Error> {
    let mut text = String::new();
    write(descriptors, address, &mut text, &mut { MAX_PARTS })?;
    Ok(text)
}

/// Whether two types of one name have one layout: they are as large, and made of the same. Of pointers, what they are to counts.
pub(super) fn are_alike(descriptors: &Descriptors, first: u64, second: u64) -> Result<bool, Error> {
    let underlying = |address: u64| {
        let mut descriptor = descriptors.get(address)?;
        for _ in 0..MAX_DEPTH {
            if descriptor.kind == kinds::POINTER {
                descriptor = descriptors.get(descriptors.element(&descriptor)?)?;
            }
        }
        let mut text = String::new();
        Writer { descriptors, text: &mut text, parts: &mut { MAX_PARTS }, address }.composite(&descriptor, 1)?;
        Ok((descriptor.size, descriptor.kind, text))
    };
    Ok(underlying(first)? == underlying(second)?)
}

/// Replaces the text by a type's name, for those who need many; takes what it costs from the number of parts.
pub(super) fn write(descriptors: &Descriptors, address: u64, text: &mut String, parts: &mut u32) -> Result<(), Error> {
    text.clear();
    Writer { descriptors, text, parts, address }.write(address, 0)
}

struct Writer<'a, 'i, 'd> {
    descriptors: &'a Descriptors<'i, 'd>,
    text: &'a mut String,
    parts: &'a mut u32,
    /// Of what is named.
    address: u64,
}

impl Writer<'_, '_, '_> {
    fn write(&mut self, address: u64, depth: u32) -> Result<(), Error> {
        self.spend(depth)?;
        let descriptor = self.descriptors.get(address)?;
        if descriptor.is_named() { self.named(&descriptor) } else { self.composite(&descriptor, depth + 1) }
    }

    fn spend(&mut self, depth: u32) -> Result<(), Error> {
        *self.parts = self.parts.saturating_sub(1);
        if depth > MAX_DEPTH || *self.parts == 0 || self.text.len() > MAX_BYTES {
            let address = self.address;
            return Err(Error::Corrupt(format!("a type with a name too long or too deep at {address:#x}")));
        }
        Ok(())
    }

    fn named(&mut self, descriptor: &Descriptor) -> Result<(), Error> {
        let short = self.descriptors.short_name(descriptor)?;
        let package = self.descriptors.package(descriptor)?;
        if package.is_empty() {
            self.text.push_str(&natural(short));
            return Ok(());
        }
        // A package's name has no dot, except of the one for what generic code is compiled for. What follows has full paths already.
        let own = short.strip_prefix("go.shape.").or_else(|| Some(short.split_once('.')?.1)).unwrap_or(short);
        self.push(format_args!("{}.{}", natural(package), natural(own)));
        Ok(())
    }

    fn composite(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), Error> {
        match descriptor.kind {
            kinds::POINTER => self.text.push('*'),
            kinds::SLICE => self.text.push_str("[]"),
            kinds::ARRAY => {
                let super::Kind::Array { len } = self.descriptors.kind(descriptor)? else { return Ok(()) };
                self.push(format_args!("[{len}]"));
            }
            kinds::CHAN => self.text.push_str(match self.descriptors.direction(descriptor)? {
                1 => "<-chan ",
                2 => "chan<- ",
                _ => "chan ",
            }),
            kinds::MAP => {
                self.text.push_str("map[");
                self.write(self.descriptors.key(descriptor)?, depth)?;
                self.text.push(']');
            }
            kinds::FUNC => {
                self.text.push_str("func");
                return self.signature(descriptor, depth);
            }
            kinds::STRUCT => return self.structure(descriptor, depth),
            kinds::INTERFACE => return self.interface(descriptor, depth),
            _ => {
                self.text.push_str(self.descriptors.short_name(descriptor)?);
                return Ok(());
            }
        }
        self.write(self.descriptors.element(descriptor)?, depth)
    }

    fn signature(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), Error> {
        let descriptors = self.descriptors;
        let (inputs, outputs, variadic) = descriptors.signature(descriptor)?;
        let last = inputs.len();
        self.text.push('(');
        for (index, input) in inputs.enumerate() {
            self.text.push_str(if index > 0 { ", " } else { "" });
            if variadic && index + 1 == last {
                self.text.push_str("...");
                let slice = descriptors.get(input?)?;
                self.write(descriptors.element(&slice)?, depth)?;
            } else {
                self.write(input?, depth)?;
            }
        }
        self.text.push(')');
        let count = outputs.len();
        for (index, output) in outputs.enumerate() {
            self.text.push_str(if index > 0 { ", " } else { " " });
            self.text.push_str(if index == 0 && count > 1 { "(" } else { "" });
            self.write(output?, depth)?;
        }
        self.text.push_str(if count > 1 { ")" } else { "" });
        Ok(())
    }

    fn structure(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), Error> {
        self.text.push_str("struct {");
        let descriptors = self.descriptors;
        let package = descriptors.parts_package(descriptor)?;
        let mut separator = " ";
        for field in descriptors.fields(descriptor)? {
            let field = field?;
            self.text.push_str(std::mem::replace(&mut separator, "; "));
            if !field.embedded {
                self.qualified(package, &field.name);
                self.text.push(' ');
            }
            if let super::TypeRef::Descriptor(address) = field.ty {
                self.write(address, depth)?;
            }
        }
        self.text.push_str(if separator == " " { "}" } else { " }" });
        Ok(())
    }

    fn interface(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), Error> {
        self.text.push_str("interface {");
        let descriptors = self.descriptors;
        let package = descriptors.parts_package(descriptor)?;
        let mut separator = " ";
        for method in descriptors.methods(descriptor)? {
            self.spend(depth)?;
            let method = method?;
            self.text.push_str(std::mem::replace(&mut separator, "; "));
            self.qualified(method.package.unwrap_or(package), method.name);
            if let Some(ty) = method.ty {
                let function = descriptors.get(ty)?;
                self.signature(&function, depth)?;
            }
        }
        self.text.push_str(if separator == " " { "}" } else { " }" });
        Ok(())
    }

    /// A name that is not exported belongs to its package.
    fn qualified(&mut self, package: &str, name: &str) {
        if !package.is_empty() && !name.starts_with(char::is_uppercase) {
            self.push(format_args!("{}.", natural(package)));
        }
        self.text.push_str(name);
    }

    fn push(&mut self, arguments: std::fmt::Arguments) {
        self.text.write_fmt(arguments).expect("a String takes all that is written");
    }
}
