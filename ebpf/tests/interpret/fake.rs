//! Memory that is a map from addresses to bytes, everything else not being mapped; and programs run over it.

use std::collections::BTreeMap;

use uprobed_ebpf::{
    interpret::{Next, STEPS, State, Target, step},
    program::{Code, NO_SLOT, OPS, Op, Program},
    wire::Record,
};

#[derive(Default)]
pub struct Fake {
    pub memory: BTreeMap<u64, u8>,
}

impl Fake {
    pub fn put(&mut self, address: u64, bytes: &[u8]) {
        self.memory.extend(bytes.iter().enumerate().map(|(index, byte)| (address + index as u64, *byte)));
    }

    pub fn words(&mut self, address: u64, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            self.put(address + 8 * index as u64, &word.to_le_bytes());
        }
    }

    /// A string at `address`, its header at `header`.
    pub fn string(&mut self, header: u64, address: u64, text: &str) {
        self.words(header, &[address, text.len() as u64]);
        self.put(address, text.as_bytes());
    }
}

impl Target for Fake {
    unsafe fn read(&mut self, address: u64, into: *mut u8, length: u32) -> bool {
        let bytes: Option<Vec<u8>> =
            (0..u64::from(length)).map(|index| self.memory.get(&address.wrapping_add(index)).copied()).collect();
        let is_read = bytes.is_some();
        let bytes = bytes.unwrap_or_else(|| vec![0; length as usize]);
        // SAFETY: the caller's buffer is `length` bytes.
        unsafe { into.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        is_read
    }

    fn bound(value: u64, mask: u64) -> u64 {
        value & mask
    }
}

pub fn op(code: Code, a: u8, b: u8, target: u8, offset: i32, value: u64) -> Op {
    Op { code, a, b, target, offset, value }
}

fn program(ops: &[Op]) -> Program {
    // SAFETY: a program is plain data.
    let mut program: Program = unsafe { std::mem::zeroed() };
    program.traceparent = NO_SLOT;
    program.ops = [op(Code::END, 0, 0, 0, 0, 0); OPS];
    program.ops[..ops.len()].copy_from_slice(ops);
    program.ops_len = ops.len() as u8;
    program
}

pub fn run(fake: &mut Fake, ops: &[Op]) -> Box<State> {
    // SAFETY: a state is plain data.
    let mut state: Box<State> = unsafe { Box::new(std::mem::zeroed()) };
    state.reset();
    state.traceparent_capture = 0xff;
    state.registers[3] = 0x10_000;
    let program = program(ops);
    for _ in 0..STEPS {
        if step(fake, &mut state, &program) == Next::Done {
            break;
        }
    }
    state
}

/// Each capture as `index:state:bytes`.
pub fn captures(state: &State) -> Vec<String> {
    let mut rest = &state.out[size_of::<Record>()..state.length as usize];
    let mut captures = Vec::new();
    while let [index, status, low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (bytes, padding) = after[..length.next_multiple_of(4)].split_at(length);
        assert!(padding.iter().all(|byte| *byte == 0), "padding holds what another record left");
        captures.push(format!("{index}:{status}:{}", String::from_utf8_lossy(bytes)));
        rest = &after[length.next_multiple_of(4)..];
    }
    captures
}

/// An operation that looks for a key, and those that spell the rest of it.
pub fn key_ops(code: Code, key: &str, capture: u8, offset: i32) -> Vec<Op> {
    let mut words = key.as_bytes().chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let mut ops = vec![op(code, capture, key.len() as u8, 0, offset, words.next().expect("a key has bytes"))];
    ops.extend(words.map(|word| op(Code::KEY_MORE, 0, 0, 0, 0, word)));
    ops
}
