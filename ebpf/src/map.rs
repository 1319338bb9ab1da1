//! Walks through Go's maps of string keys, a group of eight keys at a step.

use crate::{
    interpret::Target,
    program::{Op, Program},
    state::{MAP_GROUPS, NIL, SCRATCH_MASK, State, words},
    wire::state,
};

/// Finds the map's groups and loads the first.
#[inline(always)]
pub(crate) fn map<T: Target>(target: &mut T, state: &mut State, op: &Op) {
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

/// The smallest that there is.
const PAGE: u64 = 4096;

/// Looks for a key in one group; stays at this operation while there are more groups.
#[inline(always)]
pub(crate) fn map_key<T: Target>(target: &mut T, state: &mut State, op: &Op, program: &Program) {
    let cursor = state.map.cursor;
    let group = cursor >> 3;
    let stay = state.pc - 1;
    let next = state.behind_key(op);
    if group >= state.map.count {
        return key_is_absent(target, state, op, next);
    }
    if state.map.loaded != group {
        if !load_group(target, state, group) {
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

/// Reads a group into `scratch`. Its end may lie in a page that was never written to: that is not there to be read, and has no entry.
#[inline(always)]
fn load_group<T: Target>(target: &mut T, state: &mut State, group: u32) -> bool {
    let size = T::bound(state.map.group_size.into(), 511) as u32;
    let address = state.map.groups.wrapping_add(u64::from(group) * u64::from(state.map.group_size));
    let scratch = state.scratch.as_mut_ptr();
    // SAFETY: `scratch` is longer than 511 bytes.
    if unsafe { target.read(address, scratch, size) } {
        return true;
    }
    let in_first_page = T::bound(PAGE - (address & (PAGE - 1)), 4095) as u32;
    if in_first_page >= size {
        return false;
    }
    // What failed has left zeros, and these are keys of no length: none is looked for.
    let length = T::bound(in_first_page.into(), 511) as u32;
    // SAFETY: as above.
    unsafe { target.read(address, scratch, length) }
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
    state.is_key(target, op, program, pointer) == Some(true)
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
