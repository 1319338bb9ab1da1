//! What following a function's code needs to know of an architecture.

use super::Cost;
use super::body::Body;
use super::tables::Table;

/// What happens after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// The next one, and this one changed no register, flag or memory.
    Nothing,
    Call(Option<u64>),
    Jump(u64),
    /// Perhaps there, perhaps the next one.
    Branch(u64),
    /// To where a register or a word in memory says.
    Indirect,
    Return,
    /// A trap, or padding.
    Stop,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction<D> {
    pub address: u64,
    pub length: u64,
    pub flow: Flow,
    pub detail: D,
}

impl<D> Instruction<D> {
    pub fn end(&self) -> u64 {
        self.address + self.length
    }
}

/// An architecture.
pub(super) trait Machine: Sized {
    /// An instruction as its disassembler has it.
    type Detail: Copy;
    /// Bytes, a multiple of which every instruction's address is.
    const ALIGNMENT: usize;

    /// The first instruction of `code`, which lies at `address`.
    fn decode(code: &[u8], address: u64) -> Option<Instruction<Self::Detail>>;
    /// What the kernel makes of a uprobe on it; nothing where it refuses one.
    fn cost(instruction: &Instruction<Self::Detail>, code: &[u8]) -> Option<Cost>;
    fn text(instruction: &Instruction<Self::Detail>) -> String;
    /// The best site behind a Go function's stack check, and whether a hit is to be ignored if it branches.
    fn after_check(body: &Body<Self>) -> Option<(Instruction<Self::Detail>, bool)>;
    /// The table that an indirect jump takes its target from; `before` are the instructions that lead to it, the nearest first.
    fn table(jump: &Instruction<Self::Detail>, before: &[Instruction<Self::Detail>]) -> Option<Table>;
}
