//! Where types are, by name: one walk over all entries, kept as hashes and offsets, so that what it takes does not grow with the names.
//! Leaves out types inside functions, which no name reaches from outside.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use gimli::{AttributeValue, UnitType, constants as dw};

use super::names::{ANONYMOUS, normal, unescape};
use super::unit::{At, Files, MAX_NAME, Target, Unit, readable};
use super::{Slice, corrupt};
use crate::Error;

/// Of types and of scopes, each: 24 bytes.
const MAX_ENTRIES: usize = 4_000_000;
const MAX_UNITS: usize = 1_000_000;
/// Of scopes within scopes.
const MAX_NESTING: usize = 64;
/// Of all names together with those of their scopes; large programs have some tens of MiB.
const MAX_TEXT: usize = 512 << 20;
/// Attributes for each byte of entries. Some take no bytes, but entries are not made of these alone.
const MAX_ATTRIBUTES: usize = 4;
const MIN_ATTRIBUTES: usize = 1 << 20;
const NO_SCOPE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Index {
    hashes: RandomState,
    /// Hashes of full names, with what has the name; sorted.
    names: Vec<(u64, At)>,
    /// Ascending.
    units: Vec<At>,
    /// Types that are not at the top of their unit, with the scope of each; sorted.
    nested: Vec<(At, u32)>,
    scopes: Vec<Scope>,
    signatures: HashMap<u64, At>,
    /// Bytes of names, and attributes, that may still be read.
    left: Left,
    pub gaps: Gaps,
}

/// What the index had to leave out; said whenever a name is not found.
#[derive(Default)]
pub(super) struct Gaps {
    unreadable: usize,
    first_error: Option<Error>,
    split: usize,
    first_split: Option<String>,
    /// Where it became too much, and what.
    full: Option<(At, &'static str)>,
    /// The alternate file, if it was not given.
    pub lacking: Option<String>,
}

#[derive(Default)]
struct Left {
    text: usize,
    attributes: usize,
}

struct Scope {
    at: At,
    parent: u32,
}

/// An entry that the walk is in.
struct Open {
    depth: isize,
    at: At,
    /// With a separator at its end; none where names do not reach.
    prefix: Option<String>,
    /// Its own, once something in it needed it.
    scope: u32,
}

/// What the walk takes from an entry.
#[derive(Default)]
struct Header<'a> {
    name: Option<AttributeValue<Slice<'a>>>,
    is_declaration: bool,
    specification: Option<AttributeValue<Slice<'a>>>,
}

impl Index {
    pub fn read(files: &Files) -> Self {
        let mut index = Self::default();
        let entries: usize = files.spaces().into_iter().map(|space| files.bytes(space).len()).sum();
        index.left = Left { text: MAX_TEXT, attributes: entries.saturating_mul(MAX_ATTRIBUTES).max(MIN_ATTRIBUTES) };
        for space in files.spaces() {
            let end = files.bytes(space).len() as u64;
            let mut offset = 0;
            while let Some(at) = At::new(space, offset).filter(|at| at.offset() < end && index.gaps.full.is_none()) {
                // Without a header there is no telling where the next unit is.
                let header = match files.header(at) {
                    Ok(header) if index.units.len() < MAX_UNITS => header,
                    Ok(_) => {
                        index.gaps.full = Some((at, "units"));
                        break;
                    }
                    Err(error) => {
                        index.gaps.unreadable(error);
                        break;
                    }
                };
                offset += header.length_including_self() as u64;
                index.units.push(at);
                if let UnitType::Type { type_signature, type_offset } = header.type_()
                    && let Some(of) = At::new(space, at.offset() + type_offset.0 as u64)
                {
                    index.signatures.entry(type_signature.0).or_insert(of);
                }
                if let Err(error) = files.unit(at).and_then(|unit| index.unit(&unit)) {
                    index.gaps.unreadable(error);
                }
            }
        }
        index.names.sort_unstable();
        index.units.sort_unstable();
        index.nested.sort_unstable();
        index
    }

    /// Everything of this name; a hash is as good as the name, because nobody who makes a file knows its key.
    pub fn named(&self, name: &str) -> impl Iterator<Item = At> {
        let of = |hash: u64| {
            let from = self.names.partition_point(|&(other, _)| other < hash);
            self.names[from..].iter().take_while(move |&&(other, _)| other == hash).map(|&(_, at)| at)
        };
        let (exact, normal) = (self.hash(name), self.hash(&normal(name)));
        of(exact).chain(of(normal).filter(move |_| exact != normal))
    }

    pub fn unit_of(&self, at: At) -> Option<At> {
        let after = self.units.partition_point(|&unit| unit <= at);
        self.units[..after].last().copied().filter(|unit| unit.space() == at.space())
    }

    pub fn signature(&self, signature: u64) -> Option<At> {
        self.signatures.get(&signature).copied()
    }

    /// The namespaces and types that a type is in, the innermost first.
    pub fn scopes(&self, at: At) -> impl Iterator<Item = At> {
        let found = self.nested.binary_search_by_key(&at, |&(place, _)| place);
        let mut next = found.map_or(NO_SCOPE, |found| self.nested[found].1);
        let walk = std::iter::from_fn(move || {
            let scope = self.scopes.get(next as usize)?;
            next = scope.parent;
            Some(scope.at)
        });
        walk.take(MAX_NESTING)
    }

    fn hash(&self, name: &str) -> u64 {
        self.hashes.hash_one(name)
    }

    fn unit(&mut self, unit: &Unit) -> Result<(), Error> {
        if let Some(name) = unit.split() {
            self.gaps.split += 1;
            self.left.text = self.left.text.saturating_sub(name.len());
            self.gaps.first_split.get_or_insert(name);
        }
        let failed = |error| corrupt(unit.at, error);
        let mut entries = unit.header.entries_raw(&unit.abbreviations, None).map_err(failed)?;
        let mut open: Vec<Open> = Vec::new();
        while !entries.is_empty() {
            let (depth, offset) = (entries.next_depth(), entries.next_offset());
            let Some(abbreviation) = entries.read_abbreviation().map_err(failed)? else { continue };
            while open.last().is_some_and(|last| last.depth >= depth) {
                open.pop();
            }
            let Some(left) = self.left.attributes.checked_sub(abbreviation.attributes().len()) else {
                self.full(unit.place(offset), "attributes");
                return Ok(());
            };
            self.left.attributes = left;
            let tag = abbreviation.tag();
            let is_scope = is_scope(tag) && abbreviation.has_children() && open.len() < MAX_NESTING;
            // The unit itself, at depth 0, is open without being a scope.
            let prefix = match (open.last(), depth) {
                (_, ..=1) => Some(""),
                (Some(last), _) if last.depth == depth - 1 => last.prefix.as_deref(),
                _ => None,
            };
            let Some(prefix) = prefix.filter(|_| depth > 0 && (is_type(tag) || is_scope)) else {
                entries.skip_attributes(abbreviation.attributes()).map_err(failed)?;
                continue;
            };
            let mut header = Header::default();
            for &attribute in abbreviation.attributes() {
                header.take(&entries.read_attribute(attribute).map_err(failed)?);
            }
            let Some(at) = unit.place(offset) else { continue };
            let name = self.full_name(unit, &header, prefix, tag, offset)?;
            if self.left.text == 0 {
                self.full(Some(at), "text in names");
                return Ok(());
            }
            let Some(name) = name.filter(|name| name.len() <= MAX_NAME) else { continue };
            if is_type(tag) && !self.add(unit, at, &name, &header, &mut open) {
                self.full(Some(at), "types");
                return Ok(());
            }
            if is_scope {
                open.push(Open { depth, at, prefix: Some(name + "::"), scope: NO_SCOPE });
            }
        }
        Ok(())
    }

    fn full(&mut self, at: Option<At>, of: &'static str) {
        self.gaps.full = at.map(|at| (at, of));
    }

    /// With its scopes' names. None if it has no name, and so neither has what is in it.
    fn full_name(
        &mut self,
        unit: &Unit,
        header: &Header,
        prefix: &str,
        tag: gimli::DwTag,
        offset: gimli::UnitOffset,
    ) -> Result<Option<String>, Error> {
        let own = header.name.and_then(|name| self.string(unit, name));
        Ok(match (own, header.specification) {
            (Some(name), _) if unit.is_go() => Some(unescape(&name)),
            // Defined outside of the class that declares it, or a further part of a namespace (`DW_AT_extension`).
            (_, Some(declaration)) => match unit.target(declaration, offset)? {
                Target::At(at) => self.name_of(unit, at),
                Target::Signature(_) => None,
            },
            (Some(name), None) => Some(self.join(prefix, &name)),
            (None, None) if tag == dw::DW_TAG_namespace => Some(self.join(prefix, ANONYMOUS)),
            (None, None) => None,
        })
    }

    /// Of a declaration earlier in the unit. `nested` is in the order of the walk still, which is that of the offsets.
    fn name_of(&mut self, unit: &Unit, at: At) -> Option<String> {
        let mut name = self.own_name(unit, at)?;
        let scopes: Vec<_> = self.scopes(at).collect();
        for scope in scopes {
            let own = self.own_name(unit, scope).unwrap_or_else(|| ANONYMOUS.into());
            name = self.join(&(own + "::"), &name);
            if name.len() > MAX_NAME || self.left.text == 0 {
                return None;
            }
        }
        Some(name)
    }

    fn own_name(&mut self, unit: &Unit, at: At) -> Option<String> {
        let entry = unit.entry(unit.offset_of(at)?).ok()?;
        self.left.attributes = self.left.attributes.saturating_sub(entry.attrs().len());
        self.string(unit, entry.attr_value(dw::DW_AT_name)?)
    }

    /// Several entries may share a long name, so that what it takes to read it counts each time.
    fn string(&mut self, unit: &Unit, value: AttributeValue<Slice>) -> Option<String> {
        let text = unit.bytes(value)?;
        self.left.text = self.left.text.saturating_sub(text.len());
        readable(text)
    }

    fn join(&mut self, prefix: &str, name: &str) -> String {
        self.left.text = self.left.text.saturating_sub(prefix.len() + name.len());
        format!("{prefix}{name}")
    }

    /// Whether there was room.
    fn add(&mut self, unit: &Unit, at: At, name: &str, header: &Header, open: &mut [Open]) -> bool {
        if self.names.len() >= MAX_ENTRIES || self.scopes.len() + open.len() >= MAX_ENTRIES {
            return false;
        }
        if !open.is_empty() && header.specification.is_none() {
            if self.nested.len() >= MAX_ENTRIES {
                return false;
            }
            let mut parent = NO_SCOPE;
            for scope in open {
                if scope.scope == NO_SCOPE {
                    scope.scope = self.scopes.len() as u32;
                    self.scopes.push(Scope { at: scope.at, parent });
                }
                parent = scope.scope;
            }
            self.nested.push((at, parent));
        }
        if !header.is_declaration {
            let hash = if unit.is_go() { self.hash(name) } else { self.hash(&normal(name)) };
            self.names.push((hash, at));
        }
        true
    }
}

impl<'a> Header<'a> {
    fn take(&mut self, attribute: &gimli::Attribute<Slice<'a>>) {
        match attribute.name() {
            dw::DW_AT_name => self.name = Some(attribute.value()),
            dw::DW_AT_declaration => self.is_declaration = attribute.value() == AttributeValue::Flag(true),
            dw::DW_AT_specification | dw::DW_AT_extension => self.specification = Some(attribute.value()),
            _ => {}
        }
    }
}

impl Gaps {
    fn unreadable(&mut self, error: Error) {
        self.unreadable += 1;
        self.first_error.get_or_insert(error);
    }

    /// Why a name may be there although it was not found.
    pub fn explain(&self, name: &str) -> Option<Error> {
        if let Some((at, of)) = self.full {
            return Some(Error::Corrupt(format!(
                "its DWARF has more {of} than are read; {name} is not in what comes before {at}"
            )));
        }
        if let (Some(error), count) = (&self.first_error, self.unreadable) {
            let why = match error {
                Error::Corrupt(why) | Error::Refused(why) => why.clone(),
                error => error.to_string(),
            };
            return Some(Error::Corrupt(format!(
                "{name} is not in its DWARF as far as that can be read; {count} units cannot, the first for this: {why}"
            )));
        }
        if let Some(first) = &self.first_split {
            let count = self.split;
            let text = format!("{name} (but {count} units are in files like {first}, which are not read)");
            return Some(Error::Missing(text));
        }
        let path = self.lacking.as_ref()?;
        Some(Error::Missing(format!("{name} (but the alternate debug file {path} was not given)")))
    }
}

fn is_scope(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_namespace
            | dw::DW_TAG_module
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_enumeration_type
    )
}

pub(super) fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_template_alias
            | dw::DW_TAG_pointer_type
            | dw::DW_TAG_array_type
            | dw::DW_TAG_base_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_subroutine_type
    )
}
