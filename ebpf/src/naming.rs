//! What an open span is found by beside its first key: an alias, another key, what it published.

use uprobed_ebpf::{
    interpret::State,
    program::Program,
    wire::{Address, Named, Open, counter},
};

use crate::{
    identity::{copy, keyed, leave_goroutine, open, replace, words},
    join,
    maps::{ALIASES, CONTEXTS, Life, NO_EXIST, PUBLISHED, SPANS, count},
};

/// Puts the span's own key into the state, where what stands there is an alias.
#[inline(always)]
pub fn resolve_alias(state: &mut State) {
    if keyed(&state.key).is_some() {
        return;
    }
    // SAFETY: what is read is compared before use.
    let Some(found) = (unsafe { ALIASES.get(&state.key) }) else { return };
    copy(found, &mut state.named);
    if open(&state.named).is_some() {
        copy(&state.named.key, &mut state.key);
    }
}

/// Gives the span another key beside its own, in place of the alias that it had.
#[inline(always)]
pub fn alias(process: &Life, program: &Program, state: &mut State, entry: &mut Open) {
    forget_alias(entry);
    state.name = words(process, program, state, program.name_slots);
    copy(&entry.context, &mut state.named.context);
    copy(&state.key, &mut state.named.key);
    state.named.depth = entry.depth;
    if ALIASES.insert(&state.name, &state.named, 0).is_ok() {
        copy(&state.name, &mut entry.alias);
    } else {
        entry.alias.slot = 0;
        count(counter::TABLES_FULL);
    }
}

/// Gives the span another key instead of its own. What speaks of it by its key is told.
#[inline(never)]
pub fn rename(process: &Life, program: &Program, state: &mut State, entry: &mut Open) {
    copy(entry, &mut state.open);
    leave_goroutine(process, state);
    entry.goroutine = 0;
    state.open.goroutine = 0;
    copy(&state.key, &mut state.name);
    state.key = words(process, program, state, program.name_slots);
    if state.key == state.name {
        return;
    }
    // Under both keys for a moment, so that an end on another thread finds it.
    if SPANS.insert(&state.key, &state.open, NO_EXIST).is_err() && !replace(state) {
        // It stays where it was.
        return count(counter::SPANS_FULL);
    }
    let _ = SPANS.remove(&state.name);
    if state.open.is_published != 0 {
        // SAFETY: a place within the entry.
        let named = PUBLISHED.get_ptr_mut(&state.open.published).map(|entry| unsafe { &raw mut (*entry).named });
        tell(named, state);
    }
    if state.open.alias.slot != 0 {
        tell(ALIASES.get_ptr_mut(&state.open.alias), state);
    }
    if state.open.own_context != 0 {
        let address = Address { slot: process.slot, zero: 0, address: state.open.own_context };
        tell(CONTEXTS.get_ptr_mut(&address), state);
    }
}

/// Puts the span's key into what names it.
#[inline(always)]
fn tell(named: Option<*mut Named>, state: &State) {
    let Some(named) = named else { return };
    // SAFETY: entries are removed by their span's end only, and what matters in them is compared before use.
    let named = unsafe { &mut *named };
    if named.context.span == state.open.context.span {
        copy(&state.key, &mut named.key);
    }
}

/// Takes back what leads to a span that is over.
#[inline(always)]
pub fn take_back(entry: &Open) {
    if entry.is_published != 0 {
        join::withdraw(entry);
    }
    forget_alias(entry);
}

/// Removes a span's alias, unless it leads to another one by now.
#[inline(always)]
fn forget_alias(entry: &Open) {
    // SAFETY: what is read is compared before use.
    if entry.alias.slot != 0
        && let Some(named) = unsafe { ALIASES.get(&entry.alias) }
        && named.context.span == entry.context.span
    {
        let _ = ALIASES.remove(&entry.alias);
    }
}
