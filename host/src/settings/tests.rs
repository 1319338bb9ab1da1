use expect_test::{Expect, expect};

use super::*;

fn declaration(key: &str, kind: Kind, default: &str) -> Declaration {
    Declaration { key: key.into(), kind, default: default.into(), about: format!("What {key} does.") }
}

fn choice(choices: &[&str]) -> Kind {
    Kind::Choice(choices.iter().map(|choice| (*choice).into()).collect())
}

/// Two plugins with settings and one without.
fn plugins() -> Vec<(&'static str, Vec<Declaration>)> {
    let shop = vec![
        declaration("prices", Kind::Boolean, "false"),
        declaration("name-limit", Kind::Integer { least: 0, most: 1024 }, "256"),
        declaration("currency", Kind::Text, "the customer's"),
        declaration("names", choice(&["full", "short", "none"]), "short"),
        declaration("known-goods", Kind::TextList, "[\"tea\", \"rice\"]"),
        declaration("labels", Kind::TextTable, ""),
    ];
    vec![
        ("shop", shop),
        ("a.b c", vec![declaration("depth", Kind::Integer { least: -5, most: 5 }, "as it comes")]),
        ("bare", Vec::new()),
    ]
}

/// What the file sets, or what is wrong with it.
fn check(text: &str, expected: Expect) {
    let plugins = plugins();
    let declared: Vec<Declared<'_>> = plugins.iter().map(|(name, declared)| (*name, &declared[..])).collect();
    let mut told = String::new();
    match Settings::read(text, &["export"], &declared) {
        Ok(settings) => {
            for (plugin, _) in declared {
                for (key, value) in settings.of(plugin) {
                    told.push_str(&format!("{plugin}: {key} = {value}\n"));
                }
            }
        }
        Err(problems) => problems.iter().for_each(|problem| told.push_str(&format!("{problem}\n"))),
    }
    expected.assert_eq(&told);
}

#[test]
fn hands_on_what_is_set_as_texts() {
    check("", expect![""]);
    check("[settings.bare]\n[settings.shop]\n[export]\notlp = 1\n", expect![""]);
    check(
        "[settings.shop]\nlabels = { \"a.b\" = \"x\", plain = \"\" }\nknown-goods = [\"tea\", \"rice\", \"tea\"]\nname-limit = 0x4_00\n\
         prices = true\nnames = \"none\"\ncurrency = \"\"\"two\nlines\"\"\"\n[settings.\"a.b c\"]\ndepth = -5\n",
        expect![[r#"
            shop: currency = two
            lines
            shop: known-goods = tea
            shop: known-goods = rice
            shop: known-goods = tea
            shop: labels.a.b = x
            shop: labels.plain = 
            shop: name-limit = 1024
            shop: names = none
            shop: prices = true
            a.b c: depth = -5
        "#]],
    );
    check(
        "settings.shop.labels.'x y' = 'z'",
        expect![[r#"
        shop: labels.x y = z
    "#]],
    );
}

#[test]
fn says_everything_that_is_wrong_and_where() {
    let text = r#"[settings.shop]
name-limit = 70_000
prices = "yes"
names = "ful"
currency = 3
known-goods = ["tea", 7, "é", [], 1.5]
labels = { plain = true, "a b" = 1979-05-27 }
"#;
    check(
        text,
        expect![[r#"
        2:14: settings.shop.name-limit: 70000 is not between 0 and 1024
        3:10: settings.shop.prices: a string where true or false is wanted
        4:9: settings.shop.names: "ful" is none of "full", "none", "short"
        5:12: settings.shop.currency: an integer where a string is wanted
        6:23: settings.shop.known-goods[1]: an integer where a string is wanted
        6:31: settings.shop.known-goods[3]: an array where a string is wanted
        6:35: settings.shop.known-goods[4]: a float where a string is wanted
        7:20: settings.shop.labels.plain: a boolean where a string is wanted
        7:34: settings.shop.labels."a b": a date or time where a string is wanted
    "#]],
    );
    let text = r#"[setings.shop]
[settings.shop]
name-limt = 1
"é" = 1
known-goods = "tea"
labels = []
[settings.ship]
x = 1
[settings.bare]
depth = 1
[settings."a.b c"]
dept = 1
"#;
    check(
        text,
        expect![[r#"
        1:2: setings: there is nothing but settings here
        3:1: settings.shop.name-limt: no such setting; there are name-limit, names, labels, prices, currency, known-goods
        4:1: settings.shop."é": no such setting; there are names, prices, labels, currency, name-limit, known-goods
        5:15: settings.shop.known-goods: a string where an array of strings is wanted
        6:10: settings.shop.labels: an array where a table of strings is wanted
        7:11: settings.ship: no such plugin; there are shop, bare, a.b c
        10:1: settings.bare.depth: no such setting; there is none
        12:1: settings."a.b c".dept: no such setting; there is depth
    "#]],
    );
    check(
        "settings = 1\n",
        expect![[r#"
        1:12: settings: an integer where a table is wanted
    "#]],
    );
    check(
        "settings.shop = [1]\n",
        expect![[r#"
        1:17: settings.shop: an array where a table is wanted
    "#]],
    );
    check(
        "[settings.shop]\nknown-goods = []\nname-limit = 99999999999999999999\n",
        expect![[r#"
        2:15: settings.shop.known-goods: an empty array says as much as none: leave it out
        3:14: settings.shop.name-limit: 99999999999999999999 is not between 0 and 1024
    "#]],
    );
    check(
        "[settings.shop]\nname-limit = \nprices == true\nprices = false\n",
        expect![[r#"
        2:14: string values must be quoted, expected literal string
        3:9: extra `=`, expected nothing
        3:11: unexpected key or value, expected newline, `#`
        4:1: duplicate key
    "#]],
    );
    check(
        "[settings.shop]\nprices = true\nprices = false\n[settings.shop]\n",
        expect![[r#"
        3:1: duplicate key
        4:11: duplicate key
    "#]],
    );
}

#[test]
fn says_which_plugins_there_are_where_there_are_none() {
    let problems = Settings::read("[settings.shop]", &[], &[]).unwrap_err();
    assert_eq!(problems[0].to_string(), "1:11: settings.shop: no such plugin; there is none");
}

#[test]
fn takes_each_key_from_the_later_file() {
    let plugins = plugins();
    let declared: Vec<Declared<'_>> = plugins.iter().map(|(name, declared)| (*name, &declared[..])).collect();
    let read = |text: &str| Settings::read(text, &[], &declared).unwrap();
    let first =
        read("[settings.shop]\nprices = true\nknown-goods = [\"tea\", \"rice\"]\n[settings.'a.b c']\ndepth = 1\n");
    let both = first.overridden_by(read("[settings.shop]\nknown-goods = [\"salt\"]\nlabels.a = \"b\"\n"));
    let expected = [("known-goods", "salt"), ("labels.a", "b"), ("prices", "true")];
    assert_eq!(both.of("shop"), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(both.of("a.b c").len(), 1);
}

#[test]
fn refuses_declarations_that_are_wrong_themselves() {
    let long = "x".repeat(1025);
    let silent = Declaration { about: " ".into(), ..declaration("a", Kind::Text, "") };
    let rows: [(Vec<Declaration>, &str); 13] = [
        (plugins().remove(0).1, "fine"),
        (vec![declaration("", Kind::Text, "")], r#"the key "" is not of lower case letters, digits and dashes"#),
        (vec![declaration("A_b", Kind::Text, "")], r#"the key "A_b" is not of lower case letters, digits and dashes"#),
        (vec![declaration("a", Kind::Text, ""), declaration("a", Kind::Boolean, "")], "two have the key a"),
        (vec![silent], "a: it does not say what it does"),
        (vec![declaration("a", Kind::Text, "b\n")], r#"a: control characters in "b\n""#),
        (vec![declaration("a", choice(&["\u{1b}[31m"]), "")], r#"a: control characters in "\u{1b}[31m""#),
        (vec![declaration("a", Kind::Text, &long)], "a: a text of 1025 bytes, at most 1024"),
        (vec![declaration("a", choice(&[]), "")], "a: a choice of nothing"),
        (vec![declaration("a", choice(&["b", "c", "b"]), "")], "a: a choice with the same text twice"),
        (vec![declaration("a", choice(&["b"; 65]), "")], "a: a choice of 65, at most 64"),
        (vec![declaration("a", Kind::Integer { least: 2, most: 1 }, "")], "a: the least, 2, is more than the most, 1"),
        (vec![declaration("a", Kind::Text, ""); 65], "65 settings, at most 64"),
    ];
    for (declarations, expected) in rows {
        assert_eq!(super::check(&declarations).err().as_deref().unwrap_or("fine"), expected);
    }
}

#[test]
fn prints_a_file_that_can_be_used() {
    let plugins = plugins();
    let declared: Vec<Declared<'_>> = plugins.iter().map(|(name, declared)| (*name, &declared[..])).collect();
    let printed = print(&declared);
    let settings = Settings::read(&printed, &[], &declared).unwrap();
    assert!(declared.iter().all(|(plugin, _)| settings.of(plugin).is_empty()));
    expect![[r##"
        # What can be set for uprobed's plugins. As it stands this file changes nothing: remove the # before
        # what you want to set, and give the file by --settings, or put its tables into the configuration.

        [settings.shop]

        # What prices does.
        # true or false; default: false
        #prices = false

        # What name-limit does.
        # an integer from 0 to 1024; default: 256
        #name-limit = 256

        # What currency does.
        # a string; default: the customer's
        #currency = "the customer's"

        # What names does.
        # one of "full", "short", "none"; default: short
        #names = "short"

        # What known-goods does.
        # an array of strings; default: ["tea", "rice"]
        #known-goods = ["tea", "rice"]

        # What labels does.
        # a table of strings
        #labels = { name = "…" }

        [settings."a.b c"]

        # What depth does.
        # an integer from -5 to 5; default: as it comes
        #depth = -5

        [settings.bare]
        # There is nothing to set.
    "##]]
    .assert_eq(&printed);
    // With every `#` before a key removed, each is set.
    let used: Vec<&str> = printed
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .collect();
    let settings = Settings::read(&used.join("\n"), &[], &declared).unwrap();
    let set: Vec<String> = declared
        .iter()
        .flat_map(|(plugin, _)| settings.of(plugin))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    expect!["currency=the customer's known-goods=tea known-goods=rice labels.name=… name-limit=256 names=short prices=false depth=-5"].assert_eq(&set.join(" "));
}
