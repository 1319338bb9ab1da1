//! Plans of native functions.

use super::*;
use crate::{
    manifest::{Capture, Group, Limits, Manifest, Probe, Role},
    plan::{disassemble, plan},
};

fn check(signature: &str, site: Site, symbol: &str, paths: &[&str], expected: Expect) {
    let role = if site == Site::Entry { Role::Start } else { Role::End };
    check_probe(Probe { site, role, ..Probe::default() }, signature, symbol, paths, expected);
}

fn check_probe(probe: Probe, signature: &str, symbol: &str, paths: &[&str], expected: Expect) {
    let capture = |path: &&str| Capture { name: (*path).to_owned(), paths: vec![(*path).to_owned()], limit: 64 };
    let probe = Probe {
        name: "call".to_owned(),
        symbols: vec![symbol.to_owned()],
        span: "work".to_owned(),
        arguments: signature.to_owned(),
        captures: paths.iter().map(capture).collect(),
        ..probe
    };
    let groups = vec![Group { name: "only".to_owned(), ..Group::default() }];
    let limits = Limits { event_bytes: 4096, open_seconds: 1 };
    let manifest =
        Manifest { name: "test/plan".to_owned(), groups, probes: vec![probe], limits, ..Manifest::default() };
    let text = with_binary(|binary| {
        let plan = plan(&manifest, binary, 1, 100);
        let skipped = plan.skipped.iter().map(|skipped| format!("{}: {}\n", skipped.what, skipped.why));
        let mut text: String = skipped.collect();
        for probe in &plan.probes {
            assert_eq!(probe.program.flags, uprobed_ebpf::program::flags::NATIVE);
            assert_eq!(probe.program.stack_pointer, SP);
            text += &disassemble(&probe.program);
            text.extend(probe.dropped.iter().map(|dropped| format!("{}: {}\n", dropped.what, dropped.why)));
        }
        text
    });
    expected.assert_eq(&text);
}

/// Two words nearer than in the function itself: the return address is not there yet.
#[test]
fn plans_calls_of_a_native_function() {
    check_probe(
        Probe { called_by: vec!["main".to_owned()], ..Probe::default() },
        "a int32, b struct large, c int32",
        "larges",
        &["a", "b.b"],
        expect![[r#"
            0   w31 = di
            1   w30 = sp
            2   w0 = i32 w31+0
            3   #0 word w0
            4   w1 = u64 [w30+8]                             else 7
            5   #1 word w1
            6   jump 8
            7   #1 failed
        "#]],
    );
}

#[test]
fn plans_native_functions() {
    check(
        "a pointer, b pointer, c *struct item, d handle, e func",
        Site::Entry,
        "pointers",
        &["b", "c.id", "d.name", "g.goid", "e"],
        expect![[r#"
            0   w31 = si
            1   w30 = dx
            2   w29 = cx
            3   w28 = r8
            4   #0 word w31
            5   w0 = u64 [w30+0]                             else 8
            6   #1 word w0
            7   jump 9
            8   #1 failed
            9   w0 = u64 [w29+8]                             else 12
            10  #2 word w0
            11  jump 13
            12  #2 failed
            13  begin #3
            14  #3 failed
            15  #4 word w28
            capture g.goid: no goroutine is known in native code
        "#]],
    );
    // A large struct by value is on the stack.
    check(
        "a int32, b struct large, c int32",
        Site::Entry,
        "larges",
        &["a", "b.b", "b.c"],
        expect![[r#"
            0   w31 = di
            1   w30 = sp
            2   window 0: v0..v2 = [w30+16]
            3   w0 = i32 w31+0
            4   #0 word w0
            5   #1 u64 v0+0 of window 0                      else record it
            6   w1 = u64 v1+0 of window 0                    else 9
            7   #2 word w1
            8   jump 10
            9   #2 failed
        "#]],
    );
    // Its address comes in the first register if it is a result, and is returned.
    check(
        "a pointer -> b struct large",
        Site::Entry,
        "pointers",
        &["a", "b.a"],
        expect![[r#"
        0   w31 = si
        1   #0 word w31
        2   begin #1
        3   #1 failed
        capture b.a: b is a result, which is not there when the function begins
    "#]],
    );
    check(
        "a pointer -> b struct large",
        Site::Return,
        "pointers",
        &["a", "b.a"],
        expect![[r#"
            0   w31 = ax
            1   begin #0
            2   #0 failed
            3   w0 = u64 [w31+0]                             else 6
            4   #1 word w0
            5   jump 7
            6   #1 failed
            capture a: the argument a is gone when the function returns
        "#]],
    );
    check(
        "b struct item",
        Site::Return,
        "pointers",
        &["b.id", "b.name"],
        expect![[r#"
        0   w31 = ax
        1   w30 = dx
        2   #0 word w31
        3   #1 word w30
    "#]],
    );
    check(
        "text string, size uint64",
        Site::Entry,
        "pointers",
        &["text", "size"],
        expect![[r#"
        0   w31 = di
        1   w30 = si
        2   w29 = dx
        3   #0 string w31, w30 limit 64
        4   #1 word w29
    "#]],
    );
}

#[test]
fn refuses_what_native_code_does_not_have() {
    check(
        "a any, b pointer",
        Site::Entry,
        "pointers",
        &["a", "b"],
        expect![[r#"
            0   begin #0
            1   #0 failed
            2   begin #1
            3   #1 failed
            capture a: any is not a type of native code
            capture b: any is not a type of native code
        "#]],
    );
    check(
        "a int",
        Site::Entry,
        "pointers",
        &["a"],
        expect![[r#"
        0   begin #0
        1   #0 failed
        capture a: int has another size in Go than in C: say int32, int64, uint32 or uint64
    "#]],
    );
    check(
        "a *int",
        Site::Entry,
        "pointers",
        &["a"],
        expect![[r#"
        0   begin #0
        1   #0 failed
        capture a: int has another size in Go than in C: say int32, int64, uint32 or uint64
    "#]],
    );
    check(
        "a pointer, b pointer, c pointer, d pointer, e pointer, f string",
        Site::Entry,
        "pointers",
        &["f"],
        expect![[r#"
            0   begin #0
            1   #0 failed
            capture f: how a string is passed is not known
        "#]],
    );
}
