//! x86-64: its instructions, Go's stack check, what the kernel makes of a uprobe, and how compilers jump through tables.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Formatter, Instruction as Detail, IntelFormatter, MemorySize, Mnemonic,
    OpKind, Register,
};

use super::Cost;
use super::body::Body;
use super::machine::{self, Flow, Machine};
use super::tables::{Entries, Table};

/// A stack check has at most six instructions; more are not looked at.
const MAX_PROLOGUE: usize = 12;

pub(super) struct Amd64;
type Instruction = machine::Instruction<Detail>;

impl Machine for Amd64 {
    type Detail = Detail;
    const ALIGNMENT: usize = 1;

    fn decode(code: &[u8], address: u64) -> Option<Instruction> {
        let detail = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
        let length = detail.len() as u64;
        (!detail.is_invalid()).then(|| Instruction { address, length, flow: flow(&detail), detail })
    }

    fn cost(instruction: &Instruction, code: &[u8]) -> Option<Cost> {
        let bytes = code.get(..instruction.detail.len())?;
        is_accepted(&instruction.detail, bytes).then(|| cost(&instruction.detail, bytes))
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
        formatter.format(&instruction.detail, &mut text);
        text
    }

    fn after_check(body: &Body<Self>) -> Option<(Instruction, bool)> {
        let mut checked = false;
        // Where the stack ABI is used, g comes from thread-local storage into CX, which is no argument there.
        let mut guard = Register::R14;
        let mut growth = None;
        for instruction in body.leading().take(MAX_PROLOGUE) {
            match prologue(&instruction.detail, guard) {
                Prologue::LoadG => guard = Register::RCX,
                Prologue::Check => checked = true,
                Prologue::Nothing => {}
                Prologue::Grow if checked && body.grows(instruction) => growth = Some(*instruction),
                Prologue::SaveFramePointer if growth.is_some() => return Some((*instruction, false)),
                _ => break,
            }
        }
        growth.filter(|branch| branch.detail.mnemonic() == Mnemonic::Jbe).map(|branch| (branch, true))
    }

    fn table(jump: &Instruction, before: &[Instruction]) -> Option<Table> {
        let jump = &jump.detail;
        if jump.op0_kind() != OpKind::Register {
            // jmp [table + index*8]
            let (address, index) = operand(jump, before, 8)?;
            return Some(Table { address, entries: Entries::Addresses, count: bound(before, index) });
        }
        let (position, last) = written(before, jump.op0_register())?;
        let earlier = before.get(position + 1..)?;
        if last.mnemonic() == Mnemonic::Mov && last.op1_kind() == OpKind::Memory {
            let (address, index) = operand(last, earlier, 8)?;
            return Some(Table { address, entries: Entries::Addresses, count: bound(earlier, index) });
        }
        // movsxd r, [table + index*4]; add r, table
        if last.mnemonic() != Mnemonic::Add || last.op1_kind() != OpKind::Register {
            return None;
        }
        let [mut offset, mut base] = [last.op0_register(), last.op1_register()];
        if written(earlier, base)?.1.mnemonic() == Mnemonic::Movsxd {
            std::mem::swap(&mut offset, &mut base);
        }
        let (position, load) = written(earlier, offset)?;
        if load.mnemonic() != Mnemonic::Movsxd || load.op1_kind() != OpKind::Memory {
            return None;
        }
        let (address, index) = operand(load, earlier.get(position + 1..)?, 4)?;
        let base = address_in(earlier, base)?;
        let entries = Entries::Offsets { base, size: 4, signed: true, scale: 1 };
        Some(Table { address, entries, count: bound(earlier.get(position + 1..)?, index) })
    }
}

fn flow(detail: &Detail) -> Flow {
    let target = || match detail.op0_kind() {
        OpKind::NearBranch64 | OpKind::NearBranch32 | OpKind::NearBranch16 => Some(detail.near_branch_target()),
        _ => None,
    };
    match detail.flow_control() {
        FlowControl::Return if detail.mnemonic() == Mnemonic::Ret => Flow::Return,
        FlowControl::Return | FlowControl::IndirectBranch => Flow::Indirect,
        FlowControl::UnconditionalBranch => target().map_or(Flow::Indirect, Flow::Jump),
        FlowControl::ConditionalBranch => target().map_or(Flow::Indirect, Flow::Branch),
        FlowControl::XbeginXabortXend => target().map_or(Flow::Next, Flow::Branch),
        FlowControl::Call => Flow::Call(target()),
        FlowControl::IndirectCall => Flow::Call(None),
        FlowControl::Exception => Flow::Stop,
        FlowControl::Interrupt if detail.mnemonic() != Mnemonic::Int => Flow::Stop,
        FlowControl::Interrupt | FlowControl::Next => match detail.mnemonic() {
            Mnemonic::Hlt => Flow::Stop,
            Mnemonic::Nop | Mnemonic::Endbr64 => Flow::Nothing,
            _ => Flow::Next,
        },
    }
}

/// What an instruction does for the check of the stack.
enum Prologue {
    /// Compares, or computes for it in a register that carries no argument.
    Check,
    LoadG,
    /// Leaves to grow the stack.
    Grow,
    /// Changes nothing.
    Nothing,
    SaveFramePointer,
    Other,
}

fn prologue(detail: &Detail, guard: Register) -> Prologue {
    let registers = (detail.op0_register(), detail.op1_register());
    let immediate = matches!(detail.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64);
    match detail.mnemonic() {
        Mnemonic::Push if detail.op0_kind() == OpKind::Register && registers.0 == Register::RBP => {
            Prologue::SaveFramePointer
        }
        Mnemonic::Nop | Mnemonic::Endbr64 => Prologue::Nothing,
        // cmp rsp, [r14+0x10]: g.stackguard0; 0x18 in code on the system stack.
        Mnemonic::Cmp
            if matches!(registers.0, Register::RSP | Register::R12)
                && detail.op1_kind() == OpKind::Memory
                && detail.memory_size() == MemorySize::UInt64
                && detail.memory_base() == guard
                && detail.memory_index() == Register::None
                && matches!(detail.memory_displacement64(), 0x10 | 0x18) =>
        {
            Prologue::Check
        }
        // mov rcx, fs:[-8], or mov rcx, [rip+..] and mov rcx, fs:[rcx].
        Mnemonic::Mov
            if registers.0 == Register::RCX
                && detail.op1_kind() == OpKind::Memory
                && (detail.memory_segment() == Register::FS || detail.is_ip_rel_memory_operand()) =>
        {
            Prologue::LoadG
        }
        // The stack pointer after a large frame is taken off it.
        Mnemonic::Lea if registers.0 == Register::R12 && detail.memory_base() == Register::RSP => Prologue::Check,
        Mnemonic::Mov if registers == (Register::R12, Register::RSP) => Prologue::Check,
        Mnemonic::Sub if registers.0 == Register::R12 && immediate => Prologue::Check,
        Mnemonic::Jbe | Mnemonic::Jb => Prologue::Grow,
        _ => Prologue::Other,
    }
}

/// By what the kernel's `branch_setup_xol_ops` and `push_setup_xol_ops` take, on 6.1 as on later ones. Nops of three bytes and more
/// are emulated only since 6.18, `endbr64` never.
fn cost(detail: &Detail, bytes: &[u8]) -> Cost {
    let is_relative = matches!(flow(detail), Flow::Jump(_) | Flow::Branch(_) | Flow::Call(Some(_)));
    let is_loop = detail.flow_control() == FlowControl::ConditionalBranch && !detail.is_jcc_short_or_near();
    let emulated = match detail.code() {
        Code::Push_r64 => matches!(bytes, [_] | [0x41, _]),
        Code::Nopd | Code::Nopw => matches!(bytes, [0x90] | [0x66, 0x90]),
        _ => is_relative && !is_loop && detail.flow_control() != FlowControl::XbeginXabortXend,
    };
    if emulated { Cost::Emulated } else { Cost::Stepped }
}

/// Opcodes of one byte, from one to the other, that the kernel's `good_insns_64` (6.1 to 6.18) has a zero for. It holds the opcode behind a
/// VEX or EVEX prefix against the same table.
const REFUSED: [(u8, u8); 20] = [
    (0x06, 0x07),
    (0x0e, 0x0e),
    (0x16, 0x17),
    (0x1e, 0x1f),
    (0x27, 0x27),
    (0x2f, 0x2f),
    (0x37, 0x37),
    (0x3f, 0x3f),
    (0x60, 0x62),
    (0x6c, 0x6f),
    (0x82, 0x82),
    (0x9a, 0x9a),
    (0xcc, 0xcf),
    (0xd4, 0xd6),
    (0xe4, 0xe7),
    (0xea, 0xea),
    (0xec, 0xef),
    (0xf1, 0xf1),
    (0xf4, 0xf4),
    (0xfa, 0xfb),
];

/// The same of opcodes behind 0x0f, by `good_2byte_insns`. The first table lets all of them pass, which the kernel did not mean; what
/// traps, or enters the kernel, is no place for a probe.
const REFUSED_AFTER_0F: [(u8, u8); 8] =
    [(0x00, 0x01), (0x05, 0x09), (0x0b, 0x0b), (0x30, 0x30), (0x34, 0x35), (0x37, 0x37), (0x78, 0x79), (0xae, 0xae)];

/// By the kernel's `uprobe_init_insn`: neither `lock` nor a segment's prefix other than FS and GS (`notrack` is one), no load of SS, and
/// an opcode of its table.
fn is_accepted(detail: &Detail, bytes: &[u8]) -> bool {
    let is_prefix = |byte: &&u8| matches!(**byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
    let prefixes = bytes.iter().take_while(is_prefix).count();
    let (prefixes, rest) = bytes.split_at(prefixes);
    let is_bad = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0xf0);
    let is_wide = |byte: &u8| *byte == 0x66;
    let masks_exceptions = detail.op0_register() == Register::SS;
    let is_relative = matches!(flow(detail), Flow::Jump(_) | Flow::Branch(_) | Flow::Call(Some(_)));
    if prefixes.iter().any(is_bad) || masks_exceptions || is_relative && prefixes.iter().any(is_wide) {
        return false;
    }
    let is_in = |table: &[(u8, u8)], opcode: u8| table.iter().any(|&(first, last)| (first..=last).contains(&opcode));
    match rest {
        [0xc5, _, opcode, ..] | [0xc4, _, _, opcode, ..] | [0x62, _, _, _, opcode, ..] => !is_in(&REFUSED, *opcode),
        [0x40..=0x4f, 0x0f, opcode, ..] | [0x0f, opcode, ..] => !is_in(&REFUSED_AFTER_0F, *opcode),
        [0x40..=0x4f, opcode, ..] | [opcode, ..] => !is_in(&REFUSED, *opcode),
        [] => false,
    }
}

/// The address in a memory operand `[table + index*scale]`, and its index.
fn operand(detail: &Detail, before: &[Instruction], scale: u32) -> Option<(u64, Register)> {
    if detail.memory_index() == Register::None || detail.memory_index_scale() != scale {
        return None;
    }
    let displacement = detail.memory_displacement64();
    let base = match detail.memory_base() {
        Register::None => 0,
        base => address_in(before, base)?,
    };
    Some((base.wrapping_add(displacement), detail.memory_index()))
}

/// What `lea` last put into a register.
fn address_in(before: &[Instruction], register: Register) -> Option<u64> {
    let (_, lea) = written(before, register)?;
    (lea.mnemonic() == Mnemonic::Lea && lea.is_ip_rel_memory_operand()).then(|| lea.ip_rel_memory_address())
}

/// The nearest instruction that writes a register, as its first operand, and where.
fn written(before: &[Instruction], register: Register) -> Option<(usize, &Detail)> {
    let register = register.full_register();
    let writes = |instruction: &&Instruction| {
        let compares = matches!(instruction.detail.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        let is_register = instruction.detail.op0_kind() == OpKind::Register;
        is_register && !compares && instruction.detail.op0_register().full_register() == register
    };
    // A call may change any register.
    let known = before.iter().take_while(|instruction| !matches!(instruction.flow, Flow::Call(_)));
    let found = known.enumerate().find(|(_, instruction)| writes(instruction));
    found.map(|(position, instruction)| (position, &instruction.detail))
}

/// How many entries a table has whose index is compared before: `cmp index, n; ja elsewhere`.
fn bound(before: &[Instruction], index: Register) -> Option<u64> {
    let index = index.full_register();
    for (instruction, next) in before.iter().skip(1).zip(before) {
        let (compare, branch) = (&instruction.detail, &next.detail);
        if compare.op0_kind() != OpKind::Register || compare.op0_register().full_register() != index {
            continue;
        }
        let is_copy_of_itself =
            compare.op1_kind() == OpKind::Register && compare.op1_register().full_register() == index;
        return match (compare.mnemonic(), branch.mnemonic()) {
            (Mnemonic::Cmp, Mnemonic::Ja) => compare.try_immediate(1).ok()?.checked_add(1),
            (Mnemonic::Cmp, Mnemonic::Jae) => compare.try_immediate(1).ok(),
            (Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsxd, _) if is_copy_of_itself => continue,
            _ => None,
        };
    }
    None
}
