//! AArch64: its instructions, Go's stack check, what the kernel makes of a uprobe, and how Go jumps through tables.

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction as Detail, Opcode, Operand, ShiftStyle, SizeCode};

use super::Cost;
use super::body::Body;
use super::machine::{self, Flow, Machine};
use super::tables::{Entries, Table};

/// A stack check has at most eight instructions; more are not looked at.
const MAX_PROLOGUE: usize = 12;
/// Go's scratch registers, which carry no arguments.
const SCRATCH: [u16; 3] = [16, 17, 27];
/// What Go's assembler writes for `UNDEF`, an instruction that traps; shown as `udf`.
const UNDEF: u32 = 0xbea7_1700;
const G: u16 = 28;
const ZERO: u16 = 31;
const LOWER: u8 = 3;
const HIGHER: u8 = 8;
const LOWER_OR_SAME: u8 = 9;

pub(super) struct Arm64;
type Instruction = machine::Instruction<Detail>;

impl Machine for Arm64 {
    type Detail = Detail;
    const ALIGNMENT: usize = 4;

    fn decode(code: &[u8], address: u64) -> Option<Instruction> {
        let bytes: [u8; 4] = *code.first_chunk()?;
        let bytes = if bytes == UNDEF.to_le_bytes() { [0; 4] } else { bytes };
        let detail = InstDecoder::default().decode(&mut U8Reader::new(&bytes)).ok()?;
        Some(Instruction { address, length: 4, flow: flow(&detail, address), detail })
    }

    fn cost(_: &Instruction, code: &[u8]) -> Option<Cost> {
        cost(u32::from_le_bytes(*code.first_chunk()?))
    }

    fn text(instruction: &Instruction) -> String {
        instruction.detail.to_string()
    }

    fn after_check(body: &Body<Self>) -> Option<(Instruction, bool)> {
        let (mut guarded, mut compared) = (false, false);
        for instruction in body.leading().take(MAX_PROLOGUE) {
            match prologue(&instruction.detail) {
                Prologue::Guard => guarded = true,
                Prologue::Compute => {}
                Prologue::Compare => compared = guarded,
                // The frame is larger than the address space below the stack pointer; the comparison is still to come.
                Prologue::Branch(LOWER) if body.grows(instruction) => {}
                Prologue::Branch(LOWER_OR_SAME) if compared && body.grows(instruction) => {
                    return Some((*instruction, true));
                }
                _ if instruction.flow == Flow::Nothing => {}
                _ => return None,
            }
        }
        None
    }

    /// Go's way: the table's address by `adrp` and `add`, `ldr x27, [table, index, lsl #3]`, `br x27`.
    fn table(jump: &Instruction, before: &[Instruction]) -> Option<Table> {
        let Operand::Register(SizeCode::X, target) = jump.detail.operands[0] else { return None };
        if jump.detail.opcode != Opcode::BR {
            return None;
        }
        let (position, load) = written(before, target)?;
        let earlier = before.get(position + 1..)?;
        match (load.detail.opcode, load.detail.operands[1]) {
            (Opcode::LDR, Operand::RegRegOffset(base, index, _, _, 3)) => {
                let count = bound(earlier, index);
                Some(Table { address: address_in(earlier, base)?, entries: Entries::Addresses, count })
            }
            _ => offsets(load, earlier),
        }
    }
}

/// The way of GCC and LLVM: `ldrb w, [table, index]`, or `ldrh` or `ldr`, then `add target, base, w, sxtb #2`.
fn offsets(add: &Instruction, before: &[Instruction]) -> Option<Table> {
    let (base, shift, style, loaded) = match (add.detail.opcode, add.detail.operands) {
        (
            Opcode::ADD,
            [
                _,
                Operand::Register(_, base) | Operand::RegisterOrSP(_, base),
                Operand::RegShift(style, shift, _, loaded),
                _,
            ],
        ) => (base, shift, style, loaded),
        _ => return None,
    };
    let (position, load) = written(before, loaded)?;
    let earlier = before.get(position + 1..)?;
    let (size, by_load) = match load.detail.opcode {
        Opcode::LDRB => (1, false),
        Opcode::LDRSB => (1, true),
        Opcode::LDRH => (2, false),
        Opcode::LDRSH => (2, true),
        Opcode::LDRSW => (4, true),
        _ => return None,
    };
    let Operand::RegRegOffset(table, index, ..) = load.detail.operands[1] else { return None };
    let signed = by_load || matches!(style, ShiftStyle::SXTB | ShiftStyle::SXTH | ShiftStyle::SXTW);
    let entries =
        Entries::Offsets { base: address_in(before, base)?, size, signed, scale: 1u8.checked_shl(shift.into())? };
    Some(Table { address: address_in(earlier, table)?, entries, count: bound(earlier, index) })
}

fn flow(detail: &Detail, address: u64) -> Flow {
    let target = || {
        detail.operands.iter().find_map(|operand| match operand {
            Operand::PCOffset(offset) => Some(address.wrapping_add_signed(*offset)),
            _ => None,
        })
    };
    match detail.opcode {
        // al and nv: always.
        Opcode::B | Opcode::Bcc(14 | 15) => target().map_or(Flow::Stop, Flow::Jump),
        Opcode::Bcc(_) | Opcode::CBZ | Opcode::CBNZ | Opcode::TBZ | Opcode::TBNZ => {
            target().map_or(Flow::Stop, Flow::Branch)
        }
        Opcode::BL => Flow::Call(target()),
        Opcode::BLR | Opcode::BLRAA | Opcode::BLRAAZ | Opcode::BLRAB | Opcode::BLRABZ => Flow::Call(None),
        Opcode::BR | Opcode::BRAA | Opcode::BRAAZ | Opcode::BRAB | Opcode::BRABZ => Flow::Indirect,
        Opcode::RET | Opcode::RETAA | Opcode::RETAB => Flow::Return,
        Opcode::ERET | Opcode::ERETAA | Opcode::ERETAB | Opcode::DRPS => Flow::Indirect,
        Opcode::BRK | Opcode::HLT | Opcode::UDF => Flow::Stop,
        Opcode::HINT if is_idle_hint(detail) => Flow::Nothing,
        _ => Flow::Next,
    }
}

/// `nop`, and `bti` of every kind.
fn is_idle_hint(detail: &Detail) -> bool {
    let [Operand::ControlReg(high), Operand::Immediate(low), ..] = detail.operands else { return false };
    matches!((high, low), (0, 0) | (4, 0 | 2 | 4 | 6))
}

/// What an instruction does for the check of the stack, as `cmd/internal/obj/arm64` writes it from Go 1.18 to 1.27.
enum Prologue {
    /// `ldr x16, [x28, #16]`: g.stackguard0; 24 in code on the system stack.
    Guard,
    /// Takes a large frame off the stack pointer.
    Compute,
    Compare,
    Branch(u8),
    Other,
}

fn prologue(detail: &Detail) -> Prologue {
    let written = match detail.operands[0] {
        Operand::Register(SizeCode::X, register) | Operand::RegisterOrSP(SizeCode::X, register) => Some(register),
        _ => None,
    };
    let is_scratch = written.is_some_and(|register| SCRATCH.contains(&register));
    match (detail.opcode, detail.operands[1]) {
        (Opcode::LDR, Operand::RegPreIndex(G, 16 | 24, false)) if written == Some(16) => Prologue::Guard,
        (Opcode::SUBS, _) if written == Some(ZERO) => Prologue::Compare,
        (Opcode::ADD | Opcode::SUB | Opcode::SUBS | Opcode::ORR, _) if is_scratch => Prologue::Compute,
        (Opcode::MOVZ | Opcode::MOVK | Opcode::MOVN, _) if is_scratch => Prologue::Compute,
        (Opcode::Bcc(condition), _) => Prologue::Branch(condition),
        _ => Prologue::Other,
    }
}

/// By the kernel's `arm_probe_decode_insn`, 6.1 to 6.18: it simulates branches and `adr`, and steps the rest but for what traps, changes
/// the machine's state, is part of an exclusive access, signs or checks a return (`retaa`), or is relative to the program counter (of
/// loads it knows those into general registers only; the others would read from elsewhere). A `nop` is simulated since 6.13.
fn cost(word: u32) -> Option<Cost> {
    let is = |mask: u32, value: u32| word & mask == value;
    // B, BL; B.cond; CBZ, CBNZ; TBZ, TBNZ; ADR, ADRP.
    let relative = [
        (0x7c00_0000, 0x1400_0000),
        (0xff00_0010, 0x5400_0000),
        (0x7e00_0000, 0x3400_0000),
        (0x7e00_0000, 0x3600_0000),
        (0x1f00_0000, 0x1000_0000),
    ];
    // BR, BLR, RET.
    let registers = [(0xffff_fc1f, 0xd61f_0000), (0xffff_fc1f, 0xd63f_0000), (0xffff_fc1f, 0xd65f_0000)];
    if relative.iter().chain(&registers).any(|&(mask, value)| is(mask, value)) {
        return Some(Cost::Emulated);
    }
    // Exceptions; MSR; every other branch by register, ERET too; loads relative to the program counter; exclusive accesses.
    let refused = [
        (0xff00_0000, 0xd400_0000),
        (0xfff8_f01f, 0xd500_401f),
        (0xfff0_0000, 0xd510_0000),
        (0xfe00_0000, 0xd600_0000),
        (0x3b00_0000, 0x1800_0000),
        (0x3f80_0000, 0x0800_0000),
        (0xffff_0000, 0x0000_0000),
    ];
    let is_refused =
        refused.iter().any(|&(mask, value)| is(mask, value)) || is(0xffff_f01f, 0xd503_201f) && !is_stepped_hint(word);
    (!is_refused).then_some(Cost::Stepped)
}

/// `aarch64_insn_is_steppable_hint`: NOP, XPACLRI, the signing of addresses (PACIASP and its like), BTI.
fn is_stepped_hint(word: u32) -> bool {
    matches!(word >> 5 & 0x7f, 0 | 7 | 8 | 10 | 24..=27 | 32 | 34 | 36 | 38)
}

/// The nearest instruction that writes a register as its first operand, and where.
fn written(before: &[Instruction], register: u16) -> Option<(usize, &Instruction)> {
    let writes = |instruction: &&Instruction| match instruction.detail.operands[0] {
        Operand::Register(_, written) | Operand::RegisterOrSP(_, written) => written == register && written != ZERO,
        _ => false,
    };
    // A call may change any register.
    let known = before.iter().take_while(|instruction| !matches!(instruction.flow, Flow::Call(_)));
    known.enumerate().find(|(_, instruction)| writes(instruction))
}

/// What `adrp` and `add`, or `adr`, last put into a register.
fn address_in(before: &[Instruction], register: u16) -> Option<u64> {
    let (position, last) = written(before, register)?;
    match (last.detail.opcode, last.detail.operands) {
        (Opcode::ADR, [_, Operand::PCOffset(offset), ..]) => Some(last.address.wrapping_add_signed(offset)),
        (Opcode::ADRP, [_, Operand::PCOffset(offset), ..]) => Some((last.address & !0xfff).wrapping_add_signed(offset)),
        (Opcode::ADD, [_, Operand::RegisterOrSP(_, page), Operand::Immediate(low), _]) => {
            let (_, adrp) = written(before.get(position + 1..)?, page)?;
            let [_, Operand::PCOffset(offset), ..] = adrp.detail.operands else { return None };
            let is_page = adrp.detail.opcode == Opcode::ADRP;
            is_page.then(|| (adrp.address & !0xfff).wrapping_add_signed(offset).wrapping_add(low.into()))
        }
        _ => None,
    }
}

/// How many entries a table has whose index is compared before: `cmp index, #n; b.hi elsewhere`.
fn bound(before: &[Instruction], index: u16) -> Option<u64> {
    for (instruction, next) in before.iter().skip(1).zip(before) {
        let Detail { opcode, operands } = instruction.detail;
        match (opcode, operands) {
            (
                Opcode::SUBS,
                [Operand::Register(_, ZERO), Operand::RegisterOrSP(_, compared), Operand::Immediate(last), _],
            ) if compared == index => {
                return (next.detail.opcode == Opcode::Bcc(HIGHER)).then(|| u64::from(last) + 1);
            }
            (_, [Operand::Register(_, written) | Operand::RegisterOrSP(_, written), ..]) if written == index => {
                return None;
            }
            _ => {}
        }
    }
    None
}
