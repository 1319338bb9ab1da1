//! Sites in every function of whole programs, and what another disassembler says of some.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};

use super::*;

/// Before Go 1.21 functions on amd64 that save no frame pointer behind the stack check, and what is newest.
const OLD: &str = "go1.18.10";
const NEW: &str = "go1.27.4";

/// How many functions of the program get which kind of site, or are refused for which reason.
fn census(version: &str, architecture: &str) -> String {
    let program = program(version, architecture, PLAIN);
    let binary = Binary::parse(&program).unwrap();
    let mut counts = BTreeMap::<String, usize>::new();
    for function in binary.functions().filter(|function| function.size > 0) {
        let entry = match entry_site(&binary, &function) {
            Ok(site) => {
                assert!((function.address..function.address + function.size).contains(&site.address), "{function:?}");
                let place = if site.ignore_if_below_or_equal {
                    "at the check"
                } else if site.address > function.address {
                    "behind"
                } else {
                    "first"
                };
                format!("entry {place}, {:?}", site.cost).to_lowercase()
            }
            Err(refusal) => format!("entry: {}", kind(&refusal)),
        };
        let returns = match return_sites(&binary, &function) {
            Ok(sites) => {
                assert!(sites.iter().all(|site| site.instruction.starts_with("ret")), "{function:?}");
                "returns".to_owned()
            }
            Err(refusal) => format!("returns: {}", kind(&refusal)),
        };
        *counts.entry(entry).or_default() += 1;
        *counts.entry(returns).or_default() += 1;
    }
    counts.iter().map(|(what, count)| format!("{count} {what}\n")).collect()
}

fn kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Fips => "fips",
        Refusal::TailJump(_) => "tail jump",
        Refusal::NoCode(_) => "no code",
        Refusal::Undecodable(_) => "undecodable",
        Refusal::NoReturn => "never returns",
        Refusal::NoCall(_) => "calls",
        Refusal::Kernel { .. } => "the kernel",
        Refusal::Loop(_) => "a loop",
        Refusal::Subroutine(_) => "calls itself within",
        Refusal::Unreached(_) => "unreached",
        Refusal::NoSize => "no size",
    }
}

#[track_caller]
fn check(version: &str, architecture: &str, expected: Expect) {
    expected.assert_eq(&census(version, architecture));
}

#[test]
fn finds_sites_in_whole_programs() {
    check(
        OLD,
        "amd64",
        expect![[r#"
            3820 entry at the check, emulated
            13 entry first, emulated
            967 entry first, stepped
            1 entry: the kernel
            4591 returns
            53 returns: never returns
            142 returns: tail jump
            15 returns: unreached
        "#]],
    );
    check(
        NEW,
        "amd64",
        expect![[r#"
            4764 entry behind, emulated
            442 entry first, emulated
            812 entry first, stepped
            1 entry: a loop
            635 entry: fips
            28 entry: the kernel
            5828 returns
            635 returns: fips
            64 returns: never returns
            138 returns: tail jump
            17 returns: unreached
        "#]],
    );
    check(
        OLD,
        "arm64",
        expect![[r#"
            4020 entry at the check, emulated
            1 entry behind, emulated
            95 entry first, emulated
            647 entry first, stepped
            1 entry: the kernel
            4553 returns
            58 returns: never returns
            138 returns: tail jump
            15 returns: unreached
        "#]],
    );
    check(
        NEW,
        "arm64",
        expect![[r#"
            4985 entry at the check, emulated
            9 entry behind, emulated
            111 entry first, emulated
            870 entry first, stepped
            1 entry: a loop
            635 entry: fips
            1 entry: the kernel
            1 entry: undecodable
            5801 returns
            635 returns: fips
            62 returns: never returns
            98 returns: tail jump
            1 returns: undecodable
            16 returns: unreached
        "#]],
    );
}

/// By `go tool objdump`: addresses of all instructions, and of those that return, by function.
fn witness(program: &[u8], pattern: &str) -> BTreeMap<String, (BTreeSet<u64>, BTreeSet<u64>)> {
    let directory = Directory::new();
    let path = directory.0.join("program");
    std::fs::write(&path, program).unwrap();
    let output = Command::new("go")
        .args(["tool", "objdump", "-s", pattern])
        .arg(&path)
        .env("GOTOOLCHAIN", NEW)
        .output()
        .expect("go disassembles the programs that this test reads: install Go 1.21 or newer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut functions = BTreeMap::<String, (BTreeSet<u64>, BTreeSet<u64>)>::new();
    let mut name = String::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some(rest) = line.strip_prefix("TEXT ") {
            rest.split_once("(SB)").unwrap().0.clone_into(&mut name);
            continue;
        }
        let mut words = line.split_whitespace().skip(1);
        let (Some(address), Some(_bytes), Some(mnemonic)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
        let (all, returns) = functions.entry(name.clone()).or_default();
        all.insert(address);
        if mnemonic == "RET" {
            returns.insert(address);
        }
    }
    functions
}

#[test]
fn agrees_with_another_disassembler() {
    for (version, architecture) in [(OLD, "amd64"), (NEW, "amd64"), (OLD, "arm64"), (NEW, "arm64")] {
        let program = program(version, architecture, PLAIN);
        let binary = Binary::parse(&program).unwrap();
        let witness = witness(&program, r"^net/http\.");
        let mut compared = 0;
        for (name, (all, returns)) in &witness {
            let Some(function) = binary.function(name).filter(|function| all.contains(&function.address)) else {
                continue;
            };
            let entry = entry_site(&binary, &function).unwrap_or_else(|refusal| panic!("{version} {name}: {refusal}"));
            assert!(all.contains(&entry.address), "{version} {architecture} {name}");
            match return_sites(&binary, &function) {
                Ok(sites) => {
                    let found: BTreeSet<u64> = sites.iter().map(|site| site.address).collect();
                    assert_eq!(found, *returns, "{version} {architecture} {name}");
                    compared += 1;
                }
                Err(Refusal::NoReturn) => assert!(returns.is_empty(), "{version} {architecture} {name}"),
                Err(refusal) => assert!(matches!(refusal, Refusal::TailJump(_)), "{version} {name}: {refusal}"),
            }
        }
        assert!(compared > 500, "only {compared} functions in {version} {architecture}");
    }
}
