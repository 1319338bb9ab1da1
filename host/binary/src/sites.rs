//! Where in a function a probe costs least, and is hit once for each call or return. Decides on the instructions alone, which it
//! disassembles; amd64 for now.
//!
//! The kernel emulates `push`, `nop`, and relative jumps and calls (`arch/x86/kernel/uprobes.c`); everything else is single-stepped, a
//! second trap. A Go function begins with a check of its stack, which starts the function over once the stack has grown; so the
//! first instruction is not only dear, it runs twice.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter, MemorySize, Mnemonic, OpKind,
    Register,
};

use super::{Architecture, Binary, Function, functions};

/// A stack check has at most six; more are not looked at.
const MAX_PROLOGUE: usize = 12;
/// Where a stack check branches to, the arguments are saved, the stack grows, and they are read back.
const MAX_GROWTH: usize = 80;

/// What one hit costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// The kernel emulates the instruction: one trap.
    Emulated,
    /// The kernel single-steps it: two traps.
    Stepped,
}

/// An instruction to put a probe on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Site {
    /// Link-time address.
    pub address: u64,
    /// The same in the file, as uprobes want it.
    pub file_offset: u64,
    /// In Intel syntax, for people.
    pub instruction: String,
    pub cost: Cost,
    /// A branch to the growing of the stack: a hit with CF or ZF set is to be ignored, the function starts over.
    pub ignore_if_below_or_equal: bool,
}

/// Why a function is not probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("in the FIPS module's text, which checks itself")]
    Fips,
    #[error("ends in a tail jump to {0}")]
    TailJump(String),
    #[error("no code to read: {0}")]
    NoCode(String),
    #[error("not to be disassembled at {0:#x}")]
    Undecodable(u64),
    #[error("never returns")]
    NoReturn,
    #[error("does not call {0}")]
    NoCall(String),
    #[error("calls {0} from {1} places")]
    ManyCalls(String, usize),
    #[error("not supported yet on this architecture")]
    Architecture,
}

/// Where the arguments are in place, hit once for each call: on amd64 the `push rbp` after the stack check (Go 1.21 and later), else
/// the check's last branch, else the first instruction. In all three `[rsp]` is the return address.
pub fn entry_site(binary: &Binary, function: &Function) -> Result<Site, Refusal> {
    let body = Body::read(binary, function)?;
    let first = *body.instructions.first().ok_or_else(|| Refusal::NoCode(format!("{} is empty", function.name)))?;
    let Some((chosen, ignored_if_taken)) = body.after_check() else {
        return body.site(&first, false);
    };
    // Who jumps to it or before it, other than to start over, would hit it again.
    let within = function.address + 1..=chosen.ip();
    if body.targets().any(|target| within.contains(&target)) {
        return body.site(&first, false);
    }
    body.site(&chosen, ignored_if_taken)
}

/// Every instruction that returns from the function. `[rsp]` is the return address there.
pub fn return_sites(binary: &Binary, function: &Function) -> Result<Vec<Site>, Refusal> {
    let body = Body::read(binary, function)?;
    let mut sites = Vec::new();
    for instruction in &body.instructions {
        match instruction.flow_control() {
            FlowControl::Return if instruction.mnemonic() == Mnemonic::Ret => {
                sites.push(body.site(instruction, false)?)
            }
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if !body.contains(target) {
                    let name = binary.function_at(target).map(|function| function.name);
                    return Err(Refusal::TailJump(name.unwrap_or_else(|| format!("{target:#x}"))));
                }
            }
            // Through a table, within the function: a switch. Otherwise it can lead anywhere.
            FlowControl::IndirectBranch if instruction.memory_index() == Register::None => {
                return Err(Refusal::TailJump("an address known only when it runs".into()));
            }
            _ => {}
        }
    }
    if sites.is_empty() { Err(Refusal::NoReturn) } else { Ok(sites) }
}

/// The one call of `callee` in the function.
pub fn call_site(binary: &Binary, function: &Function, callee: &str) -> Result<Site, Refusal> {
    let body = Body::read(binary, function)?;
    let target = binary.function(callee).ok_or_else(|| Refusal::NoCall(callee.into()))?.address;
    let is_call = |instruction: &&Instruction| {
        instruction.flow_control() == FlowControl::Call && instruction.near_branch_target() == target
    };
    let calls: Vec<_> = body.instructions.iter().filter(is_call).collect();
    match calls[..] {
        [call] => body.site(call, false),
        [] => Err(Refusal::NoCall(callee.into())),
        _ => Err(Refusal::ManyCalls(callee.into(), calls.len())),
    }
}

/// A function's instructions.
struct Body<'a, 'd> {
    binary: &'a Binary<'d>,
    function: &'a Function,
    end: u64,
    instructions: Vec<Instruction>,
}

/// What an instruction does for the check of the stack.
enum Prologue {
    /// Compares, or computes for it in a register that carries no argument.
    Check,
    /// Leaves to grow the stack.
    Grow,
    /// Changes nothing.
    Nothing,
    Push(Register),
    Other,
}

impl<'a, 'd> Body<'a, 'd> {
    fn read(binary: &'a Binary<'d>, function: &'a Function) -> Result<Self, Refusal> {
        if binary.architecture() != Architecture::Amd64 {
            return Err(Refusal::Architecture);
        }
        if functions::is_fips(&binary.image, function) {
            return Err(Refusal::Fips);
        }
        let code = binary.code(function).map_err(|error| Refusal::NoCode(error.to_string()))?;
        let mut decoder = Decoder::with_ip(64, code, function.address, DecoderOptions::NONE);
        let mut instructions = Vec::with_capacity(code.len() / 4);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                return Err(Refusal::Undecodable(instruction.ip()));
            }
            instructions.push(instruction);
        }
        Ok(Self { binary, function, end: function.address + code.len() as u64, instructions })
    }

    fn contains(&self, address: u64) -> bool {
        (self.function.address..self.end).contains(&address)
    }

    /// Where jumps within the function lead.
    fn targets(&self) -> impl Iterator<Item = u64> {
        let jumps = self.instructions.iter().filter(|instruction| {
            matches!(instruction.flow_control(), FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch)
        });
        jumps.map(Instruction::near_branch_target)
    }

    /// The instruction after a stack check that is emulated and hit once, and whether a hit is to be ignored if it branches.
    fn after_check(&self) -> Option<(Instruction, bool)> {
        let mut checked = false;
        let mut growth = None;
        for instruction in self.instructions.iter().take(MAX_PROLOGUE) {
            match prologue(instruction) {
                Prologue::Check => checked = true,
                Prologue::Nothing => {}
                Prologue::Grow if checked && self.grows(instruction) => growth = Some(*instruction),
                Prologue::Push(register) if checked == growth.is_some() => {
                    // Without a check it is any function's beginning; with one, Go's, which saves its frame pointer.
                    if !checked || register == Register::RBP {
                        return Some((*instruction, false));
                    }
                    break;
                }
                _ => break,
            }
        }
        growth.filter(|branch| branch.mnemonic() == Mnemonic::Jbe).map(|branch| (branch, true))
    }

    /// Whether a branch of the stack check leads to where the stack grows: a call, then the function from its beginning.
    fn grows(&self, branch: &Instruction) -> bool {
        let target = branch.near_branch_target();
        let Ok(start) = self.instructions.binary_search_by_key(&target, Instruction::ip) else { return false };
        let mut called = false;
        for instruction in self.instructions[start..].iter().take(MAX_GROWTH) {
            match instruction.flow_control() {
                FlowControl::Call => called = true,
                FlowControl::UnconditionalBranch => {
                    return called && instruction.near_branch_target() == self.function.address;
                }
                FlowControl::Next => {}
                _ => return false,
            }
        }
        false
    }

    fn site(&self, instruction: &Instruction, ignore_if_below_or_equal: bool) -> Result<Site, Refusal> {
        let address = instruction.ip();
        let file_offset = self.binary.image.file_offset(address);
        Ok(Site {
            address,
            file_offset: file_offset.ok_or_else(|| Refusal::NoCode(format!("{address:#x} is not in the file")))?,
            instruction: text(instruction),
            cost: cost(instruction),
            ignore_if_below_or_equal,
        })
    }
}

fn prologue(instruction: &Instruction) -> Prologue {
    let registers = (instruction.op0_register(), instruction.op1_register());
    let immediate = matches!(instruction.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64);
    match instruction.mnemonic() {
        Mnemonic::Push if instruction.op0_kind() == OpKind::Register => Prologue::Push(registers.0),
        Mnemonic::Nop | Mnemonic::Endbr64 => Prologue::Nothing,
        // cmp rsp, [r14+0x10]: g.stackguard0; 0x18 in code on the system stack.
        Mnemonic::Cmp
            if matches!(registers.0, Register::RSP | Register::R12)
                && instruction.op1_kind() == OpKind::Memory
                && instruction.memory_size() == MemorySize::UInt64
                && instruction.memory_base() == Register::R14
                && instruction.memory_index() == Register::None
                && matches!(instruction.memory_displacement64(), 0x10 | 0x18) =>
        {
            Prologue::Check
        }
        // The stack pointer after a large frame is taken off it.
        Mnemonic::Lea if registers.0 == Register::R12 && instruction.memory_base() == Register::RSP => Prologue::Check,
        Mnemonic::Mov if registers == (Register::R12, Register::RSP) => Prologue::Check,
        Mnemonic::Sub if registers.0 == Register::R12 && immediate => Prologue::Check,
        Mnemonic::Jbe | Mnemonic::Jb => Prologue::Grow,
        _ => Prologue::Other,
    }
}

/// By what the kernel's `branch_setup_xol_ops` and `push_setup_xol_ops` take, on 6.1 as on later ones.
fn cost(instruction: &Instruction) -> Cost {
    let relative = matches!(instruction.op0_kind(), OpKind::NearBranch64 | OpKind::NearBranch32 | OpKind::NearBranch16);
    let emulated = match instruction.flow_control() {
        FlowControl::ConditionalBranch => relative && instruction.is_jcc_short_or_near(),
        FlowControl::UnconditionalBranch | FlowControl::Call => relative,
        _ => {
            matches!(instruction.code(), Code::Push_r64) || (instruction.code() == Code::Nopd && instruction.len() == 1)
        }
    };
    if emulated { Cost::Emulated } else { Cost::Stepped }
}

fn text(instruction: &Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_show_branch_size(false);
    options.set_space_after_operand_separator(true);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}
