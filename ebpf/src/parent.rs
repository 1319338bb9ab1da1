//! Whose child is a span: where its ids come from.

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::{c_long, c_void};
use uprobed_ebpf::{
    interpret::{self, State, Target},
    program::{NO_SLOT, Program, flags},
    traceparent,
    wire::{Address, CONTEXT_TYPES, Goroutine, ParentSource, SpanContext},
};

use crate::{
    context::random,
    hit::{User, load},
    identity::{copy, open},
    join,
    maps::{CONTEXTS, Life},
};

/// Contexts that a walk follows: middleware adds one or two each.
const CONTEXT_DEPTH: u32 = 16;
/// Makes the span's ids, from those of the parent in `state.named` if there is one, and says in the record whose child it is.
#[inline(always)]
pub fn identify(state: &mut State, source: ParentSource) {
    let parent = state.named.context;
    state.open.context = SpanContext { trace: parent.trace, span: random() };
    if source as u8 == ParentSource::None as u8 {
        state.open.context.trace = [random(), random()];
    }
    let context = state.open.context;
    let head = state.head();
    head.span = context;
    head.parent_source = source as u8;
    head.parent = if source as u8 == ParentSource::None as u8 { 0 } else { parent.span };
}

/// Finds the parent, best source first, and leaves its context in `state.named`.
#[inline(always)]
pub fn find_parent(process: &Life, program: &Program, state: &mut State, entry: Option<&Goroutine>) -> ParentSource {
    if state.traceparent != 0 && incoming(state) {
        return ParentSource::Remote;
    }
    if program.flags & flags::ADOPT != 0 && state.join.is_complete() && join::adopt(process, program, state) {
        return ParentSource::Joined;
    }
    if program.flags & flags::INHERITS == 0 {
        return ParentSource::None;
    }
    if find_context(program, state) && walk(process, state) {
        return ParentSource::Context;
    }
    let Some(entry) = entry else { return ParentSource::None };
    if open(&entry.top).is_some() {
        copy(&entry.top.context, &mut state.named.context);
        return ParentSource::Goroutine;
    }
    if open(&entry.inherited).is_some() {
        copy(&entry.inherited.context, &mut state.named.context);
        return ParentSource::Spawned;
    }
    ParentSource::None
}

/// The context in a header that came in.
#[inline(always)]
fn incoming(state: &mut State) -> bool {
    let at = User::bound(state.traceparent.into(), 4095) as usize;
    // SAFETY: `out` has more than 60 bytes behind each place below 4096. The second half of a capture's head is the number of its bytes.
    let found = unsafe {
        let capture = state.out.as_ptr().add(at);
        let length = capture.add(2).cast::<u16>().read();
        traceparent::parse(&*capture.add(4).cast(), length.into())
    };
    match found {
        Some(context) => {
            state.named.context = context;
            true
        }
        None => false,
    }
}

/// Puts the words of the `context.Context` in which to look into the state; false if there is none.
#[inline(always)]
fn find_context(program: &Program, state: &mut State) -> bool {
    let [first, second] = program.parent_context;
    if first == NO_SLOT {
        return false;
    }
    if second != NO_SLOT {
        state.context = [state.word::<User>(first), state.word::<User>(second)];
        return true;
    }
    let Some(words) = interpret::words(&mut User, state.word::<User>(first)) else { return false };
    state.context = words;
    true
}

/// Follows the `context.Context` in the state to one that carries an open span, and leaves its context in `state.named`.
#[inline(always)]
fn walk(process: &Life, state: &mut State) -> bool {
    state.named.context.span = 0;
    let mut walk = Walk { process, state };
    // SAFETY: the callback takes what stands here.
    unsafe {
        bpf_loop(CONTEXT_DEPTH, one_context as *mut c_void, (&raw mut walk).cast(), 0);
    }
    open(&state.named).is_some()
}

struct Walk {
    process: *const Life,
    state: *mut State,
}

/// Looks at one context: 1 ends the walk.
#[inline(never)]
extern "C" fn one_context(_: u32, walk: *mut c_void) -> c_long {
    // SAFETY: `walk` passes a Walk whose pointers outlive the loop.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: as above; nobody else looks at the state meanwhile.
    let (process, state) = unsafe { (&*walk.process, &mut *walk.state) };
    let [itab, data] = state.context;
    if itab == 0 || data == 0 {
        return 1;
    }
    // SAFETY: what is read is compared before use.
    if let Some(named) = unsafe { CONTEXTS.get(&Address { slot: process.slot, zero: 0, address: data }) } {
        copy(named, &mut state.named);
        return 1;
    }
    // internal/abi.ITab: the type is its second word.
    let Some(ty) = load(itab.wrapping_add(8)) else { return 1 };
    if !is_context(process, ty.wrapping_sub(state.bias)) {
        return 1;
    }
    // The parent is the first field.
    let Some(parent) = interpret::words(&mut User, data) else { return 1 };
    state.context = parent;
    0
}

/// Whether a type's first field is its parent. What is read is hidden from the compiler, which would go through all of them and remember
/// in a register whether one was the type: that doubles what the kernel's verifier looks at with each.
#[inline(never)]
fn is_context(process: &Life, ty: u64) -> bool {
    let mut index = 0;
    while index < CONTEXT_TYPES {
        if User::bound(process.context_types[index], u64::MAX) == ty {
            return true;
        }
        index += 1;
    }
    false
}
