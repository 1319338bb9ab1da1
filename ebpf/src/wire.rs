//! What crosses between host and kernel: records of the ring buffer, values of the maps. All little endian, all pinned.

/// A span's identity, W3C Trace Context level 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanContext {
    pub trace: [u64; 2],
    pub span: u64,
}

/// Where a span's parent came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ParentSource {
    None = 0,
    /// A `traceparent` that came in.
    Remote = 1,
    /// Joined with a span of another process of this machine.
    Joined = 2,
    /// A context that was handed on.
    Context = 3,
    /// The goroutine's own open span.
    Goroutine = 4,
    /// The span that was open where the goroutine was made.
    Spawned = 5,
}

/// The head of every record in the ring buffer; the captures follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Bytes of the whole record, this head included.
    pub length: u32,
    pub kind: u8,
    pub parent_source: u8,
    pub probe: u16,
    /// Nanoseconds since boot (`bpf_ktime_get_boot_ns`).
    pub time: u64,
    /// The kernel keeps ids as bytes in memory order.
    pub span: SpanContext,
    pub parent: u64,
    pub goroutine: u64,
    pub plugin: u32,
    /// The host's number for this process's life.
    pub process: u32,
    pub thread: u32,
    pub reserved: u32,
}

const _: () = assert!(size_of::<Record>() == 72);

/// `Record::kind`.
pub mod kind {
    pub const START: u8 = 0;
    pub const END: u8 = 1;
    pub const EVENT: u8 = 2;
    /// The span's end was never seen: its frame is in use again. `time` is the latest that it can have ended. No captures.
    pub const ABANDONED: u8 = 3;
    /// A process (`process` is its pid) called exec, or its last thread ended. No captures.
    pub const EXEC: u8 = 16;
    pub const EXIT: u8 = 17;
}

/// State of a capture, `decode-types.event` in the WIT.
pub mod state {
    pub const READ: u8 = 0;
    pub const ABSENT: u8 = 1;
    pub const OTHER_TYPE: u8 = 2;
    pub const UNREADABLE: u8 = 3;
    pub const CUT: u8 = 4;
}

/// States that a CPU has: a task that is preempted or sleeps within a hit keeps its own while others' probes run.
pub const STATES_PER_CPU: u32 = 16;
/// Name of the byte in the program that says whether it may sleep.
pub const CAN_SLEEP: &str = "CAN_SLEEP";

/// The most context types that one process can have.
pub const CONTEXT_TYPES: usize = 12;

/// A watched process, keyed by its pid (tgid) in the initial namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// The host's number for this life of the pid; never used twice. Not 0.
    pub slot: u32,
    /// Inode of the network namespace.
    pub network: u32,
    /// Which binary it runs, by the host's number; programs of others do not count.
    pub binary: u32,
    pub reserved: u32,
    /// Link-time addresses of the types through which a context is followed; 0 where none.
    pub context_types: [u64; CONTEXT_TYPES],
}

/// What an attachment's cookie says: the index into `PROGRAMS` and the site's link-time address, from which the program
/// takes the load bias of the process at hand.
pub mod cookie {
    pub const PROGRAM_BITS: u32 = 20;

    /// None if the address does not fit (more than 44 bits).
    pub const fn pack(program: u32, address: u64) -> Option<u64> {
        if program >> PROGRAM_BITS != 0 || address >> (64 - PROGRAM_BITS) != 0 {
            return None;
        }
        Some(address << PROGRAM_BITS | program as u64)
    }

    pub const fn program(cookie: u64) -> u32 {
        (cookie & ((1 << PROGRAM_BITS) - 1)) as u32
    }

    pub const fn address(cookie: u64) -> u64 {
        cookie >> PROGRAM_BITS
    }
}

/// Identifies an open span: {process slot, span kind, a, b}.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanKey {
    pub slot: u32,
    pub span: u32,
    /// With frames: the goroutine's (thread's) number and depth of the stack (stack pointer). Else the words.
    pub a: u64,
    pub b: u64,
}

/// An address in a process: a `runtime.g`, a context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Address {
    pub slot: u32,
    pub zero: u32,
    pub address: u64,
}

/// An open span by name and key. The key alone is not enough: keys are used again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Named {
    pub context: SpanContext,
    pub key: SpanKey,
    /// The stack's depth where it began.
    pub depth: u64,
}

/// What is known of the goroutine that a `runtime.g` stands for. Entries stay: the runtime uses a g again for the next goroutine,
/// so there are never more of them than goroutines at once, and `goid` tells whether this is still about the same one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Goroutine {
    pub goid: u64,
    /// Innermost open span; `context.span` 0 for none.
    pub top: Named,
    /// The span that was open where the goroutine was made; likewise.
    pub inherited: Named,
}

/// An open span.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    pub context: SpanContext,
    /// Nanoseconds since boot, for the host's sweep.
    pub time: u64,
    pub kept: [u64; 4],
    /// Whether a mark has put words there.
    pub is_marked: u64,
    /// The goroutine that it is current on; address 0 if it is not.
    pub goroutine: u64,
    pub goid: u64,
    /// The stack's depth where it began.
    pub depth: u64,
    /// The context that carries it, 0 for none.
    pub own_context: u64,
    /// What was current before.
    pub previous: Named,
    pub is_published: u64,
    pub published: JoinKey,
    /// Another key that leads here, in `ALIASES`; slot 0 for none.
    pub alias: SpanKey,
}

/// Both ends of a connection as the publishing side sees them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct JoinKey {
    pub network: u32,
    pub channel: u32,
    pub addresses: [[u64; 2]; 2],
    pub ports: [u64; 2],
    pub stream: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Published {
    pub named: Named,
    /// Two spans claimed the same connection.
    pub ambiguous: u64,
}

/// Indices of the per-CPU `COUNTERS`.
pub mod counter {
    pub const HITS: u32 = 0;
    /// Records handed to the ring buffer.
    pub const RECORDS: u32 = 1;
    /// Records lost because the ring buffer was full.
    pub const RING_FULL: u32 = 2;
    /// Hits lost because no scratch space was free.
    pub const NO_SCRATCH: u32 = 3;
    /// Spans lost because the table of open spans was full.
    pub const SPANS_FULL: u32 = 4;
    /// Goroutines, contexts and joins that were not remembered because their table was full: a parent may be missing.
    pub const TABLES_FULL: u32 = 5;
    /// Captures whose memory could not be read.
    pub const UNREADABLE: u32 = 6;
    /// Ends without a start: of work that began before the attachment, or that was over already.
    pub const UNPAIRED: u32 = 7;
    /// Joins not made because two spans claimed the same connection.
    pub const AMBIGUOUS: u32 = 8;
    /// Spans whose end was never seen.
    pub const ABANDONED: u32 = 9;
    /// Hits whose `only-if` did not hold.
    pub const PASSED_OVER: u32 = 10;
    pub const COUNT: u32 = 11;
}
