//! Searches Go's slices of structs for the element with a key, an element at a step.

use crate::{
    interpret::Target,
    program::{ELEMENTS, ElementLayout, Op, Program},
    state::{State, words},
    wire::state,
};

/// Begins with a slice.
#[inline(always)]
pub(crate) fn slice<T: Target>(state: &mut State, op: &Op) {
    let length = state.word::<T>(op.a);
    state.slice.pointer = state.word::<T>(op.b);
    state.slice.layout = op.value;
    state.slice.count = if length > ELEMENTS.into() { ELEMENTS } else { length as u32 };
    state.slice.cursor = 0;
    state.slice.failure = state::ABSENT.into();
}

/// Looks at one element; stays at this operation while there are more.
#[inline(always)]
pub(crate) fn find<T: Target>(target: &mut T, state: &mut State, op: &Op, program: &Program) {
    let (stay, next) = (state.pc - 1, state.behind_key(op));
    let cursor = state.slice.cursor;
    if cursor >= state.slice.count {
        let failure = state.slice.failure as u8;
        if failure == state::UNREADABLE {
            state.unreadable += 1;
        }
        go_on(state, next);
        return state.capture(target, op, failure, 0, 0);
    }
    state.slice.cursor = cursor + 1;
    let layout = ElementLayout::unpack(state.slice.layout);
    let element = state.slice.pointer.wrapping_add(u64::from(cursor) * u64::from(layout.size));
    let is_it = match words(target, element.wrapping_add(layout.key.into())) {
        Some([pointer, length]) if length == u64::from(op.b) => state.is_key(target, op, program, pointer),
        Some(_) => Some(false),
        None => None,
    };
    if is_it != Some(true) {
        if is_it.is_none() {
            // It may have been the one; another one may still be.
            state.slice.failure = state::UNREADABLE.into();
        }
        state.pc = stay;
        return;
    }
    go_on(state, next);
    // A header that cannot be read is like that of a string that cannot.
    let [pointer, length] = words(target, element.wrapping_add(layout.value.into())).unwrap_or([0, u64::MAX]);
    state.string(target, op, pointer, length, op.offset as u64 & 0xffff);
}

/// Leaves the search, with the slice ready for the next.
#[inline(always)]
fn go_on(state: &mut State, next: u32) {
    state.slice.cursor = 0;
    state.slice.failure = state::ABSENT.into();
    state.pc = next;
}
