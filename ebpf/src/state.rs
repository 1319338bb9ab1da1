//! What a run of a capture program remembers, and how it records.

use core::mem::MaybeUninit;

use crate::{
    interpret::Target,
    program::{ABORT, CAPTURE_BYTES, FETCH_WORDS, KEPT, OPS, Op, Program, RECORD, WINDOW_WORDS, WINDOWS, WORDS, ZERO},
    wire::{Goroutine, Named, Open, Published, Record, SpanKey, state},
};

/// Bytes of one record, head included, beyond which no capture begins.
pub const RECORD_BYTES: usize = 4096;
/// A capture's length before it is compared with `CAPTURE_BYTES`. Verifiers forget what a comparison says, but not what a mask does.
const LENGTH_MASK: u64 = 2 * CAPTURE_BYTES as u64 - 1;
/// Places in the scratch space are multiples of eight below 512.
pub(crate) const SCRATCH_MASK: u64 = 0x1f8;
/// Where a key is put for comparison.
pub(crate) const KEY_AT: usize = SCRATCH_MASK as usize + 16;
/// Groups of eight that a walk through one map looks at.
pub const MAP_GROUPS: u32 = 16;
/// The longest key that can be looked for, in bytes.
pub const KEY_BYTES: usize = 24;
/// Nothing is mapped below this address (`vm.mmap_min_addr` is at least one page on the kernels that matter).
pub(crate) const NIL: u64 = 4096;

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
    pub slice: Slice,
    /// Where values of the tables are put together: the kernel gives a program 512 bytes of stack.
    pub open: Open,
    pub goroutine: Goroutine,
    pub place: Place,
    pub key: SpanKey,
    /// Another key for the span of `key`.
    pub name: SpanKey,
    pub named: Named,
    /// Itab and data word of the context in which a parent is looked for.
    pub context: [u64; 2],
    pub published: Published,
    /// The head of a record about another span than the one at hand.
    pub abandoned: Record,
    /// Where the capture of a `traceparent` stands in `out`; 0 for nowhere.
    pub traceparent: u32,
    pub traceparent_capture: u32,
    /// Room for what is read and looked at, but not recorded.
    pub scratch: [u8; KEY_AT + KEY_BYTES],
    /// Head and captures. The rest is slack, so that a copy at a masked place and of a masked length stays inside.
    pub out: [u8; RECORD_BYTES + LENGTH_MASK as usize + 1 + 64],
}

/// Where in the program a hit happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Address of the `runtime.g`; in programs that are not Go the thread's number.
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

/// The slice of structs being walked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Slice {
    /// Of the first element.
    pub pointer: u64,
    /// An [`ElementLayout`](crate::program::ElementLayout).
    pub layout: u64,
    /// Elements to look at.
    pub count: u32,
    /// The element to go on with.
    pub cursor: u32,
    /// What to say if none has the key.
    pub failure: u32,
    pub reserved: u32,
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
    pub(crate) fn set<T: Target>(&mut self, slot: u8, value: u64) {
        // SAFETY: as in `word`.
        unsafe { *self.words.as_mut_ptr().add(T::bound(slot.into(), WORDS as u64 - 1) as usize) = value }
    }

    /// A word of the window, and what is to be known of its window.
    #[inline(always)]
    pub(crate) fn window<T: Target>(&self, op: &Op, index: u8) -> (u64, u8) {
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
    pub(crate) fn fail_word<T: Target>(&mut self, op: &Op, failure: u8) {
        if op.target == ZERO { self.set::<T>(op.a, 0) } else { self.fail(op, failure) }
    }

    /// As `fail`, for operations that record a capture.
    #[inline(always)]
    pub(crate) fn fail_capture<T: Target>(&mut self, target: &mut T, op: &Op, failure: u8) {
        if op.target != RECORD {
            return self.fail(op, failure);
        }
        if failure == state::UNREADABLE {
            self.unreadable += 1;
        }
        self.capture(target, op, failure, 0, 0);
    }

    #[inline(always)]
    pub(crate) fn fail(&mut self, op: &Op, failure: u8) {
        self.failure = failure.into();
        if op.target == ABORT {
            self.aborted = 1;
        }
        self.pc = op.target.into();
    }

    /// Reads one word.
    #[inline(always)]
    pub(crate) fn load<T: Target>(&mut self, target: &mut T, address: u64) -> Option<u64> {
        words::<T, 1>(target, address).map(|[word]| word)
    }

    /// Appends a capture. `length` bytes are copied from `address`; none if it is 0.
    #[inline(always)]
    pub(crate) fn capture<T: Target>(&mut self, target: &mut T, op: &Op, status: u8, address: u64, length: u64) {
        let at = T::bound(self.length.into(), RECORD_BYTES as u64 - 1) as usize;
        let length = T::bound(length, LENGTH_MASK);
        let length = if length > CAPTURE_BYTES as u64 { CAPTURE_BYTES as u64 } else { length };
        let (mut length, mut status) = (length as u32, status);
        let padded = (length + 3) & !3;
        if at + 4 + padded as usize > RECORD_BYTES - 64 {
            (length, status) = (0, state::CUT);
        }
        let out = self.out.as_mut_ptr();
        if length > 0 {
            // SAFETY: `at` is below RECORD_BYTES and `length` at most LENGTH_MASK; `out` holds both and 64 bytes more.
            let read = unsafe {
                // What pads the last word must not be what another record left.
                *out.add(at + (padded as usize & (LENGTH_MASK as usize & !3))).cast::<u32>() = 0;
                target.read(address, out.add(at + 4), T::bound(length.into(), LENGTH_MASK) as u32)
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
    pub(crate) fn string<T: Target>(&mut self, target: &mut T, op: &Op, pointer: u64, length: u64, limit: u64) {
        if length > i32::MAX as u64 {
            // No string is that long; this memory is something else.
            self.unreadable += 1;
            return self.capture(target, op, state::UNREADABLE, 0, 0);
        }
        let status = if length > limit { state::CUT } else { state::READ };
        let length = if length > limit { limit } else { length };
        self.capture(target, op, status, pointer, length);
    }

    /// Whether the key at `pointer`, which is as long, is the one that an operation and those after it spell; none if it cannot be read. The
    /// program counter is behind the operation.
    #[inline(always)]
    pub(crate) fn is_key<T: Target>(
        &mut self,
        target: &mut T,
        op: &Op,
        program: &Program,
        pointer: u64,
    ) -> Option<bool> {
        let length = if op.b as usize > KEY_BYTES { KEY_BYTES as u32 } else { op.b.into() };
        let length = T::bound(length.into(), 31);
        if length > KEY_BYTES as u64 {
            return None;
        }
        // The scratch space's last words are beyond any group; what is longer than the key there is zero.
        let zero = T::zero();
        // SAFETY: the place is inside `scratch`, aligned, and KEY_BYTES long.
        let bytes = unsafe {
            let at = self.scratch.as_mut_ptr().add(KEY_AT).cast::<u64>();
            at.write(zero);
            at.add(1).write(zero);
            at.add(2).write(zero);
            if !target.read(pointer, at.cast(), length as u32) {
                return None;
            }
            [at.read(), at.add(1).read(), at.add(2).read()]
        };
        // One comparison for both: the verifier of Linux 6.1 does not see that the second would follow from the first.
        let next = self.pc as usize;
        if next >= OPS - 1 {
            return None;
        }
        Some(
            (bytes[0] == op.value)
                & (length <= 8 || bytes[1] == program.ops[next].value)
                & (length <= 16 || bytes[2] == program.ops[next + 1].value),
        )
    }

    /// The operation behind this one and the words of its key.
    #[inline(always)]
    pub(crate) fn behind_key(&self, op: &Op) -> u32 {
        self.pc + (u32::from(op.b).wrapping_sub(1) >> 3 & 3)
    }

    /// A capture of one word.
    #[inline(always)]
    pub(crate) fn word_capture<T: Target>(&mut self, op: &Op, value: u64) {
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
