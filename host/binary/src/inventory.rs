//! Which descriptors a Go binary has: from the linker's lists, then along everything that they refer to. Made once, when a type is
//! asked for that `links` does not find, or all of them are.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::descriptors::Descriptors;
use super::links::Links;
use super::moduledata::Roots;
use super::{Error, names};

/// With room for one method.
const ITAB: u64 = 32;
/// So much of a name counts as one part more.
const PART_BYTES: usize = 64;

/// Hashes of names and addresses of descriptors, sorted.
pub(super) struct Inventory {
    types: Vec<(u64, u64)>,
}

impl Inventory {
    /// A descriptor that cannot be read is left out, and so is what only it refers to. In a file that is not what linkers make, so is
    /// all that would take longer than going through the bytes of the types.
    pub fn read(descriptors: &Descriptors, links: &Links) -> Self {
        let mut walk = Walk::new(descriptors);
        // What was found until then counts.
        let _exhausted = walk.all(links);
        let mut text = String::new();
        let mut parts = u32::try_from(walk.left_at_first()).unwrap_or(u32::MAX);
        let mut types = Vec::new();
        for &address in &walk.found {
            let before = names::MAX_PARTS.min(parts);
            let mut left = before;
            if names::write(descriptors, address, &mut text, &mut left).is_ok() {
                types.push((hash(&text), address));
            }
            parts = parts.saturating_sub(before - left).saturating_sub((text.len() / PART_BYTES) as u32);
            if parts == 0 {
                break;
            }
        }
        types.sort_unstable();
        Self { types }
    }

    /// All types with this full name, in the order of their addresses.
    pub fn named(&self, descriptors: &Descriptors, name: &str) -> Vec<u64> {
        let hash = hash(name);
        let start = self.types.partition_point(|&(at, _)| at < hash);
        let alike = self.types[start..].iter().take_while(|&&(at, _)| at == hash).map(|&(_, address)| address);
        alike.filter(|&address| names::name(descriptors, address).is_ok_and(|found| found == name)).collect()
    }

    /// Each once.
    pub fn names(&self, descriptors: &Descriptors) -> impl Iterator<Item = String> {
        let types = self.types.chunk_by(|(left, _), (right, _)| left == right);
        types.flat_map(move |alike| {
            let mut names: Vec<_> = alike.iter().filter_map(|&(_, at)| names::name(descriptors, at).ok()).collect();
            names.sort_unstable();
            names.dedup();
            names
        })
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

struct Walk<'a, 'i, 'd> {
    descriptors: &'a Descriptors<'i, 'd>,
    /// How many the types take.
    bytes: u64,
    /// One bit for every eight bytes, at which a type can begin.
    seen: Vec<u64>,
    /// In the order in which they were seen; what is behind the first of them is yet to be followed.
    found: Vec<u64>,
    /// How many references may still be followed.
    left: u64,
}

impl<'a, 'i, 'd> Walk<'a, 'i, 'd> {
    fn new(descriptors: &'a Descriptors<'i, 'd>) -> Self {
        let bytes = descriptors.moduledata.types_end - descriptors.moduledata.types;
        let words = usize::try_from(bytes / 512 + 1).unwrap_or(0);
        let mut walk = Self { descriptors, bytes, seen: vec![0; words], found: Vec::new(), left: 0 };
        walk.left = walk.left_at_first();
        walk
    }

    /// How many references there may be, and as many parts of names: programs have one for every 44 to 140 bytes of their types.
    fn left_at_first(&self) -> u64 {
        (self.bytes / 16).max(1 << 16)
    }

    fn all(&mut self, links: &Links) -> Result<(), Error> {
        links.addresses(self.descriptors).try_for_each(|address| self.visit(address))?;
        match self.descriptors.moduledata.roots {
            Roots::Links { itabs: (address, count), .. } => {
                let count = count.min(self.bytes / ITAB);
                for itab in (0..count).map_while(|index| self.descriptors.image.pointer(address + index * 8).ok()) {
                    self.itab(itab)?;
                }
            }
            Roots::Ranges { itabs: (mut itab, end), .. } => {
                while itab < end {
                    let Some(size) = self.itab(itab)? else { break };
                    itab = itab.saturating_add(size);
                }
            }
        }
        let mut next = 0;
        while let Some(&address) = self.found.get(next) {
            next += 1;
            let Ok(descriptor) = self.descriptors.get(address) else { continue };
            let descriptors = self.descriptors;
            let result = descriptors.references(&descriptor, &mut |address| self.visit(address));
            if self.left == 0 {
                return result;
            }
        }
        Ok(())
    }

    /// An itab's two types, and its size: a pointer for each of the interface's methods follows, unless the type has none of them
    /// (`abi.ITab.Size`). None if it cannot be read.
    fn itab(&mut self, address: u64) -> Result<Option<u64>, Error> {
        let image = self.descriptors.image;
        let word = |index: u64| image.pointer(address.saturating_add(index * 8)).ok();
        let (Some(interface), Some(concrete), Some(first)) = (word(0), word(1), word(3)) else { return Ok(None) };
        self.visit(interface)?;
        self.visit(concrete)?;
        let methods = self.descriptors.get(interface).and_then(|ty| self.descriptors.method_count(&ty));
        let more = if first == 0 { 0 } else { methods.unwrap_or_default().saturating_sub(1) };
        Ok(Some(ITAB + more * 8))
    }

    /// Fails when no more may be followed.
    fn visit(&mut self, address: u64) -> Result<(), Error> {
        let what = || Error::Corrupt(format!("more references between types than fit, the last to {address:#x}"));
        self.left = self.left.checked_sub(1).ok_or_else(what)?;
        let Some(offset) = address.checked_sub(self.descriptors.moduledata.types) else { return Ok(()) };
        let (word, bit) = (usize::try_from(offset / 512).unwrap_or(usize::MAX), 1 << (offset / 8 % 64));
        if let Some(seen) = self.seen.get_mut(word)
            && *seen & bit == 0
            && offset < self.bytes
        {
            *seen |= bit;
            self.found.push(address);
        }
        Ok(())
    }
}
