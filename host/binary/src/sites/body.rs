//! A function's instructions, found by following its jumps from its beginning, so that padding and data between them are not taken for
//! code: a probe writes into what it stands on. Knows no machine; `Machine` is what it needs to know of one.
//!
//! What nothing jumps to is code only where the binary says so: a C++ exception enters at the landing pads that it lists (`landing`),
//! Go's recovery of a panic at the call of `runtime.deferreturn` (1.18 to 1.27). The latter is looked for, in what Go compiled: there no
//! data stands between instructions. Whatever else is unreached has no probe, and is asked only whether it could return.

use std::collections::BTreeMap;

use super::super::functions::pclntab::Written;
use super::super::{Binary, Function, functions};
use super::landing;
use super::machine::{Flow, Instruction, Machine};
use super::tables;
use super::{Cost, Refusal, Site};

/// In one function; more are not followed.
const MAX_INSTRUCTIONS: usize = 1 << 20;
/// Jumps through tables in one function.
const MAX_TABLES: usize = 1024;
/// Pieces that a compiler put elsewhere.
const MAX_PARTS: usize = 8;
/// Where a stack check branches to, the arguments are saved, the stack grows, and they are read back.
const MAX_GROWTH: usize = 80;
/// Instructions looked at before a jump for the table that it takes its target from.
const BEFORE_JUMP: usize = 24;
/// Of a function whose symbol has no size, so many bytes are followed.
const MAX_UNSIZED: u64 = 4096;
/// Where a panic goes on that was recovered.
const RECOVERY: &str = "runtime.deferreturn";

pub(super) struct Body<'a, 'd, M: Machine> {
    binary: &'a Binary<'d>,
    parts: Vec<Part<'d>>,
    instructions: BTreeMap<u64, Instruction<M::Detail>>,
    /// Where it leaves the function other than by calls and returns; none if only known when it runs.
    pub exits: Vec<Option<u64>>,
    /// Still to be followed, and whether a call is right before, which perhaps does not come back.
    pending: Vec<(u64, bool)>,
    /// Jumps to where a register says, not yet followed.
    indirect: Vec<Instruction<M::Detail>>,
    /// Where jumps through tables lead.
    through_tables: Vec<u64>,
    is_compiled_by_go: bool,
}

/// A piece of code.
struct Part<'d> {
    start: u64,
    code: &'d [u8],
    /// By byte: whether an instruction has been read there.
    covered: Vec<bool>,
}

impl<'d> Part<'d> {
    fn new(start: u64, code: &'d [u8]) -> Self {
        Self { start, code, covered: vec![false; code.len()] }
    }

    fn offset(&self, address: u64) -> Option<usize> {
        usize::try_from(address.checked_sub(self.start)?).ok().filter(|&offset| offset < self.code.len())
    }
}

impl<'a, 'd, M: Machine> Body<'a, 'd, M> {
    pub fn read(binary: &'a Binary<'d>, function: &Function) -> Result<Self, Refusal> {
        if functions::is_fips(&binary.image, function) {
            return Err(Refusal::Fips);
        }
        let code = code(binary, function)?;
        let mut body = Self {
            binary,
            parts: vec![Part::new(function.address, code)],
            instructions: BTreeMap::new(),
            exits: Vec::new(),
            pending: vec![(function.address, false)],
            indirect: Vec::new(),
            through_tables: Vec::new(),
            is_compiled_by_go: is_compiled_by_go(binary, function.address),
        };
        body.follow_all(&function.name)?;
        if body.is_compiled_by_go {
            body.add_recovery(&function.name)?;
        } else {
            body.add_landing_pads(&function.name)?;
        }
        Ok(body)
    }

    pub fn start(&self) -> u64 {
        self.parts.first().map_or(0, |part| part.start)
    }

    /// By address.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction<M::Detail>> {
        self.instructions.values()
    }

    /// By address, from the function's beginning: its cold parts may lie before it.
    pub fn leading(&self) -> impl Iterator<Item = &Instruction<M::Detail>> {
        self.instructions.range(self.start()..).map(|(_, instruction)| instruction)
    }

    /// Where jumps lead, and calls of parts of the function.
    pub fn targets(&self) -> impl Iterator<Item = u64> {
        let targets = self.instructions().filter_map(|instruction| match instruction.flow {
            Flow::Jump(target) | Flow::Branch(target) => Some(target),
            Flow::Call(Some(target)) if target != self.start() => Some(target),
            _ => None,
        });
        targets.chain(self.through_tables.iter().copied())
    }

    /// A place within the function that it calls. A call of the next instruction only reads where that is.
    pub fn subroutine(&self) -> Option<u64> {
        self.instructions().find_map(|instruction| match instruction.flow {
            Flow::Call(Some(target)) if target != self.start() && target != instruction.end() => {
                self.contains(target).then_some(target)
            }
            _ => None,
        })
    }

    /// Whether a jump is one of a stack check to where the stack grows: a call, then the function from its beginning.
    pub fn grows(&self, jump: &Instruction<M::Detail>) -> bool {
        let (Flow::Branch(target) | Flow::Jump(target)) = jump.flow else { return false };
        let mut called = false;
        let mut expected = target;
        for instruction in self.instructions.range(target..).map(|(_, instruction)| instruction).take(MAX_GROWTH) {
            if instruction.address != expected {
                return false;
            }
            expected = instruction.end();
            match instruction.flow {
                Flow::Call(_) => called = true,
                Flow::Jump(target) => return called && target == self.start(),
                Flow::Next | Flow::Nothing => {}
                _ => return false,
            }
        }
        false
    }

    /// Whether one of the first branches is such a jump.
    pub fn grows_stack(&self) -> bool {
        self.leading().take(MAX_GROWTH).any(|instruction| self.grows(instruction))
    }

    /// Where it could return or be left, for all one can tell, in bytes that nothing reaches: code that is entered in an unknown way, or
    /// data that looks like it. On amd64 an instruction may begin at every byte.
    pub fn unreached_exit(&self) -> Option<u64> {
        if self.is_compiled_by_go {
            let mut swept = self.gaps().into_iter().flat_map(|gap| self.sweep(gap));
            return swept.find(|instruction| instruction.flow == Flow::Return).map(|instruction| instruction.address);
        }
        let leaves = |address: u64, end: u64| {
            let decoded = self.code_at(address).and_then(|code| M::decode(code, address));
            decoded.filter(|instruction| instruction.end() <= end).is_some_and(|instruction| match instruction.flow {
                Flow::Return | Flow::Indirect => true,
                Flow::Jump(target) | Flow::Branch(target) => !self.contains(target),
                Flow::Next | Flow::Nothing | Flow::Call(_) | Flow::Stop => false,
            })
        };
        let in_gap = |(start, end): (u64, u64)| (start..end).step_by(M::ALIGNMENT).find(|&at| leaves(at, end));
        self.gaps().into_iter().find_map(in_gap)
    }

    pub fn cost(&self, instruction: &Instruction<M::Detail>) -> Option<Cost> {
        M::cost(instruction, self.code_at(instruction.address)?)
    }

    pub fn site(&self, instruction: &Instruction<M::Detail>, ignore_if_below_or_equal: bool) -> Result<Site, Refusal> {
        let address = instruction.address;
        let fips = functions::fips_text(&self.binary.image);
        if fips.is_some_and(|(start, end)| (start..end).contains(&address)) {
            return Err(Refusal::Fips);
        }
        let text = M::text(instruction);
        let file_offset = self.binary.image.file_offset(address);
        let Some(cost) = self.cost(instruction) else {
            return Err(Refusal::Kernel { instruction: text, address });
        };
        Ok(Site {
            address,
            file_offset: file_offset.ok_or_else(|| Refusal::NoCode(format!("{address:#x} is not in the file")))?,
            instruction: text,
            cost,
            ignore_if_below_or_equal,
        })
    }

    fn code_at(&self, address: u64) -> Option<&'d [u8]> {
        self.parts.iter().find_map(|part| part.code.get(part.offset(address)?..))
    }

    fn contains(&self, address: u64) -> bool {
        self.parts.iter().any(|part| part.offset(address).is_some())
    }

    /// Everything that can be reached, through tables too.
    fn follow_all(&mut self, name: &str) -> Result<(), Refusal> {
        let mut tables = 0;
        loop {
            while let Some((address, after_call)) = self.pending.pop() {
                self.follow(name, address, after_call)?;
            }
            let Some(jump) = self.indirect.pop() else { return Ok(()) };
            tables += 1;
            let targets = (tables <= MAX_TABLES).then(|| self.table(&jump)).flatten();
            match targets {
                Some(targets) => {
                    self.pending.extend(targets.iter().map(|&target| (target, false)));
                    self.through_tables.extend(targets);
                }
                None => self.exits.push(None),
            }
        }
    }

    fn table(&self, jump: &Instruction<M::Detail>) -> Option<Vec<u64>> {
        let mut before: Vec<Instruction<M::Detail>> = Vec::new();
        let mut end = jump.address;
        for (_, instruction) in self.instructions.range(..jump.address).rev().take(BEFORE_JUMP) {
            let goes_on = !matches!(instruction.flow, Flow::Jump(_) | Flow::Indirect | Flow::Return | Flow::Stop);
            if instruction.end() != end || !goes_on {
                break;
            }
            end = instruction.address;
            before.push(*instruction);
        }
        let table = M::table(jump, &before)?;
        tables::targets(&self.binary.image, &table, |target| self.contains(target))
    }

    /// From there to where it ends, with its jumps left for later.
    fn follow(&mut self, name: &str, mut address: u64, mut after_call: bool) -> Result<(), Refusal> {
        loop {
            if self.instructions.contains_key(&address) {
                return Ok(());
            }
            if !self.contains(address) {
                // A function may end in a call that does not come back.
                if !after_call {
                    self.exits.push(Some(address));
                }
                return Ok(());
            }
            let Some(instruction) = self.take(address)? else {
                return if after_call { Ok(()) } else { Err(Refusal::Undecodable(address)) };
            };
            match instruction.flow {
                Flow::Next => after_call = false,
                Flow::Nothing => {}
                Flow::Call(_) => after_call = true,
                Flow::Branch(target) => {
                    after_call = false;
                    self.jump(name, target);
                }
                Flow::Jump(target) => {
                    self.jump(name, target);
                    return Ok(());
                }
                Flow::Indirect => {
                    self.indirect.push(instruction);
                    return Ok(());
                }
                Flow::Return | Flow::Stop => return Ok(()),
            }
            address = instruction.end();
        }
    }

    fn jump(&mut self, name: &str, target: u64) {
        if !self.contains(target) {
            let part = self.binary.function_at(target).filter(|function| is_cold_part(name, &function.name));
            let code = part.as_ref().and_then(|part| Some((part.address, self.binary.code(part).ok()?)));
            match code {
                Some((start, code)) if self.parts.len() < MAX_PARTS => self.parts.push(Part::new(start, code)),
                _ => return self.exits.push(Some(target)),
            }
        }
        if self.contains(target) {
            self.pending.push((target, false));
        } else {
            self.exits.push(Some(target));
        }
    }

    /// Decodes an instruction and keeps it, unless another lies across it.
    fn take(&mut self, address: u64) -> Result<Option<Instruction<M::Detail>>, Refusal> {
        if self.instructions.len() >= MAX_INSTRUCTIONS {
            return Err(Refusal::NoCode(format!("more than {MAX_INSTRUCTIONS} instructions at {address:#x}")));
        }
        let Some(instruction) = self.code_at(address).and_then(|code| M::decode(code, address)) else {
            return Ok(None);
        };
        for part in &mut self.parts {
            let Some(start) = part.offset(address) else { continue };
            let Some(bytes) = part.covered.get_mut(start..start + instruction.length as usize) else { return Ok(None) };
            if bytes.contains(&true) {
                return Ok(None);
            }
            bytes.fill(true);
            break;
        }
        self.instructions.insert(address, instruction);
        Ok(Some(instruction))
    }

    /// Ranges that nothing has reached.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        for part in &self.parts {
            let mut offset = 0;
            for run in part.covered.chunk_by(|one, other| one == other) {
                let start = part.start + offset;
                offset += run.len() as u64;
                if run.first() == Some(&false) {
                    gaps.push((start, part.start + offset));
                }
            }
        }
        gaps
    }

    /// The instructions of a gap one after another, up to what is none.
    fn sweep(&self, (start, end): (u64, u64)) -> Vec<Instruction<M::Detail>> {
        let mut instructions: Vec<Instruction<M::Detail>> = Vec::new();
        let mut address = start;
        while address < end && instructions.len() < MAX_INSTRUCTIONS {
            let decoded = self.code_at(address).and_then(|code| M::decode(code, address));
            let Some(instruction) = decoded.filter(|instruction| instruction.end() <= end) else { break };
            address = instruction.end();
            instructions.push(instruction);
        }
        instructions
    }

    fn add_recovery(&mut self, name: &str) -> Result<(), Refusal> {
        let Some(recovery) = self.binary.function(RECOVERY) else { return Ok(()) };
        for gap in self.gaps() {
            let instructions = self.sweep(gap);
            let calls =
                instructions.iter().filter(|instruction| instruction.flow == Flow::Call(Some(recovery.address)));
            self.pending.extend(calls.map(|instruction| (instruction.address, false)));
        }
        self.follow_all(name)
    }

    /// Of its cold parts as well, of which following them may find more.
    fn add_landing_pads(&mut self, name: &str) -> Result<(), Refusal> {
        let mut done = 0;
        while let Some(part) = self.parts.get(done) {
            let pads = landing::pads(&self.binary.image, part.start);
            let within: Vec<_> = pads.into_iter().filter(|&pad| self.contains(pad)).collect();
            self.pending.extend(within.into_iter().map(|pad| (pad, false)));
            self.follow_all(name)?;
            done += 1;
        }
        Ok(())
    }
}

/// By its record: not assembly, C, or what has none. Wrappers may be assembly, and none of Go's own needs more than following.
fn is_compiled_by_go(binary: &Binary, address: u64) -> bool {
    let compiled = |pclntab: &functions::pclntab::Pclntab| {
        let index = pclntab.before(address)?;
        let begins = pclntab.place(index)?.0 == address;
        Some(begins && pclntab.written(index)? == Written::InGo)
    };
    binary.function_table().pclntab().and_then(compiled).unwrap_or(false)
}

/// GCC and LLVM move what seldom runs out of a function, into `name.cold` or `name.cold.1`.
fn is_cold_part(name: &str, other: &str) -> bool {
    let rest = other.strip_prefix(name).and_then(|rest| rest.strip_prefix(".cold"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// An assembler's function may have no size: it is followed no further than to where the next one begins.
fn code<'d>(binary: &Binary<'d>, function: &Function) -> Result<&'d [u8], Refusal> {
    let mut function = function.clone();
    if function.size == 0 {
        let in_file = binary.image.bytes_from(function.address).map_or(0, |bytes| bytes.len() as u64);
        let next = binary.function_table().next_address(function.address);
        let size = next.map_or(u64::MAX, |next| next.saturating_sub(function.address));
        function.size = size.min(in_file).min(MAX_UNSIZED);
    }
    binary.code(&function).map_err(|error| Refusal::NoCode(error.to_string()))
}
