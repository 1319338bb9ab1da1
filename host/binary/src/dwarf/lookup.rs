//! From a name to a type: which of those that have it is meant, or why none can be.

use gimli::constants as dw;

use super::names::normal;
use super::*;

/// Types of one name that are compared with each other.
const MAX_NAMESAKES: usize = 65_536;
/// Of descriptions of layouts, in entries, for one name.
const MAX_DESCRIBED: usize = 1 << 20;
/// Into structs of structs, whose sizes and names must do below that.
const MAX_DESCENT: u32 = 8;
/// C's way to say which of two kinds of names is meant.
const TAGS: [(&str, &[gimli::DwTag]); 4] = [
    ("struct ", &[dw::DW_TAG_structure_type, dw::DW_TAG_class_type]),
    ("class ", &[dw::DW_TAG_structure_type, dw::DW_TAG_class_type]),
    ("union ", &[dw::DW_TAG_union_type]),
    ("enum ", &[dw::DW_TAG_enumeration_type]),
];

impl<'d> Dwarf<'d> {
    /// None if nothing has the name; an error if different types have it.
    pub fn named(&self, name: &str) -> Result<Option<Type>, Error> {
        let mut found = self.one(name, None, Self::layout)?;
        // A path with the linker's escapes, as it is in no name here.
        if found.is_none() && name.contains('%') {
            found = self.one(&unescape(name), None, Self::layout)?;
        }
        if found.is_none()
            && let Some((inner, tags)) = TAGS.iter().find_map(|(word, tags)| Some((name.strip_prefix(word)?, tags)))
        {
            found = self.one(inner, Some(tags), Self::layout)?;
        }
        match (found, self.index.gaps.explain(name)) {
            (Some(at), _) => self.resolve(at.0).map(Some),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// The definition of what is only declared here: a type's own unit, or a type of this name and sort elsewhere.
    pub(super) fn declared(&self, place: &Place, entry: &Entry, name: Option<&str>) -> Result<At, Error> {
        if let Some(target) = place.unit.reference(entry, dw::DW_AT_signature)? {
            return self.at(target);
        }
        let missing = || {
            let name = name.unwrap_or("a type without a name");
            Error::Missing(format!("definition of {name}, declared in {} (at {}),", place.unit.name(), place.at))
        };
        let tags = TAGS.iter().find(|(_, tags)| tags.contains(&entry.tag())).map(|&(_, tags)| tags);
        // What fields are of may be declared only, and lead back here: where they are must do to tell types apart.
        self.one(name.ok_or_else(missing)?, Some(tags.ok_or_else(missing)?), Self::outline)?.ok_or_else(missing)
    }

    fn one(
        &self,
        name: &str,
        tags: Option<&[gimli::DwTag]>,
        layout: impl Fn(&Self, At, &mut usize) -> String,
    ) -> Result<Option<At>, Error> {
        let mut budget = MAX_DESCRIBED;
        let mut found: Option<(At, At, String)> = None;
        let mut failure = None;
        for (count, at) in self.index.named(name).enumerate() {
            if count == MAX_NAMESAKES || budget == 0 {
                return Err(Error::Refused(format!(
                    "more types are called {name} than can be compared with each other, the next of them at {at}"
                )));
            }
            let place = self.place(at)?;
            if !place.unit.is_go() && !self.is_called(&place, name)? {
                continue;
            }
            if tags.is_some_and(|tags| place.entry().is_ok_and(|entry| !tags.contains(&entry.tag()))) {
                continue;
            }
            let definition = match self.definition(at) {
                Ok(definition) => definition.place.at,
                Err(error) => {
                    failure.get_or_insert(error);
                    continue;
                }
            };
            match &found {
                Some((_, first, _)) if *first == definition => {}
                Some((other, first, known)) => {
                    if layout(self, definition, &mut budget) != *known {
                        return Err(self.ambiguous(name, *first, definition, *other, at));
                    }
                }
                None => found = Some((at, definition, layout(self, definition, &mut budget))),
            }
        }
        match (found, failure) {
            (Some((at, ..)), _) => Ok(Some(at)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// Names are compared without spaces, so that of a word `a b` and `ab` are still two.
    fn is_called(&self, place: &Place, name: &str) -> Result<bool, Error> {
        Ok(self.full_name(place, &place.entry()?)?.is_some_and(|own| normal(&own) == normal(name)))
    }

    fn ambiguous(&self, name: &str, first: At, second: At, asked: At, other: At) -> Error {
        let describe = |definition: At, at: At| {
            let size = self.resolve(definition.0).map_or_else(|_| "no size".into(), |ty| format!("{} bytes", ty.size));
            let unit = self.place(at).map_or_else(|_| String::new(), |place| format!(" in {}", place.unit.name()));
            format!("{size}{unit} (at {definition})")
        };
        let (first, second) = (describe(first, asked), describe(second, other));
        Error::Refused(format!("{name} is not one type: {first}, and another of {second}"))
    }

    /// Everything that a reader of the type could depend on, as text: equal if the types are alike.
    fn layout(&self, at: At, budget: &mut usize) -> String {
        let mut text = String::new();
        self.describe(at, 0, budget, &mut text);
        text
    }

    /// Size and fields only, by names and places.
    fn outline(&self, at: At, budget: &mut usize) -> String {
        let size = self.place(at).and_then(|place| place.entry()).map(|entry| unsigned(&entry, dw::DW_AT_byte_size));
        let mut text = format!("{:?}", size.ok().flatten());
        for field in self.fields(at.0).unwrap_or_default() {
            *budget = budget.saturating_sub(1);
            text += &format!(" {} {}", field.offset, field.name);
        }
        text
    }

    fn describe(&self, at: At, depth: u32, budget: &mut usize, text: &mut String) {
        let ty = match self.resolve(at.0) {
            Ok(ty) if *budget > 0 => ty,
            Ok(_) => return,
            Err(error) => {
                // Without the place, which is another in every unit.
                *text += if matches!(error, Error::Missing(_)) { "?" } else { "!" };
                return;
            }
        };
        *budget -= 1;
        *text += &format!("{:?} {}", ty.kind, ty.size);
        let TypeRef::Dwarf(reference) = ty.reference else { return };
        match ty.kind {
            Kind::Struct | Kind::Union | Kind::Variants if depth < MAX_DESCENT => {
                *text += " {";
                for field in self.fields(reference).unwrap_or_default() {
                    *text += &format!(" {} {} ", field.offset, field.name);
                    if let TypeRef::Dwarf(inner) = field.ty {
                        self.describe(At(inner), depth + 1, budget, text);
                    }
                }
                *text += " }";
            }
            Kind::Array { .. } if depth < MAX_DESCENT => {
                if let Ok(Type { reference: TypeRef::Dwarf(inner), .. }) = self.part(reference, Part::Element) {
                    self.describe(At(inner), depth + 1, budget, text);
                }
            }
            _ => *text += &format!(" {}", ty.name),
        }
    }
}
