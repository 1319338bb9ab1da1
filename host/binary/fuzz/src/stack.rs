//! Lets libFuzzer live through a stack overflow for as long as it takes to write the input down that led there. Rust's own runtime does
//! the like, but it is not what starts a fuzz target.

use std::mem::zeroed;
use std::ptr::null_mut;

/// For libFuzzer's handler, which prints and writes a file.
const BYTES: usize = 256 * 1024;

/// Before libFuzzer's handlers are installed: they keep the flag for the other stack where they find it.
pub fn catch_overflow() {
    let stack: &'static mut [u8] = vec![0; BYTES].leak();
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
    // SAFETY: the stack lives as long as the process, and nothing else uses it; the kernel copies the structure.
    let installed = unsafe { libc::sigaltstack(&raw const stack, null_mut()) };
    assert_eq!(installed, 0, "a stack for signals is refused");
    // SAFETY: all zeroes is a sigaction: SIG_DFL, no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: the action is whole, and names no handler.
    let installed = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, null_mut()) };
    assert_eq!(installed, 0, "the default action is refused");
}
