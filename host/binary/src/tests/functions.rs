//! Functions, and the sites that are chosen in them.

use expect_test::expect;

use super::*;

pub(super) fn sites(binary: &Binary) -> String {
    let mut text = String::new();
    for name in [
        "net/http.serverHandler.ServeHTTP",
        "net/http.(*response).finishRequest",
        "net/http.(*Transport).roundTrip",
        "main.main",
        "runtime.newproc.func1",
        "runtime.cmpstring",
        "crypto/internal/fips140/sha256.(*Digest).Write",
    ] {
        let Some(function) = binary.function(name) else {
            text += &format!("{name} -\n");
            continue;
        };
        let entry = match entry_site(binary, &function) {
            Ok(site) => format!("+{} {} {:?}", site.address - function.address, site.instruction, site.cost),
            Err(refusal) => refusal.to_string(),
        };
        let returns = match return_sites(binary, &function) {
            Ok(sites) => format!("{} returns", sites.len()),
            Err(refusal) => refusal.to_string(),
        };
        text += &format!("{name} {entry}; {returns}\n");
    }
    text
}

#[test]
fn chooses_sites() {
    let old = expect![[r#"
        net/http.serverHandler.ServeHTTP +10 push rbp Emulated; 1 returns
        net/http.(*response).finishRequest +10 push rbp Emulated; 1 returns
        net/http.(*Transport).roundTrip +18 push rbp Emulated; 15 returns
        main.main +15 push rbp Emulated; 2 returns
        runtime.newproc.func1 +6 push rbp Emulated; 1 returns
        runtime.cmpstring +0 mov rsi, rax Stepped; ends in a tail jump to cmpbody
        crypto/internal/fips140/sha256.(*Digest).Write -
    "#]];
    let new = expect![[r#"
        net/http.serverHandler.ServeHTTP +10 push rbp Emulated; 1 returns
        net/http.(*response).finishRequest +10 push rbp Emulated; 1 returns
        net/http.(*Transport).roundTrip +18 push rbp Emulated; 16 returns
        main.main +15 push rbp Emulated; 2 returns
        runtime.newproc.func1 +6 push rbp Emulated; 1 returns
        runtime.cmpstring +0 mov rsi, rax Stepped; ends in a tail jump to cmpbody
        crypto/internal/fips140/sha256.(*Digest).Write in the FIPS module's text, which checks itself; in the FIPS module's text, which checks itself
    "#]];
    for version in VERSIONS {
        let expected = if version == "go1.21.13" { &old } else { &new };
        for arguments in [PLAIN, STRIPPED, PIE] {
            let program = program(version, "amd64", arguments);
            expected.assert_eq(&sites(&Binary::parse(&program).unwrap()));
        }
    }
}

#[test]
fn stands_behind_every_stack_check() {
    // cmp rsp, [r14+0x10], or the same of r12 after lea r12, [rsp-..] or mov r12, rsp.
    let check = |code: &[u8]| match code {
        [0x49, 0x3b, 0x66, 0x10, ..] => true,
        [0x4c, 0x8d, ..] | [0x49, 0x89, 0xe4, ..] => {
            code.windows(4).take(20).any(|bytes| bytes == [0x4d, 0x3b, 0x66, 0x10])
        }
        _ => false,
    };
    for version in VERSIONS {
        let program = program(version, "amd64", PLAIN);
        let binary = Binary::parse(&program).unwrap();
        let mut found = 0;
        for function in binary.functions() {
            let Ok(code) = binary.code(&function) else { continue };
            let Ok(site) = entry_site(&binary, &function) else { continue };
            if check(code) {
                let expected = ("push rbp", Cost::Emulated, false);
                assert_eq!(
                    (&*site.instruction, site.cost, site.ignore_if_below_or_equal),
                    expected,
                    "{}",
                    function.name
                );
                assert_eq!(program[site.file_offset as usize], 0x55, "{}", function.name);
                found += 1;
            }
        }
        assert!(found > 4000, "only {found} functions with a stack check in {version}");
    }
}

#[test]
fn finds_where_goroutines_are_made() {
    for version in VERSIONS {
        for arguments in [PLAIN, STRIPPED_PIE] {
            let program = program(version, "amd64", arguments);
            let binary = Binary::parse(&program).unwrap();
            let function = binary.function("runtime.newproc.func1").unwrap();
            let sites = call_sites(&binary, &function, "runtime.runqput").unwrap();
            let [site] = &sites[..] else { panic!("{version}: {sites:?}") };
            assert_eq!((site.cost, program[site.file_offset as usize]), (Cost::Emulated, 0xe8), "{version}");
            assert_eq!(call_sites(&binary, &function, "main.main"), Err(Refusal::NoCall("main.main".into())));
        }
    }
}

#[test]
fn finds_the_same_functions_without_symbols() {
    for version in VERSIONS {
        let (plain, stripped) = (program(version, "amd64", PLAIN), program(version, "amd64", STRIPPED));
        let (plain, stripped) = (Binary::parse(&plain).unwrap(), Binary::parse(&stripped).unwrap());
        let mut found = 0;
        let mut names = HashMap::new();
        stripped.functions().for_each(|function| *names.entry(function.name).or_insert(0) += 1);
        for function in stripped.functions().filter(|function| names[&function.name] == 1) {
            let Some(symbol) = plain.function(&function.name) else { continue };
            // The table counts padding.
            let padding = function.size.saturating_sub(symbol.size);
            assert!(symbol.address == function.address && padding < 64, "{version} {symbol:?} {function:?}");
            assert_eq!(stripped.function_at(function.address + function.size - 1).unwrap().address, function.address);
            found += 1;
        }
        assert!(found > 5000, "only {found} functions in {version}");
        assert_eq!(stripped.function("no.such"), None);
        // Written in Go, with a wrapper for assembly.
        for name in ["runtime.newproc", "runtime.newstack"] {
            assert_eq!(stripped.function(name).unwrap().address, plain.function(name).unwrap().address, "{name}");
        }
    }
}
