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

#[test]
fn says_what_became_of_calls() {
    let expected = expect_test::expect![[r#"
        main.Double: 1 without code, into main.main
        main.Triple: 1 beside its code, into main.main
        main.Item.Count: 3 beside its code, into main.(*Item).Count (wrapper), main.Cart.Count (wrapper), main.(*Cart).Count (wrapper)
        main.Item.Price: -
        main.Map[...]: -
        fixture.example/shop/yaml.v3.Short: 1 without code, into main.main, elsewhere 1
        main.Nothing: -
    "#]];
    for (version, arguments) in [("go1.18.10", STRIPPED), ("go1.20.14", STRIPPED), ("go1.26.8", STRIPPED_PIE)] {
        let program = super::symbols::shop(version, "amd64", arguments);
        let binary = Binary::parse(&program).unwrap();
        let names = [
            "main.Double",
            "main.Triple",
            "main.Item.Count",
            "main.Item.Price",
            "main.Map[...]",
            "fixture.example/shop/yaml.v3.Short",
            "main.Nothing",
        ];
        let inlining = binary.inlining(&names);
        let line = |name: &&str| match inlining.get(*name) {
            None => format!("{name}: -\n"),
            Some(Inlining { has_code, callers, count, elsewhere }) => {
                let code = if *has_code { "beside its code" } else { "without code" };
                let elsewhere = if *elsewhere > 0 { format!(", elsewhere {elsewhere}") } else { String::new() };
                format!("{name}: {count} {code}, into {}{elsewhere}\n", callers.join(", "))
            }
        };
        expected.assert_eq(&names.iter().map(line).collect::<String>());
    }
}
