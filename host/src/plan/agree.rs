//! Whether the sources of offsets agree on what a probe relies on: the binary's descriptors, its DWARF, and the plugin's table. Where
//! two do not, one of them is wrong, and the probe is better left out.

use super::{Skip, known::Known, types::Ty, walk::Origin};
use crate::binary::{self, Binary, Field, Layout};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};

/// Fields that a program relies on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts(BTreeSet<Fact>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Fact {
    struct_type: String,
    field: String,
    offset: u64,
    origin: Origin,
}

impl Facts {
    pub fn add(&mut self, ty: &Ty, field: &Field, origin: Origin) {
        let (struct_type, field, offset) = (ty.name(), field.name.clone(), field.offset);
        self.0.insert(Fact { struct_type, field, offset, origin });
    }

    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }
}

/// What DWARF says of the structs that several probes rely on; found in one go, because looking through DWARF is what costs.
pub struct Witness<'k> {
    known: &'k Known,
    layouts: HashMap<String, Layout>,
}

impl<'k> Witness<'k> {
    /// A binary without DWARF has nothing to say.
    pub fn new<'f>(binary: &Binary, known: &'k Known, facts: impl Iterator<Item = &'f Facts>) -> Result<Self, Skip> {
        let described = facts.flat_map(|facts| &facts.0).filter(|fact| fact.origin == Origin::Descriptor);
        let names: BTreeSet<&str> = described.map(|fact| fact.struct_type.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let layouts = match binary.dwarf_layouts(&names) {
            Err(binary::Error::Missing(_)) => HashMap::new(),
            layouts => layouts?,
        };
        Ok(Self { known, layouts })
    }

    /// The first field of which another source says something else.
    pub fn objects_to(&self, facts: &Facts) -> Option<Skip> {
        facts.0.iter().find_map(|fact| {
            let (origin, offset) = [self.dwarf(fact), self.table(fact)].into_iter().flatten().next()?;
            let field = format!("{}.{}", fact.struct_type, fact.field);
            Some(Skip::Disagreement { field, one: (fact.origin, fact.offset), other: (origin, offset) })
        })
    }

    /// What DWARF has instead; a struct without the field is another struct.
    fn dwarf(&self, fact: &Fact) -> Option<(Origin, Option<u64>)> {
        let layout = self.layouts.get(&fact.struct_type).filter(|_| fact.origin == Origin::Descriptor)?;
        let found = layout.fields.iter().find(|(name, _)| *name == fact.field).map(|(_, offset)| *offset);
        (found != Some(fact.offset)).then_some((Origin::Dwarf, found))
    }

    /// What the plugin has instead, if it has anything.
    fn table(&self, fact: &Fact) -> Option<(Origin, Option<u64>)> {
        let known = self.known.offset(&fact.struct_type, &fact.field)?;
        (known != fact.offset).then_some((Origin::Table, Some(known)))
    }
}
