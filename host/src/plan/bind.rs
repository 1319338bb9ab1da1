//! What paths begin with: arguments, kept words, the running goroutine, and bindings, each of which is computed once.

use super::{
    Dropped, Skip,
    agree::Facts,
    arguments::{self, Expression},
    emit::{Emitter, Root, Target},
    known::Known,
    path::{Path, Step},
    registers::{self, Abi, Location},
    types::Ty,
    walk::{Piece, Place, Trail, Value, Walk, Word, load_size},
};
use crate::{
    binary::{Binary, Kind},
    manifest::{Correlation, Probe, Role},
};
use uprobed_ebpf::program::Code;

/// A word that a start or a mark hands to the other probes of its span.
#[derive(Clone, Debug)]
pub struct Kept {
    pub name: String,
    pub ty: Ty,
    /// The word is the value's address.
    pub is_address: bool,
}

impl Kept {
    /// Whether what is read through one can be read through the other.
    pub fn is_like(&self, other: &Kept) -> bool {
        (&self.name, self.ty.name(), self.is_address) == (&other.name, other.ty.name(), other.is_address)
    }
}

#[derive(Clone)]
enum Bound {
    Value(Value),
    /// Why the types rule out every alternative.
    Absent(String),
}

/// Compiles the paths of one probe.
pub struct Compiler<'p, 'd> {
    pub binary: &'p Binary<'d>,
    pub probe: &'p Probe,
    pub emit: Emitter,
    /// Alternatives that the types of this program rule out.
    pub dropped: Vec<Dropped>,
    /// Fields that paths go through.
    pub facts: Facts,
    known: &'p Known,
    abi: &'static Abi,
    arguments: Vec<(String, registers::Place)>,
    pub kept: &'p [Kept],
    bound: Vec<Option<Bound>>,
}

impl<'p, 'd> Compiler<'p, 'd> {
    pub fn new(
        binary: &'p Binary<'d>,
        abi: &'static Abi,
        probe: &'p Probe,
        kept: &'p [Kept],
        known: &'p Known,
    ) -> Result<Self, Skip> {
        // An end or event that is found by words needs no place.
        let is_placeless = probe.role != Role::Start && matches!(probe.correlation, Correlation::Words(_));
        if abi.g.is_some() && !is_placeless {
            abi.g_at(probe.site)?;
        }
        let mut arguments = registers::places(abi, binary, probe.site, arguments::parse(&probe.arguments)?);
        if !probe.called_by.is_empty() {
            registers::before_call(abi, &mut arguments);
        }
        let bound = vec![None; probe.bindings.len()];
        let (emit, facts) = (Emitter::default(), Facts::default());
        Ok(Self { binary, probe, emit, dropped: Vec::new(), facts, known, abi, arguments, kept, bound })
    }

    /// Follows a path from an argument, binding or kept word. Bindings must be [`prepare`](Self::prepare)d.
    pub fn walk(&mut self, path: &Path, target: Target) -> Result<Value, Skip> {
        self.walk_steps(path, &path.steps, target)
    }

    /// The same without the path's last steps; `steps` is a prefix of its steps.
    pub fn walk_steps(&mut self, path: &Path, steps: &[Step], target: Target) -> Result<Value, Skip> {
        let (value, used) = self.root(path)?;
        self.at(target).follow(value, path, used..steps.len())
    }

    pub fn at(&mut self, target: Target) -> Walk<'_, 'd> {
        Walk { binary: self.binary, emit: &mut self.emit, known: self.known, facts: &mut self.facts, target }
    }

    /// Computes the bindings that paths begin with. `is_strict`: where one has no value, the whole program ends.
    pub fn prepare(&mut self, paths: &[Path], is_strict: bool) -> Result<(), Skip> {
        self.prepare_before(paths, self.probe.bindings.len(), is_strict)
    }

    fn prepare_before(&mut self, paths: &[Path], visible: usize, is_strict: bool) -> Result<(), Skip> {
        for path in paths {
            let found = self.probe.bindings[..visible].iter().rposition(|binding| binding.name == path.root);
            if let Some(index) = found
                && self.bound[index].is_none()
            {
                let bound = self.bind(index, is_strict)?;
                self.bound[index] = Some(bound);
            } else if found.is_none()
                && let Some(later) = self.probe.bindings.iter().position(|binding| binding.name == path.root)
                && later >= visible
            {
                return Err(Skip::UnknownName { path: path.to_string(), name: path.root.clone() });
            }
        }
        Ok(())
    }

    fn bind(&mut self, index: usize, is_strict: bool) -> Result<Bound, Skip> {
        let binding = &self.probe.bindings[index];
        let paths = parse_all(&binding.paths)?;
        let is_strict = is_strict && paths.len() == 1;
        self.prepare_before(&paths, index, is_strict)?;
        let what = format!("binding {}", binding.name);
        let (viable, why) = self.viable(&what, paths, |_, _, value| Ok(value.ty.name()))?;
        let Some((_, first)) = viable.first() else { return Ok(Bound::Absent(why)) };
        // What follows it is read by one type.
        let (same, other): (Vec<_>, Vec<_>) = viable.iter().cloned().partition(|(_, ty)| ty == first);
        for (path, ty) in other {
            let why = Skip::OtherKind { what: path.to_string(), wanted: "of the first alternative's type", ty };
            self.dropped.push(Dropped { what: what.clone(), path: path.to_string(), why: why.to_string() });
        }
        let paths: Vec<Path> = same.into_iter().map(|(path, _)| path).collect();
        if let ([path], true) = (paths.as_slice(), is_strict) {
            let value = self.walk(path, Target::Abort)?;
            return Ok(Bound::Value(self.settle(value, Target::Abort)?));
        }
        Ok(Bound::Value(self.alternatives(&binding.name, &paths, |_, value| Ok(value))?))
    }

    /// A value that fits a word is loaded now; of others the address is enough.
    fn settle(&mut self, value: Value, target: Target) -> Result<Value, Skip> {
        if load_size(&value.ty).is_err() || matches!(value.place, Place::Pieces(_)) {
            return Ok(value);
        }
        let slot = self.at(target).word(&value, None)?;
        Ok(Value {
            place: Place::Pieces(vec![Piece { word: Word::Slot(slot), offset: 0, size: 8, shift: 0 }]),
            ..value
        })
    }

    /// Those of the paths that this program's types allow, with what `look` makes of the values at their ends; and why the last of
    /// the others does not.
    pub fn viable<T>(
        &mut self,
        what: &str,
        paths: Vec<Path>,
        mut look: impl FnMut(&mut Self, &Path, Value) -> Result<T, Skip>,
    ) -> Result<(Vec<(Path, T)>, String), Skip> {
        let (mut viable, mut reason) = (Vec::new(), "it has no paths".to_owned());
        for path in paths {
            let before = self.emit.clone();
            let looked =
                self.walk_steps(&path, path.split_end().0, Target::Abort).and_then(|value| look(self, &path, value));
            self.emit = before;
            match looked {
                Ok(seen) => viable.push((path, seen)),
                Err(skip) if skip.is_mistake() => return Err(skip),
                Err(skip) => {
                    reason = skip.to_string();
                    let why = reason.clone();
                    self.dropped.push(Dropped { what: what.to_owned(), path: path.to_string(), why });
                }
            }
        }
        Ok((viable, reason))
    }

    /// The value of the first path that can be followed at a hit; a word, or an address, that is 0 if none can. `finish` has the last
    /// word on the value. No operation that follows needs to know whether there was a failure.
    pub fn alternatives(
        &mut self,
        name: &str,
        paths: &[Path],
        mut finish: impl FnMut(&mut Self, Value) -> Result<Value, Skip>,
    ) -> Result<Value, Skip> {
        // Where nothing can fail there is nothing to prepare for.
        if let [path] = paths {
            let before = self.emit.clone();
            let failed = self.emit.label();
            let value = self.walk(path, Target::Label(failed))?;
            let value = finish(self, value)?;
            let is_word_in_memory = load_size(&value.ty).is_ok() && matches!(value.place, Place::Memory { .. });
            if !self.emit.is_used(failed) && !is_word_in_memory {
                return Ok(value);
            }
            self.emit = before;
        }
        let slot = self.emit.slot()?;
        let end = self.emit.label();
        let mut first: Option<Value> = None;
        for path in paths {
            let failed = self.emit.label();
            let scope = self.emit.enter();
            let value = self.walk(path, Target::Label(failed))?;
            let value = finish(self, value)?;
            self.put(&value, slot, Target::Label(failed))?;
            first.get_or_insert(value);
            if !self.emit.is_used(failed) {
                self.emit.leave(scope);
                break;
            }
            self.emit.emit(Code::JUMP, [0, 0], 0, 0, Target::Label(end));
            self.emit.leave(scope);
            self.emit.bind(failed);
            if std::ptr::eq(path, &paths[paths.len() - 1]) {
                self.emit.emit(Code::CONSTANT, [slot, 0], 0, 0, Target::None);
            }
        }
        self.emit.bind(end);
        let value =
            first.ok_or_else(|| Skip::NoBinding { name: name.to_owned(), why: "it has no paths".to_owned() })?;
        let place = if load_size(&value.ty).is_ok() {
            Place::Pieces(vec![Piece { word: Word::Slot(slot), offset: 0, size: 8, shift: 0 }])
        } else {
            Place::Memory { base: slot, offset: 0 }
        };
        let trail = if paths.len() == 1 { value.trail } else { value.trail.named(name) };
        Ok(Value { place, trail, is_checked: false, ..value })
    }

    /// Puts a word, or the address of what is none, into a slot.
    fn put(&mut self, value: &Value, slot: u8, target: Target) -> Result<(), Skip> {
        if load_size(&value.ty).is_ok() {
            return self.at(target).word(value, Some(slot)).map(drop);
        }
        let Place::Memory { base, offset } = value.place else {
            return Err(Skip::NotAddressable(value.trail.to_string()));
        };
        self.emit.not_nil(base, target);
        self.emit.emit(Code::ADD, [slot, base], offset, 0, Target::None);
        Ok(())
    }

    /// The slot of a word that a binding or [`alternatives`](Self::alternatives) made, or of its address.
    pub fn slot_of(&mut self, value: &Value) -> Result<u8, Skip> {
        match &value.place {
            Place::Pieces(_) if load_size(&value.ty).is_ok() => self.at(Target::Abort).word(value, None),
            Place::Memory { base, offset: 0 } => Ok(*base),
            Place::Memory { base, offset } => {
                let slot = self.emit.slot()?;
                self.emit.emit(Code::ADD, [slot, *base], *offset, 0, Target::None);
                Ok(slot)
            }
            Place::Pieces(_) => Err(Skip::NotAddressable(value.trail.to_string())),
        }
    }

    /// What a path begins with, and how many of its steps that takes.
    fn root(&mut self, path: &Path) -> Result<(Value, usize), Skip> {
        let name = &path.root;
        if let Some((kept, _)) = path.kept() {
            return Ok((self.kept(kept)?, 1));
        }
        if name == "g" {
            let ty = Expression::Pointer(Box::new(Expression::Named("runtime.g".to_owned())));
            let piece = Piece { word: Word::Register(self.abi.g_at(self.probe.site)?), offset: 0, size: 8, shift: 0 };
            let ty = Ty::stated(&ty, self.binary)?;
            return Ok((value(ty, Place::Pieces(vec![piece]), Trail::new(name)), 0));
        }
        if let Some(index) = self.probe.bindings.iter().rposition(|binding| binding.name == *name) {
            return match &self.bound[index] {
                Some(Bound::Value(value)) => Ok((value.clone(), 0)),
                Some(Bound::Absent(why)) => Err(Skip::NoBinding { name: name.clone(), why: why.clone() }),
                None => Err(Skip::UnknownName { path: path.to_string(), name: name.clone() }),
            };
        }
        let unknown = || Skip::UnknownName { path: path.to_string(), name: name.clone() };
        let (_, place) = self.arguments.iter().find(|(argument, _)| argument == name).ok_or_else(unknown)?;
        let (ty, location) = place.clone()?;
        let place = match location {
            Location::Registers(parts) => Place::Pieces(
                parts
                    .iter()
                    .map(|part| Piece {
                        word: part.register.map_or(Word::Float, Word::Register),
                        offset: part.offset,
                        size: part.size,
                        shift: part.shift,
                    })
                    .collect(),
            ),
            Location::Stack(offset) => {
                Place::Memory { base: self.emit.root(Root::Register(self.abi.stack_pointer))?, offset }
            }
            Location::At(register) => Place::Memory { base: self.emit.root(Root::Register(register))?, offset: 0 },
            // Rare enough: a large struct behind eight other arguments.
            Location::AtStacked(_) => return Err(Skip::NotPassed(ty.name())),
            Location::Nowhere => Place::Pieces(Vec::new()),
        };
        Ok((value(ty, place, Trail::new(name)), 0))
    }

    fn kept(&mut self, name: &str) -> Result<Value, Skip> {
        // With words as the key, the span is known only when the operations have run.
        let is_known = self.probe.role != Role::Start && !matches!(self.probe.correlation, Correlation::Words(_));
        let found = self.kept.iter().position(|kept| kept.name == name).filter(|_| is_known);
        let index = found.ok_or_else(|| Skip::NotKept(name.to_owned()))?;
        let slot = self.emit.root(Root::Kept(index as u8))?;
        let kept = &self.kept[index];
        let place = if kept.is_address {
            Place::Memory { base: slot, offset: 0 }
        } else {
            Place::Pieces(vec![Piece { word: Word::Slot(slot), offset: 0, size: 8, shift: 0 }])
        };
        Ok(value(kept.ty.clone(), place, Trail::new(&format!("kept.{name}"))))
    }
}

fn value(ty: Ty, place: Place, trail: Trail) -> Value {
    Value { ty, place, trail, is_checked: false }
}

pub fn parse_all(paths: &[String]) -> Result<Vec<Path>, Skip> {
    paths.iter().map(|path| Path::parse(path).map_err(Skip::from)).collect()
}

/// Whether a bare name of this type stands for something that can be nil.
pub fn is_pointer(ty: &Ty) -> bool {
    matches!(ty.kind(), Kind::Pointer | Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer)
}
