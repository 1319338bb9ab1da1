//! Sites in what GCC makes of C.

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

fn sites(arguments: &[&str]) -> String {
    let directory = Directory::new();
    let (source, path) = (directory.0.join("main.c"), directory.0.join("program"));
    std::fs::write(&source, SOURCE).unwrap();
    let output = Command::new("gcc").args(arguments).arg("-o").arg(&path).arg(&source).output();
    let output = output.expect("gcc builds the programs that this test reads: install it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let program = std::fs::read(&path).unwrap();
    let binary = Binary::parse(&program).unwrap();
    let mut text = String::new();
    for name in ["leaf", "calls", "tail", "through", "dies", "rare", "chooses"] {
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
            Err(refusal) => refusal.to_string(),
        };
        text += &format!("{name} {entry}; {returns}\n");
    }
    text
}

#[track_caller]
fn check(arguments: &[&str], expected: Expect) {
    expected.assert_eq(&sites(arguments));
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
