//! Sites in code written down by the byte, for both architectures.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;

const AT: u64 = 0x10000;
const CODE: u64 = AT + 0x78;

/// A program with nothing but this code.
fn elf(machine: u16, code: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let length = 0x78 + code.len() as u64;
    file.extend([2, machine, 1, 0].iter().flat_map(|half: &u16| half.to_le_bytes()));
    file.extend([CODE, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0, 0, 64, 56, 1, 0, 0, 0].iter().flat_map(|half: &u16| half.to_le_bytes()));
    file.extend([1u32, 5].iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0, AT, AT, length, length, 0x1000].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(code);
    file
}

fn sites(machine: u16, code: &[u8], size: usize) -> String {
    let file = elf(machine, code);
    let binary = Binary::parse(&file).unwrap();
    let size = size as u64;
    let function = Function { name: "f".into(), address: CODE, size, convention: Convention::Native, role: Role::Body };
    let mut text = String::new();
    let mut line = |site: &Site| {
        let ignored = if site.ignore_if_below_or_equal { ", ignored if taken" } else { "" };
        writeln!(text, "+{} {} {:?}{ignored}", site.address - CODE, site.instruction, site.cost).unwrap();
    };
    let entry = entry_site(&binary, &function).map(|site| line(&site));
    let returns = return_sites(&binary, &function).map(|sites| sites.iter().for_each(&mut line));
    for (what, refusal) in [("entry", entry.err()), ("returns", returns.err())] {
        refusal.into_iter().for_each(|refusal| writeln!(text, "{what}: {refusal}").unwrap());
    }
    text
}

#[track_caller]
fn amd64(code: &[u8], expected: Expect) {
    expected.assert_eq(&sites(62, code, code.len()));
}

#[track_caller]
fn arm64(code: &[u32], expected: Expect) {
    let code: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    expected.assert_eq(&sites(183, &code, code.len()));
}

#[test]
fn chooses_an_entry_on_amd64() {
    // endbr64; push rbx; pop rbx; ret
    amd64(
        &[0xf3, 0x0f, 0x1e, 0xfa, 0x53, 0x5b, 0xc3],
        expect![[r#"
        +4 push rbx Emulated
        +6 ret Stepped
    "#]],
    );
    // push r12; pop r12; ret 8, with padding
    amd64(
        &[0x41, 0x54, 0x41, 0x5c, 0xc2, 8, 0, 0xcc, 0xcc],
        expect![[r#"
        +0 push r12 Emulated
        +4 ret 8 Stepped
    "#]],
    );
    // endbr64; dec edi; jne to it; ret
    amd64(
        &[0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0xcf, 0x75, 0xfc, 0xc3],
        expect![[r#"
        +0 endbr64 Stepped
        +8 ret Stepped
    "#]],
    );
    // dec edi; jne to it; ret
    amd64(
        &[0xff, 0xcf, 0x75, 0xfc, 0xc3],
        expect![[r#"
        +4 ret Stepped
        entry: its first instruction is that of a loop at 0x10078
    "#]],
    );
    // The stack ABI: mov rcx, fs:[-8]; cmp rsp, [rcx+0x10]; jbe; ret; call +5; jmp to the beginning
    let check = [0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x3b, 0x61, 0x10, 0x76, 0x01, 0xc3];
    let growth = [0xe8, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xe9];
    amd64(
        &[&check[..], &growth].concat(),
        expect![[r#"
        +13 jbe 0x10088 Emulated, ignored if taken
        +15 ret Stepped
    "#]],
    );
}

#[test]
fn refuses_what_the_kernel_refuses_on_amd64() {
    // lock xadd [rdi], eax; ret
    amd64(
        &[0xf0, 0x0f, 0xc1, 0x07, 0xc3],
        expect![[r#"
        +4 ret Stepped
        entry: the kernel puts no probe on lock xadd [rdi], eax at 0x10078
    "#]],
    );
    // syscall; ret
    amd64(
        &[0x0f, 0x05, 0xc3],
        expect![[r#"
        +2 ret Stepped
        entry: the kernel puts no probe on syscall at 0x10078
    "#]],
    );
    // int3; ret
    amd64(
        &[0xcc, 0xc3],
        expect![[r#"
            entry: the kernel puts no probe on int3 at 0x10078
            returns: nothing leads to 0x10079, which is perhaps data, perhaps where it returns
        "#]],
    );
    // vmovdqu ymm0, [rdi], whose opcode is that of `outs`; vzeroupper; ret
    amd64(
        &[0xc5, 0xfe, 0x6f, 0x07, 0xc5, 0xf8, 0x77, 0xc3],
        expect![[r#"
        +7 ret Stepped
        entry: the kernel puts no probe on vmovdqu ymm0, [rdi] at 0x10078
    "#]],
    );
    // vzeroupper; ret
    amd64(
        &[0xc5, 0xf8, 0x77, 0xc3],
        expect![[r#"
        +0 vzeroupper Stepped
        +3 ret Stepped
    "#]],
    );
}

#[test]
fn follows_code_and_not_data_on_amd64() {
    // jmp over two bytes that are no instruction; ret; more of them
    amd64(
        &[0xeb, 0x02, 0x06, 0x07, 0xc3, 0x06, 0x07],
        expect![[r#"
        +0 jmp 0x1007c Emulated
        +4 ret Stepped
    "#]],
    );
    // je +1; two instructions share a byte
    amd64(
        &[0x74, 0x01, 0xb8, 0xc3, 0x00, 0x00, 0x00, 0xc3],
        expect![[r#"
        entry: not to be disassembled at 0x1007b
        returns: not to be disassembled at 0x1007b
    "#]],
    );
    // nop; no instruction
    amd64(
        &[0x90, 0x06],
        expect![[r#"
        entry: not to be disassembled at 0x10079
        returns: not to be disassembled at 0x10079
    "#]],
    );
    // call elsewhere, perhaps without coming back; no instruction
    amd64(
        &[0xe8, 0x00, 0x10, 0x00, 0x00, 0x06, 0x07],
        expect![[r#"
        +0 call 0x1107d Emulated
        returns: never returns
    "#]],
    );
    // call of the ret; ret
    amd64(
        &[0xe8, 0x01, 0x00, 0x00, 0x00, 0x90, 0xc3],
        expect![[r#"
        +0 call 0x1007e Emulated
        returns: calls a part of itself at 0x1007e, which returns too
    "#]],
    );
    // je to a ret; jmp rax
    amd64(
        &[0x74, 0x02, 0xff, 0xe0, 0xc3],
        expect![[r#"
        +0 je 0x1007c Emulated
        returns: ends in a tail jump to an address known only when it runs
    "#]],
    );
    // Runs past its end
    amd64(
        &[0x90, 0x90],
        expect![[r#"
        +0 nop Emulated
        returns: ends in a tail jump to 0x1007a
    "#]],
    );
}

/// On which instructions returns are probed, by row.
#[track_caller]
fn check_returns(machine: u16, rows: &[(&str, &[u8])], expected: Expect) {
    let mut text = String::new();
    for (what, code) in rows {
        let size = if what.starts_with("no size") { 0 } else { code.len() };
        let found = sites(machine, code, size);
        let found: Vec<_> = found.lines().filter(|line| line.contains("ret")).collect();
        writeln!(text, "{what}: {}", found.join("; ").trim_start_matches("returns: ")).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn puts_no_probe_on_what_nothing_reaches() {
    // push rbp; call; pop rbp; ret
    let behind = |bytes: &[u8]| [&[0x55, 0xe8, 0, 0x10, 0, 0, 0x5d, 0xc3], bytes].concat();
    check_returns(
        62,
        &[
            ("a table of ret", &behind(&[0xc3, 0x90, 0xc3, 0x90])),
            ("mov eax, 0xc3, that is ret from its second byte on", &behind(&[0xb8, 0xc3, 0, 0, 0])),
            ("jmp out of the function", &behind(&[0xeb, 0x70])),
            ("jmp rax", &behind(&[0xff, 0xe0])),
            ("mov eax, 1", &behind(&[0xb8, 1, 0, 0, 0])),
            ("int3, nop, ud2, zeros", &behind(&[0xcc, 0x0f, 0x1f, 0x44, 0, 0, 0x90, 0x0f, 0x0b, 0, 0, 0])),
            ("like a landing pad: mov eax, 1; ret", &behind(&[0xb8, 1, 0, 0, 0, 0xc3])),
            ("a jump over data that is ret", &[0xeb, 0x02, 0xc3, 0x90, 0xc3]),
            ("a jump over data that is not", &[0xeb, 0x02, 0x06, 0x07, 0xc3]),
            ("no size, a table of ret", &behind(&[0xc3, 0x90, 0xc3, 0x90])),
            ("no size, nothing more", &behind(&[])),
        ],
        expect![[r#"
            a table of ret: nothing leads to 0x10080, which is perhaps data, perhaps where it returns
            mov eax, 0xc3, that is ret from its second byte on: nothing leads to 0x10081, which is perhaps data, perhaps where it returns
            jmp out of the function: nothing leads to 0x10080, which is perhaps data, perhaps where it returns
            jmp rax: nothing leads to 0x10080, which is perhaps data, perhaps where it returns
            mov eax, 1: +7 ret Stepped
            int3, nop, ud2, zeros: +7 ret Stepped
            like a landing pad: mov eax, 1; ret: nothing leads to 0x10085, which is perhaps data, perhaps where it returns
            a jump over data that is ret: nothing leads to 0x1007a, which is perhaps data, perhaps where it returns
            a jump over data that is not: +4 ret Stepped
            no size, a table of ret: its symbol has no size, so it may return from elsewhere
            no size, nothing more: its symbol has no size, so it may return from elsewhere
        "#]],
    );
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    check_returns(
        183,
        &[
            ("ldr x0, +8; ret; a constant that is ret", &words(&[0x58000040, 0xd65f03c0, 0xd65f03c0])),
            ("the same with one that is not", &words(&[0x58000040, 0xd65f03c0, 0x0000_0001])),
            ("b over a branch out of the function; ret", &words(&[0x14000002, 0x14000400, 0xd65f03c0])),
        ],
        expect![[r#"
            ldr x0, +8; ret; a constant that is ret: nothing leads to 0x10080, which is perhaps data, perhaps where it returns
            the same with one that is not: +4 ret Emulated
            b over a branch out of the function; ret: nothing leads to 0x1007c, which is perhaps data, perhaps where it returns
        "#]],
    );
}

#[test]
fn finds_the_entry_of_what_has_no_size() {
    // endbr64; push rbx; pop rbx; ret; then dec edi; jne to it; ret
    expect![[r#"
        +4 push rbx Emulated
        returns: its symbol has no size, so it may return from elsewhere
    "#]]
    .assert_eq(&sites(62, &[0xf3, 0x0f, 0x1e, 0xfa, 0x53, 0x5b, 0xc3], 0));
    expect![[r#"
        entry: its first instruction is that of a loop at 0x10078
        returns: its symbol has no size, so it may return from elsewhere
    "#]]
    .assert_eq(&sites(62, &[0xff, 0xcf, 0x75, 0xfc, 0xc3], 0));
}

#[test]
fn chooses_an_entry_on_arm64() {
    // ldr x16, [x28, #16]; cmp sp, x16; b.ls; ret; mov x3, x30; bl; b to the beginning
    arm64(
        &[0xf9400b90, 0xeb3063ff, 0x54000049, 0xd65f03c0, 0xaa1e03e3, 0x94000400, 0x17fffffa],
        expect![[r#"
        +8 b.ls $+0x8 Emulated, ignored if taken
        +12 ret Emulated
    "#]],
    );
    // A large frame: mov x27; subs x17, sp, x27; b.lo; cmp x17, x16; b.ls
    let large = [0xf9400b90, 0xd283f61b, 0xeb3b63f1, 0x54000083, 0xeb10023f, 0x54000049, 0xd65f03c0];
    arm64(
        &[&large[..], &[0xaa1e03e3, 0x94000400, 0x17fffff7]].concat(),
        expect![[r#"
        +20 b.ls $+0x8 Emulated, ignored if taken
        +24 ret Emulated
    "#]],
    );
    // bti c; b over a nop; ret
    arm64(
        &[0xd503245f, 0x14000002, 0xd503201f, 0xd65f03c0],
        expect![[r#"
        +4 b $+0x8 Emulated
        +12 ret Emulated
    "#]],
    );
    // paciasp; autiasp; ret
    arm64(
        &[0xd503233f, 0xd50323bf, 0xd65f03c0],
        expect![[r#"
        +0 paciasp Stepped
        +8 ret Emulated
    "#]],
    );
    // stp x29, x30, [sp, #-16]!; ldp x29, x30, [sp], #16; ret, and padding
    arm64(
        &[0xa9bf7bfd, 0xa8c17bfd, 0xd65f03c0, 0],
        expect![[r#"
        +0 stp x29, x30, [sp, #-0x10]! Stepped
        +8 ret Emulated
    "#]],
    );
}

#[test]
fn refuses_what_the_kernel_refuses_on_arm64() {
    // paciasp; retaa
    arm64(
        &[0xd503233f, 0xd65f0bff],
        expect![[r#"
        +0 paciasp Stepped
        returns: the kernel puts no probe on retaa at 0x1007c
    "#]],
    );
    // ldaxr w0, [x0]; ret
    arm64(
        &[0x885ffc00, 0xd65f03c0],
        expect![[r#"
        +4 ret Emulated
        entry: the kernel puts no probe on ldaxr w0, [x0] at 0x10078
    "#]],
    );
    // ldr x0, +8; ret
    arm64(
        &[0x58000040, 0xd65f03c0],
        expect![[r#"
        +4 ret Emulated
        entry: the kernel puts no probe on ldr x0, $+0x8 at 0x10078
    "#]],
    );
    // svc; ret
    arm64(
        &[0xd4000001, 0xd65f03c0],
        expect![[r#"
        +4 ret Emulated
        entry: the kernel puts no probe on svc #0x0 at 0x10078
    "#]],
    );
    // yield; ret: a hint that the kernel does not step; the next instruction is as good only if nothing changed
    arm64(
        &[0xd503203f, 0xd65f03c0],
        expect![[r#"
        +4 ret Emulated
        entry: the kernel puts no probe on yield at 0x10078
    "#]],
    );
    // ldar w0, [x0], which is no exclusive access; ret
    arm64(
        &[0x88dffc00, 0xd65f03c0],
        expect![[r#"
        +0 ldar w0, [x0] Stepped
        +4 ret Emulated
    "#]],
    );
    // Go's UNDEF
    arm64(
        &[0xbea71700],
        expect![[r#"
        +0 udf #0x0 Stepped
        returns: never returns
    "#]],
    );
}

#[test]
fn names_tail_jumps_on_arm64() {
    // b elsewhere
    arm64(
        &[0x14000400],
        expect![[r#"
        +0 b $+0x1000 Emulated
        returns: ends in a tail jump to 0x11078
    "#]],
    );
    // br x1
    arm64(
        &[0xd61f0020],
        expect![[r#"
        +0 br x1 Emulated
        returns: ends in a tail jump to an address known only when it runs
    "#]],
    );
    // GCC's: cmp x0, #1; b.hi; adr x1, table; ldrb w1, [x1, x0]; adr x2; add x1, x2, w1, sxtb #2; br x1; ret; ret; ret; table
    let table = [
        0xf100041f,
        0x54000128,
        0x10000121,
        0x38606821,
        0x10000062,
        0x8b218841,
        0xd61f0020,
        0xd65f03c0,
        0xd65f03c0,
        0xd503201f,
        0xd65f03c0,
        0x0000_0100,
    ];
    arm64(
        &table,
        expect![[r#"
        +0 cmp x0, #0x1 Stepped
        +28 ret Emulated
        +32 ret Emulated
        +40 ret Emulated
    "#]],
    );
}
