//! Whether the sources of offsets agree on what a probe relies on: the binary's descriptors, its DWARF, and the plugin's table. Where
//! two do not, one of them is wrong, and the probe is better left out.

use super::{Skip, known::Known, types::Ty, walk::Origin};
use crate::binary::{self, Binary, Field, Layout};
use std::collections::{BTreeSet, HashMap};

/// Fields that a program relies on.
#[derive(Clone, Debug, Default)]
pub struct Facts(BTreeSet<Fact>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
            let layout = self.layouts.get(&fact.struct_type).map(|layout| &layout.fields);
            let dwarf =
                layout.and_then(|fields| fields.iter().find(|(name, _)| *name == fact.field)).map(|(_, at)| *at);
            let dwarf = dwarf.filter(|_| fact.origin == Origin::Descriptor);
            let table = self.known.offset(&fact.struct_type, &fact.field);
            let others = [(Origin::Dwarf, dwarf), (Origin::Table, table)];
            let (origin, offset) = others
                .into_iter()
                .find_map(|(origin, offset)| Some((origin, offset.filter(|at| *at != fact.offset)?)))?;
            Some(Skip::Disagreement {
                field: format!("{}.{}", fact.struct_type, fact.field),
                one: (fact.origin, fact.offset),
                other: (origin, offset),
            })
        })
    }
}
