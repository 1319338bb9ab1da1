//! Runs a capture program over a [`Target`]: registers and memory of the watched process. Each step does a bounded amount of work;
//! who calls it bounds the number of steps ([`STEPS`]). Everything that it remembers is in [`State`], so that the kernel's
//! verifier sees one step only.

use core::mem::MaybeUninit;

use crate::{
    program::{
        ABORT, CAPTURE_BYTES, Code, FETCH_WORDS, KEPT, OPS, Op, Program, RECORD, WINDOW_WORDS, WINDOWS, WORDS, ZERO,
    },
    wire::{Goroutine, Named, Open, Published, Record, SpanKey, state},
};

/// The most steps of one run: every operation once, and room for maps of many groups.
pub const STEPS: u32 = 256;
/// Bytes of one record, head included, beyond which no capture begins.
pub const RECORD_BYTES: usize = 4096;
/// Places in the scratch space are multiples of eight below 512.
const SCRATCH_MASK: u64 = 0x1f8;
/// Where a key is put for comparison.
const KEY_AT: usize = SCRATCH_MASK as usize + 16;
/// Groups of eight that a walk through one map looks at.
pub const MAP_GROUPS: u32 = 16;
/// The longest key that can be looked for, in bytes.
pub const KEY_BYTES: usize = 24;
/// Nothing is mapped below this address (`vm.mmap_min_addr` is at least one page on the kernels that matter).
const NIL: u64 = 4096;

/// What a program reads.
pub trait Target {
    /// False if not all of it could be read.
    ///
    /// # Safety
    /// `into` must be valid for writes of `length` bytes.
    unsafe fn read(&mut self, address: u64, into: *mut u8, length: u32) -> bool;

    /// `value` masked so that nobody can optimize the mask away: the verifier needs to see it.
    fn bound(value: u64, mask: u64) -> u64;
}

/// All that a run remembers.
#[repr(C)]
pub struct State {
    /// Taken: 1.
    pub busy: u64,
    pub pc: u32,
    /// Bytes of `out` in use.
    pub length: u32,
    pub failure: u32,
    /// Captures that could not be read.
    pub unreadable: u32,
    /// 1 when the program asked not to be recorded.
    pub aborted: u32,
    /// Whether any process publishes, for `IF_PUBLISHED`.
    pub is_published: u32,
    /// Load bias of the process.
    pub bias: u64,
    pub words: [u64; WORDS],
    /// What `FETCH` read, and what it said of each window. The slack at the end is for a bounded copy at a bounded place.
    pub window: [u64; WINDOW_WORDS + FETCH_WORDS + 1],
    pub windows: [u8; WINDOWS],
    pub registers: [u64; 32],
    pub kept: [u64; KEPT],
    pub join: Join,
    pub map: Map,
    /// Where values of the tables are put together: the kernel gives a program 512 bytes of stack.
    pub open: Open,
    pub goroutine: Goroutine,
    pub place: Place,
    pub key: SpanKey,
    pub named: Named,
    pub published: Published,
    /// The head of a record about another span than the one at hand.
    pub abandoned: Record,
    /// Where the capture of a `traceparent` stands in `out`; 0 for nowhere.
    pub traceparent: u32,
    pub traceparent_capture: u32,
    /// Room for what is read and looked at, but not recorded.
    pub scratch: [u8; KEY_AT + KEY_BYTES],
    /// Head and captures. The last 1024 bytes are slack, so that a bounded copy at a bounded place stays inside.
    pub out: [u8; RECORD_BYTES + CAPTURE_BYTES as usize + 64],
}

/// Where in the program a hit happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Address of the `runtime.g`; 0 in programs that are not Go.
    pub g: u64,
    /// Goroutine's (thread's) number.
    pub goid: u64,
    /// Bytes between the stack's beginning and the stack pointer: survives a stack that moves, grows with each call.
    pub depth: u64,
}

const _: () = assert!(core::mem::offset_of!(State, out) % 8 == 0 && core::mem::offset_of!(State, scratch) % 8 == 0);

/// Both ends of a connection, and the stream on it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// Addresses in their 16-byte form, local first.
    pub addresses: [[u64; 2]; 2],
    /// Local port, remote port, stream.
    pub numbers: [u64; 3],
    /// Bits 0 to 4: addresses local and remote, numbers 0 to 2.
    pub known: u64,
}

impl Join {
    /// Whether both ends are known.
    #[inline(always)]
    pub fn is_complete(&self) -> bool {
        self.known & 0b1111 == 0b1111
    }
}

/// The map being walked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Map {
    /// First group (bucket) and their number.
    pub groups: u64,
    pub count: u32,
    pub failure: u32,
    /// Bytes of a group, the place of the first key and value in it, and how far apart they stand.
    pub group_size: u32,
    pub value: u32,
    pub key_stride: u32,
    pub value_stride: u32,
    pub swiss: u32,
    /// Which group `scratch` holds; `u32::MAX` for none.
    pub loaded: u32,
    /// The slot to go on with.
    pub cursor: u32,
    pub reserved: u32,
}

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Go,
    Done,
}

impl State {
    /// Ready for a new run. Registers, bias and kept words are the caller's.
    #[inline(always)]
    pub fn reset(&mut self) {
        self.pc = 0;
        self.length = size_of::<Record>() as u32;
        self.failure = 0;
        self.unreadable = 0;
        self.aborted = 0;
        self.traceparent = 0;
        self.join.known = 0;
    }

    /// The head of the record, at the beginning of `out`.
    #[inline(always)]
    pub fn head(&mut self) -> &mut Record {
        // SAFETY: `out` is longer than a head and aligned to 8 bytes, as the assertion below says; every bit pattern is a head.
        unsafe { &mut *self.out.as_mut_ptr().cast() }
    }

    #[inline(always)]
    pub fn word<T: Target>(&self, slot: u8) -> u64 {
        // SAFETY: WORDS is a power of two, and the index is masked with WORDS - 1.
        unsafe { *self.words.as_ptr().add(T::bound(slot.into(), WORDS as u64 - 1) as usize) }
    }

    #[inline(always)]
    fn set<T: Target>(&mut self, slot: u8, value: u64) {
        // SAFETY: as in `word`.
        unsafe { *self.words.as_mut_ptr().add(T::bound(slot.into(), WORDS as u64 - 1) as usize) = value }
    }

    /// A word of the window, and what is to be known of its window.
    #[inline(always)]
    fn window<T: Target>(&self, op: &Op, index: u8) -> (u64, u8) {
        // SAFETY: both indices are masked with their array's (power of two) length less one.
        unsafe {
            (
                *self.window.as_ptr().add(T::bound(index.into(), WINDOW_WORDS as u64 - 1) as usize),
                *self.windows.as_ptr().add(T::bound(op.offset as u64, WINDOWS as u64 - 1) as usize),
            )
        }
    }

    /// As `fail`, for operations that make a word.
    #[inline(always)]
    fn fail_word<T: Target>(&mut self, op: &Op, failure: u8) {
        if op.target == ZERO { self.set::<T>(op.a, 0) } else { self.fail(op, failure) }
    }

    /// As `fail`, for operations that record a capture.
    #[inline(always)]
    fn fail_capture<T: Target>(&mut self, target: &mut T, op: &Op, failure: u8) {
        if op.target != RECORD {
            return self.fail(op, failure);
        }
        if failure == state::UNREADABLE {
            self.unreadable += 1;
        }
        self.capture(target, op, failure, 0, 0);
    }

    #[inline(always)]
    fn fail(&mut self, op: &Op, failure: u8) {
        self.failure = failure.into();
        if op.target == ABORT {
            self.aborted = 1;
        }
        self.pc = op.target.into();
    }

    /// Reads one word.
    #[inline(always)]
    fn load<T: Target>(&mut self, target: &mut T, address: u64) -> Option<u64> {
        words::<T, 1>(target, address).map(|[word]| word)
    }

    /// Appends a capture. `length` bytes are copied from `address`; none if it is 0.
    #[inline(always)]
    fn capture<T: Target>(&mut self, target: &mut T, op: &Op, status: u8, address: u64, length: u64) {
        let at = T::bound(self.length.into(), RECORD_BYTES as u64 - 1) as usize;
        let length = T::bound(length, 2 * CAPTURE_BYTES as u64 - 1);
        let length = if length > CAPTURE_BYTES as u64 { CAPTURE_BYTES as u64 } else { length };
        let (mut length, mut status) = (length as u32, status);
        let padded = (length + 3) & !3;
        if at + 4 + padded as usize > RECORD_BYTES - 64 {
            (length, status) = (0, state::CUT);
        }
        let out = self.out.as_mut_ptr();
        if length > 0 {
            // SAFETY: `at` is below RECORD_BYTES and `length` at most CAPTURE_BYTES; `out` holds both and 64 bytes more.
            let read = unsafe {
                // What pads the last word must not be what another record left.
                *out.add(at + (padded as usize & 0x7fc)).cast::<u32>() = 0;
                target.read(address, out.add(at + 4), T::bound(length.into(), 0x7ff) as u32)
            };
            if !read {
                (length, status) = (0, state::UNREADABLE);
                self.unreadable += 1;
            }
        }
        // SAFETY: as above.
        unsafe { *out.add(at).cast::<u32>() = op.a as u32 | (status as u32) << 8 | length << 16 };
        if u32::from(op.a) == self.traceparent_capture && length > 0 {
            self.traceparent = at as u32;
        }
        self.length = at as u32 + 4 + ((length + 3) & !3);
    }

    /// A capture of at most `limit` bytes of a string.
    #[inline(always)]
    fn string<T: Target>(&mut self, target: &mut T, op: &Op, pointer: u64, length: u64, limit: u64) {
        if length > i32::MAX as u64 {
            // No string is that long; this memory is something else.
            self.unreadable += 1;
            return self.capture(target, op, state::UNREADABLE, 0, 0);
        }
        let status = if length > limit { state::CUT } else { state::READ };
        let length = if length > limit { limit } else { length };
        self.capture(target, op, status, pointer, length);
    }

    /// A capture of one word.
    #[inline(always)]
    fn word_capture<T: Target>(&mut self, op: &Op, value: u64) {
        let at = T::bound(self.length.into(), RECORD_BYTES as u64 - 1) as usize;
        if at > RECORD_BYTES - 80 {
            return;
        }
        // SAFETY: `at` is below RECORD_BYTES; `out` is larger by far more than 12 bytes.
        unsafe {
            let out = self.out.as_mut_ptr().add(at);
            // In halves: records are aligned to four bytes, and an unaligned word would be written byte by byte.
            *out.cast::<u32>() = op.a as u32 | 8 << 16;
            *out.add(4).cast::<u32>() = value as u32;
            *out.add(8).cast::<u32>() = (value >> 32) as u32;
        }
        self.length = at as u32 + 12;
    }
}

/// Reads whole words. Into memory that is not cleared before: clearing would be a call in the kernel.
#[inline(always)]
pub fn words<T: Target, const N: usize>(target: &mut T, address: u64) -> Option<[u64; N]> {
    let mut words = MaybeUninit::<[u64; N]>::uninit();
    // SAFETY: there is room for N words, and they are all written if the reading succeeded.
    unsafe { target.read(address, words.as_mut_ptr().cast(), N as u32 * 8).then(|| words.assume_init()) }
}

/// Runs one operation, or one group's worth of a walk through a map.
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
        Code::MAP_KEY_MORE => {}
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

/// Finds the map's groups and loads the first.
#[inline(always)]
fn map<T: Target>(target: &mut T, state: &mut State, op: &Op) {
    state.map.loaded = u32::MAX;
    state.map.cursor = 0;
    state.map.count = 0;
    state.map.failure = state::ABSENT.into();
    let base = state.word::<T>(op.b);
    if base < NIL {
        // A nil map has no keys: each is absent.
        return;
    }
    let [kind, first, _, third, _, _, _, value_size] = op.value.to_le_bytes();
    let value_size = u32::from(value_size);
    // `B` is a byte within its word, and the pointer comes behind it; `dirPtr` comes before `dirLen`.
    let Some([low, high]) = words(target, base.wrapping_add((first & !7).into())) else {
        state.map.failure = state::UNREADABLE.into();
        return;
    };
    let (sizes, pointer) = if kind == 0 { (low >> ((first & 7) * 8), high) } else { (high, low) };
    state.map.groups = pointer;
    if kind == 0 {
        // runtime.hmap: 2^B buckets, each of 8 hash bytes, 8 keys, 8 values and the address of an overflow bucket (not followed
        // by this walk: request headers' maps are made with their size).
        let power = sizes & 0xff;
        state.map.count = if power > 4 { MAP_GROUPS } else { 1 << power };
        state.map.group_size = 8 + 8 * (16 + value_size) + 8;
        (state.map.value, state.map.key_stride, state.map.value_stride) = (8 + 8 * 16, 16, value_size);
        state.map.swiss = 0;
    } else {
        // internal/runtime/maps.Map: dirLen 0 means that dirPtr is one group; otherwise it is an array of tables, of which a map
        // below a thousand keys has one.
        state.map.group_size = 8 + 8 * (16 + value_size);
        (state.map.value, state.map.key_stride, state.map.value_stride) = (8 + 16, 16 + value_size, 16 + value_size);
        state.map.swiss = 1;
        state.map.count = 1;
        if sizes as i64 > 0 {
            let Some(table) = state.load(target, pointer) else {
                state.map.failure = state::UNREADABLE.into();
                state.map.count = 0;
                return;
            };
            let Some([data, mask]) = words(target, table.wrapping_add(third.into())) else {
                state.map.failure = state::UNREADABLE.into();
                state.map.count = 0;
                return;
            };
            state.map.groups = data;
            state.map.count = if mask >= MAP_GROUPS as u64 { MAP_GROUPS } else { mask as u32 + 1 };
        }
    }
    if pointer < NIL {
        state.map.count = 0;
    }
}

/// Looks for a key in one group; stays at this operation while there are more groups.
#[inline(always)]
fn map_key<T: Target>(target: &mut T, state: &mut State, op: &Op, program: &Program) {
    let cursor = state.map.cursor;
    let group = cursor >> 3;
    let stay = state.pc - 1;
    let next = state.pc + (u32::from(op.b).wrapping_sub(1) >> 3 & 3);
    if group >= state.map.count {
        return key_is_absent(target, state, op, next);
    }
    if state.map.loaded != group {
        let size = T::bound(state.map.group_size.into(), 511) as u32;
        let address = state.map.groups.wrapping_add(u64::from(group) * u64::from(state.map.group_size));
        // SAFETY: `scratch` is longer than 511 bytes.
        if !unsafe { target.read(address, state.scratch.as_mut_ptr(), size) } {
            state.map.failure = state::UNREADABLE.into();
            state.map.count = 0;
            state.pc = stay;
            return;
        }
        state.map.loaded = group;
    }
    let mut found = 8u32;
    let mut slot = 0u32;
    while slot < 8 {
        let key = T::bound((8 + slot * state.map.key_stride + 8).into(), SCRATCH_MASK) as usize;
        // SAFETY: both places are at most SCRATCH_MASK; the first is a multiple of 8.
        let (length, control) = unsafe {
            (
                state.scratch.as_ptr().add(key).cast::<u64>().read(),
                *state.scratch.as_ptr().add(T::bound(slot.into(), 7) as usize),
            )
        };
        // Swiss: the high bit marks an empty or deleted slot. Buckets: hash bytes below minTopHash (5) do.
        let occupied = if state.map.swiss == 1 { control & 0x80 == 0 } else { control >= 5 };
        if found == 8 && slot >= (cursor & 7) && occupied && length == u64::from(op.b) {
            found = slot;
        }
        slot += 1;
    }
    if found == 8 {
        if group + 1 >= state.map.count {
            return key_is_absent(target, state, op, next);
        }
        state.map.cursor = (group + 1) << 3;
        state.pc = stay;
        return;
    }
    state.map.cursor = cursor - (cursor & 7) + found + 1;
    if !key_matches(target, state, op, program, found) {
        state.pc = stay;
        return;
    }
    state.map.cursor = 0;
    state.pc = next;
    map_value(target, state, op, found);
}

#[inline(always)]
fn key_is_absent<T: Target>(target: &mut T, state: &mut State, op: &Op, next: u32) {
    state.map.cursor = 0;
    state.pc = next;
    let failure = state.map.failure as u8;
    if failure == state::UNREADABLE {
        state.unreadable += 1;
    }
    state.capture(target, op, failure, 0, 0);
}

/// Whether the key in `slot` of the loaded group is the one that this operation and those after it spell.
#[inline(always)]
fn key_matches<T: Target>(target: &mut T, state: &mut State, op: &Op, program: &Program, slot: u32) -> bool {
    let at = T::bound((8 + slot * state.map.key_stride).into(), SCRATCH_MASK) as usize;
    // SAFETY: at most SCRATCH_MASK, and a multiple of 8 as `scratch` is aligned to 8.
    let pointer = unsafe { state.scratch.as_ptr().add(at).cast::<u64>().read() };
    let length = if op.b as usize > KEY_BYTES { KEY_BYTES as u32 } else { op.b.into() };
    let length = T::bound(length.into(), 31);
    if length > KEY_BYTES as u64 {
        return false;
    }
    // The scratch space's last words are beyond any group; what is longer than the key there is zero.
    // SAFETY: the place is inside `scratch`, aligned, and KEY_BYTES long.
    let bytes = unsafe {
        let at = state.scratch.as_mut_ptr().add(KEY_AT).cast::<u64>();
        at.write(0);
        at.add(1).write(0);
        at.add(2).write(0);
        if !target.read(pointer, at.cast(), length as u32) {
            return false;
        }
        [at.read(), at.add(1).read(), at.add(2).read()]
    };
    // One comparison for both: the verifier of Linux 6.1 does not see that the second would follow from the first.
    let next = state.pc as usize;
    if next >= OPS - 1 {
        return false;
    }
    (bytes[0] == op.value)
        & (length <= 8 || bytes[1] == program.ops[next].value)
        & (length <= 16 || bytes[2] == program.ops[next + 1].value)
}

#[inline(always)]
fn map_value<T: Target>(target: &mut T, state: &mut State, op: &Op, slot: u32) {
    let at = T::bound((state.map.value + slot * state.map.value_stride).into(), SCRATCH_MASK) as usize;
    // SAFETY: at most SCRATCH_MASK, and a multiple of 8.
    let (mut pointer, mut length) = unsafe {
        let value = state.scratch.as_ptr().add(at).cast::<u64>();
        (value.read(), value.add(1).read())
    };
    if op.offset & 0x1_0000 != 0 {
        // A slice of strings: the first.
        if length == 0 {
            return state.capture(target, op, state::ABSENT, 0, 0);
        }
        let Some(header) = words(target, pointer) else {
            state.unreadable += 1;
            return state.capture(target, op, state::UNREADABLE, 0, 0);
        };
        [pointer, length] = header;
    }
    state.string(target, op, pointer, length, op.offset as u64 & 0xffff);
}

/// An address of 4 or 16 bytes, in its 16-byte form (RFC 4291, 2.5.5.2).
#[inline(always)]
fn join_address<T: Target>(target: &mut T, state: &mut State, op: &Op, pointer: u64, length: u64) {
    let mut address = [0u64; 2];
    // SAFETY: `address` is 16 bytes.
    let read = unsafe {
        match length {
            4 => {
                address[1] = 0xffff_0000;
                target.read(pointer, address.as_mut_ptr().cast::<u8>().add(12), 4)
            }
            16 => target.read(pointer, address.as_mut_ptr().cast(), 16),
            _ => false,
        }
    };
    if read {
        let end = T::bound(op.a.into(), 1) as usize;
        // SAFETY: there are two ends, and the index is masked with 1.
        unsafe { *state.join.addresses.as_mut_ptr().add(end) = address };
        state.join.known |= 1 << end;
    }
}
