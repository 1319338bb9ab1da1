//! Joins two processes of one machine: one publishes which span uses a connection, the other adopts it.

use uprobed_ebpf::{
    interpret::State,
    program::{Program, flags},
    wire::{JoinKey, Open, counter},
};

use crate::{
    identity::{copy, open},
    maps::{Life, PUBLISHED, PUBLISHERS, SPANS, add, count},
};

/// Says to the other end of the connection which span, the one of `state.key`, uses it.
#[inline(always)]
pub fn publish(process: &Life, program: &Program, state: &mut State) {
    if !state.join.is_complete() {
        return;
    }
    let Some(entry) = SPANS.get_ptr_mut(&state.key) else { return };
    // SAFETY: only the span's own probes write here.
    let entry = unsafe { &mut *entry };
    if entry.is_published != 0 {
        // A second attempt, on another connection.
        withdraw(entry);
        entry.is_published = 0;
    }
    set_key(process, program, state, false);
    copy(&entry.context, &mut state.published.named.context);
    copy(&state.key, &mut state.published.named.key);
    state.published.ambiguous = 0;
    // SAFETY: what is read is compared before use.
    if let Some(other) = unsafe { PUBLISHED.get(&state.open.published) }
        && other.named.context.span != entry.context.span
    {
        copy(&other.named, &mut state.named);
        if open(&state.named).is_some() {
            state.published.ambiguous = 1;
            count(counter::AMBIGUOUS);
        }
    }
    if PUBLISHED.insert(&state.open.published, &state.published, 0).is_ok() {
        copy(&state.open.published, &mut entry.published);
        entry.is_published = 1;
        add_publishers(1);
    } else {
        count(counter::TABLES_FULL);
    }
}

/// Takes back what an ending span published.
#[inline(always)]
pub fn withdraw(entry: &Open) {
    add_publishers(-1);
    // SAFETY: what is read is compared before use.
    if let Some(published) = unsafe { PUBLISHED.get(&entry.published) }
        && published.named.context.span == entry.context.span
    {
        let _ = PUBLISHED.remove(&entry.published);
    }
}

/// 1 if this program may adopt and some span publishes. The number of publishers may be too large, where the host removed entries of a
/// process that ended; never too small.
#[inline(always)]
pub fn is_wanted(program: &Program) -> u32 {
    if program.flags & flags::ADOPT == 0 {
        return 0;
    }
    // SAFETY: plain reading of a counter.
    PUBLISHERS.get_ptr(0).map_or(0, |publishers| unsafe { core::ptr::read_volatile(publishers) } as u32)
}

#[inline(always)]
fn add_publishers(number: i64) {
    if let Some(publishers) = PUBLISHERS.get_ptr_mut(0) {
        add(publishers, number);
    }
}

/// Finds what the other end of this connection said, and leaves its context in `state.named`.
#[inline(always)]
pub fn adopt(process: &Life, program: &Program, state: &mut State) -> bool {
    set_key(process, program, state, true);
    // SAFETY: what is read is compared before use.
    let Some(found) = (unsafe { PUBLISHED.get(&state.open.published) }) else { return false };
    copy(&found.named, &mut state.named);
    found.ambiguous == 0 && open(&state.named).is_some()
}

/// Puts the key into `state.open.published`: the publishing end first.
#[inline(always)]
fn set_key(process: &Life, program: &Program, state: &mut State, is_other_end: bool) {
    let (first, second) = if is_other_end { (1, 0) } else { (0, 1) };
    state.open.published = JoinKey {
        network: process.network,
        channel: program.channel,
        addresses: [state.join.addresses[first], state.join.addresses[second]],
        ports: [state.join.numbers[first], state.join.numbers[second]],
        stream: if state.join.known & 16 != 0 { state.join.numbers[2] } else { 0 },
    };
}
