//! Go's register ABI (`src/cmd/compile/abi-internal.md`, Go 1.17 and later on amd64, 1.18 on arm64): where arguments and results
//! are at a function's entry and return. Knows the sequences only; reads nothing.

use super::{Skip, types::Ty};
use crate::binary::{Architecture, Binary, Kind};
use uprobed_ebpf::program::amd64;

/// One architecture's registers, by the numbers of `uprobed_ebpf::program`.
#[derive(Debug)]
pub struct Abi {
    pub integers: &'static [u8],
    /// How many floating-point registers.
    pub floats: usize,
    /// The running goroutine.
    pub g: u8,
    pub stack_pointer: u8,
}

pub static AMD64: Abi = Abi {
    integers: &[amd64::AX, amd64::BX, amd64::CX, amd64::DI, amd64::SI, amd64::R8, amd64::R9, amd64::R10, amd64::R11],
    floats: 15,
    g: amd64::R14,
    stack_pointer: amd64::SP,
};

pub static ARM64: Abi =
    Abi { integers: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], floats: 16, g: 28, stack_pointer: 31 };

pub fn abi(architecture: Architecture) -> &'static Abi {
    match architecture {
        Architecture::Amd64 => &AMD64,
        Architecture::Arm64 => &ARM64,
    }
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Each base value in a register of its own.
    Registers(Vec<Part>),
    /// Whole, at this distance from the stack pointer, which points to the return address (amd64) or to the word that the
    /// callee keeps its frame pointer in (arm64).
    Stack(i32),
    /// Of no size.
    Nowhere,
}

/// A base value: part of a value that lies in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// None for a floating-point register.
    pub register: Option<u8>,
    /// Where it would be in memory, in bytes from the value's beginning.
    pub offset: u64,
    pub size: u64,
}

/// A value's base values, as they would lie in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Flat {
    parts: Vec<(u64, u64, bool)>,
    /// Contains an array of two or more elements, or more base values than there are registers.
    is_memory: bool,
}

/// More than any register sequence holds.
const PARTS: usize = 32;
const DEPTH: usize = 12;

/// Hands out registers and stack places in order.
pub struct Assigner<'b, 'd> {
    abi: &'static Abi,
    binary: &'b Binary<'d>,
    integers: usize,
    floats: usize,
    stack: u64,
}

impl<'b, 'd> Assigner<'b, 'd> {
    pub fn new(abi: &'static Abi, binary: &'b Binary<'d>) -> Self {
        Self { abi, binary, integers: 0, floats: 0, stack: 0 }
    }

    /// The next argument's (or result's) place.
    pub fn assign(&mut self, ty: &Ty) -> Result<Location, Skip> {
        let mut flat = Flat::default();
        self.flatten(ty, 0, 0, &mut flat)?;
        if ty.size() == 0 {
            self.stack = align(self.stack, self.alignment(ty, 0)?);
            return Ok(Location::Nowhere);
        }
        let floats = flat.parts.iter().filter(|(.., is_float)| *is_float).count();
        let integers = flat.parts.len() - floats;
        let fits = self.integers + integers <= self.abi.integers.len() && self.floats + floats <= self.abi.floats;
        if flat.is_memory || !fits {
            let at = align(self.stack, self.alignment(ty, 0)?);
            self.stack = at.saturating_add(ty.size());
            // The return address, or on arm64 the saved frame pointer, stands before the arguments.
            let at = i32::try_from(at.saturating_add(8)).map_err(|_| Skip::NoType(ty.name()))?;
            return Ok(Location::Stack(at));
        }
        let parts = flat.parts.into_iter().map(|(offset, size, is_float)| {
            let register = if is_float {
                self.floats += 1;
                None
            } else {
                self.integers += 1;
                Some(self.abi.integers[self.integers - 1])
            };
            Part { register, offset, size }
        });
        Ok(Location::Registers(parts.collect()))
    }

    fn flatten(&self, ty: &Ty, at: u64, depth: usize, flat: &mut Flat) -> Result<(), Skip> {
        if flat.is_memory || depth > DEPTH || flat.parts.len() > PARTS {
            flat.is_memory = true;
            return Ok(());
        }
        let words = |count: u64| (0..count).map(move |index| (at + 8 * index, 8, false));
        match ty.kind() {
            Kind::Float { .. } => flat.parts.push((at, ty.size(), true)),
            Kind::Complex { .. } => {
                let half = ty.size() / 2;
                flat.parts.extend([(at, half, true), (at + half, half, true)]);
            }
            Kind::String | Kind::Interface { .. } => flat.parts.extend(words(2)),
            Kind::Slice => flat.parts.extend(words(3)),
            Kind::Struct => {
                for (field, ty) in ty.fields(self.binary)? {
                    self.flatten(&ty, at.saturating_add(field.offset), depth + 1, flat)?;
                }
            }
            Kind::Array { len: 0 } => {}
            Kind::Array { len: 1 } => self.flatten(&ty.element(self.binary)?, at, depth + 1, flat)?,
            // Of elements without size, too: the compiler counts every longer array as memory.
            Kind::Array { .. } => flat.is_memory = true,
            _ => flat.parts.push((at, ty.size(), false)),
        }
        Ok(())
    }

    fn alignment(&self, ty: &Ty, depth: usize) -> Result<u64, Skip> {
        if depth > DEPTH {
            return Ok(8);
        }
        Ok(match ty.kind() {
            Kind::Bool | Kind::Int { .. } | Kind::Float { .. } => ty.size().max(1),
            Kind::Complex { size } => u64::from(size / 2).max(1),
            Kind::Array { .. } => self.alignment(&ty.element(self.binary)?, depth + 1)?,
            Kind::Struct => {
                let mut most = 1;
                for (_, ty) in ty.fields(self.binary)? {
                    most = most.max(self.alignment(&ty, depth + 1)?);
                }
                most
            }
            _ => 8,
        })
    }
}

fn align(offset: u64, to: u64) -> u64 {
    offset.checked_next_multiple_of(to).unwrap_or(u64::MAX)
}
