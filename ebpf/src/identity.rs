//! Whose span is it: goroutines and open spans.
//!
//! Values that go into tables are put together in the state, not on the stack, of which the kernel gives 512 bytes.

use uprobed_ebpf::{
    interpret::State,
    program::{Correlation, KEPT, NO_SLOT, Program, Role, flags},
    wire::{Address, Goroutine, Named, Open, Record, SpanContext, SpanKey, counter, kind},
};

use crate::{
    hit::{User, load},
    join,
    maps::{self, CONTEXTS, GOROUTINES, Life, NO_EXIST, SPANS, count},
    naming,
    parent::{find_parent, identify},
};

/// Spans on one goroutine whose end was not seen, found at one start.
const ABANDONED_AT_ONCE: u32 = 3;
/// Spans of other kinds that may be open within one that is looked for by its goroutine.
const NESTED: u32 = 3;

/// Copies a value between two places that are not the same. An assignment may become a call of memmove, byte by byte in the kernel.
#[inline(always)]
pub fn copy<T: Copy>(from: &T, to: &mut T) {
    // SAFETY: both are valid, and a mutable reference overlaps with nothing.
    unsafe { core::ptr::copy_nonoverlapping(from, to, 1) }
}

/// The goroutine's entry, made ready for this goroutine if its g stood for another before.
#[inline(always)]
fn goroutine(process: &Life, state: &State) -> Option<&'static mut Goroutine> {
    let entry = GOROUTINES.get_ptr_mut(&Address { slot: process.slot, zero: 0, address: state.place.g })?;
    // SAFETY: a goroutine runs on one thread at a time; entries are removed only after the process has ended.
    let entry = unsafe { &mut *entry };
    if entry.goid != state.place.goid {
        entry.goid = state.place.goid;
        entry.top.context.span = 0;
        entry.inherited.context.span = 0;
    }
    Some(entry)
}

/// The open span with this key, if there is one.
#[inline(always)]
pub fn keyed(key: &SpanKey) -> Option<&'static mut Open> {
    // SAFETY: entries are removed by their span's end only, and what matters in them is compared before use.
    SPANS.get_ptr_mut(key).map(|entry| unsafe { &mut *entry })
}

/// The open span that is named, if it is still the same.
#[inline(always)]
pub fn open(named: &Named) -> Option<&'static mut Open> {
    if named.context.span == 0 {
        return None;
    }
    keyed(&named.key).filter(|entry| entry.context.span == named.context.span)
}

/// Puts the hit's key into the state. False if the correlation is by goroutine, and no span of this kind is open on it.
#[inline(always)]
fn find_key(process: &Life, program: &Program, state: &mut State) -> bool {
    if program.correlation == Correlation::Goroutine as u8 {
        return find_on_goroutine(process, program, state);
    }
    if program.correlation == Correlation::Words as u8 {
        state.key = words(process, program, state, program.key_slots);
    } else {
        state.key.slot = process.slot;
        state.key.span = program.span;
        state.key.a = state.place.goid;
        state.key.b = state.place.depth;
    }
    true
}

/// The key of a span that is found by these words.
#[inline(always)]
pub fn words(process: &Life, program: &Program, state: &State, slots: [u8; 2]) -> SpanKey {
    let b = if slots[1] == NO_SLOT { 0 } else { state.word::<User>(slots[1]) };
    SpanKey { slot: process.slot, span: program.span, a: state.word::<User>(slots[0]), b }
}

/// Puts the key of the goroutine's innermost span of this kind into the state. Others may be open within it: a handler panicked during a call.
#[inline(always)]
fn find_on_goroutine(process: &Life, program: &Program, state: &mut State) -> bool {
    let Some(entry) = goroutine(process, state) else { return false };
    if program.flags & flags::INHERITS != 0 && entry.top.context.span == 0 && open(&entry.inherited).is_some() {
        copy(&entry.inherited, &mut state.named);
    } else {
        copy(&entry.top, &mut state.named);
    }
    let mut count = 0;
    while count < NESTED {
        if state.named.context.span == 0 {
            return false;
        }
        if state.named.key.span == program.span {
            copy(&state.named.key, &mut state.key);
            return true;
        }
        let Some(inner) = open(&state.named) else { return false };
        copy(&inner.previous, &mut state.named);
        count += 1;
    }
    false
}

/// False where it is clear before the captures run that there is no span to speak of. Hands the kept words to the captures.
#[inline(always)]
pub fn may_end(process: &Life, program: &Program, state: &mut State) -> bool {
    if program.correlation == Correlation::Words as u8 {
        return true;
    }
    // No span of this kind on the goroutine is the usual case for such a probe, and no loss.
    if !find_key(process, program, state) {
        return false;
    }
    match keyed(&state.key) {
        Some(entry) => {
            copy(&entry.kept, &mut state.kept);
            true
        }
        None => {
            if program.role == Role::End as u8 {
                count(counter::UNPAIRED);
            }
            false
        }
    }
}

/// A span begins. True if its record is to be handed on.
#[inline(never)]
pub fn start(process: &Life, program: &Program, state: &mut State) -> bool {
    find_key(process, program, state);
    let mut entry = goroutine(process, state);
    if let Some(entry) = entry.as_deref_mut() {
        drop_dead(entry, state, state.place.depth);
    }
    let source = find_parent(process, program, state, entry.as_deref());
    identify(state, source);

    let is_current = program.flags & flags::CURRENT != 0;
    state.open.time = state.head().time;
    let mut index = 0;
    while index < KEPT {
        let slot = program.keep[index];
        state.open.kept[index] = if slot == NO_SLOT { 0 } else { state.word::<User>(slot) };
        index += 1;
    }
    state.open.goroutine = if is_current { state.place.g } else { 0 };
    state.open.goid = state.place.goid;
    state.open.depth = state.place.depth;
    state.open.is_marked = 0;
    state.open.is_published = 0;
    state.open.alias.slot = 0;
    state.open.own_context = if program.own_context == NO_SLOT { 0 } else { state.word::<User>(program.own_context) };
    state.open.previous.context.span = 0;
    if is_current && let Some(entry) = entry.as_deref() {
        copy(&entry.top, &mut state.open.previous);
    }
    if SPANS.insert(&state.key, &state.open, NO_EXIST).is_err() && !replace(state) {
        count(counter::SPANS_FULL);
        return false;
    }
    copy(&state.open.context, &mut state.named.context);
    copy(&state.key, &mut state.named.key);
    state.named.depth = state.place.depth;
    if is_current {
        match entry {
            Some(entry) => copy(&state.named, &mut entry.top),
            None => remember(process, state),
        }
    }
    if state.open.own_context != 0 {
        let address = Address { slot: process.slot, zero: 0, address: state.open.own_context };
        if CONTEXTS.insert(&address, &state.named, 0).is_err() {
            count(counter::TABLES_FULL);
        }
    }
    if program.flags & flags::PUBLISH != 0 {
        join::publish(process, program, state);
    }
    true
}

/// Puts the span in the place of one with the same key, whose end was not seen. False if the table is full.
#[inline(never)]
pub fn replace(state: &mut State) -> bool {
    if let Some(left) = keyed(&state.key) {
        abandon(state, &left.context);
        naming::take_back(left);
    }
    SPANS.insert(&state.key, &state.open, 0).is_ok()
}

/// An end, an event or a mark of an open span. True if its record is to be handed on.
#[inline(never)]
pub fn go_on(process: &Life, program: &Program, state: &mut State) -> bool {
    if program.correlation == Correlation::Words as u8 {
        find_key(process, program, state);
        naming::resolve_alias(state);
    }
    let Some(entry) = keyed(&state.key) else {
        if program.role == Role::End as u8 {
            count(counter::UNPAIRED);
        }
        return false;
    };
    copy(&entry.context, &mut state.head().span);
    if program.flags & flags::PUBLISH != 0 {
        join::publish(process, program, state);
    }
    if program.role == Role::End as u8 && !end(process, state, entry) {
        count(counter::UNPAIRED);
        return false;
    }
    if program.role != Role::Mark as u8 {
        return true;
    }
    keep(program, state, entry);
    if program.flags & flags::ALIAS != 0 {
        naming::alias(process, program, state, entry);
    }
    if program.flags & flags::RENAME != 0 {
        naming::rename(process, program, state, entry);
    }
    false
}

/// Hands the words that a mark keeps to the span, unless one has done so before.
#[inline(always)]
fn keep(program: &Program, state: &State, entry: &mut Open) {
    if entry.is_marked != 0 {
        return;
    }
    let mut index = 0;
    while index < KEPT {
        let slot = program.keep[index];
        if slot != NO_SLOT {
            entry.kept[index] = state.word::<User>(slot);
            entry.is_marked = 1;
        }
        index += 1;
    }
}

/// The span of `state.open` is current no more.
#[inline(always)]
pub fn leave_goroutine(process: &Life, state: &mut State) {
    if state.open.goroutine != 0
        && let Some(goroutine) = goroutine_of(process, &state.open)
    {
        if goroutine.top.context.span != state.open.context.span {
            // What is open within it has lost its end: a panic went through.
            drop_dead(goroutine, state, state.open.depth + 1);
        }
        if goroutine.top.context.span == state.open.context.span {
            copy(&state.open.previous, &mut goroutine.top);
        }
    }
}

/// Forgets a span everywhere. False if another one has done so: several goroutines may end a span at once, each on its CPU, and what
/// removes it from the table is its end.
#[inline(always)]
fn end(process: &Life, state: &mut State, entry: &Open) -> bool {
    // What is removed may belong to another span at once.
    copy(entry, &mut state.open);
    if SPANS.remove(&state.key).is_err() {
        return false;
    }
    leave_goroutine(process, state);
    if state.open.own_context != 0 {
        let address = Address { slot: process.slot, zero: 0, address: state.open.own_context };
        // SAFETY: what is read is compared before use.
        if let Some(named) = unsafe { CONTEXTS.get(&address) }
            && named.context.span == state.open.context.span
        {
            let _ = CONTEXTS.remove(&address);
        }
    }
    naming::take_back(&state.open);
    true
}

/// The goroutine that a span is current on, unless its g stands for another by now.
#[inline(always)]
fn goroutine_of(process: &Life, entry: &Open) -> Option<&'static mut Goroutine> {
    let found = GOROUTINES.get_ptr_mut(&Address { slot: process.slot, zero: 0, address: entry.goroutine })?;
    // SAFETY: as in `goroutine`.
    let found = unsafe { &mut *found };
    (found.goid == entry.goid).then_some(found)
}

/// Spans that began at this depth or deeper are over: their frames are gone.
#[inline(always)]
fn drop_dead(entry: &mut Goroutine, state: &mut State, depth: u64) {
    let mut count = 0;
    while count < ABANDONED_AT_ONCE {
        if entry.top.context.span == 0 || entry.top.depth < depth {
            return;
        }
        match open(&entry.top) {
            Some(left) => {
                abandon(state, &left.context);
                naming::take_back(left);
                copy(&left.previous, &mut state.named);
                let _ = SPANS.remove(&entry.top.key);
                copy(&state.named, &mut entry.top);
            }
            None => entry.top.context.span = 0,
        }
        count += 1;
    }
    if entry.top.depth >= depth {
        entry.top.context.span = 0;
    }
}

/// Tells the host of a span whose end was never seen.
#[inline(always)]
fn abandon(state: &mut State, context: &SpanContext) {
    count(counter::ABANDONED);
    let head: *const Record = state.head();
    // SAFETY: the head is in `out`, beside `abandoned`.
    copy(unsafe { &*head }, &mut state.abandoned);
    state.abandoned.length = size_of_val(&state.abandoned) as u32;
    state.abandoned.kind = kind::ABANDONED;
    state.abandoned.span = *context;
    maps::output((&raw mut state.abandoned).cast(), state.abandoned.length, false);
}

/// Makes the entry of a goroutine that had none, with `state.named` open on it.
#[inline(always)]
fn remember(process: &Life, state: &mut State) {
    state.goroutine.goid = state.place.goid;
    copy(&state.named, &mut state.goroutine.top);
    state.goroutine.inherited.context.span = 0;
    let address = Address { slot: process.slot, zero: 0, address: state.place.g };
    if GOROUTINES.insert(&address, &state.goroutine, 0).is_err() {
        count(counter::TABLES_FULL);
    }
}

/// A goroutine is made: it inherits what is open where it is made.
#[inline(never)]
pub fn spawned(process: &Life, program: &Program, state: &mut State) {
    let new = state.word::<User>(program.key_slots[0]);
    let parent = state.word::<User>(program.key_slots[1]);
    // SAFETY: as in `goroutine`.
    let Some(entry) = (unsafe { GOROUTINES.get(&Address { slot: process.slot, zero: 0, address: parent }) }) else {
        return;
    };
    copy(if entry.top.context.span != 0 { &entry.top } else { &entry.inherited }, &mut state.goroutine.inherited);
    if state.goroutine.inherited.context.span == 0 || load(parent.wrapping_add(program.goid.into())) != Some(entry.goid)
    {
        return;
    }
    state.goroutine.top.context.span = 0;
    let Some(goid) = load(new.wrapping_add(program.goid.into())) else { return };
    state.goroutine.goid = goid;
    let address = Address { slot: process.slot, zero: 0, address: new };
    if GOROUTINES.insert(&address, &state.goroutine, 0).is_err() {
        count(counter::TABLES_FULL);
    }
}
