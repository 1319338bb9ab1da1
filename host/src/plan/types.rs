//! Types as the plan knows them: read from the binary, or only stated in a parameter list, such as a pointer whose own
//! descriptor the linker left out.

use super::{Skip, arguments::Expression};
use crate::binary::{Binary, Field, Kind, Source, Type};

/// How deep Go's embedding is followed, and how many structs are looked at on the way.
const EMBEDDING_DEPTH: usize = 8;
const EMBEDDED_STRUCTS: usize = 128;

#[derive(Clone, Debug)]
pub enum Ty {
    Known(Type),
    Stated(Expression, Kind, u64),
}

impl Ty {
    /// What a written type stands for. Named ones are looked up.
    pub fn stated(expression: &Expression, binary: &Binary) -> Result<Self, Skip> {
        const POINTER: u64 = 8;
        let (kind, size) = match expression {
            Expression::Named(name) => match basic(name) {
                Some(basic) => basic,
                None => return Self::named(name, binary),
            },
            Expression::Pointer(_) => (Kind::Pointer, POINTER),
            Expression::Map(..) => (Kind::Map, POINTER),
            Expression::Chan => (Kind::Chan, POINTER),
            Expression::Func => (Kind::Func, POINTER),
            Expression::Opaque => (Kind::UnsafePointer, POINTER),
            Expression::Slice(_) => (Kind::Slice, 24),
            Expression::Interface { empty } => (Kind::Interface { empty: *empty }, 16),
            Expression::Array(len, element) => {
                let size = Self::stated(element, binary)?.size().checked_mul(*len);
                (Kind::Array { len: *len }, size.ok_or_else(|| Skip::NoType(expression.to_string()))?)
            }
        };
        Ok(Self::Stated(expression.clone(), kind, size))
    }

    /// A pointer to something that does not matter.
    pub fn opaque() -> Self {
        Self::Stated(Expression::Opaque, Kind::UnsafePointer, 8)
    }

    /// Go's `int`.
    pub fn int() -> Self {
        Self::Stated(Expression::Named("int".to_owned()), Kind::Int { size: 8, signed: true }, 8)
    }

    /// By its full name, for instance from an assertion.
    pub fn named(name: &str, binary: &Binary) -> Result<Self, Skip> {
        binary.type_named(name)?.map(Self::Known).ok_or_else(|| Skip::NoType(name.to_owned()))
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Known(ty) => ty.kind,
            Self::Stated(_, kind, _) => *kind,
        }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Known(ty) => ty.size,
            Self::Stated(_, _, size) => *size,
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Known(ty) => ty.name.clone(),
            Self::Stated(expression, ..) => expression.to_string(),
        }
    }

    pub fn source(&self) -> Option<Source> {
        match self {
            Self::Known(ty) => Some(ty.source),
            Self::Stated(..) => None,
        }
    }

    /// What a pointer, slice or array is of; of a map, its values.
    pub fn element(&self, binary: &Binary) -> Result<Self, Skip> {
        match self {
            Self::Known(ty) => Ok(Self::Known(binary.element(ty)?)),
            Self::Stated(
                Expression::Pointer(element)
                | Expression::Slice(element)
                | Expression::Array(_, element)
                | Expression::Map(_, element),
                ..,
            ) => Self::stated(element, binary),
            Self::Stated(expression, ..) => Err(Skip::NoType(format!("what a {expression} is of"))),
        }
    }

    /// Of a map.
    pub fn key(&self, binary: &Binary) -> Result<Self, Skip> {
        match self {
            Self::Known(ty) => Ok(Self::Known(binary.key(ty)?)),
            Self::Stated(Expression::Map(key, _), ..) => Self::stated(key, binary),
            Self::Stated(expression, ..) => Err(Skip::NoType(format!("the key of a {expression}"))),
        }
    }

    /// A struct's fields, in order, with their types.
    pub fn fields(&self, binary: &Binary) -> Result<Vec<(Field, Self)>, Skip> {
        let Self::Known(ty) = self else { return Ok(Vec::new()) };
        binary
            .fields(ty)?
            .into_iter()
            .map(|field| binary.resolve(field.ty).map(|ty| (field, Self::Known(ty))).map_err(Skip::from))
            .collect()
    }

    /// One pointer word: what an interface holds directly, instead of its address (`IsDirectIface` of Go's compiler).
    pub fn is_pointer_shaped(&self, binary: &Binary) -> Result<bool, Skip> {
        let mut ty = self.clone();
        for _ in 0..EMBEDDING_DEPTH {
            ty = match ty.kind() {
                Kind::Pointer | Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer => return Ok(true),
                Kind::Array { len: 1 } => ty.element(binary)?,
                Kind::Struct if ty.size() == 8 => {
                    let mut fields = ty.fields(binary)?;
                    let count = fields.len();
                    fields.retain(|(_, ty)| ty.size() > 0);
                    match fields.pop() {
                        Some((_, only)) if count == 1 => only,
                        // Direct from Go 1.26 on, indirect before, which nothing in the binary tells apart.
                        Some((_, one)) if one.size() == 8 && one.is_pointer_shaped(binary)? => {
                            return Err(Skip::NotFollowed { what: "an interface's value".to_owned(), ty: ty.name() });
                        }
                        _ => return Ok(false),
                    }
                }
                _ => return Ok(false),
            };
        }
        Ok(false)
    }

    /// The way to a struct's field as Go finds it: its own first, then those of the structs that it embeds, by depth.
    pub fn promoted(&self, name: &str, binary: &Binary) -> Result<Option<Vec<(Field, Self)>>, Skip> {
        let mut level: Vec<(Vec<(Field, Self)>, Self)> = vec![(Vec::new(), self.clone())];
        let mut seen = 0;
        for _ in 0..EMBEDDING_DEPTH {
            let (mut found, mut below) = (Vec::new(), Vec::new());
            for (way, ty) in &level {
                seen += 1;
                if seen > EMBEDDED_STRUCTS {
                    return Ok(None);
                }
                let Self::Known(known) = ty else { continue };
                let (own, embedded) = own_and_embedded(binary, known, name)?;
                let extend = |step: (Field, Self)| way.iter().cloned().chain([step]).collect::<Vec<_>>();
                found.extend(own.map(extend));
                for (field, ty) in embedded {
                    // An embedded pointer is followed like an embedded struct.
                    let target = if ty.kind() == Kind::Pointer { ty.element(binary)? } else { ty.clone() };
                    if target.kind() == Kind::Struct {
                        below.push((extend((field, ty)), target));
                    }
                }
            }
            match found.len() {
                0 if below.is_empty() => return Ok(None),
                0 => level = below,
                1 => return Ok(found.pop()),
                _ => return Err(Skip::Ambiguous { ty: self.name(), field: name.to_owned() }),
            }
        }
        Ok(None)
    }
}

type Fields = Vec<(Field, Ty)>;

fn own_and_embedded(binary: &Binary, ty: &Type, name: &str) -> Result<(Option<(Field, Ty)>, Fields), Skip> {
    let (mut own, mut embedded) = (None, Vec::new());
    for field in binary.fields(ty)? {
        if field.name == name && own.is_none() {
            let ty = Ty::Known(binary.resolve(field.ty)?);
            own = Some((field, ty));
        } else if field.embedded {
            let ty = Ty::Known(binary.resolve(field.ty)?);
            embedded.push((field, ty));
        }
    }
    Ok((own, embedded))
}

/// Go's predeclared types, with their sizes on 64-bit machines.
fn basic(name: &str) -> Option<(Kind, u64)> {
    let int = |size: u8, signed| Some((Kind::Int { size, signed }, u64::from(size)));
    match name {
        "bool" => Some((Kind::Bool, 1)),
        "string" => Some((Kind::String, 16)),
        "int" | "int64" => int(8, true),
        "uint" | "uint64" | "uintptr" => int(8, false),
        "int32" | "rune" => int(4, true),
        "uint32" => int(4, false),
        "int16" => int(2, true),
        "uint16" => int(2, false),
        "int8" => int(1, true),
        "uint8" | "byte" => int(1, false),
        "float64" => Some((Kind::Float { size: 8 }, 8)),
        "float32" => Some((Kind::Float { size: 4 }, 4)),
        "complex128" => Some((Kind::Complex { size: 16 }, 16)),
        "complex64" => Some((Kind::Complex { size: 8 }, 8)),
        _ => None,
    }
}
