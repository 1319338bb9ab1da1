//! Go's two calling conventions. The register ABI (`src/cmd/compile/abi-internal.md`, `cmd/compile/internal/abi`; Go 1.17 and later on
//! amd64, 1.18 on arm64) and, as the same with no registers, the stack ABI of assembly. What is spilled is not looked at: at the entry
//! everything is still in its register, and the spill area holds nothing yet.

use super::{Assigner, Bases, DEPTH, Location, PARTS, Part, align};
use crate::{
    binary::Kind,
    plan::{Skip, types::Ty},
};

/// A value's base values; none if it goes to the stack whatever registers there are.
type Flat = Option<Bases>;

impl Assigner<'_, '_> {
    pub(super) fn assign_go(&mut self, ty: &Ty) -> Result<Location, Skip> {
        let alignment = self.alignment(ty, 0)?;
        if ty.size() == 0 {
            self.stack = align(self.stack, alignment);
            return Ok(Location::Nowhere);
        }
        let mut flat = Some(Vec::new());
        self.flatten(ty, 0, 0, &mut flat)?;
        let Some(bases) = flat.filter(|bases| self.fits(bases)) else {
            return self.on_stack(ty, ty.size(), alignment).map(Location::Stack);
        };
        let parts = bases.into_iter().map(|(offset, size, is_float)| {
            let register = if is_float {
                self.floats += 1;
                None
            } else {
                self.integers += 1;
                Some(self.registers[self.integers - 1])
            };
            Part { register, shift: 0, offset, size }
        });
        Ok(Location::Registers(parts.collect()))
    }

    fn fits(&self, bases: &Bases) -> bool {
        let floats = bases.iter().filter(|(.., is_float)| *is_float).count();
        let integers = bases.len() - floats;
        self.integers + integers <= self.registers.len() && self.floats + floats <= self.abi.floats
    }

    fn flatten(&self, ty: &Ty, at: u64, depth: usize, flat: &mut Flat) -> Result<(), Skip> {
        let Some(bases) = flat else { return Ok(()) };
        if depth > DEPTH || bases.len() > PARTS {
            *flat = None;
            return Ok(());
        }
        let words = |count: u64| (0..count).map(move |index| (at + 8 * index, 8, false));
        match ty.kind() {
            Kind::Float { .. } => bases.push((at, ty.size(), true)),
            Kind::Complex { .. } => {
                let half = ty.size() / 2;
                bases.extend([(at, half, true), (at + half, half, true)]);
            }
            Kind::String | Kind::Interface { .. } => bases.extend(words(2)),
            Kind::Slice => bases.extend(words(3)),
            Kind::Struct => {
                let fields = ty.fields(self.binary)?;
                if is_vector(&fields) {
                    bases.push((at, ty.size(), true));
                    return Ok(());
                }
                for (field, ty) in fields {
                    self.flatten(&ty, at.saturating_add(field.offset), depth + 1, flat)?;
                }
            }
            Kind::Array { len: 0 } => {}
            Kind::Array { len: 1 } => self.flatten(&ty.element(self.binary)?, at, depth + 1, flat)?,
            // Of elements without size, too: the compiler counts every longer array as memory.
            Kind::Array { .. } => *flat = None,
            _ => bases.push((at, ty.size(), false)),
        }
        Ok(())
    }

    pub(super) fn alignment(&self, ty: &Ty, depth: usize) -> Result<u64, Skip> {
        if depth > DEPTH {
            return Ok(8);
        }
        Ok(match ty.kind() {
            // C has integers and floating-point numbers of 16 bytes.
            Kind::Bool | Kind::Int { .. } | Kind::Float { .. } => ty.size().clamp(1, 16),
            Kind::Complex { size } => u64::from(size / 2).max(1),
            Kind::Array { .. } => self.alignment(&ty.element(self.binary)?, depth + 1)?,
            Kind::Struct | Kind::Union => {
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

/// Of GOEXPERIMENT=simd (Go 1.26 and later): one vector register, whatever its other fields are.
fn is_vector(fields: &[(crate::binary::Field, Ty)]) -> bool {
    let tags = ["simd/archsimd.v128", "simd/archsimd.v256", "simd/archsimd.v512"];
    fields.first().is_some_and(|(field, ty)| field.offset == 0 && ty.size() == 0 && tags.contains(&&*ty.name()))
}
