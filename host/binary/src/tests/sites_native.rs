//! Sites in what GCC makes of C and C++, and its assembler of functions with tables behind them.

use expect_test::{Expect, expect};

use super::*;

const SOURCE: &str = "
    int printf(const char *, ...); void abort(void); extern int (*volatile hook)(int); int (*volatile hook)(int);
    __attribute__((noipa)) int leaf(int x) { return x * 3; }
    __attribute__((noipa)) int calls(int x) { return hook(x) + 1; }
    __attribute__((noipa)) int tail(int x) { return calls(x + 1); }
    __attribute__((noipa)) int through(int x) { return hook(x + 1); }
    __attribute__((noipa)) int dies(int x) { printf(\"%d\", x); abort(); }
    __attribute__((noipa)) int rare(int x) { if (__builtin_expect(x == 7, 0)) { printf(\"7\"); abort(); } return hook(x) + 2; }
    __attribute__((noipa)) int chooses(int x) {
        switch (x) {
        case 0: return hook(1) + 1; case 1: return hook(2) * 3; case 2: return hook(5) - 1; case 3: return hook(9) + 9;
        case 4: return hook(7) ^ 5; case 5: return hook(3) / 3; case 6: return hook(8) % 7; case 7: return hook(0) | 1;
        }
        return 0;
    }
    int main(int n, char **v) { return leaf(n) + calls(n) + tail(n) + through(n) + rare(n) + chooses(n) + (n > 9 ? dies(n) : 0); }
";

/// Functions that exceptions enter, through pads that nothing jumps to.
const THROWING: &str = "
    extern \"C\" { int printf(const char *, ...); extern int (*volatile hook)(int); int (*volatile hook)(int);
    __attribute__((noipa)) int catches(int x) { try { return hook(x) + 1; } catch (int thrown) { return thrown * 3; } }
    __attribute__((noipa)) int cleans(int x) { struct guard { ~guard() { printf(\"9\"); } } it; return hook(x) + 1; } }
    int main(int n, char **) { return catches(n) + cleans(n); }
";

/// `place` has a table behind its end that its size covers, `open` has no size and one behind it.
#[cfg(target_arch = "x86_64")]
const TABLES: &str = "
    .text
    .globl main, place, open, next
    .type main, @function; .type place, @function; .type open, @function; .type next, @function
    main: call place; call open; ret
    .size main, .-main
    place: push %rbp; call next; pop %rbp; ret
    .byte 0xc3, 0x90, 0xc3, 0x90
    .size place, .-place
    open: push %rbp; call next; pop %rbp; ret
    .byte 0xc3, 0xc3, 0xc3, 0xc3
    next: ret
    .size next, .-next
    .section .note.GNU-stack, \"\", @progbits
";

fn sites(file: &str, source: &str, arguments: &[&str], names: &[&str]) -> String {
    let directory = Directory::new();
    let (main, path) = (directory.0.join(file), directory.0.join("program"));
    std::fs::write(&main, source).unwrap();
    let compiler = if file.ends_with(".cc") { "g++" } else { "gcc" };
    let output = Command::new(compiler).args(arguments).arg("-o").arg(&path).arg(&main).output();
    let output = output.expect("gcc and g++ build the programs that this test reads: install them");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let program = std::fs::read(&path).unwrap();
    let binary = Binary::parse(&program).unwrap();
    let mut text = String::new();
    for name in names {
        let function = binary.function(name).unwrap();
        let entry = match entry_site(&binary, &function) {
            Ok(site) => format!("+{} {} {:?}", site.address - function.address, site.instruction, site.cost),
            Err(refusal) => refusal.to_string(),
        };
        let returns = match return_sites(&binary, &function) {
            Ok(sites) => {
                for site in &sites {
                    assert_eq!(program[site.file_offset as usize], 0xc3, "{name} {site:?}");
                }
                if sites.is_empty() { "none".to_owned() } else { "returns".to_owned() }
            }
            Err(Refusal::Unreached(_)) => "perhaps not all of it is known".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        text += &format!("{name} {entry}; {returns}\n");
    }
    text
}

#[track_caller]
fn check(arguments: &[&str], expected: Expect) {
    let names = ["leaf", "calls", "tail", "through", "dies", "rare", "chooses"];
    expected.assert_eq(&sites("main.c", SOURCE, arguments, &names));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn chooses_sites_in_native_code() {
    check(
        &["-O2", "-fcf-protection=full", "-fPIE", "-pie"],
        expect![[r#"
        leaf +0 endbr64 Stepped; returns
        calls +0 endbr64 Stepped; returns
        tail +0 endbr64 Stepped; ends in a tail jump to calls
        through +0 endbr64 Stepped; ends in a tail jump to an address known only when it runs
        dies +0 endbr64 Stepped; never returns
        rare +0 endbr64 Stepped; returns
        chooses +0 endbr64 Stepped; returns
    "#]],
    );
    check(
        &["-O2", "-fcf-protection=none", "-fno-pie", "-no-pie"],
        expect![[r#"
        leaf +0 lea eax, [rdi+rdi*2] Stepped; returns
        calls +0 sub rsp, 8 Stepped; returns
        tail +0 add edi, 1 Stepped; ends in a tail jump to calls
        through +0 mov rax, [0x404030] Stepped; ends in a tail jump to an address known only when it runs
        dies +0 mov esi, edi Stepped; never returns
        rare +0 sub rsp, 8 Stepped; returns
        chooses +0 sub rsp, 8 Stepped; returns
    "#]],
    );
    check(
        &["-O1", "-fcf-protection=branch", "-fno-omit-frame-pointer"],
        expect![[r#"
        leaf +0 endbr64 Stepped; returns
        calls +4 push rbp Emulated; returns
        tail +4 push rbp Emulated; returns
        through +4 push rbp Emulated; returns
        dies +4 push rbp Emulated; never returns
        rare +4 push rbp Emulated; returns
        chooses +0 endbr64 Stepped; returns
    "#]],
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn puts_no_probe_on_tables_behind_functions() {
    expect![[r#"
        place +0 push rbp Emulated; perhaps not all of it is known
        open +0 push rbp Emulated; its symbol has no size, so it may return from elsewhere
        next +0 ret Stepped; returns
    "#]]
    .assert_eq(&sites("main.s", TABLES, &[], &["place", "open", "next"]));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn follows_exceptions_to_where_they_are_caught() {
    let names = ["catches", "cleans"];
    expect![[r#"
        catches +0 push rbx Emulated; returns
        cleans +0 push rbx Emulated; returns
    "#]]
    .assert_eq(&sites("main.cc", THROWING, &["-O1", "-fcf-protection=none"], &names));
    expect![[r#"
        catches +0 sub rsp, 0x18 Stepped; returns
        cleans +0 push rbx Emulated; returns
    "#]]
    .assert_eq(&sites("main.cc", THROWING, &["-O2", "-fcf-protection=none"], &names));
    // Without the index of `.eh_frame` nothing says that the pads are code.
    let removed = ["-O1", "-fcf-protection=none", "-Wl,--no-eh-frame-hdr"];
    expect![[r#"
        catches +0 push rbx Emulated; perhaps not all of it is known
        cleans +0 push rbx Emulated; perhaps not all of it is known
    "#]]
    .assert_eq(&sites("main.cc", THROWING, &removed, &names));
}
