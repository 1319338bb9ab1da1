//! The capture program of one probe: a header that says what a hit means, and a short list of bounded operations.

/// The most operations of one program.
pub const OPS: usize = 192;
/// Words that operations compute with.
pub const WORDS: usize = 32;
/// Words of the window that structs are read into, and how many such windows there are.
pub const WINDOW_WORDS: usize = 128;
pub const WINDOWS: usize = 8;
/// The most words of one window.
pub const FETCH_WORDS: usize = 63;
// It serves as a mask.
const _: () = assert!((FETCH_WORDS + 1).is_power_of_two() && WORDS.is_power_of_two() && WINDOW_WORDS.is_power_of_two());
/// Words a start can keep for the other probes of its span.
pub const KEPT: usize = 4;
/// The most bytes of one capture.
pub const CAPTURE_BYTES: u32 = 1024;
/// The most keys that one program looks for in maps and slices.
pub const KEYS: usize = 16;
/// The most elements of a slice that are searched.
pub const ELEMENTS: u32 = 16;
/// Slot number that stands for "none" in a program's header.
pub const NO_SLOT: u8 = 0xff;

/// Registers by the number that `Code::Register` gives in `b`. On amd64 the numbers of DWARF, on arm64 X0 to X30 and SP as 31.
/// (System V psABI, figure 3.36; DWARF for the Arm 64-bit architecture, table 4.)
pub mod amd64 {
    pub const AX: u8 = 0;
    pub const DX: u8 = 1;
    pub const CX: u8 = 2;
    pub const BX: u8 = 3;
    pub const SI: u8 = 4;
    pub const DI: u8 = 5;
    pub const BP: u8 = 6;
    pub const SP: u8 = 7;
    pub const R8: u8 = 8;
    pub const R9: u8 = 9;
    pub const R10: u8 = 10;
    pub const R11: u8 = 11;
    pub const R14: u8 = 14;
}

/// One operation. `w[x]` is word `x`; reading is reading the watched process's memory.
///
/// What fails (unreadable memory, a nil base, another type) jumps to `target`, an index that is larger than the
/// operation's own; `target` of [`ABORT`] ends the program without a record, counted if memory was unreadable.
/// The reason stays in the failure state until a `Begin` clears it, and becomes the state of the captures that are `Skip`ped.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    pub code: Code,
    pub a: u8,
    pub b: u8,
    /// Where to go on failure.
    pub target: u8,
    pub offset: i32,
    pub value: u64,
}

pub const ABORT: u8 = 0xff;
/// A `target` of operations that record a capture: record the failure's state for it, and go on.
pub const RECORD: u8 = 0xfe;
/// A `target` of `LOAD` and `PICK`: make the word 0, and go on.
pub const ZERO: u8 = 0xfd;

const _: () = assert!(size_of::<Op>() == 16);

/// What an operation does; `a` is where the result goes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Code(pub u8);

impl Code {
    /// Ends the program; what was captured is recorded.
    pub const END: Code = Code(0);
    /// `w[a] = register b`
    pub const REGISTER: Code = Code(1);
    /// `w[a] = kept word b` of the open span (never fails; 0 without one).
    pub const KEPT: Code = Code(2);
    /// `w[a] = value`
    pub const CONSTANT: Code = Code(3);
    /// `w[a] = w[b] + offset`
    pub const ADD: Code = Code(4);
    /// `w[a] = *(w[b] + offset)`, `value` low byte: 1, 2, 4 or 8 bytes; bit 8: sign-extended. Fails on nil (w[b] below 4096) or fault.
    pub const LOAD: Code = Code(5);
    /// Fails unless `w[b] >= 4096`, which is to say not nil.
    pub const NOT_NIL: Code = Code(6);
    /// `w[b]` is an itab or nil. Fails with "nil" or "other type" unless the word at `w[b] + offset` (an itab's type) is `value` plus
    /// the process's load bias.
    pub const ITAB_IS: Code = Code(7);
    /// `w[b]` is a type's address or nil. Fails likewise unless it is `value` plus the load bias.
    pub const TYPE_IS: Code = Code(8);
    /// Jumps to `target`, always; the failure state stays.
    pub const JUMP: Code = Code(9);
    /// Begins capture `a`: clears the failure state.
    pub const BEGIN: Code = Code(10);
    /// Records capture `a` as failed, with the failure's state and no bytes.
    pub const SKIP: Code = Code(11);
    /// Records capture `a`: the 8 bytes of `w[b]`.
    pub const WORD: Code = Code(12);
    /// Records capture `a`: at most `value` bytes of the string or slice of bytes whose header (pointer, length) is at `w[b] + offset`.
    /// The empty string is read, with no bytes.
    pub const STRING: Code = Code(13);
    /// Records capture `a`: `value` bytes at `w[b] + offset`.
    pub const BYTES: Code = Code(14);
    /// Records capture `a` of the type behind an interface: `w[b]` is an itab (value 1) or a type (value 0); the 8 bytes of the
    /// type's address less the load bias, 0 for nil. The host puts the name there.
    pub const TYPE: Code = Code(15);
    /// Makes `w[b]` the map (pointer) that `MAP_KEY` speaks of next, with `value` a packed [`MapLayout`].
    pub const MAP: Code = Code(16);
    /// Looks for a key in that map. `value` is the first 8 bytes of the key, `a` the capture, `b` the key's length (1 to 24), low 16
    /// bits of `offset` the most bytes to copy; bit 16 of `offset`: the value is a slice of strings (first one), else a string. Keys
    /// longer than 8 bytes are followed by `KEY_MORE` operations with 8 bytes each, which are not run themselves.
    pub const MAP_KEY: Code = Code(17);
    pub const KEY_MORE: Code = Code(18);
    /// Appends to the key of `publish`/`adopt`: the slice header at `w[b] + offset` holds 4 or 16 bytes (a=0 local, a=1 remote end).
    pub const JOIN_ADDRESS: Code = Code(19);
    /// `w[b]` is the port (a=0 local, a=1 remote end), or a=2 the stream.
    pub const JOIN_NUMBER: Code = Code(20);
    /// Records capture `a`: at most `value` bytes of the string whose pointer is `w[b]` and whose length is `w[offset]`.
    pub const STRING_WORDS: Code = Code(21);
    /// Reads words at `w[b] + offset` into the window for `PICK` and its kin: `value`'s low byte is the first word's place there, the next
    /// byte their number (1 to 63). Never jumps: window `a` (0 to 7) remembers what went wrong.
    pub const FETCH: Code = Code(22);
    /// `LOAD` from the window: `b` is the word, `value`'s third byte how many bytes into it, `offset` the window.
    pub const PICK: Code = Code(23);
    /// `STRING` whose header is in the window: its pointer in word `b`; `offset` is the window.
    pub const PICK_STRING: Code = Code(24);
    /// `JOIN_ADDRESS` whose slice's header is in the window, likewise.
    pub const PICK_ADDRESS: Code = Code(25);
    /// Records capture `a`: a word of the window, as `PICK` takes it.
    pub const PICK_WORD: Code = Code(27);
    /// `w[a]` = some bytes of `w[b]`, as `LOAD`'s value says how many, and `value`'s third byte how many bytes into it: an argument that is
    /// narrower than its register.
    pub const CUT: Code = Code(28);
    /// Jumps to `target` unless some process publishes: what follows is only there to adopt.
    pub const IF_PUBLISHED: Code = Code(26);
    /// Fails with "nil" unless `value < w[b]`, both unsigned: an index and a slice's length.
    pub const BELOW: Code = Code(29);
    /// `w[a]` = the word at `w[b] + offset`, or 0 if `w[b]` is nil: how many entries a map has. Fails on fault.
    pub const COUNT: Code = Code(30);
    /// Makes the slice of structs that begins at `w[b]` and has `w[a]` elements the one that `FIND` speaks of next, with `value` a packed
    /// [`ElementLayout`].
    pub const SLICE: Code = Code(31);
    /// Records capture `a`: of the first of that slice's first 16 elements that has this key, the value, a string or a slice of bytes. The
    /// key and the limit are told as for `MAP_KEY`.
    pub const FIND: Code = Code(32);
}

/// How a Go map of string keys lies in memory; all offsets fit one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapLayout {
    /// Buckets of 8 (Go before 1.24): `hmap` with `B` and `buckets` at these offsets, in neighbouring words.
    Buckets { b: u8, buckets: u8 },
    /// Swiss (Go 1.24 and later): `internal/runtime/maps.Map` with `dirPtr` and, right behind, `dirLen`; `table` with `groups.data` and, right
    /// behind, `groups.lengthMask`.
    Swiss { dir_ptr: u8, dir_len: u8, groups: u8, length_mask: u8 },
}

impl MapLayout {
    /// The value's size in bytes goes into the highest byte: 16 for a string, 24 for a slice.
    pub const fn pack(self, value_size: u8) -> u64 {
        let [kind, a, b, c, d] = match self {
            Self::Buckets { b, buckets } => [0, b, buckets, 0, 0],
            Self::Swiss { dir_ptr, dir_len, groups, length_mask } => [1, dir_ptr, dir_len, groups, length_mask],
        };
        u64::from_le_bytes([kind, a, b, c, d, 0, 0, value_size])
    }
}

/// A slice's element that has a string as its key, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementLayout {
    pub size: u32,
    /// Where the headers (pointer, length) of key and value are.
    pub key: u16,
    pub value: u16,
}

impl ElementLayout {
    pub const fn pack(self) -> u64 {
        self.size as u64 | (self.key as u64) << 32 | (self.value as u64) << 48
    }

    pub const fn unpack(packed: u64) -> Self {
        Self { size: packed as u32, key: (packed >> 32) as u16, value: (packed >> 48) as u16 }
    }
}

/// What a hit means. The numbers are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    Start = 0,
    End = 1,
    Event = 2,
    /// No record; publishes and keeps only.
    Mark = 3,
    /// A goroutine is made: `w[key_slots[0]]` is the new g, `w[key_slots[1]]` the g that makes it.
    Spawn = 4,
}

/// How a hit finds its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Correlation {
    Frame = 0,
    /// By `w[key_slots[0]]` and, unless it is `NO_SLOT`, `w[key_slots[1]]`.
    Words = 1,
    Goroutine = 2,
}

pub mod flags {
    /// Later starts of the goroutine are children.
    pub const CURRENT: u16 = 1;
    /// May be a child of an open span of its own process. A mark: may find the span that was open where its goroutine was made.
    pub const INHERITS: u16 = 2;
    pub const PUBLISH: u16 = 4;
    pub const ADOPT: u16 = 8;
    /// Not Go: frames are (thread, SP).
    pub const NATIVE: u16 = 16;
    /// The site is a conditional jump after Go's stack check: ignore the hit where it will be taken (CF or ZF on amd64),
    /// because the function then starts over.
    pub const IGNORE_IF_BELOW_OR_EQUAL: u16 = 32;
    /// The span is found by `name_slots`, too.
    pub const ALIAS: u16 = 64;
    /// The span is found by `name_slots` only, and is current nowhere.
    pub const RENAME: u16 = 128;
}

/// A probe's program, one value of the `PROGRAMS` array; the attachment's cookie is its index.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Which plugin's generation, and which probe of its manifest. Copied into every record.
    pub plugin: u32,
    pub probe: u16,
    pub flags: u16,
    /// The kind of span, unique on this host.
    pub span: u32,
    /// A hash of the join's channel.
    pub channel: u32,
    /// The binary that it is for, by the host's number.
    pub binary: u32,
    pub role: u8,
    pub correlation: u8,
    pub key_slots: [u8; 2],
    /// Slots that the start or the mark keeps, `NO_SLOT` where none.
    pub keep: [u8; KEPT],
    /// The `context.Context` for the parent: slots with its itab and its data word or, if the second is `NO_SLOT`, one with its address.
    pub parent_context: [u8; 2],
    /// Slot with the data word of the own context.
    pub own_context: u8,
    /// The capture that holds a traceparent.
    pub traceparent: u8,
    pub ops_len: u8,
    /// Register that holds g, offsets of `goid` and `stack.hi` in `runtime.g`.
    pub g_register: u8,
    pub stack_pointer: u8,
    pub goid: u16,
    pub stack_hi: u16,
    /// Words for `ALIAS` and `RENAME`, as `key_slots`.
    pub name_slots: [u8; 2],
    pub ops: [Op; OPS],
}

const _: () = assert!(size_of::<Program>() == 48 + OPS * 16);
