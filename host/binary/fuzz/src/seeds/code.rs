//! Functions' instructions, for amd64 and arm64, by hand.

use super::{Seed, truncated};
use crate::Input;

const AMD64: u8 = 0;
const ARM64: u8 = 1;
const GO: u8 = 2;

/// cmp rsp, [r14+0x10]; jbe +7; push rbp; mov rbp, rsp; pop rbp; ret; call; jmp back
const CHECKED: &[u8] =
    &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x06, 0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0xe8, 0, 0, 0, 0, 0xeb, 0xed];
/// lea r12, [rsp-0x200]; cmp r12, [r14+0x10]; jbe; sub rsp; ret
const LARGE: &[u8] = &[
    0x4c, 0x8d, 0xa4, 0x24, 0, 0xfe, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10, 0x76, 0x08, 0x55, 0x48, 0x81, 0xec, 0x80, 2,
    0, 0, 0xc3, 0xe8, 0, 0, 0, 0, 0xeb, 0xe2,
];
/// jmp elsewhere; jmp rax; jmp [rip]; ud2
const TAIL: &[u8] = &[0xe9, 0, 1, 0, 0, 0xff, 0xe0, 0xff, 0x25, 0, 0, 0, 0, 0x0f, 0x0b];
/// A switch through a table, then an address size prefix without an instruction.
const SWITCH: &[u8] = &[0xff, 0x24, 0xc5, 0, 0, 0x40, 0, 0xc3, 0x90, 0x66, 0x66, 0x66, 0x67];
/// ldr x16, [x28, #16]; cmp sp, x16; b.ls; str x30, [sp, #-16]!; ldr x30, [sp], #16; ret; mov x3, x30; bl; b back
const ARM64_CHECKED: [u32; 9] = [
    0xf940_0b90,
    0xeb30_63ff,
    0x5400_00a9,
    0xf81f_0ffe,
    0xf841_07fe,
    0xd65f_03c0,
    0xaa1e_03e3,
    0x97ff_ffff,
    0x17ff_fff8,
];
/// bti c; paciasp; stp x29, x30, [sp, #-32]!; ldp x29, x30, [sp], #32; autiasp; retaa; br x16; udf
const ARM64_NATIVE: [u32; 8] =
    [0xd503_245f, 0xd503_233f, 0xa9be_7bfd, 0xa8c2_7bfd, 0xd503_23bf, 0xd65f_0bff, 0xd61f_0200, 0];

pub fn all() -> Vec<Seed> {
    let arm64 = |instructions: &[u32]| instructions.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut seeds = Vec::new();
    for (name, choices, code) in [
        ("amd64-checked", AMD64 | GO, CHECKED.to_vec()),
        ("amd64-large-frame", AMD64 | GO, LARGE.to_vec()),
        ("amd64-native", AMD64, CHECKED.to_vec()),
        ("amd64-tail", AMD64, TAIL.to_vec()),
        ("amd64-switch", AMD64, SWITCH.to_vec()),
        ("amd64-all", AMD64 | GO, [CHECKED, LARGE, SWITCH, TAIL].concat()),
        ("arm64-checked", ARM64 | GO, arm64(&ARM64_CHECKED)),
        ("arm64-native", ARM64, arm64(&ARM64_NATIVE)),
        ("arm64-all", ARM64 | GO, [arm64(&ARM64_CHECKED), arm64(&ARM64_NATIVE)].concat()),
    ] {
        let input = Input { choices: [choices, code.len() as u8 / 2], parts: vec![code.clone()] };
        let whole = Input { choices: [choices, 255], parts: vec![code] };
        seeds.extend(truncated(name, &whole));
        seeds.push(Seed::sound(name, whole, |binary| binary.functions().count() > 0));
        seeds.push(Seed::broken(format!("{name}-in-two"), input));
    }
    seeds
}
