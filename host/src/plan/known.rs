//! What a plugin knows of fields' places itself, as far as that is about the binary at hand. The last of the sources: for types that
//! the linker left out of a program without DWARF.

use super::{
    Skip, Skipped, Subject,
    arguments::{Expression, expression},
    types::Ty,
    versions,
};
use crate::{
    binary::{Binary, Field, Kind, TypeRef},
    manifest::{KnownOffset, Manifest},
};

#[derive(Debug, Default)]
pub struct Known {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    struct_type: String,
    field: String,
    offset: u64,
    ty: Expression,
}

impl Known {
    /// Those of the manifest's offsets that hold for the binary's modules. The wrong ones go into `skipped`.
    pub fn new(manifest: &Manifest, binary: &Binary, skipped: &mut Vec<Skipped>) -> Self {
        let mut known = Self::default();
        for offset in &manifest.offsets {
            let what = || Subject::Offset { ty: offset.struct_type.clone(), field: offset.field.clone() };
            match entry(offset, binary) {
                Ok(Some(entry)) => match known.entry(&entry.struct_type, &entry.field) {
                    Some(first) if first.offset != entry.offset => {
                        let why = Skip::TwoOffsets(first.offset, entry.offset);
                        skipped.push(Skipped { what: what(), why });
                    }
                    _ => known.entries.push(entry),
                },
                Ok(None) => {}
                Err(why) => skipped.push(Skipped { what: what(), why }),
            }
        }
        known
    }

    /// A field as the plugin knows it, with its type.
    pub fn field(&self, ty: &Ty, name: &str, binary: &Binary) -> Result<Option<(Field, Ty)>, Skip> {
        let Some(entry) = self.entry(&ty.name(), name) else { return Ok(None) };
        let ty = Ty::stated(&entry.ty, binary).or_else(|skip| self.instead_of(skip))?;
        // Nobody resolves the reference: the type is stated.
        let field = Field { name: name.to_owned(), offset: entry.offset, embedded: false, ty: TypeRef::Descriptor(0) };
        Ok(Some((field, ty)))
    }

    pub fn offset(&self, struct_type: &str, field: &str) -> Option<u64> {
        self.entry(struct_type, field).map(|entry| entry.offset)
    }

    /// A struct that the binary does not have, if there are fields known of it.
    pub fn instead_of(&self, skip: Skip) -> Result<Ty, Skip> {
        match skip {
            Skip::NoType(name) if self.entries.iter().any(|entry| entry.struct_type == name) => {
                Ok(Ty::Stated(Expression::Named(name), Kind::Struct, 0))
            }
            skip => Err(skip),
        }
    }

    fn entry(&self, struct_type: &str, field: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.struct_type == struct_type && entry.field == field)
    }
}

fn entry(offset: &KnownOffset, binary: &Binary) -> Result<Option<Entry>, Skip> {
    let ty = expression(&offset.field_type, 0)
        .map_err(|message| Skip::FieldType { ty: offset.field_type.clone(), message })?;
    let entry = Entry {
        struct_type: offset.struct_type.clone(),
        field: offset.field.clone(),
        offset: offset.offset.into(),
        ty,
    };
    Ok(versions::holds(&offset.requires, binary)?.is_none().then_some(entry))
}
