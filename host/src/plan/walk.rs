//! Follows a path's steps through types, and emits the operations that follow them through memory.

use super::{
    Skip,
    agree::Facts,
    emit::{Emitter, Load, Root, Target},
    known::Known,
    path::{Path, Step},
    runtime,
    types::Ty,
};
use crate::binary::{Binary, Field, Kind, Source};
use serde::Serialize;
use std::{collections::BTreeSet, ops::Range};
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

    pub fn add(&mut self, offset: u64) {
        self.plus = Some(self.plus.unwrap_or(0).saturating_add_unsigned(offset));
    }

    fn arrive(&mut self, text: String) {
        self.text = text;
        self.plus = None;
    }

    /// Goes on with what is no distance.
    pub fn append(&mut self, text: &str) {
        self.arrive(format!("{self}{text}"));
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
    /// Those of the path's steps.
    pub fn follow(&mut self, mut value: Value, path: &Path, steps: Range<usize>) -> Result<Value, Skip> {
        for at in steps {
            let wanted = |wanted| Skip::OtherKind { what: path.first(at), wanted, ty: value.ty.name() };
            value = match &path.steps[at] {
                Step::Field(name) => self.field(value, name)?,
                Step::Assert(name) => self.assert(value, name)?,
                Step::Index(index) if value.ty.kind() == Kind::Slice => self.element(value, *index)?,
                Step::Index(_) => return Err(wanted("a slice")),
                Step::Length if value.ty.kind() == Kind::Map => self.count(value)?,
                Step::Length if matches!(value.ty.kind(), Kind::Slice | Kind::String) => length(value)?,
                Step::Length => return Err(wanted("a slice, a string or a map")),
                Step::Key(_) | Step::Search(_) => {
                    return Err(Skip::Key { path: path.first(at + 1), why: "can only end a capture" });
                }
            };
        }
        Ok(value)
    }

    /// An element of a slice; a failure where the slice is not that long.
    fn element(&mut self, value: Value, index: u32) -> Result<Value, Skip> {
        // How far apart elements are is not known of a struct of which only fields are.
        let ty = value.ty.element(self.binary).or_else(|skip| match index {
            0 => self.known.instead_of(skip),
            _ => Err(skip),
        })?;
        let [pointer, length] = self.slice(&value)?;
        self.emit.below(index, length, self.target);
        let distance = plus(0, ty.size().saturating_mul(index.into()), &ty)?;
        // Elements are not read together with others, which may not be there: each has a base of its own.
        let base = if distance == 0 { pointer } else { self.emit.add(pointer, distance)? };
        let place = Place::Memory { base, offset: 0 };
        let mut trail = value.trail;
        trail.append(&format!("[{index}]"));
        // What lies behind may not be looked at without the comparison.
        Ok(Value { ty, place, trail, is_checked: true })
    }

    /// The words that a slice's elements begin at, and that holds their number.
    pub fn slice(&mut self, value: &Value) -> Result<[u8; 2], Skip> {
        match &value.place {
            Place::Memory { base, offset } => {
                let (base, target) = (*base, self.target);
                let pointer = Load { base, offset: *offset };
                let length = Load { base, offset: plus(*offset, 8, &value.ty)? };
                if !value.is_checked {
                    self.emit.loads.extend([pointer, length]);
                }
                let pointer = self.emit.load(pointer, 8, None, target)?;
                Ok([pointer, self.emit.load(length, 8, None, target)?])
            }
            Place::Pieces(pieces) => {
                let pointer = self.piece(&within(pieces, 0, 8), &value.trail)?;
                Ok([pointer, self.piece(&within(pieces, 8, 8), &value.trail)?])
            }
        }
    }

    /// How many entries a map has.
    fn count(&mut self, value: Value) -> Result<Value, Skip> {
        let (offset, origin, facts) = runtime::map_count(self.binary)?;
        self.facts.extend(&facts);
        let map = self.map(&value)?;
        let slot = self.emit.count(map, offset.into(), self.target)?;
        let mut trail = value.trail;
        trail.append(".len()");
        trail.origins.insert(origin);
        let place = Place::Pieces(vec![Piece { word: Word::Slot(slot), offset: 0, size: 8, shift: 0 }]);
        Ok(Value { ty: Ty::int(), place, trail, ..value })
    }

    /// The word of a map, which is nil or its address.
    pub fn map(&mut self, value: &Value) -> Result<u8, Skip> {
        if let Place::Memory { base, offset } = value.place
            && !value.is_checked
        {
            self.emit.loads.push(Load { base, offset });
        }
        self.word(value, None)
    }

    pub fn field(&mut self, mut value: Value, name: &str) -> Result<Value, Skip> {
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

/// The length of a slice or a string, which is the second word of both.
fn length(value: Value) -> Result<Value, Skip> {
    let place = match value.place {
        Place::Memory { base, offset } => Place::Memory { base, offset: plus(offset, 8, &value.ty)? },
        Place::Pieces(pieces) => Place::Pieces(within(&pieces, 8, 8)),
    };
    let mut trail = value.trail;
    trail.append(".len()");
    Ok(Value { ty: Ty::int(), place, trail, ..value })
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

/// The distance from an address has to be less than this many bytes.
const FAR: i32 = 1 << 30;

fn plus(offset: i32, more: u64, ty: &Ty) -> Result<i32, Skip> {
    i32::try_from(more)
        .ok()
        .and_then(|more| offset.checked_add(more))
        .filter(|sum| *sum < FAR)
        .ok_or_else(|| Skip::NotFollowed { what: "what lies that far out".to_owned(), ty: ty.name() })
}
