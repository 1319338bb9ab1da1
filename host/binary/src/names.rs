//! Names of types with full package paths. Descriptors say a named type's package in full but print its last part only, and
//! print composites with those; so composites are put together here, as Go's DWARF writes them.

use std::fmt::Write;

use super::Error;
use super::descriptors::{Descriptor, Descriptors, kinds};

/// Longer ones are refused; no type that somebody asks for is near.
pub(super) const MAX_BYTES: usize = 2048;
const MAX_DEPTH: u32 = 32;
const MAX_PARTS: u32 = 4096;

pub(super) fn name(descriptors: &Descriptors, address: u64) -> Result<String, Error> {
    let mut writer = Writer { descriptors, text: String::new(), parts: 0 };
    writer.write(address, 0)?;
    Ok(writer.text)
}

struct Writer<'a, 'i, 'd> {
    descriptors: &'a Descriptors<'i, 'd>,
    text: String,
    parts: u32,
}

impl Writer<'_, '_, '_> {
    fn write(&mut self, address: u64, depth: u32) -> Result<(), Error> {
        self.parts += 1;
        if depth > MAX_DEPTH || self.parts > MAX_PARTS || self.text.len() > MAX_BYTES {
            return Err(Error::Unsupported(format!("with a type's name longer than {MAX_BYTES} bytes")));
        }
        let descriptor = self.descriptors.get(address)?;
        if descriptor.is_named() { self.named(&descriptor) } else { self.composite(&descriptor, depth + 1) }
    }

    fn named(&mut self, descriptor: &Descriptor) -> Result<(), Error> {
        let short = self.descriptors.short_name(descriptor)?;
        let package = self.descriptors.package(descriptor)?;
        if package.is_empty() {
            self.text.push_str(short);
            return Ok(());
        }
        // A package's name has no dot, except of the one for what generic code is compiled for. What follows has full paths already.
        let own = short.strip_prefix("go.shape.").or_else(|| Some(short.split_once('.')?.1)).unwrap_or(short);
        self.push(format_args!("{package}.{own}"));
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
        let (inputs, outputs, variadic) = self.descriptors.signature(descriptor)?;
        self.text.push('(');
        for (index, &input) in inputs.iter().enumerate() {
            self.text.push_str(if index > 0 { ", " } else { "" });
            if variadic && index + 1 == inputs.len() {
                self.text.push_str("...");
                let slice = self.descriptors.get(input)?;
                self.write(self.descriptors.element(&slice)?, depth)?;
            } else {
                self.write(input, depth)?;
            }
        }
        self.text.push(')');
        match outputs[..] {
            [] => Ok(()),
            [output] => {
                self.text.push(' ');
                self.write(output, depth)
            }
            _ => {
                self.text.push_str(" (");
                for (index, &output) in outputs.iter().enumerate() {
                    self.text.push_str(if index > 0 { ", " } else { "" });
                    self.write(output, depth)?;
                }
                self.text.push(')');
                Ok(())
            }
        }
    }

    fn structure(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), Error> {
        self.text.push_str("struct {");
        let fields = self.descriptors.fields(descriptor)?;
        let package = self.descriptors.parts_package(descriptor)?;
        for (index, field) in fields.iter().enumerate() {
            self.text.push_str(if index > 0 { "; " } else { " " });
            if !field.embedded {
                self.qualified(package, &field.name);
                self.text.push(' ');
            }
            if let super::TypeRef::Descriptor(address) = field.ty {
                self.write(address, depth)?;
            }
        }
        self.text.push_str(if fields.is_empty() { "}" } else { " }" });
        Ok(())
    }

    fn interface(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), Error> {
        self.text.push_str("interface {");
        let methods = self.descriptors.interface_methods(descriptor)?;
        let package = self.descriptors.parts_package(descriptor)?;
        for (index, &(name, ty)) in methods.iter().enumerate() {
            self.text.push_str(if index > 0 { "; " } else { " " });
            self.qualified(package, name);
            if let Some(ty) = ty {
                let function = self.descriptors.get(ty)?;
                self.signature(&function, depth)?;
            }
        }
        self.text.push_str(if methods.is_empty() { "}" } else { " }" });
        Ok(())
    }

    /// A name that is not exported belongs to its package.
    fn qualified(&mut self, package: &str, name: &str) {
        if !package.is_empty() && !name.starts_with(char::is_uppercase) {
            self.push(format_args!("{package}."));
        }
        self.text.push_str(name);
    }

    fn push(&mut self, arguments: std::fmt::Arguments) {
        self.text.write_fmt(arguments).expect("a String takes all that is written");
    }
}
