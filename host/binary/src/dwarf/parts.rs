//! What a type is made of: elements, keys, and what Go keeps a map's entries in.

use gimli::AttributeValue;

use super::*;

impl<'d> Dwarf<'d> {
    pub fn part(&self, reference: u64, part: Part) -> Result<Type, Error> {
        let at = At(reference);
        let place = self.definition(at)?.place;
        let entry = place.entry()?;
        if entry.tag() == dw::DW_TAG_array_type {
            return self.element_of_array(&place, &entry, at.dimension(), 0);
        }
        let attribute = match part {
            Part::Key => GO_KEY,
            Part::Element if entry.attr(GO_ELEM).is_some() => GO_ELEM,
            Part::Element => dw::DW_AT_type,
            Part::Group => return self.group(&place, &entry),
        };
        let part = self.reference(&place, &entry, attribute)?;
        let part = part.ok_or_else(|| Error::Missing(format!("type that the one at {at} is made of")))?;
        self.resolve(part.0)
    }

    /// The rest of the dimensions, or what the array is of behind the last.
    pub(super) fn element_of_array(
        &self,
        place: &Place,
        entry: &Entry,
        dimension: usize,
        depth: u32,
    ) -> Result<Type, Error> {
        if dimension + 1 < place.lengths(entry)?.len()
            && let Some(rest) = place.at.with_dimension(dimension + 1)
        {
            return self.resolve_within(rest.0, depth + 1);
        }
        let element = self.reference(place, entry, dw::DW_AT_type)?;
        let element = element.ok_or_else(|| Error::Missing(format!("type that the array at {} is of", place.at)))?;
        self.resolve_within(element.0, depth + 1)
    }

    /// Go's linker makes these structs up for debuggers: `hash<K,V>` with `buckets *bucket<K,V>` up to 1.23, and from 1.24 on (unless
    /// built with `noswissmap`) `map<K,V>` with `dirPtr **table<K,V>`, whose `groups` have the groups' address in `data`.
    fn group(&self, place: &Place, entry: &Entry) -> Result<Type, Error> {
        let missing = || Error::Missing(format!("group of the map at {}", place.at));
        let mut ty = self.resolve(self.reference(place, entry, dw::DW_AT_type)?.ok_or_else(missing)?.0)?;
        for _ in 0..MAX_DEPTH {
            let TypeRef::Dwarf(at) = ty.reference else { return Err(missing()) };
            if ty.kind == Kind::Pointer {
                ty = self.part(at, Part::Element)?;
                continue;
            }
            if ty.kind != Kind::Struct {
                return Err(missing());
            }
            let fields = self.fields(at)?;
            let field = |name: &str| fields.iter().find(|field| field.name == name);
            let is_group = field("ctrl").is_some() || field("topbits").is_some();
            let next =
                field("buckets").or_else(|| field("dirPtr")).or_else(|| field("groups")).or_else(|| field("data"));
            match next {
                _ if is_group => return Ok(ty),
                Some(next) => ty = self.resolve_reference(next.ty)?,
                None => return Err(missing()),
            }
        }
        Err(missing())
    }

    fn resolve_reference(&self, reference: TypeRef) -> Result<Type, Error> {
        match reference {
            TypeRef::Dwarf(at) => self.resolve(at),
            TypeRef::Descriptor(_) => Err(Error::Missing("type in its DWARF".into())),
        }
    }
}

impl Place<'_> {
    /// Of an array's dimensions, the outermost first; 0 of one without a bound (C's flexible array members).
    pub(super) fn lengths(&self, entry: &Entry) -> Result<Vec<u64>, Error> {
        for attribute in [dw::DW_AT_byte_stride, dw::DW_AT_bit_stride, dw::DW_AT_data_location] {
            if entry.attr(attribute).is_some() {
                return Err(Error::Refused(format!("the array at {} has a {attribute}", self.at)));
            }
        }
        let mut lengths = Vec::new();
        self.children(|range| {
            if !matches!(range.tag(), dw::DW_TAG_subrange_type | dw::DW_TAG_enumeration_type) {
                return Ok(());
            }
            if lengths.len() == MAX_DEPTH as usize {
                return Err(Error::Refused(format!("the array at {} has more than {MAX_DEPTH} dimensions", self.at)));
            }
            lengths.push(length(range).ok_or_else(|| {
                Error::Refused(format!(
                    "the array at {} has a length that is known only to the running program",
                    self.at
                ))
            })?);
            Ok(())
        })?;
        if lengths.is_empty() {
            lengths.push(0);
        }
        Ok(lengths)
    }
}

/// None if it is not a constant.
fn length(range: &Entry) -> Option<u64> {
    let constant = |attribute| match range.attr_value(attribute)? {
        AttributeValue::Sdata(value) => Some(value),
        // -1 in as many bytes as the compiler wrote: a length of 0.
        AttributeValue::Data4(u32::MAX) | AttributeValue::Data8(u64::MAX) => Some(-1),
        _ => range.attr(attribute)?.udata_value().and_then(|value| i64::try_from(value).ok()),
    };
    if range.attr(dw::DW_AT_count).is_some() {
        return constant(dw::DW_AT_count).and_then(|count| u64::try_from(count).ok());
    }
    if range.attr(dw::DW_AT_upper_bound).is_none() {
        return Some(0);
    }
    let lower = if range.attr(dw::DW_AT_lower_bound).is_some() { constant(dw::DW_AT_lower_bound)? } else { 0 };
    let length = constant(dw::DW_AT_upper_bound)?.checked_sub(lower)?.checked_add(1)?;
    Some(u64::try_from(length).unwrap_or(0))
}
