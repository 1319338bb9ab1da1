//! Which descriptors a Go binary has: from the linker's lists, then along everything that they refer to. Made once, when a type is
//! first asked for by name.

use std::collections::{HashMap, HashSet};

use super::descriptors::{Descriptor, Descriptors, kinds};
use super::moduledata::Roots;
use super::{Error, names};

/// Bounds for hostile files, ten times what large programs have: types, references between them, and bytes of names.
const MAX_TYPES: usize = 1_000_000;
const MAX_REFERENCES: usize = 16_000_000;
const MAX_NAMES: usize = 256 << 20;
/// With room for one method.
const ITAB: u64 = 32;

/// Addresses of descriptors by name. One that cannot be read is left out, and so is what only it refers to.
pub(super) fn read(descriptors: &Descriptors) -> HashMap<Box<str>, u64> {
    let mut walk = Walk { descriptors, seen: HashSet::new(), waiting: Vec::new(), references: 0 };
    match descriptors.moduledata.roots {
        Roots::Links { types, itabs } => walk.links(types, itabs),
        Roots::Ranges { types, itabs } => walk.ranges(types, itabs),
    }
    let mut found = HashMap::new();
    let mut bytes = 0;
    while let Some(address) = walk.waiting.pop() {
        let Ok(descriptor) = descriptors.get(address) else { continue };
        // What can still be read of a broken one was followed.
        let _unreadable = walk.follow(&descriptor);
        if bytes > MAX_NAMES {
            break;
        }
        let Ok(name) = names::name(descriptors, address) else {
            bytes += names::MAX_BYTES;
            continue;
        };
        bytes += name.len();
        // Of types with one name (declared in different functions) any may stay, but always the same.
        let place = found.entry(name.into_boxed_str()).or_insert(address);
        *place = address.min(*place);
    }
    found
}

struct Walk<'a, 'i, 'd> {
    descriptors: &'a Descriptors<'i, 'd>,
    seen: HashSet<u64>,
    waiting: Vec<u64>,
    references: usize,
}

impl Walk<'_, '_, '_> {
    fn links(&mut self, (types, type_count): (u64, u64), (itabs, itab_count): (u64, u64)) {
        let image = self.descriptors.image;
        for index in 0..type_count {
            let Ok(offset) = image.i32(types + index * 4) else { break };
            if let Some(address) = self.descriptors.by_offset(offset) {
                self.visit(address);
            }
        }
        for index in 0..itab_count {
            let Ok(itab) = image.pointer(itabs + index * 8) else { break };
            let _unreadable = self.itab(itab);
        }
    }

    fn ranges(&mut self, (mut next, end): (u64, u64), (mut itab, itabs_end): (u64, u64)) {
        while next < end {
            next = next.next_multiple_of(8);
            let descriptor = self.descriptors.get(next);
            let Ok(size) = descriptor.and_then(|descriptor| self.descriptors.whole_size(&descriptor)) else { break };
            self.visit(next);
            next = next.saturating_add(size);
        }
        while itab < itabs_end {
            let Ok(size) = self.itab(itab) else { break };
            itab = itab.saturating_add(size);
        }
    }

    /// An itab's two types, and its size: a pointer for each of the interface's methods follows, unless the type has none of them
    /// (`abi.ITab.Size`).
    fn itab(&mut self, address: u64) -> Result<u64, Error> {
        let image = self.descriptors.image;
        let interface = image.pointer(address)?;
        let concrete = image.pointer(address.saturating_add(8))?;
        let first = image.pointer(address.saturating_add(24))?;
        self.visit(interface);
        self.visit(concrete);
        let methods = self.descriptors.get(interface).and_then(|ty| self.descriptors.interface_methods(&ty))?;
        let more = if first == 0 { 0 } else { methods.len().saturating_sub(1) as u64 };
        Ok(ITAB + more * 8)
    }

    fn visit(&mut self, address: u64) {
        self.references += 1;
        let bounded = self.references < MAX_REFERENCES && self.seen.len() < MAX_TYPES;
        if bounded && self.seen.insert(address) {
            self.waiting.push(address);
        }
    }

    fn follow(&mut self, descriptor: &Descriptor) -> Result<(), Error> {
        if let Some(pointer) = self.descriptors.by_offset(descriptor.pointer_to_this) {
            self.visit(pointer);
        }
        match descriptor.kind {
            kinds::ARRAY | kinds::CHAN | kinds::POINTER | kinds::SLICE => {
                self.visit(self.descriptors.element(descriptor)?);
            }
            kinds::MAP => {
                self.visit(self.descriptors.key(descriptor)?);
                self.visit(self.descriptors.element(descriptor)?);
                self.visit(self.descriptors.group(descriptor)?);
            }
            kinds::FUNC => {
                let (inputs, outputs, _) = self.descriptors.signature(descriptor)?;
                inputs.into_iter().chain(outputs).for_each(|part| self.visit(part));
            }
            kinds::INTERFACE => {
                let methods = self.descriptors.interface_methods(descriptor)?;
                methods.into_iter().filter_map(|(_, ty)| ty).for_each(|ty| self.visit(ty));
            }
            kinds::STRUCT => {
                self.descriptors.field_types(descriptor)?.into_iter().for_each(|ty| self.visit(ty));
            }
            _ => {}
        }
        self.descriptors.method_types(descriptor)?.into_iter().for_each(|ty| self.visit(ty));
        Ok(())
    }
}
