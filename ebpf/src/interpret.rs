//! Runs a capture program over a [`Target`]: registers and memory of the watched process. Each step does a bounded amount of work;
//! who calls it bounds the number of steps ([`STEPS`]). Everything that it remembers is in [`State`], so that the kernel's
//! verifier sees one step only.

use crate::{
    map::{map, map_key},
    program::{Code, ELEMENTS, FETCH_WORDS, KEPT, KEYS, OPS, Op, Program, WINDOW_WORDS, WINDOWS},
    slice::{find, slice},
    state::NIL,
    wire::state,
};

pub use crate::state::{Join, KEY_BYTES, Map, Place, RECORD_BYTES, State, words};

/// The most steps of one run: every operation once, and every key in a map or a slice of many groups or elements.
pub const STEPS: u32 = (OPS + KEYS * ELEMENTS as usize) as u32;

/// What a program reads.
pub trait Target {
    /// False if not all of it could be read; then there are zeros, as `bpf_probe_read_user` leaves them (Linux 5.5).
    ///
    /// # Safety
    /// `into` must be valid for writes of `length` bytes.
    unsafe fn read(&mut self, address: u64, into: *mut u8, length: u32) -> bool;

    /// `value` masked so that nobody can optimize the mask away: the verifier needs to see it.
    fn bound(value: u64, mask: u64) -> u64;

    /// 0, for several words in a row: a 0 that the compiler knows would become a call of memset, byte by byte in the kernel.
    #[inline(always)]
    fn zero() -> u64 {
        Self::bound(0, u64::MAX)
    }
}

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Go,
    Done,
}

/// Runs one operation, or one group's worth of a walk through a map, or one element's of a walk through a slice.
#[inline(always)]
pub fn step<T: Target>(target: &mut T, state: &mut State, program: &Program) -> Next {
    let pc = state.pc as usize;
    if pc >= OPS || pc >= program.ops_len as usize {
        return Next::Done;
    }
    let op = &program.ops[pc];
    state.pc = pc as u32 + 1;
    match op.code {
        Code::REGISTER => {
            // SAFETY: there are 32 registers, and the index is masked with 31.
            let value = unsafe { *state.registers.as_ptr().add(T::bound(op.b.into(), 31) as usize) };
            state.set::<T>(op.a, value);
        }
        Code::KEPT => {
            // SAFETY: KEPT is 4, and the index is masked with 3.
            let value = unsafe { *state.kept.as_ptr().add(T::bound(op.b.into(), KEPT as u64 - 1) as usize) };
            state.set::<T>(op.a, value);
        }
        Code::CONSTANT => state.set::<T>(op.a, op.value),
        Code::ADD => {
            let value = state.word::<T>(op.b).wrapping_add(op.offset as i64 as u64);
            state.set::<T>(op.a, value);
        }
        Code::CUT => {
            let value = extend(state.word::<T>(op.b) >> ((op.value >> 16 & 7) * 8), op.value);
            state.set::<T>(op.a, value);
        }
        Code::LOAD => load(target, state, op),
        Code::NOT_NIL => {
            if state.word::<T>(op.b) < NIL {
                state.fail(op, state::ABSENT);
            }
        }
        Code::ITAB_IS => {
            let itab = state.word::<T>(op.b);
            if itab < NIL {
                state.fail(op, state::ABSENT);
            } else {
                match state.load(target, itab.wrapping_add(op.offset as i64 as u64)) {
                    None => state.fail(op, state::UNREADABLE),
                    Some(found) if found != op.value.wrapping_add(state.bias) => state.fail(op, state::OTHER_TYPE),
                    Some(_) => {}
                }
            }
        }
        Code::TYPE_IS => {
            let found = state.word::<T>(op.b);
            if found < NIL {
                state.fail(op, state::ABSENT);
            } else if found != op.value.wrapping_add(state.bias) {
                state.fail(op, state::OTHER_TYPE);
            }
        }
        Code::JUMP => state.pc = op.target.into(),
        Code::BEGIN => state.failure = 0,
        Code::SKIP => {
            if state.failure == state::UNREADABLE.into() {
                state.unreadable += 1;
            }
            let failure = if state.failure == 0 { state::ABSENT } else { state.failure as u8 };
            state.capture(target, op, failure, 0, 0);
        }
        Code::WORD => state.word_capture::<T>(op, state.word::<T>(op.b)),
        Code::STRING => string(target, state, op),
        Code::STRING_WORDS => {
            let (pointer, length) = (state.word::<T>(op.b), state.word::<T>(op.offset as u8));
            state.string(target, op, pointer, length, op.value);
        }
        Code::BYTES => {
            let address = state.word::<T>(op.b).wrapping_add(op.offset as i64 as u64);
            state.capture(target, op, state::READ, address, op.value);
        }
        Code::TYPE => dynamic_type(target, state, op),
        Code::MAP => map(target, state, op),
        Code::MAP_KEY => map_key(target, state, op, program),
        Code::KEY_MORE => {}
        Code::BELOW => {
            if op.value >= state.word::<T>(op.b) {
                state.fail(op, state::ABSENT);
            }
        }
        Code::COUNT => count(target, state, op),
        Code::SLICE => slice::<T>(state, op),
        Code::FIND => find(target, state, op, program),
        Code::FETCH => fetch(target, state, op),
        Code::PICK => {
            let (word, status) = state.window::<T>(op, op.b);
            if status == state::READ {
                state.set::<T>(op.a, extend(word >> ((op.value >> 16 & 7) * 8), op.value));
            } else {
                state.fail_word::<T>(op, status);
            }
        }
        Code::PICK_WORD => {
            let (word, status) = state.window::<T>(op, op.b);
            if status == state::READ {
                state.word_capture::<T>(op, extend(word >> ((op.value >> 16 & 7) * 8), op.value));
            } else {
                state.fail_capture(target, op, status);
            }
        }
        Code::PICK_STRING => {
            let ((pointer, status), (length, _)) =
                (state.window::<T>(op, op.b), state.window::<T>(op, op.b.wrapping_add(1)));
            if status == state::READ {
                state.string(target, op, pointer, length, op.value);
            } else {
                state.fail_capture(target, op, status);
            }
        }
        Code::IF_PUBLISHED => {
            if state.is_published == 0 {
                state.pc = op.target.into();
            }
        }
        Code::PICK_ADDRESS => {
            let ((pointer, status), (length, _)) =
                (state.window::<T>(op, op.b), state.window::<T>(op, op.b.wrapping_add(1)));
            if status == state::READ {
                join_address(target, state, op, pointer, length);
            }
        }
        Code::JOIN_ADDRESS => {
            let base = state.word::<T>(op.b);
            if base >= NIL
                && let Some([pointer, length]) = words(target, base.wrapping_add(op.offset as i64 as u64))
            {
                join_address(target, state, op, pointer, length);
            }
        }
        Code::JOIN_NUMBER => {
            let index = T::bound(op.a.into(), 3) as usize;
            if index < 3 {
                state.join.numbers[index] = state.word::<T>(op.b);
                state.join.known |= 4 << index;
            }
        }
        _ => return Next::Done,
    }
    Next::Go
}

#[inline(always)]
fn load<T: Target>(target: &mut T, state: &mut State, op: &Op) {
    let base = state.word::<T>(op.b);
    if base < NIL {
        return state.fail_word::<T>(op, state::ABSENT);
    }
    let address = base.wrapping_add(op.offset as i64 as u64);
    let mut word = 0u64;
    // A constant length for each size: a helper called with a variable one costs the verifier more than it saves here.
    // SAFETY: `word` is 8 bytes.
    let read = unsafe {
        match op.value as u8 {
            1 => target.read(address, (&raw mut word).cast(), 1),
            2 => target.read(address, (&raw mut word).cast(), 2),
            4 => target.read(address, (&raw mut word).cast(), 4),
            _ => target.read(address, (&raw mut word).cast(), 8),
        }
    };
    if !read {
        return state.fail_word::<T>(op, state::UNREADABLE);
    }
    state.set::<T>(op.a, extend(word, op.value));
}

#[inline(always)]
fn count<T: Target>(target: &mut T, state: &mut State, op: &Op) {
    let base = state.word::<T>(op.b);
    if base < NIL {
        return state.set::<T>(op.a, 0);
    }
    match state.load(target, base.wrapping_add(op.offset as i64 as u64)) {
        Some(count) => state.set::<T>(op.a, count),
        None => state.fail(op, state::UNREADABLE),
    }
}

/// The low bytes of a word, as `LOAD`'s value says.
#[inline(always)]
fn extend(word: u64, size: u64) -> u64 {
    let shift = 64u32.wrapping_sub((size as u32 & 15) * 8);
    let top = word << (shift & 63);
    if size & 0x100 != 0 { (top as i64 >> (shift & 63)) as u64 } else { top >> (shift & 63) }
}

/// Reads a struct's words into the window.
#[inline(always)]
fn fetch<T: Target>(target: &mut T, state: &mut State, op: &Op) {
    let base = state.word::<T>(op.b);
    let first = T::bound(op.value, WINDOW_WORDS as u64 - 1) as usize;
    let length = T::bound(op.value >> 5, FETCH_WORDS as u64 * 8) as u32;
    let status = if base < NIL {
        state::ABSENT
    } else {
        // SAFETY: `first` is below WINDOW_WORDS and `length` at most FETCH_WORDS words; the window holds both.
        let into = unsafe { state.window.as_mut_ptr().add(first) };
        // SAFETY: as above.
        let is_read = unsafe { target.read(base.wrapping_add(op.offset as i64 as u64), into.cast(), length) };
        if is_read { state::READ } else { state::UNREADABLE }
    };
    // SAFETY: the index is masked with the array's length less one.
    unsafe { *state.windows.as_mut_ptr().add(T::bound(op.a.into(), WINDOWS as u64 - 1) as usize) = status };
}

#[inline(always)]
fn string<T: Target>(target: &mut T, state: &mut State, op: &Op) {
    let base = state.word::<T>(op.b);
    if base < NIL {
        return state.fail_capture(target, op, state::ABSENT);
    }
    match words(target, base.wrapping_add(op.offset as i64 as u64)) {
        Some([pointer, length]) => state.string(target, op, pointer, length, op.value),
        None => state.fail_capture(target, op, state::UNREADABLE),
    }
}

#[inline(always)]
fn dynamic_type<T: Target>(target: &mut T, state: &mut State, op: &Op) {
    let mut address = state.word::<T>(op.b);
    if op.value == 1 && address >= NIL {
        // internal/abi.ITab: Inter, Type, Hash, Fun (Go 1.18 to 1.27).
        match state.load(target, address.wrapping_add(8)) {
            Some(ty) => address = ty,
            None => return state.fail_capture(target, op, state::UNREADABLE),
        }
    }
    if address >= NIL {
        address = address.wrapping_sub(state.bias);
    }
    state.word_capture::<T>(op, address);
}

/// An address of 4 or 16 bytes, in its 16-byte form (RFC 4291, 2.5.5.2).
#[inline(always)]
fn join_address<T: Target>(target: &mut T, state: &mut State, op: &Op, pointer: u64, length: u64) {
    let address = match length {
        4 => {
            let mut last = 0u32;
            // SAFETY: `last` is 4 bytes.
            let is_read = unsafe { target.read(pointer, (&raw mut last).cast(), 4) };
            is_read.then_some([0, 0xffff_0000 | u64::from(last) << 32])
        }
        16 => words(target, pointer),
        _ => None,
    };
    if let Some(address) = address {
        let end = T::bound(op.a.into(), 1) as usize;
        // SAFETY: there are two ends, and the index is masked with 1.
        unsafe { *state.join.addresses.as_mut_ptr().add(end) = address };
        state.join.known |= 1 << end;
    }
}
