//! Compares what `uprobed-binary` reads from a binary with what the host needs and with what the witness saw.

use std::collections::BTreeSet;

use uprobed_binary::{Binary, Error, GoInfo, Kind, Type, TypeRef};

use crate::witness::{self, Struct, Witness};
use uprobed_matrix::wanted::{Expected, Function, Wanted};

/// In bytes; longer names of types, which are those of structs without a name, are not read.
const LONGEST_NAME: usize = 16 << 10;

/// Of one binary. What is not found is named.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// With their structs.
    pub fields: BTreeSet<String>,
    pub functions: usize,
    /// Functions that have no symbol, because every call of them was inlined.
    pub inlined: Vec<String>,
    /// Functions that have a symbol, and callers that have a copy of their own.
    pub bypassed: Vec<String>,
    /// Fields of types whose descriptor the linker left out, as the plugin knows them itself.
    pub pruned: Vec<String>,
    /// Functions, fields and alternatives of paths that this version or this program does not have.
    pub absent: Vec<String>,
    /// Structs whose descriptor agrees with the witness's DWARF, field by field.
    pub agreeing: usize,
    /// Structs that have a descriptor and no DWARF.
    pub unseen: Vec<String>,
    /// What was read wrongly, or was expected otherwise.
    pub mismatches: Vec<String>,
}

pub struct Check<'a> {
    pub binary: &'a Binary<'a>,
    pub go: &'a GoInfo,
    /// What the host needs.
    pub wanted: &'a Wanted,
    /// What the plugin asks for.
    pub functions: Vec<&'a str>,
    pub witness: &'a Witness,
    /// The witness saw a binary that was compiled alike and kept symbols and DWARF.
    pub stripped: bool,
}

impl Check<'_> {
    pub fn run(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut functions = self.wanted.functions(self.go);
        functions.extend(self.functions.iter().map(|name| Function { name, expected: Expected::AsSeen }));
        let inlined = self.binary.inlining(&functions.iter().map(|function| function.name).collect::<Vec<_>>());
        for function in functions {
            let is_seen_inlined = self.witness.inlined.contains_key(function.name);
            if inlined.contains_key(function.name) != is_seen_inlined {
                let read = inlined.get(function.name);
                let text =
                    format!("{} was read as inlined into {read:?}, and seen so: {is_seen_inlined}", function.name);
                outcome.mismatches.push(text);
            }
            self.function(function.name, function.expected, is_seen_inlined, &mut outcome);
        }
        for field in self.wanted.fields(self.go) {
            self.field(field.structure, field.name, field.expected, &mut outcome);
        }
        self.structs(&mut outcome);
        outcome
    }

    fn function(&self, name: &str, expected: Expected, is_inlined: bool, outcome: &mut Outcome) {
        match (self.binary.function(name), self.witness.functions.get(name)) {
            (Some(found), Some(seen)) => {
                if !self.stripped && !seen.contains(&found.address) {
                    outcome.mismatches.push(format!("{name} is at {:#x}, and seen at {seen:x?}", found.address));
                }
                if expected == Expected::Absent {
                    outcome.mismatches.push(format!("{name} is there, which was not expected"));
                }
                outcome.functions += 1;
                if is_inlined {
                    outcome.bypassed.push(name.to_owned());
                }
            }
            (None, None) => match (is_inlined, expected) {
                (true, Expected::AsSeen) => outcome.inlined.push(name.to_owned()),
                (false, Expected::Absent | Expected::AsSeen) => outcome.absent.push(name.to_owned()),
                (true, _) => outcome.mismatches.push(format!("{name} is inlined, which was not expected")),
                (false, _) => outcome.mismatches.push(format!("{name} is absent, which was not expected")),
            },
            (read, seen) => outcome.mismatches.push(format!("{name} was read as {read:?}, and seen at {seen:x?}")),
        }
    }

    fn field(&self, structure: &str, name: &str, expected: Expected, outcome: &mut Outcome) {
        let path = format!("{structure}.{name}");
        let known = self.witness.structs.get(structure).into_iter().flatten().flat_map(|known| &known.fields);
        let seen: Vec<u64> = known.filter(|field| field.name == name).map(|field| field.offset).collect();
        match (self.offset(structure, name), expected) {
            (Ok(Some(offset)), Expected::Found) if seen.contains(&offset) => {
                outcome.fields.insert(path);
            }
            (Ok(None), Expected::Absent) if seen.is_empty() => outcome.absent.push(path),
            (read, _) => outcome
                .mismatches
                .push(format!("{path} was expected to be {expected:?}, read as {read:?}, and seen at {seen:?}")),
        }
    }

    fn offset(&self, structure: &str, name: &str) -> Result<Option<u64>, Error> {
        let Some(ty) = self.binary.type_named(structure)? else { return Ok(None) };
        Ok(self.binary.fields(&ty)?.into_iter().find(|field| field.name == name).map(|field| field.offset))
    }

    /// Every struct that has a descriptor, and every struct that the witness says has one.
    fn structs(&self, outcome: &mut Outcome) {
        for name in self.binary.type_names() {
            match self.binary.type_named(&name) {
                Ok(Some(ty)) if ty.kind == Kind::Struct => self.structure(&ty, outcome),
                Ok(Some(_)) => {}
                Err(Error::Ambiguous { first, second, .. }) if self.differ(&name, first, second) => {}
                read => outcome.mismatches.push(format!("{name} is among the names, and was read as {read:?}")),
            }
        }
        let can_be_named = |name: &&String| self.witness.described.contains(*name) && name.len() <= LONGEST_NAME;
        for name in self.witness.structs.keys().filter(can_be_named) {
            match self.binary.type_named(name) {
                Ok(Some(Type { reference: TypeRef::Descriptor(_), .. })) => {}
                Err(Error::Ambiguous { .. }) if self.is_ambiguous(name) => {}
                read => outcome.mismatches.push(format!("{name} has a descriptor, and was read as {read:?}")),
            }
        }
    }

    /// Whether two descriptors are of types that have one name and are not the same. Go's linker writes only one of them into DWARF, so the
    /// witness may not know.
    fn differ(&self, name: &str, first: u64, second: u64) -> bool {
        let layout = |address| {
            let mut ty = self.binary.type_at(address)?;
            let is_named = ty.name == name;
            while ty.kind == Kind::Pointer {
                ty = self.binary.element(&ty)?;
            }
            Ok::<_, Error>(is_named.then_some(self.layout(&ty)?))
        };
        matches!((layout(first), layout(second)), (Ok(Some(one)), Ok(Some(other))) if one != other)
    }

    /// Functions declare types of one name: none of them can be asked for, nor a pointer to one.
    fn is_ambiguous(&self, name: &str) -> bool {
        let name = name.trim_start_matches('*');
        self.witness.structs.get(name).is_some_and(|structs| structs.iter().any(|other| other != &structs[0]))
    }

    fn structure(&self, ty: &Type, outcome: &mut Outcome) {
        let Some(seen) = self.witness.structs.get(&ty.name) else { return outcome.unseen.push(ty.name.clone()) };
        match self.layout(ty) {
            Ok(layout) if is_among(seen, &layout) => outcome.agreeing += 1,
            read => outcome.mismatches.push(format!("{} was read as {read:?}, and seen as {seen:?}", ty.name)),
        }
        // What DWARF calls otherwise is not asked for by that name.
        if self.stripped || !self.witness.plainly_named.contains(&ty.name) {
            return;
        }
        match self.binary.dwarf_type_named(&ty.name).and_then(|ty| ty.map(|ty| self.layout(&ty)).transpose()) {
            Ok(Some(layout)) if is_among(seen, &layout) => {}
            Err(Error::Ambiguous { .. }) if self.is_ambiguous(&ty.name) => {}
            read => {
                outcome.mismatches.push(format!("{} was read from DWARF as {read:?}, and seen as {seen:?}", ty.name));
            }
        }
    }

    fn layout(&self, ty: &Type) -> Result<Struct, Error> {
        let mut fields = Vec::new();
        for field in self.binary.fields(ty)? {
            let ty = match self.binary.resolve(field.ty) {
                Ok(ty) => witness::plain(&ty.name),
                // A name that is too long to be read.
                Err(Error::Unsupported(_)) => String::new(),
                Err(error) => return Err(error),
            };
            fields.push(witness::Field { name: field.name, offset: field.offset, ty });
        }
        Ok(Struct { size: ty.size, fields })
    }
}

/// Whether one of those seen is what was read. A field's type has no name where that is longer than is read.
fn is_among(seen: &[Struct], read: &Struct) -> bool {
    seen.iter().any(|seen| {
        let mut pairs = seen.fields.iter().zip(&read.fields);
        seen.size == read.size
            && seen.fields.len() == read.fields.len()
            && pairs.all(|(seen, read)| {
                let same_type = seen.ty == read.ty || (read.ty.is_empty() && seen.ty.len() > LONGEST_NAME);
                seen.name == read.name && seen.offset == read.offset && same_type
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_field(name: &str, offset: u64, ty: &str) -> Struct {
        let field = witness::Field { name: name.to_owned(), offset, ty: ty.to_owned() };
        Struct { size: 16, fields: vec![field] }
    }

    #[test]
    fn agrees_only_if_every_field_is_the_same() {
        let seen = [with_field("a", 8, "int")];
        for (read, agrees) in [
            (with_field("a", 8, "int"), true),
            (with_field("a", 0, "int"), false),
            (with_field("b", 8, "int"), false),
            (with_field("a", 8, "uint"), false),
            (with_field("a", 8, ""), false),
            (Struct { size: 24, ..with_field("a", 8, "int") }, false),
            (Struct { size: 16, fields: Vec::new() }, false),
        ] {
            assert_eq!(is_among(&seen, &read), agrees, "{read:?}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        assert!(is_among(&[with_field("a", 8, &long)], &with_field("a", 8, "")));
    }
}
