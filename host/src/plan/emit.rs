//! Puts operations together: slots, labels, and what is known already where an operation stands, so that nothing is loaded twice.
//! Knows operations only, neither types nor paths.

use super::{Skip, tighten::Body};
use uprobed_ebpf::program::{ABORT, Code, ElementLayout, KEYS, NO_SLOT, OPS, Op, WORDS};

/// Where a failure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Abort,
    Label(usize),
    /// For operations that cannot fail.
    None,
}

/// What a word without operands before it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Register(u8),
    Kept(u8),
}

/// What is true of words wherever execution gets to from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    /// `slot` holds the `size` (with the sign bit) bytes at `base + offset`.
    Loaded {
        base: u8,
        offset: i32,
        size: u64,
        slot: u8,
    },
    NotNil(u8),
    /// The index is below the length in this slot.
    Below(u32, u8),
    /// The itab or type in this slot is that of the type at this address.
    Is(u8, u64),
    /// The map that `MAP_KEY` speaks of.
    Map(u8, u64),
    /// The slice, by pointer and length, that `FIND` speaks of.
    Slice([u8; 2], u64),
}

/// What a loaded word was loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub base: u8,
    pub offset: i32,
}

#[derive(Clone, Debug, Default)]
pub struct Emitter {
    /// They cannot fail, so they stand first and hold everywhere.
    roots: Vec<(Root, u8)>,
    body: Vec<(Op, Option<usize>)>,
    /// Where labels stand in `body`, and whether anything jumps there.
    labels: Vec<(usize, bool)>,
    facts: Vec<Fact>,
    /// Slots in use from the bottom; those of roots are at the top.
    slots: usize,
    /// Pointers that were loaded without a check of their type, in order: for finding what several captures share.
    pub loads: Vec<Load>,
}

/// What [`Emitter::leave`] goes back to.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    facts: usize,
    slots: usize,
}

impl Emitter {
    /// A new word.
    pub fn slot(&mut self) -> Result<u8, Skip> {
        if self.slots + self.roots.len() >= WORDS {
            return Err(Skip::TooLong { what: "words", most: WORDS });
        }
        self.slots += 1;
        Ok((self.slots - 1) as u8)
    }

    /// The word that a root is in.
    pub fn root(&mut self, root: Root) -> Result<u8, Skip> {
        if let Some((_, slot)) = self.roots.iter().find(|(known, _)| *known == root) {
            return Ok(*slot);
        }
        if self.slots + self.roots.len() >= WORDS {
            return Err(Skip::TooLong { what: "words", most: WORDS });
        }
        let slot = (WORDS - 1 - self.roots.len()) as u8;
        self.roots.push((root, slot));
        Ok(slot)
    }

    /// Takes over the roots of an emitter that was cloned from this one.
    pub fn adopt_roots(&mut self, other: Self) {
        self.roots = other.roots;
    }

    pub fn label(&mut self) -> usize {
        self.labels.push((0, false));
        self.labels.len() - 1
    }

    pub fn bind(&mut self, label: usize) {
        self.labels[label].0 = self.body.len();
    }

    pub fn is_used(&self, label: usize) -> bool {
        self.labels[label].1
    }

    pub fn emit(&mut self, code: Code, [a, b]: [u8; 2], offset: i32, value: u64, target: Target) {
        let (target, label) = match target {
            Target::Abort => (ABORT, None),
            Target::None => (0, None),
            Target::Label(label) => {
                self.labels[label].1 = true;
                (0, Some(label))
            }
        };
        self.body.push((Op { code, a, b, target, offset, value }, label));
    }

    /// Facts found from here on hold only until [`leave`](Self::leave): a failure may jump over what they stand on.
    pub fn enter(&self) -> Scope {
        Scope { facts: self.facts.len(), slots: self.slots }
    }

    /// Whether a slot is meant for longer than the scope.
    pub fn outlasts(&self, slot: u8, scope: Scope) -> bool {
        usize::from(slot) < scope.slots || usize::from(slot) >= WORDS - self.roots.len()
    }

    pub fn leave(&mut self, scope: Scope) {
        let gone: Vec<Fact> = self.facts.drain(scope.facts..).collect();
        // The current map or slice may be that of the scope, or not.
        if gone.iter().any(|fact| matches!(fact, Fact::Map(..))) {
            self.facts.push(Fact::Map(NO_SLOT, 0));
        }
        if gone.iter().any(|fact| matches!(fact, Fact::Slice(..))) {
            self.facts.push(Fact::Slice([NO_SLOT; 2], 0));
        }
        self.slots = scope.slots;
    }

    /// The word at `base + offset`; `size` as `Code::LOAD` has it. `into` is the slot where it has to be, if that matters.
    pub fn load(&mut self, load: Load, size: u64, into: Option<u8>, target: Target) -> Result<u8, Skip> {
        let Load { base, offset } = load;
        let known = self.facts.iter().find_map(|fact| match *fact {
            Fact::Loaded { base: b, offset: o, size: s, slot } if (b, o, s) == (base, offset, size) => Some(slot),
            _ => None,
        });
        match (known, into) {
            (Some(slot), None) => return Ok(slot),
            (Some(slot), Some(into)) => {
                self.emit(Code::ADD, [into, slot], 0, 0, Target::None);
                return Ok(into);
            }
            (None, _) => {}
        }
        let slot = match into {
            Some(slot) => slot,
            None => self.slot()?,
        };
        self.emit(Code::LOAD, [slot, base], offset, size, target);
        if into.is_none() {
            self.facts.push(Fact::Loaded { base, offset, size, slot });
        }
        self.facts.push(Fact::NotNil(base));
        Ok(slot)
    }

    /// Loads a word for all that follows; it is 0 if it cannot be loaded.
    pub fn share(&mut self, load: Load) -> Result<(), Skip> {
        let slot = self.slot()?;
        let (failed, end) = (self.label(), self.label());
        let scope = self.enter();
        self.load(load, 8, Some(slot), Target::Label(failed))?;
        self.emit(Code::JUMP, [0, 0], 0, 0, Target::Label(end));
        self.leave(scope);
        self.bind(failed);
        self.emit(Code::CONSTANT, [slot, 0], 0, 0, Target::None);
        self.bind(end);
        self.facts.push(Fact::Loaded { base: load.base, offset: load.offset, size: 8, slot });
        Ok(())
    }

    pub fn is_loaded(&self, load: Load) -> bool {
        let is_it =
            |fact: &Fact| matches!(*fact, Fact::Loaded { base, offset, size: 8, .. } if Load { base, offset } == load);
        self.facts.iter().any(is_it)
    }

    pub fn not_nil(&mut self, slot: u8, target: Target) {
        if !self.facts.contains(&Fact::NotNil(slot)) {
            self.emit(Code::NOT_NIL, [0, slot], 0, 0, target);
            self.facts.push(Fact::NotNil(slot));
        }
    }

    /// An index and the length of its slice.
    pub fn below(&mut self, index: u32, length: u8, target: Target) {
        let is_known = |fact: &Fact| matches!(*fact, Fact::Below(most, slot) if slot == length && most >= index);
        if !self.facts.iter().any(is_known) {
            self.emit(Code::BELOW, [0, length], 0, index.into(), target);
            self.facts.push(Fact::Below(index, length));
        }
    }

    /// The word in a slot and so much more.
    pub fn add(&mut self, base: u8, offset: i32) -> Result<u8, Skip> {
        let slot = self.slot()?;
        self.emit(Code::ADD, [slot, base], offset, 0, Target::None);
        Ok(slot)
    }

    /// The number of entries of the map in a slot.
    pub fn count(&mut self, map: u8, offset: i32, target: Target) -> Result<u8, Skip> {
        let slot = self.slot()?;
        self.emit(Code::COUNT, [slot, map], offset, 0, target);
        Ok(slot)
    }

    /// The dynamic type: `slot` holds an itab or, of an empty interface, a type.
    pub fn is_type(&mut self, slot: u8, is_empty: bool, address: u64, target: Target) {
        if self.facts.contains(&Fact::Is(slot, address)) {
            return;
        }
        if is_empty {
            self.emit(Code::TYPE_IS, [0, slot], 0, address, target);
        } else {
            // The type is an itab's second word (internal/abi.ITab, before 1.23 runtime.itab; Go 1.18 to 1.27).
            self.emit(Code::ITAB_IS, [0, slot], 8, address, target);
        }
        self.facts.push(Fact::Is(slot, address));
    }

    /// Makes the map in `slot` the one that keys are looked for in.
    pub fn map(&mut self, slot: u8, layout: u64) {
        if self.facts.iter().rfind(|fact| matches!(fact, Fact::Map(..))) == Some(&Fact::Map(slot, layout)) {
            return;
        }
        self.emit(Code::MAP, [0, slot], 0, layout, Target::None);
        self.facts.push(Fact::Map(slot, layout));
    }

    /// Makes the slice of this pointer and length the one that is searched.
    pub fn slice(&mut self, [pointer, length]: [u8; 2], layout: ElementLayout) {
        let fact = Fact::Slice([pointer, length], layout.pack());
        if self.facts.iter().rfind(|fact| matches!(fact, Fact::Slice(..))) != Some(&fact) {
            self.emit(Code::SLICE, [length, pointer], 0, layout.pack(), Target::None);
            self.facts.push(fact);
        }
    }

    /// Looks for a key in the current map (`MAP_KEY`) or slice (`FIND`). That records capture `a` in any case, and goes on to the next
    /// operation.
    pub fn key(&mut self, code: Code, a: u8, key: &str, offset: i32) {
        for (index, chunk) in key.as_bytes().chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let (code, offset) = if index == 0 { (code, offset) } else { (Code::KEY_MORE, 0) };
            self.emit(code, [a, key.len() as u8], offset, u64::from_le_bytes(word), Target::None);
        }
    }

    /// The whole program's operations.
    pub fn finish(self) -> Result<Vec<Op>, Skip> {
        let first = self.roots.len();
        let mut body = Body { ops: self.body, labels: self.labels.iter().map(|(at, _)| *at).collect() };
        body.tighten();
        if first + body.ops.len() > OPS {
            return Err(Skip::TooLong { what: "operations", most: OPS });
        }
        // A walk takes a step for each group of a map and each element of a slice; more walks could end a run before the program's end.
        let is_walk = |op: &Op| matches!(op.code, Code::MAP_KEY | Code::FIND);
        if body.ops.iter().filter(|(op, _)| is_walk(op)).count() > KEYS {
            return Err(Skip::TooLong { what: "keys of maps and slices", most: KEYS });
        }
        // Where a key is compared, two operations have to follow.
        if body.ops.iter().rposition(|(op, _)| is_walk(op)).is_some_and(|last| first + last + 2 >= OPS) {
            return Err(Skip::TooLong { what: "operations", most: OPS });
        }
        let roots = self.roots.iter().map(|(root, slot)| {
            let (code, b) = match *root {
                Root::Register(register) => (Code::REGISTER, register),
                Root::Kept(index) => (Code::KEPT, index),
            };
            Op { code, a: *slot, b, target: 0, offset: 0, value: 0 }
        });
        let ops = body.ops.iter().map(|(op, label)| match label {
            Some(label) => Op { target: (first + body.labels[*label]) as u8, ..*op },
            None => *op,
        });
        Ok(roots.chain(ops).collect())
    }
}
