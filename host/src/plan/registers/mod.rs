//! Where arguments are at a function's entry, and results at its return, by the convention that its callers keep to. Knows the
//! sequences only; reads nothing. Not known: C++ values that are passed by reference because they cannot be copied bytewise
//! (stated as pointers, they are right), vectors, and what a compiler changes in functions that it knows all callers of.

mod go;
mod native;
#[cfg(test)]
#[path = "../tests/registers.rs"]
mod tests;

use super::{
    Skip,
    arguments::{Expression, Parameter, Signature},
    runtime,
    types::Ty,
};
use crate::{
    binary::{Architecture, Binary, Convention, Function},
    manifest::Site,
};
use uprobed_ebpf::program::amd64;

/// One architecture's rules, with registers by the numbers of `uprobed_ebpf::program`.
#[derive(Debug)]
pub struct Abi {
    pub rules: Rules,
    /// Those of arguments, in their order.
    pub integers: &'static [u8],
    /// Those of results.
    pub results: &'static [u8],
    /// How many floating-point registers; as many for results, on System V two.
    pub floats: usize,
    /// The running goroutine, where there is one; whether it is still there when the function returns.
    pub g: Option<u8>,
    pub keeps_g: bool,
    pub stack_pointer: u8,
    /// Where arguments on the stack begin, in bytes from the stack pointer at the entry.
    pub stack: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// `src/cmd/compile/abi-internal.md`; without registers, the stack ABI too.
    Go,
    /// System V psABI for AMD64, 3.2.3.
    SystemV,
    /// Procedure Call Standard for the Arm 64-bit Architecture, 6.8, as Linux has it.
    Aapcs64,
}

use amd64::{AX, BX, CX, DI, DX, R8, R9, R10, R11, R14, SI, SP};

const ARM64_SP: u8 = 31;
const ARM64_G: u8 = 28;
const GO_AMD64: &[u8] = &[AX, BX, CX, DI, SI, R8, R9, R10, R11];
const GO_ARM64: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const AAPCS64: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7];

// The return address, or on arm64 the word that the callee keeps its frame pointer in, stands before Go's arguments.
static AMD64: Abi = Abi {
    rules: Rules::Go,
    integers: GO_AMD64,
    results: GO_AMD64,
    floats: 15,
    g: Some(R14),
    keeps_g: true,
    stack_pointer: SP,
    stack: 8,
};
static ARM64: Abi =
    Abi { integers: GO_ARM64, results: GO_ARM64, floats: 16, g: Some(ARM64_G), stack_pointer: ARM64_SP, ..AMD64 };
// Assembly may use R14 for what it likes; what calls it from Go has g there.
static AMD64_STACK: Abi = Abi { integers: &[], results: &[], floats: 0, keeps_g: false, ..AMD64 };
static ARM64_STACK: Abi = Abi { integers: &[], results: &[], floats: 0, ..ARM64 };
static AMD64_NATIVE: Abi =
    Abi { rules: Rules::SystemV, integers: &[DI, SI, DX, CX, R8, R9], results: &[AX, DX], floats: 8, g: None, ..AMD64 };
static ARM64_NATIVE: Abi = Abi {
    rules: Rules::Aapcs64,
    integers: AAPCS64,
    results: AAPCS64,
    floats: 8,
    g: None,
    stack_pointer: ARM64_SP,
    stack: 0,
    keeps_g: true,
};

/// How this function is called; why it cannot be probed if that is not known.
pub fn abi(binary: &Binary, function: &Function) -> Result<&'static Abi, Skip> {
    let convention = runtime::convention(binary, function)?;
    Ok(match (binary.architecture(), convention) {
        (Architecture::Amd64, Convention::Go) => &AMD64,
        (Architecture::Amd64, Convention::GoStack) => &AMD64_STACK,
        (Architecture::Amd64, Convention::Native) => &AMD64_NATIVE,
        (Architecture::Arm64, Convention::Go) => &ARM64,
        (Architecture::Arm64, Convention::GoStack) => &ARM64_STACK,
        (Architecture::Arm64, Convention::Native) => &ARM64_NATIVE,
    })
}

impl Abi {
    /// The register of the running goroutine at a site.
    pub fn g_at(&self, site: Site) -> Result<u8, Skip> {
        match self.g {
            None => Err(Skip::NoGoroutine("in native code")),
            Some(_) if site == Site::Return && !self.keeps_g => Err(Skip::NoGoroutine("where assembly returns")),
            Some(register) => Ok(register),
        }
    }

    pub fn is_native(&self) -> bool {
        self.rules != Rules::Go
    }
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Each base value in a register, or a part of one.
    Registers(Vec<Part>),
    /// Whole, at this distance from the stack pointer.
    Stack(i32),
    /// Whole, at the address in this register.
    At(u8),
    /// Whole, at the address that is on the stack, at this distance from the stack pointer.
    AtStacked(i32),
    /// Of no size.
    Nowhere,
}

/// A base value: part of a value that lies in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// None for a floating-point register.
    pub register: Option<u8>,
    /// Where in the register it begins, in bytes from the lowest.
    pub shift: u8,
    /// Where it would be in memory, in bytes from the value's beginning.
    pub offset: u64,
    pub size: u64,
}

/// A type and its value's place, or why they are unknown.
pub type Place = Result<(Ty, Location), Skip>;

/// The places of a signature's names at a site. At a return, a list without results is one of results.
pub fn places(abi: &'static Abi, binary: &Binary, site: Site, signature: Signature) -> Vec<(String, Place)> {
    let Signature { parameters, results } = signature;
    let (arguments, results) = match (site, results) {
        (Site::Return, None) => (None, Some(parameters)),
        (_, results) => (Some(parameters), results),
    };
    let mut assigner = Assigner::new(abi, binary);
    if abi.rules == Rules::SystemV && site == Site::Entry {
        assigner.make_room_for(results.as_deref().unwrap_or_default());
    }
    let is_stated = arguments.is_some();
    let mut places = Vec::new();
    for (name, place) in assigner.all(arguments.unwrap_or_default()) {
        let place = if site == Site::Return { Err(Skip::Gone(format!("the argument {name}"))) } else { place };
        places.push((name, place));
    }
    assigner.turn_to_results(is_stated);
    for (name, place) in assigner.all(results.unwrap_or_default()) {
        let place = match place {
            _ if site == Site::Entry => Err(Skip::NotYet(name.clone())),
            Ok((_, Location::Stack(_) | Location::AtStacked(_))) if !assigner.knows_stack => {
                Err(Skip::StackResult(name.clone()))
            }
            place => place,
        };
        places.push((name, place));
    }
    places
}

/// The same places at the call itself: amd64 has not pushed the return address yet.
pub fn before_call(abi: &Abi, places: &mut [(String, Place)]) {
    let pushed = if abi.stack_pointer == SP { 8 } else { 0 };
    for (_, place) in places {
        if let Ok((_, Location::Stack(distance) | Location::AtStacked(distance))) = place {
            *distance -= pushed;
        }
    }
}

/// Hands out registers and stack places in order.
struct Assigner<'b, 'd> {
    abi: &'static Abi,
    binary: &'b Binary<'d>,
    /// Of arguments, or of results.
    registers: &'static [u8],
    /// Of both, those in use.
    integers: usize,
    floats: usize,
    stack: u64,
    /// Whether every place so far is known.
    knows_stack: bool,
    is_result: bool,
    /// Why no argument's place is known.
    unknown: Option<Skip>,
}

/// A value's base values as they would lie in memory: offset, size, and whether it is a floating-point number.
type Bases = Vec<(u64, u64, bool)>;

/// More than any register sequence holds, and how deep types are nested that are looked into.
const PARTS: usize = 64;
const DEPTH: usize = 12;

impl<'b, 'd> Assigner<'b, 'd> {
    fn new(abi: &'static Abi, binary: &'b Binary<'d>) -> Self {
        Self {
            abi,
            binary,
            registers: abi.integers,
            integers: 0,
            floats: 0,
            stack: 0,
            knows_stack: true,
            is_result: false,
            unknown: None,
        }
    }

    /// Where one cannot be placed, the places of those after it are unknown.
    fn all(&mut self, parameters: Vec<Parameter>) -> Vec<(String, Place)> {
        let mut failure: Option<Skip> = None;
        let all = parameters.into_iter().map(|Parameter { name, ty }| {
            let place = match &failure {
                Some(failure) => Err(failure.clone()),
                None => self.typed(&ty).and_then(|ty| self.assign(&ty).map(|location| (ty, location))),
            };
            failure = place.as_ref().err().cloned();
            (name, place)
        });
        let all = all.collect();
        self.knows_stack &= failure.is_none();
        all
    }

    fn typed(&self, expression: &Expression) -> Result<Ty, Skip> {
        if self.abi.is_native() {
            native::check(expression)?;
        }
        Ty::stated(expression, self.binary)
    }

    fn assign(&mut self, ty: &Ty) -> Result<Location, Skip> {
        match self.abi.rules {
            Rules::Go => self.assign_go(ty),
            Rules::SystemV => self.assign_system_v(ty),
            Rules::Aapcs64 => self.assign_aapcs64(ty),
        }
    }

    /// Results begin with fresh registers; on Go's stack they stand behind the arguments.
    fn turn_to_results(&mut self, are_arguments_stated: bool) {
        self.registers = self.abi.results;
        (self.integers, self.floats) = (0, 0);
        self.stack = align(self.stack, 8);
        self.knows_stack &= are_arguments_stated;
        self.is_result = true;
    }

    /// The next place on the stack.
    fn on_stack(&mut self, ty: &Ty, size: u64, alignment: u64) -> Result<i32, Skip> {
        let at = align(self.stack, alignment);
        self.stack = at.saturating_add(size);
        i32::try_from(at.saturating_add(self.abi.stack)).map_err(|_| Skip::NotPassed(ty.name()))
    }
}

fn align(offset: u64, to: u64) -> u64 {
    offset.checked_next_multiple_of(to).unwrap_or(u64::MAX)
}
