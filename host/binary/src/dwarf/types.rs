//! What a type is: from an entry, through names for it and declarations of it, to its kind, size and name.

use gimli::{AttributeValue, constants as dw};

use super::names::ANONYMOUS;
use super::*;

/// Where a type is said what it is, and the first name on the way there.
pub(super) struct Definition<'a> {
    pub place: Place<'a>,
    pub name: Option<String>,
}

impl<'d> Dwarf<'d> {
    pub fn resolve(&self, reference: u64) -> Result<Type, Error> {
        self.resolve_within(reference, 0)
    }

    /// An array's size is that of what it is of, and a bit field's sign that of its type; `depth` counts such steps.
    pub(super) fn resolve_within(&self, reference: u64, depth: u32) -> Result<Type, Error> {
        let at = At(reference);
        if depth > MAX_DEPTH {
            return Err(Error::Corrupt(format!(
                "its DWARF: the type at {at} is made of itself, or of more than {MAX_DEPTH} others"
            )));
        }
        let member = self.place(at)?;
        let entry = member.entry()?;
        if matches!(entry.tag(), dw::DW_TAG_member | dw::DW_TAG_inheritance) {
            return self.bits(&member, &entry, depth + 1);
        }
        let definition = self.definition(at)?;
        let place = &definition.place;
        let entry = place.entry()?;
        let stated = unsigned(&entry, dw::DW_AT_byte_size);
        let kind = self.kind(place, &entry, at.dimension(), stated.unwrap_or(0))?;
        let size = match (kind, stated) {
            (Kind::Array { .. }, Some(size)) if at.dimension() == 0 => size,
            (Kind::Array { len }, _) => {
                self.element_of_array(place, &entry, at.dimension(), depth)?.size.saturating_mul(len)
            }
            (_, Some(size)) => size,
            (Kind::Interface { .. }, None) => 16,
            (Kind::Struct | Kind::Union | Kind::Variants, None) => {
                return Err(Error::Refused(format!("the struct at {at} has no size")));
            }
            (Kind::Int { .. }, None) if entry.tag() == dw::DW_TAG_enumeration_type => {
                self.underlying(place, &entry)?.size
            }
            // Pointers, and Go's maps, channels and functions, which are pointers.
            (_, None) => u64::from(place.unit.header.address_size()),
        };
        let kind = match kind {
            Kind::Int { size: 0, signed } => Kind::Int { size: u8::try_from(size).unwrap_or(0), signed },
            kind => kind,
        };
        let name = match definition.name.filter(|_| at.dimension() == 0) {
            Some(name) => name,
            None => self.composed_name(place, &entry, at.dimension(), 0)?,
        };
        Ok(Type { name, kind, size, address: None, source: Source::Dwarf, reference: TypeRef::Dwarf(reference) })
    }

    /// The entry that says what a type is, behind names for it, and the first of those names.
    pub(super) fn definition(&self, at: At) -> Result<Definition<'_>, Error> {
        let mut at = at.entry();
        let mut name = None;
        for _ in 0..MAX_DEPTH {
            let place = self.place(at)?;
            let entry = place.entry()?;
            if name.is_none() {
                name = self.full_name(&place, &entry)?;
            }
            if is_set(&entry, dw::DW_AT_declaration) || entry.attr(dw::DW_AT_signature).is_some() {
                at = self.declared(&place, &entry, name.as_deref())?;
                continue;
            }
            // Go writes interfaces, maps and channels as typedefs of how the runtime keeps them.
            if !is_alias(entry.tag()) || entry.attr(GO_KIND).is_some() {
                return Ok(Definition { place, name });
            }
            match self.reference(&place, &entry, dw::DW_AT_type)? {
                Some(next) => at = next,
                None => {
                    return Err(Error::Missing(format!(
                        "type behind {} (at {at})",
                        name.unwrap_or_else(|| "void".into())
                    )));
                }
            }
        }
        Err(Error::Corrupt(format!("its DWARF: the type at {at} is a name for itself")))
    }

    /// With the namespaces and types that it is in.
    pub(super) fn full_name(&self, place: &Place, entry: &Entry) -> Result<Option<String>, Error> {
        self.name_within(place, entry, 0)
    }

    fn name_within(&self, place: &Place, entry: &Entry, depth: u32) -> Result<Option<String>, Error> {
        // A definition outside of what it is declared in.
        if let Some(Target::At(at)) = place.unit.reference(entry, dw::DW_AT_specification)?
            && depth < MAX_DEPTH
        {
            let declared = self.place(at)?;
            return self.name_within(&declared, &declared.entry()?, depth + 1);
        }
        let Some(mut name) = place.unit.text(entry, dw::DW_AT_name) else { return Ok(None) };
        if place.unit.is_go() {
            return Ok(Some(unescape(&name)));
        }
        for scope in self.index.scopes(place.at) {
            let Some(offset) = place.unit.offset_of(scope) else { break };
            let entry = place.unit.entry(offset)?;
            if entry.attr(dw::DW_AT_specification).is_some() && depth < MAX_DEPTH {
                let outer = self.name_within(&self.place(scope)?, &entry, depth + 1)?;
                return Ok(Some(format!("{}::{name}", outer.as_deref().unwrap_or(ANONYMOUS))));
            }
            let mut own = place.unit.text(&entry, dw::DW_AT_name);
            if let (None, Some(Target::At(at))) = (&own, place.unit.reference(&entry, dw::DW_AT_extension)?) {
                own = place.unit.name_of(at);
            }
            name = format!("{}::{name}", own.as_deref().unwrap_or(ANONYMOUS));
        }
        Ok(Some(name))
    }

    fn kind(&self, place: &Place, entry: &Entry, dimension: usize, size: u64) -> Result<Kind, Error> {
        let size = u8::try_from(size).unwrap_or(0);
        Ok(match (unsigned(entry, GO_KIND), entry.tag()) {
            (Some(18), _) => Kind::Chan,
            (Some(19), _) | (_, dw::DW_TAG_subroutine_type) => Kind::Func,
            (Some(20), _) => {
                let target = self.reference(place, entry, dw::DW_AT_type)?;
                let target = target.map(|target| self.definition(target)).transpose()?;
                let target = target.and_then(|definition| definition.name);
                Kind::Interface { empty: target.as_deref() == Some("runtime.eface") }
            }
            (Some(21), _) => Kind::Map,
            (Some(23), _) => Kind::Slice,
            (Some(24), _) => Kind::String,
            (Some(26), _) => Kind::UnsafePointer,
            (_, dw::DW_TAG_pointer_type) if self.is_of_nothing(place, entry)? => Kind::UnsafePointer,
            (_, dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type) => {
                Kind::Pointer
            }
            (_, dw::DW_TAG_array_type) => {
                Kind::Array { len: place.lengths(entry)?.get(dimension).copied().unwrap_or(0) }
            }
            (_, dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_interface_type) => {
                let mut kind = Kind::Struct;
                place.children(|child| {
                    if child.tag() == dw::DW_TAG_variant_part {
                        kind = Kind::Variants;
                    }
                    Ok(())
                })?;
                kind
            }
            (_, dw::DW_TAG_union_type) => Kind::Union,
            (_, dw::DW_TAG_enumeration_type) => Kind::Int { size, signed: self.is_signed(place, entry)? },
            (_, dw::DW_TAG_base_type) => base(place, entry, size)?,
            (_, tag) => return Err(Error::Refused(format!("a {tag} (at {}) is none that can be read", place.at))),
        })
    }

    /// A pointer to `void` or `const void`.
    fn is_of_nothing(&self, place: &Place, entry: &Entry) -> Result<bool, Error> {
        let mut next = self.reference(place, entry, dw::DW_AT_type)?;
        for _ in 0..MAX_DEPTH {
            let Some(at) = next else { return Ok(true) };
            let place = self.place(at)?;
            let entry = place.entry()?;
            if !is_alias(entry.tag()) || entry.attr(GO_KIND).is_some() {
                return Ok(entry.tag() == dw::DW_TAG_unspecified_type);
            }
            next = self.reference(&place, &entry, dw::DW_AT_type)?;
        }
        Ok(false)
    }

    /// As the compiler compares an enumeration's values: by the type that keeps them, or by their being below zero.
    fn is_signed(&self, place: &Place, entry: &Entry) -> Result<bool, Error> {
        if entry.attr(dw::DW_AT_type).is_some() {
            return Ok(matches!(self.underlying(place, entry)?.kind, Kind::Int { signed: true, .. }));
        }
        if let Some(AttributeValue::Encoding(encoding)) = entry.attr_value(dw::DW_AT_encoding) {
            return Ok(matches!(encoding, dw::DW_ATE_signed | dw::DW_ATE_signed_char));
        }
        let mut signed = false;
        place.children(|value| {
            let value = value.attr(dw::DW_AT_const_value).and_then(|value| value.sdata_value());
            signed |= value.is_some_and(|value| value < 0);
            Ok(())
        })?;
        Ok(signed)
    }

    fn underlying(&self, place: &Place, entry: &Entry) -> Result<Type, Error> {
        let of = self.reference(place, entry, dw::DW_AT_type)?;
        let of = of.ok_or_else(|| Error::Refused(format!("the enumeration at {} has no size", place.at)))?;
        let definition = self.definition(of)?;
        match definition.place.entry()?.tag() {
            dw::DW_TAG_base_type => self.resolve(definition.place.at.0),
            tag => Err(Error::Refused(format!("the enumeration at {} is kept in a {tag}", place.at))),
        }
    }

    /// Of what has no name of its own, as C's pointers.
    fn composed_name(&self, place: &Place, entry: &Entry, dimension: usize, depth: u32) -> Result<String, Error> {
        // Not through declarations: what is behind a pointer may lead back here.
        let inner = |this: &Self| -> Result<String, Error> {
            let Some(target) = this.reference(place, entry, dw::DW_AT_type)?.filter(|_| depth < MAX_DEPTH) else {
                return Ok("void".into());
            };
            let (place, name) = this.named_place(target)?;
            match (name, place) {
                (Some(name), _) => Ok(name),
                (None, Some(place)) => this.composed_name(&place, &place.entry()?, 0, depth + 1),
                (None, None) => Ok("void".into()),
            }
        };
        Ok(match entry.tag() {
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                format!("*{}", inner(self)?)
            }
            dw::DW_TAG_array_type => {
                let lengths = place.lengths(entry)?;
                let lengths: String = lengths.iter().skip(dimension).map(|length| format!("[{length}]")).collect();
                format!("{lengths}{}", inner(self)?)
            }
            dw::DW_TAG_subroutine_type => "func".into(),
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type => "struct without a name".into(),
            dw::DW_TAG_union_type => "union without a name".into(),
            dw::DW_TAG_enumeration_type => "enum without a name".into(),
            tag => format!("unnamed {tag}"),
        })
    }

    /// The first name on the way through names for names, and where that ends; nowhere for `const void`.
    pub(super) fn named_place(&self, at: At) -> Result<(Option<Place<'_>>, Option<String>), Error> {
        let mut next = Some(at);
        for _ in 0..MAX_DEPTH {
            let Some(at) = next else { return Ok((None, None)) };
            let place = self.place(at)?;
            let entry = place.entry()?;
            let name = self.full_name(&place, &entry)?;
            next = match self.reference(&place, &entry, dw::DW_AT_signature)? {
                Some(own) if name.is_none() => Some(own),
                _ if name.is_some() || !is_alias(entry.tag()) => return Ok((Some(place), name)),
                _ => self.reference(&place, &entry, dw::DW_AT_type)?,
            };
        }
        Err(Error::Corrupt(format!("its DWARF: the type at {at} is a name for itself")))
    }

    /// Behind all names, but as it stands there, be it a declaration. A type with a unit of its own is there.
    pub(super) fn behind_names(&self, at: At) -> Result<Place<'_>, Error> {
        let mut next = Some(at);
        for _ in 0..MAX_DEPTH {
            let Some(at) = next else { break };
            let place = self.place(at)?;
            let entry = place.entry()?;
            next = match self.reference(&place, &entry, dw::DW_AT_signature)? {
                Some(own) => Some(own),
                None if !is_alias(entry.tag()) => return Ok(place),
                None => self.reference(&place, &entry, dw::DW_AT_type)?,
            };
        }
        Err(Error::Corrupt(format!("its DWARF: the type at {at} is a name for nothing")))
    }
}

fn is_alias(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_typedef
            | dw::DW_TAG_template_alias
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
            | dw::DW_TAG_packed_type
            | dw::DW_TAG_shared_type
            | dw::DW_TAG_immutable_type
    )
}

fn base(place: &Place, entry: &Entry, size: u8) -> Result<Kind, Error> {
    let encoding = match entry.attr_value(dw::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => encoding,
        _ => return Err(Error::Refused(format!("the type at {} does not say how it is encoded", place.at))),
    };
    Ok(match encoding {
        dw::DW_ATE_boolean => Kind::Bool,
        dw::DW_ATE_float => Kind::Float { size },
        dw::DW_ATE_complex_float => Kind::Complex { size },
        dw::DW_ATE_signed | dw::DW_ATE_signed_char => Kind::Int { size, signed: true },
        dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char | dw::DW_ATE_UTF | dw::DW_ATE_ASCII | dw::DW_ATE_UCS => {
            Kind::Int { size, signed: false }
        }
        dw::DW_ATE_address => Kind::UnsafePointer,
        other => return Err(Error::Refused(format!("the type at {} is encoded as {other}", place.at))),
    })
}
