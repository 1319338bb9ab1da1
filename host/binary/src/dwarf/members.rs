//! What is in a struct, bit for bit: members, base classes, bit fields, and what structs without a name lend to those around them.

use gimli::{AttributeValue, UnitOffset, constants as dw};

use super::*;

/// The name given to the number that says which variant there is, which has none of its own.
const DISCRIMINANT: &str = "(discriminant)";

/// Where a member is in its struct.
enum Location {
    /// In bytes.
    At(u64),
    /// In bits, and how many.
    Bits(u64, u64),
    /// Only the object itself says.
    Unknown,
}

impl<'d> Dwarf<'d> {
    pub fn fields(&self, reference: u64) -> Result<Vec<Field>, Error> {
        let mut fields = Vec::new();
        self.collect(&self.definition(At(reference))?.place, 0, 0, &mut fields)?;
        Ok(fields)
    }

    fn collect(&self, place: &Place, base: u64, depth: u32, fields: &mut Vec<Field>) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Corrupt(format!("its DWARF: the struct at {} is in itself", place.at)));
        }
        let is_bucket =
            place.unit.is_go() && place.unit.name_of(place.at).is_some_and(|name| name.starts_with("bucket<"));
        let mut variants = Vec::new();
        place.children(|child| {
            match child.tag() {
                dw::DW_TAG_member | dw::DW_TAG_inheritance => self.member(place, child, base, depth, fields)?,
                dw::DW_TAG_variant_part => variants.push(child.offset()),
                _ => {}
            }
            if fields.len() > MAX_FIELDS {
                return Err(Error::Corrupt(format!(
                    "its DWARF: the struct at {} has more than {MAX_FIELDS} fields",
                    place.at
                )));
            }
            Ok(())
        })?;
        for variants in variants {
            self.variants(place, variants, base, depth, fields)?;
        }
        if is_bucket {
            fields.iter_mut().for_each(|field| as_in_descriptors(&mut field.name));
        }
        Ok(())
    }

    fn member(
        &self,
        place: &Place,
        member: &Entry,
        base: u64,
        depth: u32,
        fields: &mut Vec<Field>,
    ) -> Result<(), Error> {
        // C++'s static members are variables, not part of the object.
        if is_set(member, dw::DW_AT_declaration) || is_set(member, dw::DW_AT_external) {
            return Ok(());
        }
        let Some(ty) = self.reference(place, member, dw::DW_AT_type)? else { return Ok(()) };
        let itself = place.unit.place(member.offset()).unwrap_or(place.at);
        let (offset, ty) = match self.location(place, member, ty)? {
            Location::At(offset) => (offset, ty),
            Location::Bits(offset, _) => (offset / 8, itself),
            Location::Unknown => (0, itself),
        };
        let outside = || Error::Corrupt(format!("its DWARF: the member at {itself} is beyond all memory"));
        let offset = base.checked_add(offset).ok_or_else(outside)?;
        let is_base = member.tag() == dw::DW_TAG_inheritance;
        let embedded = is_base || is_set(member, GO_EMBEDDED_FIELD);
        let name = match place.unit.text(member, dw::DW_AT_name) {
            Some(name) => name,
            None if is_base => self.base_name(ty)?,
            None if ty != itself => {
                let inner = self.behind_names(ty)?;
                let tag = inner.entry()?.tag();
                if matches!(tag, dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type) {
                    return self.collect(&inner, offset, depth + 1, fields);
                }
                String::new()
            }
            // Bits that only keep others in their place.
            None => return Ok(()),
        };
        fields.push(Field { name, offset, embedded, ty: TypeRef::Dwarf(ty.0) });
        Ok(())
    }

    /// A base class by its own name, without namespaces, as an embedded field is called by its type.
    fn base_name(&self, ty: At) -> Result<String, Error> {
        let mut place = self.place(ty)?;
        let entry = place.entry()?;
        let of = self.reference(&place, &entry, dw::DW_AT_type)?.filter(|_| entry.tag() == dw::DW_TAG_inheritance);
        place = self.behind_names(of.unwrap_or(ty))?;
        Ok(place.unit.name_of(place.at).unwrap_or_default())
    }

    /// Of several structs in one place: which there is, and each by the variant's name.
    fn variants(
        &self,
        place: &Place,
        part: UnitOffset,
        base: u64,
        depth: u32,
        fields: &mut Vec<Field>,
    ) -> Result<(), Error> {
        let at = place.unit.place(part).unwrap_or(place.at);
        let part = self.place(at)?;
        let discriminant = self.reference(&part, &part.entry()?, dw::DW_AT_discr)?;
        let mut variants = Vec::new();
        part.children(|child| {
            match child.tag() {
                dw::DW_TAG_member if discriminant == part.unit.place(child.offset()) => {
                    let first = fields.len();
                    self.member(&part, child, base, depth + 1, fields)?;
                    if let Some(field) = fields.get_mut(first).filter(|field| field.name.is_empty()) {
                        field.name = DISCRIMINANT.into();
                    }
                }
                dw::DW_TAG_variant => variants.push(child.offset()),
                _ => {}
            }
            Ok(())
        })?;
        for variant in variants {
            let at = part.unit.place(variant).unwrap_or(part.at);
            self.collect(&self.place(at)?, base, depth + 1, fields)?;
        }
        Ok(())
    }

    fn location(&self, place: &Place, member: &Entry, ty: At) -> Result<Location, Error> {
        let odd = || Error::Corrupt(format!("its DWARF: a member of the struct at {} has an odd place", place.at));
        // With a location of 1 bit in the object's table of virtual bases.
        if unsigned(member, dw::DW_AT_virtuality).is_some_and(|virtuality| virtuality != 0)
            || matches!(
                member.attr_value(dw::DW_AT_virtuality),
                Some(AttributeValue::Virtuality(dw::DW_VIRTUALITY_virtual))
            )
        {
            return Ok(Location::Unknown);
        }
        let bytes = match member.attr_value(dw::DW_AT_data_member_location) {
            None => 0,
            Some(AttributeValue::Exprloc(expression)) => match constant(expression.0.slice()) {
                Some(bytes) => bytes,
                None => return Ok(Location::Unknown),
            },
            Some(AttributeValue::Block(block)) => match constant(block.slice()) {
                Some(bytes) => bytes,
                None => return Ok(Location::Unknown),
            },
            Some(value) => match value.udata_value() {
                Some(bytes) => bytes,
                None => return Ok(Location::Unknown),
            },
        };
        let Some(bits) = member.attr(dw::DW_AT_bit_size) else { return Ok(Location::At(bytes)) };
        let bits = bits.udata_value().filter(|&bits| bits <= 128).ok_or_else(odd)?;
        if member.attr(dw::DW_AT_data_bit_offset).is_some() {
            let offset = unsigned(member, dw::DW_AT_data_bit_offset).ok_or_else(odd)?;
            let offset = bytes.checked_mul(8).and_then(|bytes| bytes.checked_add(offset)).ok_or_else(odd)?;
            return Ok(Location::Bits(offset, bits));
        }
        if member.attr(dw::DW_AT_bit_offset).is_none() {
            return Ok(Location::Bits(bytes.checked_mul(8).ok_or_else(odd)?, bits));
        }
        // As before DWARF 4: counted from the highest bit of a unit of storage, which both machines have the other way round.
        let above = member.attr(dw::DW_AT_bit_offset).and_then(|above| above.value().sdata_value()).ok_or_else(odd)?;
        let storage = match unsigned(member, dw::DW_AT_byte_size) {
            Some(size) => size,
            None => unsigned(&self.behind_names(ty)?.entry()?, dw::DW_AT_byte_size).ok_or_else(odd)?,
        };
        let below = || {
            let storage = i64::try_from(storage.checked_mul(8)?).ok()?;
            let bytes = i64::try_from(bytes.checked_mul(8)?).ok()?;
            let below = storage.checked_sub(above)?.checked_sub(i64::try_from(bits).ok()?)?;
            u64::try_from(bytes.checked_add(below)?).ok()
        };
        Ok(Location::Bits(below().ok_or_else(odd)?, bits))
    }

    /// The type of a member that is its own reference: some bits, or what has no place that could be told.
    pub(super) fn bits(&self, place: &Place, member: &Entry, depth: u32) -> Result<Type, Error> {
        let ty = self.reference(place, member, dw::DW_AT_type)?;
        let ty = ty.ok_or_else(|| Error::Missing(format!("type of the member at {}", place.at)))?;
        let (offset, size) = match self.location(place, member, ty)? {
            Location::At(_) => return self.resolve_within(ty.0, depth),
            Location::Bits(offset, size) => ((offset % 8) as u8, size as u8),
            Location::Unknown => {
                let what = if member.tag() == dw::DW_TAG_inheritance { "virtual base class" } else { "member" };
                let name = self.named_place(ty)?.1.unwrap_or_default();
                return Err(Error::Refused(format!(
                    "the {what} {name} (at {}) has no fixed place: only the object itself says where it is",
                    place.at
                )));
            }
        };
        let ty = self.resolve_within(ty.0, depth)?;
        let signed = match ty.kind {
            Kind::Int { signed, .. } => signed,
            Kind::Bool => false,
            kind => return Err(Error::Refused(format!("the bit field at {} is a {kind:?}", place.at))),
        };
        Ok(Type {
            kind: Kind::Bits { offset, size, signed },
            size: (u64::from(offset) + u64::from(size)).div_ceil(8),
            reference: TypeRef::Dwarf(place.at.0),
            ..ty
        })
    }
}

/// What `DW_OP_plus_uconst` and its like add to the struct's address; none if the expression does more.
pub(super) fn constant(expression: &[u8]) -> Option<u64> {
    let encoding = gimli::Encoding { format: gimli::Format::Dwarf64, version: 5, address_size: 8 };
    let mut operations = gimli::Expression(Slice::new(expression, LittleEndian)).operations(encoding);
    let first = operations.next().ok()??;
    let second = operations.next().ok()?;
    match (first, second) {
        (gimli::Operation::PlusConstant { value }, None) => Some(value),
        (gimli::Operation::UnsignedConstant { value }, None) => Some(value),
        (gimli::Operation::UnsignedConstant { value }, Some(gimli::Operation::Plus)) => {
            operations.next().ok()?.is_none().then_some(value)
        }
        _ => None,
    }
}

/// A bucket's fields have other names in the structs that Go's linker makes up.
fn as_in_descriptors(name: &mut String) {
    match name.as_str() {
        "tophash" => "topbits".clone_into(name),
        "values" => "elems".clone_into(name),
        _ => {}
    }
}
