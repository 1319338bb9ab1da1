//! Finds types by name in the linker's list of types, without reading all of it: the list is in the order of the short names that
//! the runtime prints (`*http.Request`). Types without a name that others only refer to are not on it; `inventory` has them.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::descriptors::{Descriptors, kinds};
use super::moduledata::Roots;
use super::{Error, names};

/// Types with one short name that are looked at for a name; programs have dozens (`*v1.Status`).
const MAX_ALIKE: usize = 1024;
/// `abi.Type`, which every descriptor begins with.
const SMALLEST: u64 = 48;

/// Offsets from the beginning of the types, in the order of the types' short names.
pub(super) struct Links<'d> {
    offsets: Cow<'d, [[u8; 4]]>,
    /// Hashes of the names of what the list's pointers are to, without their packages, and where these are on the list.
    own: std::sync::OnceLock<Vec<(u32, u32)>>,
}

impl<'d> Links<'d> {
    pub fn read(descriptors: &Descriptors<'_, 'd>) -> Self {
        let offsets = match descriptors.moduledata.roots {
            Roots::Links { types: (address, count), .. } => {
                // What does not fit a program is left out, so that it costs no time.
                let count = count.min((descriptors.moduledata.types_end - descriptors.moduledata.types) / SMALLEST);
                let bytes = descriptors.image.bytes(address, count * 4).unwrap_or_default();
                Cow::Borrowed(bytes.as_chunks().0)
            }
            Roots::Ranges { types, .. } => Cow::Owned(step(descriptors, types, usize::MAX)),
        };
        Self { offsets, own: std::sync::OnceLock::new() }
    }

    /// The addresses at the beginning of the list.
    pub fn first(descriptors: &Descriptors, count: usize) -> Result<Vec<u64>, Error> {
        let (at, offsets) = match descriptors.moduledata.roots {
            Roots::Links { types: (address, all), .. } => {
                let count = all.min(count as u64);
                let bytes = if count > 0 { descriptors.image.bytes(address, count * 4)? } else { &[] };
                (address, bytes.as_chunks().0.to_vec())
            }
            Roots::Ranges { types, .. } => (types.0, step(descriptors, types, count)),
        };
        let address = |offset: &[u8; 4]| descriptors.by_offset(i32::from_le_bytes(*offset));
        let none = || Error::Corrupt(format!("a link to no type behind {at:#x}"));
        offsets.iter().map(|offset| address(offset).ok_or_else(none)).collect()
    }

    pub fn addresses(&self, descriptors: &Descriptors) -> impl Iterator<Item = u64> {
        let offsets = self.offsets.iter().map(|offset| i32::from_le_bytes(*offset));
        offsets.filter_map(|offset| descriptors.by_offset(offset))
    }

    /// All types with this full name that have a name of their own, or are pointers to such, in the order of their addresses. The
    /// compiler makes a pointer to each (`reflectdata.dcommontype`), which is on the list; only types that are themselves named
    /// pointers have none, and are not found unless others refer to them.
    pub fn named(&self, descriptors: &Descriptors, name: &str) -> Vec<u64> {
        if name.len() > 2 * names::MAX_BYTES {
            return Vec::new();
        }
        if let Some(element) = name.strip_prefix('*') {
            let pointer = |address| descriptors.by_offset(descriptors.get(address).ok()?.pointer_to_this);
            return self.named(descriptors, element).into_iter().filter_map(pointer).collect();
        }
        let Some(parts) = Parts::of(name) else { return Vec::new() };
        let guessed = parts.guesses().into_iter().map(|package| self.alike(descriptors, &parts.short(&package), name));
        let found = guessed.into_iter().find(|found| !found.is_empty());
        let mut found = found.unwrap_or_else(|| self.by_own_name(descriptors, &parts, name));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The types with a full name, among those to which the list has pointers with a short name.
    fn alike(&self, descriptors: &Descriptors, short: &str, name: &str) -> Vec<u64> {
        let start = self.offsets.partition_point(|offset| short_name(descriptors, offset).is_some_and(|at| at < short));
        let rest = self.offsets.get(start..).unwrap_or_default().iter().take(MAX_ALIKE);
        let alike = rest.take_while(|offset| short_name(descriptors, offset) == Some(short));
        alike.filter_map(|offset| element(descriptors, offset, name)).collect()
    }

    /// Where the package's name cannot be told from its path.
    fn by_own_name(&self, descriptors: &Descriptors, parts: &Parts, name: &str) -> Vec<u64> {
        let own = self.own.get_or_init(|| {
            let names = self.offsets.iter().zip(0..).filter_map(|(offset, index)| {
                let pointed = short_name(descriptors, offset)?.strip_prefix('*')?;
                Some((hash(&names::natural(Parts::of(pointed)?.own)), index))
            });
            let mut own: Vec<_> = names.collect();
            own.sort_unstable();
            own
        });
        let hash = hash(parts.own);
        let start = own.partition_point(|&(at, _)| at < hash);
        let alike = own[start..].iter().take_while(|&&(at, _)| at == hash).take(MAX_ALIKE);
        let offsets = alike.filter_map(|&(_, index)| self.offsets.get(usize::try_from(index).ok()?));
        offsets.filter_map(|offset| element(descriptors, offset, name)).collect()
    }
}

/// Descriptors one after another, from Go 1.27 on.
fn step(descriptors: &Descriptors, (mut next, end): (u64, u64), limit: usize) -> Vec<[u8; 4]> {
    let mut offsets = Vec::new();
    while next < end && offsets.len() < limit {
        next = next.next_multiple_of(8);
        let descriptor = descriptors.get(next);
        let Ok(size) = descriptor.and_then(|descriptor| descriptors.whole_size(&descriptor)) else { break };
        let Ok(offset) = u32::try_from(next - descriptors.moduledata.types) else { break };
        offsets.push(offset.to_le_bytes());
        next = next.saturating_add(size);
    }
    offsets
}

fn short_name<'d>(descriptors: &Descriptors<'_, 'd>, offset: &[u8; 4]) -> Option<&'d str> {
    let address = descriptors.by_offset(i32::from_le_bytes(*offset))?;
    descriptors.short_name(&descriptors.get(address).ok()?).ok()
}

/// What a pointer on the list is to, if that has this full name.
fn element(descriptors: &Descriptors, offset: &[u8; 4], name: &str) -> Option<u64> {
    let pointer = descriptors.get(descriptors.by_offset(i32::from_le_bytes(*offset))?).ok()?;
    if pointer.kind != kinds::POINTER {
        return None;
    }
    let element = descriptors.element(&pointer).ok()?;
    (names::name(descriptors, element).ok()? == name).then_some(element)
}

fn hash(name: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish() as u32
}

/// A type's name: the path of its package, and its own (`Request`, `Pointer[net/http.Header]`).
struct Parts<'n> {
    package: &'n str,
    own: &'n str,
}

impl<'n> Parts<'n> {
    /// None for composites.
    fn of(name: &'n str) -> Option<Self> {
        let plain = &name[..name.find('[').unwrap_or(name.len())];
        if plain.is_empty() || plain.contains(['*', '(', '{', ' ', '<']) {
            return None;
        }
        let base = plain.rfind('/').map_or(0, |slash| slash + 1);
        Some(match plain[base..].rfind('.') {
            Some(dot) => Self { package: &name[..base + dot], own: &name[base + dot + 1..] },
            None => Self { package: "", own: name },
        })
    }

    /// As the list has the pointer to it.
    fn short(&self, package: &str) -> String {
        if package.is_empty() { format!("*{}", self.own) } else { format!("*{package}.{}", self.own) }
    }

    /// What the package may be called: mostly its path's last part, without a version and what says that it is in Go.
    fn guesses(&self) -> Vec<String> {
        let mut parts = self.package.rsplit('/');
        let last = parts.next().unwrap_or_default();
        let is_version = |part: &str| {
            part.strip_prefix('v')
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        };
        let mut guesses = vec![last.to_owned()];
        let mut add = |guess: &str| {
            if !guess.is_empty() && !guesses.iter().any(|known| known == guess) {
                guesses.push(guess.to_owned());
            }
        };
        let part = if is_version(last) { parts.next().unwrap_or(last) } else { last };
        let part = part.rsplit_once(".v").map_or(part, |(part, _)| part);
        add(part);
        add(part.strip_prefix("go-").unwrap_or(part));
        add(part.strip_suffix("-go").or(part.strip_suffix(".go")).unwrap_or(part));
        add(&part.replace(['-', '.'], "_"));
        add(&part.replace(['-', '.'], ""));
        guesses
    }
}
