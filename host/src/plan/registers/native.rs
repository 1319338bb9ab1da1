//! The platforms' own calling conventions, for C and what follows it. A `string` stands for a pointer and a length, be they two
//! parameters or a struct of both.

use super::{Assigner, Bases, DEPTH, Location, PARTS, Part};
use crate::{
    binary::Kind,
    plan::{
        Skip,
        arguments::{Expression, Parameter},
        types::Ty,
    },
};

/// System V's class of eight bytes; none where no field is.
type Class = Option<IsFloat>;
type IsFloat = bool;

/// The most bytes of a value in System V's registers, and in integer registers of AAPCS64.
const SMALL: u64 = 16;
/// Floating-point members of a value that goes into SIMD registers (AAPCS64's homogeneous aggregates).
const HOMOGENEOUS: usize = 4;

/// Refuses names that mean something else in Go than in C, and what C does not have.
pub fn check(expression: &Expression) -> Result<(), Skip> {
    match expression {
        Expression::Named(name) if matches!(&**name, "int" | "uint") => Err(Skip::GoSize(name.clone())),
        Expression::Pointer(element) | Expression::Array(_, element) => check(element),
        Expression::Named(_) | Expression::Opaque | Expression::Func => Ok(()),
        Expression::Slice(_) | Expression::Map(..) | Expression::Chan | Expression::Interface { .. } => {
            Err(Skip::NotNative(expression.to_string()))
        }
    }
}

impl Assigner<'_, '_> {
    /// A result in memory takes its address as a hidden argument, in System V as the first.
    pub(super) fn make_room_for(&mut self, results: &[Parameter]) {
        let [result] = results else { return };
        let mut fresh = Assigner::new(self.abi, self.binary);
        fresh.turn_to_results(true);
        let place = self.typed(&result.ty).and_then(|ty| fresh.assign(&ty));
        match place {
            Ok(Location::At(_)) => self.integers += 1,
            Ok(_) | Err(Skip::Float(_)) => {}
            // Whether there is a hidden argument is not known.
            Err(skip) => self.unknown = Some(skip),
        }
    }

    pub(super) fn assign_system_v(&mut self, ty: &Ty) -> Result<Location, Skip> {
        let Some(bases) = self.value(ty)? else { return Ok(Location::Nowhere) };
        let alignment = self.alignment(ty, 0)?;
        let classes = classes(ty, &bases, self.is_result)?;
        let Some(classes) = classes.filter(|classes| self.fits_system_v(classes)) else {
            if self.is_result {
                return Ok(Location::At(self.registers[0]));
            }
            let at = self.on_stack(ty, ty.size().next_multiple_of(8), alignment.max(8))?;
            return Ok(Location::Stack(at));
        };
        let registers: Vec<Option<u8>> = classes
            .iter()
            .map(|class| {
                if *class == Some(true) {
                    self.floats += 1;
                    return None;
                }
                self.integers += 1;
                Some(self.registers[self.integers - 1])
            })
            .collect();
        Ok(Location::Registers(parts(&bases, &registers)))
    }

    fn fits_system_v(&self, classes: &[Class]) -> bool {
        let floats = classes.iter().filter(|class| **class == Some(true)).count();
        let integers = classes.len() - floats;
        let most = if self.is_result { 2 } else { self.abi.floats };
        self.integers + integers <= self.registers.len() && self.floats + floats <= most
    }

    pub(super) fn assign_aapcs64(&mut self, ty: &Ty) -> Result<Location, Skip> {
        let Some(bases) = self.value(ty)? else { return Ok(Location::Nowhere) };
        let alignment = self.alignment(ty, 0)?;
        if is_homogeneous(&bases) {
            if self.floats + bases.len() <= self.abi.floats {
                self.floats += bases.len();
                return Ok(Location::Registers(parts(&bases, &[])));
            }
            // No later value goes into what is left.
            self.floats = self.abi.floats;
            let at = self.on_stack(ty, ty.size().next_multiple_of(8), alignment.max(8))?;
            return Ok(Location::Stack(at));
        }
        if ty.size() > SMALL {
            return match (self.is_result, self.registers.get(self.integers)) {
                // X8 had its address when the function began.
                (true, _) => Err(Skip::Gone(format!("the address of a {}", ty.name()))),
                (false, Some(register)) => {
                    self.integers += 1;
                    Ok(Location::At(*register))
                }
                (false, None) => self.on_stack(ty, 8, 8).map(Location::AtStacked),
            };
        }
        let words = ty.size().div_ceil(8) as usize;
        if alignment == 16 {
            self.integers = self.integers.next_multiple_of(2);
        }
        match self.registers.get(self.integers..self.integers + words) {
            Some(registers) => {
                self.integers += words;
                let registers: Vec<Option<u8>> = registers.iter().copied().map(Some).collect();
                Ok(Location::Registers(parts(&bases, &registers)))
            }
            None => {
                self.integers = self.registers.len();
                let at = self.on_stack(ty, ty.size().next_multiple_of(8), alignment.max(8))?;
                Ok(Location::Stack(at))
            }
        }
    }

    /// A value's base values; empty for one that is in memory in any case, none for one without a size.
    fn value(&self, ty: &Ty) -> Result<Option<Bases>, Skip> {
        if let Some(skip) = &self.unknown {
            return Err(skip.clone());
        }
        // Parameters that are written as arrays are pointers.
        if matches!(ty.kind(), Kind::Array { .. } | Kind::Slice | Kind::Map | Kind::Chan | Kind::Interface { .. }) {
            return Err(Skip::NotPassed(ty.name()));
        }
        // A pointer and its length are split between the last register and the stack as two parameters, but not as a struct.
        if ty.kind() == Kind::String && self.integers + 1 == self.registers.len() {
            return Err(Skip::NotPassed(ty.name()));
        }
        if ty.size() == 0 {
            return Ok(None);
        }
        let mut bases = Vec::new();
        if ty.size() <= SMALL * HOMOGENEOUS as u64 {
            self.spread(ty, 0, 0, &mut bases)?;
            // Of a union, what several of its fields have in common is one.
            bases.sort_unstable();
            bases.dedup();
        }
        Ok(Some(bases))
    }

    fn spread(&self, ty: &Ty, at: u64, depth: usize, bases: &mut Bases) -> Result<(), Skip> {
        if depth > DEPTH || bases.len() > PARTS {
            return Err(Skip::NotPassed(ty.name()));
        }
        match ty.kind() {
            Kind::Float { .. } => bases.push((at, ty.size(), true)),
            Kind::Complex { .. } => {
                let half = ty.size() / 2;
                bases.extend([(at, half, true), (at + half, half, true)]);
            }
            Kind::String | Kind::Int { size: 16, .. } => bases.extend([(at, 8, false), (at + 8, 8, false)]),
            Kind::Struct | Kind::Union => {
                for (field, ty) in ty.fields(self.binary)? {
                    self.spread(&ty, at.saturating_add(field.offset), depth + 1, bases)?;
                }
            }
            Kind::Array { len } => {
                let element = ty.element(self.binary)?;
                for index in (0..len).take_while(|_| element.size() > 0) {
                    self.spread(&element, at.saturating_add(index * element.size()), depth + 1, bases)?;
                }
            }
            // Only which eight bytes they are in matters; packed ones can be in two.
            Kind::Bits { offset, size, .. } => {
                let last = at.saturating_add(u64::from(offset.saturating_add(size.max(1)) - 1) / 8);
                bases.extend([(at, 1, false), (last, 1, false)]);
            }
            Kind::Slice | Kind::Map | Kind::Chan | Kind::Interface { .. } | Kind::Variants => {
                return Err(Skip::NotPassed(ty.name()));
            }
            _ => bases.push((at, ty.size(), false)),
        }
        Ok(())
    }
}

/// By eight bytes; none for a value in memory.
fn classes(ty: &Ty, bases: &Bases, is_result: bool) -> Result<Option<Vec<Class>>, Skip> {
    let is_unaligned = |&(offset, size, _): &(u64, u64, bool)| !offset.is_multiple_of(size.clamp(1, 16));
    match (ty.kind(), is_result) {
        // `__float128` is in one register of both eight bytes; the other one is amd64's `long double`, which is returned in ST0.
        (Kind::Float { size: 16 }, _) if ty.name().ends_with("loat128") => return Ok(Some(vec![Some(true)])),
        (Kind::Float { size: 16 } | Kind::Complex { size: 32 }, true) => return Err(Skip::Float(ty.name())),
        (Kind::Float { size: 16 } | Kind::Complex { size: 32 }, false) => return Ok(None),
        (_, _) if ty.size() == SMALL && bases.iter().any(|base| base.2 && base.1 == SMALL) => {
            return Err(Skip::NotPassed(ty.name()));
        }
        _ => {}
    }
    if ty.size() > SMALL || bases.iter().any(is_unaligned) {
        return Ok(None);
    }
    let mut classes: Vec<Class> = vec![None; ty.size().div_ceil(8) as usize];
    for &(offset, _, is_float) in bases {
        // A bit-field's storage may be said to lie beyond the struct.
        let class = classes.get_mut((offset / 8) as usize).ok_or_else(|| Skip::NotPassed(ty.name()))?;
        *class = Some(is_float && class.unwrap_or(true));
    }
    // Padding of eight bytes, or an empty class of C++: compilers disagree.
    if classes.contains(&None) { Err(Skip::NotPassed(ty.name())) } else { Ok(Some(classes)) }
}

fn is_homogeneous(bases: &Bases) -> bool {
    let first = bases.first().map(|(_, size, _)| *size);
    bases.len() <= HOMOGENEOUS && first.is_some() && bases.iter().all(|base| base.2 && Some(base.1) == first)
}

/// `registers` are those of each eight bytes.
fn parts(bases: &Bases, registers: &[Option<u8>]) -> Vec<Part> {
    let part = |&(offset, size, _): &(u64, u64, bool)| Part {
        register: registers.get((offset / 8) as usize).copied().flatten(),
        shift: (offset % 8) as u8,
        offset,
        size,
    };
    bases.iter().map(part).collect()
}
