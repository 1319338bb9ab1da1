//! From a hit to a record: which program, what state, the captures, the span, the ring buffer.

use aya_ebpf::{
    bindings::pt_regs,
    helpers::{
        bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns,
        generated::{bpf_copy_from_user, bpf_get_attach_cookie, bpf_loop, bpf_probe_read_user},
    },
};
use core::ffi::{c_long, c_void};
use uprobed_ebpf::{
    interpret::{self, Next, Place, STEPS, State, Target},
    program::{Correlation, FETCH_WORDS, Program, Role, amd64, flags},
    wire::{cookie, counter},
};

use crate::{
    identity, join,
    maps::{self, Life, PROGRAMS},
};

/// The process that the hit happened in.
pub struct User;

impl Target for User {
    #[inline(always)]
    unsafe fn read(&mut self, address: u64, into: *mut u8, length: u32) -> bool {
        let (into, from) = (into.cast(), address as *const c_void);
        // SAFETY: the caller says that `into` is valid for `length` bytes; the helpers check the address.
        unsafe {
            bpf_probe_read_user(into, length, from) == 0
                // A page that the process has not touched yet, or not lately, is not there: have it brought.
                || maps::can_sleep() && bpf_copy_from_user(into, length, from) == 0
        }
    }

    #[inline(always)]
    fn bound(value: u64, mask: u64) -> u64 {
        let mut bounded = value;
        // SAFETY: arithmetic on a register.
        unsafe {
            core::arch::asm!("{0} &= {1}", inout(reg) bounded, in(reg) mask, options(pure, nomem, nostack));
        }
        bounded
    }
}

/// One 8-byte word of the process.
#[inline(always)]
pub fn load(address: u64) -> Option<u64> {
    let mut word = 0u64;
    // SAFETY: `word` is 8 bytes.
    unsafe { User.read(address, (&raw mut word).cast(), 8) }.then_some(word)
}

#[inline(never)]
pub fn hit(context: *mut c_void) {
    let id = bpf_get_current_pid_tgid();
    let Some(process) = maps::process((id >> 32) as u32) else { return };
    // SAFETY: the context is the one that the kernel gave.
    let cookie = unsafe { bpf_get_attach_cookie(context) };
    let Some(program) = PROGRAMS.get(cookie::program(cookie)) else { return };
    if program.binary != process.binary {
        // The same file through another mount, probed for another process.
        return;
    }
    // SAFETY: a uprobe's context is a pt_regs.
    let registers = unsafe { &*context.cast::<pt_regs>() };
    if program.flags & flags::IGNORE_IF_BELOW_OR_EQUAL != 0 && is_below_or_equal(registers) {
        return;
    }
    maps::count(counter::HITS);
    let Some(state) = maps::take_state() else {
        return maps::count(counter::NO_SCRATCH);
    };
    state.reset();
    state.bias = instruction(registers).wrapping_sub(cookie::address(cookie));
    copy_registers(state, registers);
    serve(&process, program, state, id as u32);
    maps::give_back(state);
}

#[inline(never)]
fn serve(process: &Life, program: &Program, state: &mut State, thread: u32) {
    if program.role == Role::Spawn as u8 {
        run(program, state);
        if state.aborted == 0 {
            identity::spawned(process, program, state);
        }
        return;
    }
    // An end that is found by words does not ask where it happens.
    let is_placeless = program.role != Role::Start as u8 && program.correlation == Correlation::Words as u8;
    if is_placeless {
        let zero = User::zero();
        state.place = Place { g: zero, goid: zero, depth: zero };
    } else if !find_place(program, state, thread) {
        return maps::count(counter::UNREADABLE);
    }
    if program.role != Role::Start as u8 && !identity::may_end(process, program, state) {
        // The cheap way out, before anything is copied.
        return;
    }
    state.is_published = join::is_wanted(program);
    state.traceparent_capture = if program.role == Role::Start as u8 { program.traceparent.into() } else { 0xff };
    // Before the captures, which may have to wait for memory.
    // SAFETY: the helper has no preconditions.
    state.head().time = unsafe { bpf_ktime_get_boot_ns() };
    run(program, state);
    if state.unreadable > 0 {
        maps::count(counter::UNREADABLE);
    }
    if state.aborted != 0 {
        return maps::count(counter::PASSED_OVER);
    }
    let (length, goroutine) = (state.length, state.place.goid);
    let head = state.head();
    head.length = length;
    head.kind = program.role;
    head.parent_source = 0;
    head.probe = program.probe;
    head.parent = 0;
    head.goroutine = goroutine;
    head.plugin = program.plugin;
    head.process = process.slot;
    head.thread = thread;
    head.reserved = 0;
    let recorded = if program.role == Role::Start as u8 {
        identity::start(process, program, state)
    } else {
        identity::go_on(process, program, state)
    };
    if recorded {
        let length = User::bound(length.into(), 8191) as u32;
        // `out` is longer than any record; the verifier wants to see it.
        if (length as usize) <= interpret::RECORD_BYTES + 1024 {
            maps::output(state.out.as_mut_ptr(), length, false);
        }
    }
}

/// Runs the capture program.
#[inline(always)]
fn run(program: &Program, state: &mut State) {
    let mut context = Context { state, program };
    // SAFETY: the callback takes the context that stands here.
    unsafe {
        bpf_loop(STEPS / AT_ONCE, some_steps as *mut c_void, (&raw mut context).cast(), 0);
    }
}

struct Context {
    state: *mut State,
    program: *const Program,
}

/// Steps of one call: returning is dear on CPUs whose return predictor has to be distrusted (SRSO, Retbleed).
const AT_ONCE: u32 = 8;

#[inline(never)]
extern "C" fn some_steps(_: u32, context: *mut c_void) -> c_long {
    // SAFETY: `run` passes a Context whose pointers outlive the loop.
    let context = unsafe { &*context.cast::<Context>() };
    // SAFETY: as above; nobody else looks at the state meanwhile.
    let (state, program) = unsafe { (&mut *context.state, &*context.program) };
    let mut count = 0;
    while count < AT_ONCE {
        if interpret::step(&mut User, state, program) == Next::Done {
            return 1;
        }
        count += 1;
    }
    0
}

/// Where in the program the hit happened; false if that cannot be read.
#[inline(always)]
fn find_place(program: &Program, state: &mut State, thread: u32) -> bool {
    let stack_pointer = register(state, program.stack_pointer);
    if program.flags & flags::NATIVE != 0 {
        // Deeper calls have smaller stack pointers; the complement makes depth grow.
        // A thread stands for its goroutine; no g has so low an address.
        state.place = Place { g: thread.into(), goid: thread.into(), depth: !stack_pointer };
        return true;
    }
    let g = register(state, program.g_register);
    // Both at once; the window is not in use yet.
    let distance = u64::from(program.goid).wrapping_sub(program.stack_hi.into());
    let words = User::bound(distance >> 3, FETCH_WORDS as u64) as usize;
    let window = state.window.as_mut_ptr();
    // SAFETY: the window is longer than FETCH_WORDS words and one.
    let is_read = unsafe { User.read(g.wrapping_add(program.stack_hi.into()), window.cast(), words as u32 * 8 + 8) };
    if !is_read {
        return false;
    }
    // SAFETY: as above; both words were read.
    let (top, goid) = unsafe { (*window, *window.add(words)) };
    state.place = Place { g, goid, depth: top.wrapping_sub(stack_pointer) };
    true
}

#[inline(always)]
fn register(state: &State, number: u8) -> u64 {
    // SAFETY: 32 registers, masked with 31.
    unsafe { *state.registers.as_ptr().add(User::bound(number.into(), 31) as usize) }
}

#[inline(always)]
fn instruction(registers: &pt_regs) -> u64 {
    registers.rip
}

#[inline(always)]
fn is_below_or_equal(registers: &pt_regs) -> bool {
    const CARRY: u64 = 1;
    const ZERO: u64 = 1 << 6;
    registers.eflags & (CARRY | ZERO) != 0
}

#[inline(always)]
fn copy_registers(state: &mut State, from: &pt_regs) {
    let to = &mut state.registers;
    to[amd64::AX as usize] = from.rax;
    to[amd64::BX as usize] = from.rbx;
    to[amd64::CX as usize] = from.rcx;
    to[amd64::DX as usize] = from.rdx;
    to[amd64::SI as usize] = from.rsi;
    to[amd64::DI as usize] = from.rdi;
    to[amd64::BP as usize] = from.rbp;
    to[amd64::SP as usize] = from.rsp;
    to[amd64::R8 as usize] = from.r8;
    to[amd64::R9 as usize] = from.r9;
    to[amd64::R10 as usize] = from.r10;
    to[amd64::R11 as usize] = from.r11;
    to[amd64::R14 as usize] = from.r14;
}
