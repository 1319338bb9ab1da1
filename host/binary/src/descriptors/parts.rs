//! What a descriptor refers to: a function's parameters and results, an interface's methods, and all of them in turn.

use super::{COMMON, Descriptor, Descriptors, FLAG_UNCOMMON, INTERFACE_METHOD, METHOD, STRUCT_FIELD, kinds};
use crate::Error;
use crate::image::Image;

impl<'d> Descriptors<'_, 'd> {
    /// How many parameters and results a function has, and whether the last parameter is variadic.
    pub(super) fn counts(&self, descriptor: &Descriptor) -> Result<(u64, u64, bool), Error> {
        let inputs = self.image.u16(descriptor.address + COMMON)?;
        let outputs = self.image.u16(descriptor.address + COMMON + 2)?;
        Ok((u64::from(inputs), u64::from(outputs & 0x7fff), outputs & 0x8000 != 0))
    }

    /// Parameters, results, and whether the last parameter is variadic.
    pub fn signature(&self, descriptor: &Descriptor) -> Result<(Addresses<'_, 'd>, Addresses<'_, 'd>, bool), Error> {
        let (inputs, outputs, variadic) = self.counts(descriptor)?;
        let uncommon = if descriptor.flags & FLAG_UNCOMMON != 0 { 16 } else { 0 };
        let data = descriptor.address + COMMON + 8 + uncommon;
        self.image.bytes(data, (inputs + outputs) * 8)?;
        let parts = |first: u64, count| Addresses { image: self.image, next: data + first * 8, left: count };
        Ok((parts(0, inputs), parts(inputs, outputs), variadic))
    }

    /// Of an interface.
    pub fn method_count(&self, descriptor: &Descriptor) -> Result<u64, Error> {
        match descriptor.kind {
            kinds::INTERFACE => self.slice(descriptor, INTERFACE_METHOD).map(|(_, count)| count),
            kind => Err(Error::Corrupt(format!("methods of a type of kind {kind} at {:#x}", descriptor.address))),
        }
    }

    /// Of an interface.
    pub fn methods(&self, descriptor: &Descriptor) -> Result<impl Iterator<Item = Result<Method<'d>, Error>>, Error> {
        let (data, count) = self.slice(descriptor, INTERFACE_METHOD)?;
        let method = move |index: u64| {
            let at = data + index * INTERFACE_METHOD;
            let name = self.moduledata.types.saturating_add(u64::from(self.image.u32(at)?));
            let ty = self.by_offset(self.image.i32(at + 4)?);
            Ok(Method { name: self.name_at(name)?.0, package: self.name_package(name)?, ty })
        };
        Ok((0..count).map(method))
    }

    /// Visits the addresses of all types to which a descriptor refers, as far as the linker left them, until one visit fails.
    pub fn references(
        &self,
        descriptor: &Descriptor,
        visit: &mut impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.by_offset(descriptor.pointer_to_this).map_or(Ok(()), &mut *visit)?;
        match descriptor.kind {
            kinds::ARRAY | kinds::CHAN | kinds::POINTER | kinds::SLICE => visit(self.element(descriptor)?)?,
            kinds::MAP => {
                visit(self.key(descriptor)?)?;
                visit(self.element(descriptor)?)?;
                visit(self.group(descriptor)?)?;
            }
            kinds::FUNC => {
                let (inputs, outputs, _) = self.signature(descriptor)?;
                inputs.chain(outputs).try_for_each(|part| visit(part?))?;
            }
            kinds::INTERFACE => {
                let (data, count) = self.slice(descriptor, INTERFACE_METHOD)?;
                self.offsets(data + 4, count, INTERFACE_METHOD, visit)?;
            }
            kinds::STRUCT => {
                let (data, count) = self.slice(descriptor, STRUCT_FIELD)?;
                (0..count).try_for_each(|index| visit(self.image.pointer(data + index * STRUCT_FIELD + 8)?))?;
            }
            _ => {}
        }
        let Some(uncommon) = self.uncommon(descriptor)? else { return Ok(()) };
        let data = uncommon.address.saturating_add(u64::from(uncommon.methods_at));
        let count = u64::from(uncommon.methods);
        if count > 0 {
            self.image.bytes(data, count * METHOD)?;
        }
        self.offsets(data.saturating_add(4), count, METHOD, visit)
    }

    /// Visits types whose offsets stand in every so many bytes.
    fn offsets(
        &self,
        data: u64,
        count: u64,
        step: u64,
        visit: &mut impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        (0..count)
            .try_for_each(|index| self.by_offset(self.image.i32(data + index * step)?).map_or(Ok(()), &mut *visit))
    }
}

/// A method of an interface.
pub(crate) struct Method<'d> {
    pub name: &'d str,
    /// Where the name itself says it; else it is that of the interface.
    pub package: Option<&'d str>,
    /// The function's; none if the linker left it out.
    pub ty: Option<u64>,
}

/// Pointers to types, one after another.
pub(crate) struct Addresses<'a, 'd> {
    image: &'a Image<'d>,
    next: u64,
    left: u64,
}

impl Iterator for Addresses<'_, '_> {
    type Item = Result<u64, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let address = self.image.pointer(self.next);
        self.next = self.next.saturating_add(8);
        Some(address)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Addresses<'_, '_> {}
