//! What is left of functions that have no code of their own.

use super::*;

#[test]
fn knows_what_was_inlined_into_another_package() {
    for version in VERSIONS {
        for arguments in [PLAIN, STRIPPED, STRIPPED_PIE] {
            let program = program(version, "amd64", arguments);
            let binary = Binary::parse(&program).unwrap();
            // Has code of its own; inlined into main; inlined by net/http only, until 1.26; absent, though names begin with it.
            for (name, has_code, expected) in [
                ("net/http.serverHandler.ServeHTTP", true, true),
                ("net/http.Header.Get", false, true),
                ("net/http.(*Request).WithContext", false, false),
                ("net/http.(*Request).With", false, false),
                ("", false, false),
            ] {
                assert_eq!(binary.function(name).is_some(), has_code, "{version} {arguments:?} {name}");
                assert_eq!(binary.mentions(name), expected, "{version} {arguments:?} {name}");
            }
        }
    }
}

/// Or else its absence above would say nothing.
#[test]
fn finds_names_that_only_inlined_functions_have() {
    let program = program("go1.26.8", "amd64", STRIPPED);
    let name = b"\0net/http.(*Request).WithContext\0";
    assert!(program.windows(name.len()).any(|window| window == name));
}
