//! New ids.

use aya_ebpf::helpers::bpf_get_prandom_u32;

/// 8 random bytes, not all zero: an id of zeros is invalid (W3C Trace Context level 1, 3.2.2).
#[inline(always)]
pub fn random() -> u64 {
    // SAFETY: the helper has no preconditions.
    let number = unsafe { u64::from(bpf_get_prandom_u32()) << 32 | u64::from(bpf_get_prandom_u32()) };
    if number == 0 { 1 } else { number }
}
