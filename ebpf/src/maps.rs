//! The tables between host and kernel, all bounded; sizes may be set by the host before loading.

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, generated::bpf_ringbuf_query},
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use uprobed_ebpf::{
    interpret::State,
    program::Program,
    wire::{
        Address, CONTEXT_TYPES, Goroutine, JoinKey, Named, Open, Process, Published, STATES_PER_CPU, SpanKey, counter,
    },
};

const NO_PREALLOC: u32 = 1;
/// `BPF_NOEXIST` of an insertion: fail where the key is in use.
pub const NO_EXIST: u64 = 1;

#[map]
pub static PROCESSES: HashMap<u32, Process> = HashMap::with_max_entries(4096, 0);
#[map]
pub static PROGRAMS: Array<Program> = Array::with_max_entries(1024, 0);
#[map]
pub static SPANS: HashMap<SpanKey, Open> = HashMap::with_max_entries(65536, 0);
/// Further keys of open spans.
#[map]
pub static ALIASES: HashMap<SpanKey, Named> = HashMap::with_max_entries(65536, NO_PREALLOC);
#[map]
pub static GOROUTINES: HashMap<Address, Goroutine> = HashMap::with_max_entries(262144, NO_PREALLOC);
#[map]
pub static CONTEXTS: HashMap<Address, Named> = HashMap::with_max_entries(65536, 0);
#[map]
pub static PUBLISHED: HashMap<JoinKey, Published> = HashMap::with_max_entries(16384, 0);
/// How many spans are in `PUBLISHED`.
#[map]
pub static PUBLISHERS: Array<u64> = Array::with_max_entries(1, 0);
#[map]
pub static STATES: Array<State> = Array::with_max_entries(64 * STATES_PER_CPU, 0);
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(counter::COUNT, 0);
#[map]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// Bytes waiting in the ring buffer from which the host is woken; below, it comes by itself every few milliseconds. Waking it for each
/// record would cost the watched program more than the record.
const WAKE_BYTES: u64 = 1 << 20;

/// Whether this program may sleep, as the host loaded it.
#[unsafe(no_mangle)]
static CAN_SLEEP: u8 = 0;

#[inline(always)]
pub fn can_sleep() -> bool {
    is_set(&raw const CAN_SLEEP)
}

/// A byte of the program's own, which the verifier knows, and which the compiler must not: nothing that hangs on a 0 is looked at.
#[inline(always)]
pub fn is_set(byte: *const u8) -> bool {
    // SAFETY: the callers' are statics.
    unsafe { byte.read_volatile() != 0 }
}

/// What a hit has to know of its process, copied: the host may forget the process, and use its entry for another, while a hit sleeps. The
/// types stay there; they only say how to go on from one context to the next.
pub struct Life {
    pub slot: u32,
    pub network: u32,
    pub binary: u32,
    pub context_types: &'static [u64; CONTEXT_TYPES],
}

#[inline(always)]
pub fn process(pid: u32) -> Option<Life> {
    // SAFETY: the host writes an entry whole before it attaches, and removes it after the process has ended.
    let Process { slot, network, binary, context_types, .. } = unsafe { PROCESSES.get(&pid) }?;
    Some(Life { slot: *slot, network: *network, binary: *binary, context_types })
}

#[inline(always)]
pub fn count(index: u32) {
    if let Some(counter) = COUNTERS.get_ptr_mut(index) {
        add(counter, 1);
    }
}

/// Adds at once, whoever else does so. As an instruction, for the reason of `swap`.
#[inline(always)]
pub fn add(to: *mut u64, value: i64) {
    // SAFETY: the caller's is a value of a map.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) to, in(reg) value, options(nostack));
    }
}

/// Takes one of this CPU's states.
#[inline(always)]
pub fn take_state() -> Option<&'static mut State> {
    // SAFETY: the helper has no preconditions.
    let first = unsafe { bpf_get_smp_processor_id() } * STATES_PER_CPU;
    let mut index = 0;
    while index < STATES_PER_CPU {
        let state = STATES.get_ptr_mut(first + index)?;
        if swap(state, 1) == 0 {
            // SAFETY: nobody else holds it, as the swap says.
            return Some(unsafe { &mut *state });
        }
        index += 1;
    }
    None
}

#[inline(always)]
pub fn give_back(state: &mut State) {
    swap(state, 0);
}

/// Exchanges `busy`, which nobody touches otherwise. As an instruction, because core has no atomic swap for this target.
#[inline(always)]
fn swap(state: *mut State, value: u64) -> u64 {
    let mut old = value;
    // SAFETY: `busy` is the state's first word, and the state is a value of a map.
    unsafe {
        core::arch::asm!("{0} = xchg_64({1} + 0, {0})", inout(reg) old, in(reg) state, options(nostack));
    }
    old
}

/// Hands a record to the host. Copies, so that no reservation is held while anything else happens.
#[inline(always)]
pub fn output(record: *mut u8, length: u32, wake: bool) {
    const AVAILABLE: u64 = 0;
    const NO_WAKEUP: u64 = 1;
    const FORCE_WAKEUP: u64 = 2;
    let ring = (&raw const RECORDS).cast_mut().cast();
    // SAFETY: the map outlives the program.
    let waiting = unsafe { bpf_ringbuf_query(ring, AVAILABLE) };
    let flags = if wake || waiting > WAKE_BYTES { FORCE_WAKEUP } else { NO_WAKEUP };
    // SAFETY: the caller's record is `length` bytes.
    let result = unsafe { aya_ebpf::helpers::generated::bpf_ringbuf_output(ring, record.cast(), length.into(), flags) };
    count(if result == 0 { counter::RECORDS } else { counter::RING_FULL });
}
