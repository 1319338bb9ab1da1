//! Follows a path's steps through types, and emits the operations that follow them through memory.

use super::{
    Skip,
    agree::Facts,
    emit::{Emitter, Load, Root, Target},
    known::Known,
    path::Step,
    types::Ty,
};
use crate::binary::{Binary, Field, Kind, Source};
use serde::Serialize;
use std::collections::BTreeSet;
use uprobed_ebpf::program::Code;

/// Where an offset came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The binary's own type descriptors.
    Descriptor,
    Dwarf,
    /// The plugin's own table.
    Table,
    /// A constant of this Go version's runtime.
    Abi,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Descriptor => "descriptor",
            Self::Dwarf => "dwarf",
            Self::Table => "table",
            Self::Abi => "abi",
        })
    }
}

pub type Origins = BTreeSet<Origin>;

impl From<Source> for Origin {
    fn from(source: Source) -> Self {
        match source {
            Source::Descriptor => Self::Descriptor,
            Source::Dwarf => Self::Dwarf,
        }
    }
}

/// A value of the watched program, as far as its path has been followed.
#[derive(Clone, Debug)]
pub struct Value {
    pub ty: Ty,
    pub place: Place,
    pub trail: Trail,
    /// Whether a check of a dynamic type was passed: what lies behind may not be looked at without.
    pub is_checked: bool,
}

#[derive(Clone, Debug)]
pub enum Place {
    /// Its base values, each in a register or word.
    Pieces(Vec<Piece>),
    /// In memory, at this distance from the address in this slot.
    Memory { base: u8, offset: i32 },
}

#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub word: Word,
    /// In bytes from the value's beginning, as it would lie in memory.
    pub offset: u64,
    pub size: u64,
    /// How many bytes into the word it begins.
    pub shift: u8,
}

#[derive(Clone, Copy, Debug)]
pub enum Word {
    Register(u8),
    Float,
    Slot(u8),
}

/// How a value was reached, for people: `req+16 -> +56`.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    text: String,
    /// Distance from what `text` points to; none while nothing was added.
    plus: Option<i64>,
    pub origins: Origins,
}

impl Trail {
    pub fn new(root: &str) -> Self {
        Self { text: root.to_owned(), ..Self::default() }
    }

    /// The same under a name that stands for several ways.
    pub fn named(self, name: &str) -> Self {
        Self { text: name.to_owned(), plus: None, ..self }
    }

    fn add(&mut self, offset: u64) {
        self.plus = Some(self.plus.unwrap_or(0).saturating_add_unsigned(offset));
    }

    fn arrive(&mut self, text: String) {
        self.text = text;
        self.plus = None;
    }
}

impl std::fmt::Display for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let space = if self.text.ends_with("->") { " " } else { "" };
        match self.plus {
            Some(plus) => write!(f, "{}{space}+{plus}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Follows steps; holds where the operations go.
pub struct Walk<'w, 'd> {
    pub binary: &'w Binary<'d>,
    pub emit: &'w mut Emitter,
    /// What the plugin itself knows of fields' places.
    pub known: &'w Known,
    /// What the program is going to rely on.
    pub facts: &'w mut Facts,
    /// Where to go on a nil pointer, another dynamic type or unreadable memory.
    pub target: Target,
}

impl Walk<'_, '_> {
    pub fn follow(&mut self, mut value: Value, steps: &[Step]) -> Result<Value, Skip> {
        for step in steps {
            value = match step {
                Step::Field(name) => self.field(value, name)?,
                Step::Assert(name) => self.assert(value, name)?,
                Step::Key(key) => {
                    return Err(Skip::Key {
                        path: format!("{}[\"{key}\"]", value.trail),
                        why: "can only end a capture",
                    });
                }
            };
        }
        Ok(value)
    }

    fn field(&mut self, mut value: Value, name: &str) -> Result<Value, Skip> {
        if value.ty.kind() == Kind::Pointer {
            value = self.dereference(value)?;
        }
        let missing = || Skip::NoField { ty: value.ty.name(), field: name.to_owned() };
        if !matches!(value.ty.kind(), Kind::Struct | Kind::Union) {
            return Err(missing());
        }
        for (field, ty) in self.way(&value.ty, name)?.ok_or_else(missing)? {
            if value.ty.kind() == Kind::Pointer {
                value = self.dereference(value)?;
            }
            let origin = value.ty.source().map_or(Origin::Table, Origin::from);
            self.facts.add(&value.ty, &field, origin);
            value.trail.origins.insert(origin);
            value.trail.add(field.offset);
            value.place = match value.place {
                Place::Memory { base, offset } => Place::Memory { base, offset: plus(offset, field.offset, &ty)? },
                Place::Pieces(pieces) => Place::Pieces(within(&pieces, field.offset, ty.size())),
            };
            value.ty = ty;
        }
        Ok(value)
    }

    /// The way to a field: as the program says, or as the plugin knows of a struct that the program does not have.
    fn way(&self, ty: &Ty, name: &str) -> Result<Option<Vec<(Field, Ty)>>, Skip> {
        match ty {
            Ty::Known(_) => ty.promoted(name, self.binary),
            Ty::Stated(..) => Ok(self.known.field(ty, name, self.binary)?.map(|step| vec![step])),
        }
    }

    /// What a pointer points to.
    fn dereference(&mut self, mut value: Value) -> Result<Value, Skip> {
        let ty = value.ty.element(self.binary).or_else(|skip| self.known.instead_of(skip))?;
        if let Place::Memory { base, offset } = value.place
            && !value.is_checked
        {
            self.emit.loads.push(Load { base, offset });
        }
        let is_loaded = matches!(value.place, Place::Memory { .. });
        let base = self.word(&value, None)?;
        if is_loaded {
            value.trail.arrive(format!("{} ->", value.trail));
        } else {
            value.trail.arrive(value.trail.to_string());
        }
        Ok(Value { ty, place: Place::Memory { base, offset: 0 }, ..value })
    }

    fn assert(&mut self, mut value: Value, name: &str) -> Result<Value, Skip> {
        let Kind::Interface { empty } = value.ty.kind() else {
            return Err(Skip::NotFollowed { what: format!(".({name})"), ty: value.ty.name() });
        };
        let ty = Ty::named(name, self.binary)?;
        let Ty::Known(known) = &ty else { return Err(Skip::NoDescriptor(name.to_owned())) };
        let address = known.address.ok_or_else(|| Skip::NoDescriptor(name.to_owned()))?;
        let is_direct = ty.is_pointer_shaped(self.binary)?;
        let first = self.interface_word(&value)?;
        self.emit.is_type(first, empty, address, self.target);
        value.trail.arrive(format!("{}.({name})", value.trail));
        let held = data(value.place);
        value.is_checked = true;
        value.place = match held {
            held if is_direct => held,
            Place::Memory { base, offset } => {
                let base = self.emit.load(Load { base, offset }, 8, None, self.target)?;
                Place::Memory { base, offset: 0 }
            }
            Place::Pieces(pieces) => Place::Memory { base: self.piece(&pieces, &value.trail)?, offset: 0 },
        };
        Ok(Value { ty, ..value })
    }

    /// The itab or type of an interface.
    pub fn interface_word(&mut self, value: &Value) -> Result<u8, Skip> {
        match &value.place {
            Place::Memory { base, offset } => {
                self.emit.load(Load { base: *base, offset: *offset }, 8, None, self.target)
            }
            Place::Pieces(pieces) => self.piece(&within(pieces, 0, 8), &value.trail),
        }
    }

    /// The slot of a value that fits a word; loaded `into` a certain one if that matters.
    pub fn word(&mut self, value: &Value, into: Option<u8>) -> Result<u8, Skip> {
        let size = load_size(&value.ty)?;
        match &value.place {
            Place::Memory { base, offset } => {
                self.emit.load(Load { base: *base, offset: *offset }, size, into, self.target)
            }
            Place::Pieces(pieces) => {
                let slot = match pieces.as_slice() {
                    // What the register's other bytes hold means nothing.
                    [Piece { word: Word::Register(register), size: 1..8, shift, .. }] => {
                        let whole = self.emit.root(Root::Register(*register))?;
                        let slot = self.emit.slot()?;
                        let part = size | u64::from(*shift) << 16;
                        self.emit.emit(Code::CUT, [slot, whole], 0, part, Target::None);
                        slot
                    }
                    pieces => self.piece(pieces, &value.trail)?,
                };
                Ok(match into {
                    Some(into) => {
                        self.emit.emit(Code::ADD, [into, slot], 0, 0, Target::None);
                        into
                    }
                    None => slot,
                })
            }
        }
    }

    /// The slot of the only base value there.
    pub fn piece(&mut self, pieces: &[Piece], trail: &Trail) -> Result<u8, Skip> {
        match pieces {
            [Piece { word: Word::Float, .. }] => Err(Skip::Float(trail.to_string())),
            [Piece { word: Word::Slot(slot), .. }] => Ok(*slot),
            [Piece { size: 8, word: Word::Register(register), .. }] => self.emit.root(Root::Register(*register)),
            _ => Err(Skip::Narrow(trail.to_string())),
        }
    }
}

/// Whether a value of this type is one word for a capture, a key or a binding; `Code::LOAD`'s size.
pub fn load_size(ty: &Ty) -> Result<u64, Skip> {
    const SIGNED: u64 = 0x100;
    match ty.kind() {
        // C's `__int128` and `long double`.
        Kind::Int { size: 9.., .. } | Kind::Float { size: 9.. } => Err(Skip::NotCaptured(ty.name())),
        Kind::Int { size, signed } => Ok(u64::from(size) | if signed && size < 8 { SIGNED } else { 0 }),
        Kind::Bool => Ok(1),
        Kind::Float { size } => Ok(size.into()),
        Kind::Pointer | Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer => Ok(8),
        _ => Err(Skip::NotCaptured(ty.name())),
    }
}

/// The data word of an interface.
pub fn data(place: Place) -> Place {
    match place {
        Place::Memory { base, offset } => Place::Memory { base, offset: offset.saturating_add(8) },
        Place::Pieces(pieces) => Place::Pieces(within(&pieces, 8, 8)),
    }
}

pub fn within(pieces: &[Piece], offset: u64, size: u64) -> Vec<Piece> {
    let inside = pieces.iter().filter(|piece| piece.offset >= offset && piece.offset - offset < size);
    inside.map(|piece| Piece { offset: piece.offset - offset, ..*piece }).collect()
}

fn plus(offset: i32, more: u64, ty: &Ty) -> Result<i32, Skip> {
    i32::try_from(more)
        .ok()
        .and_then(|more| offset.checked_add(more))
        .ok_or_else(|| Skip::NotFollowed { what: "a field that far out".to_owned(), ty: ty.name() })
}
