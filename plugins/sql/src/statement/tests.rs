//! What is made of statements: `corpus.txt` holds them, `corpus.shown.txt` what may be shown of each.

use expect_test::{Expect, expect, expect_file};

use super::{Dialect, Statement};

#[path = "../../fuzz/src/statements.rs"]
mod statements;

/// Statements stand between blank lines, under a line `== dialect`.
const CORPUS: &str = include_str!("corpus.txt");

fn dialect(name: &str) -> Option<Dialect> {
    Some(match name {
        "postgresql" => Dialect::PostgreSql,
        "mysql" => Dialect::MySql,
        "sqlite" => Dialect::Sqlite,
        "sql server" => Dialect::SqlServer,
        "other" => Dialect::Other,
        _ => return None,
    })
}

fn shown(dialect: Dialect, text: &str, is_cut: bool) -> String {
    let statement = Statement::read(dialect, text.as_bytes(), is_cut);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let summary = &statement.summary;
    let mut out = format!("{}\n= {}", text(&statement.text), text(&summary.text));
    for (name, value) in
        [("operation", &summary.operation), ("collection", &summary.collection), ("procedure", &summary.procedure)]
    {
        if !value.is_empty() {
            out += &format!("; {name} {}", text(value));
        }
    }
    out + "\n"
}

#[test]
fn shows_what_is_no_literal() {
    let mut out = String::new();
    let mut current = Dialect::Other;
    for paragraph in CORPUS.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        if let Some(name) = paragraph.strip_prefix("== ") {
            current = dialect(name).expect("a dialect of this name");
            out += &format!("== {name}\n\n");
        } else {
            let shown = shown(current, paragraph, false);
            out += &format!("{paragraph}\n{}\n", shown.lines().map(|line| format!("    {line}\n")).collect::<String>());
        }
    }
    expect_file!["corpus.shown.txt"].assert_eq(&out);
    assert!(!out.lines().any(|line| line.starts_with("    ") && line.contains("secret")), "a literal is shown");
}

fn check_cut(text: &str, expected: Expect) {
    expected.assert_eq(&shown(Dialect::PostgreSql, text, true));
}

#[test]
fn shows_nothing_of_what_was_cut_in_two() {
    check_cut(
        "SELECT a FROM t WHERE b = 'secr",
        expect![[r#"
                SELECT a FROM t WHERE b = …
                = SELECT t
        "#]],
    );
    check_cut(
        "SELECT a FROM t WHERE b = 12",
        expect![[r#"
                SELECT a FROM t WHERE b = …
                = SELECT t
        "#]],
    );
    check_cut(
        "SELECT a FROM t WHERE b = 'secret' AND c",
        expect![[r#"
                SELECT a FROM t WHERE b = ? AND …
                = SELECT t
        "#]],
    );
    check_cut(
        "SELECT a FROM t WHERE b = $tag$secr",
        expect![[r#"
                SELECT a FROM t WHERE b = …
                = SELECT t
        "#]],
    );
    check_cut(
        "SELECT a FROM t, \"orde",
        expect![[r#"
                SELECT a FROM t, …
                = SELECT t
        "#]],
    );
    check_cut(
        "SELECT a FROM public.ord",
        expect![[r#"
                SELECT a FROM public. …
                = SELECT
        "#]],
    );
    check_cut(
        "SELECT a /* secr",
        expect![[r#"
                SELECT a …
                = SELECT
        "#]],
    );
}

#[test]
fn cuts_a_summary_between_names() {
    let tables: Vec<String> = (0..40).map(|number| format!("some_table_{number}")).collect();
    let statement = Statement::read(Dialect::Sqlite, format!("SELECT * FROM {}", tables.join(", ")).as_bytes(), false);
    let text = String::from_utf8(statement.summary.text).unwrap();
    assert!(text.len() <= 255 && text.ends_with("some_table_17"), "{text}");
}

/// As the conventions have them.
#[test]
fn summarizes_as_the_conventions_want_it() {
    for (text, expected) in [
        ("SELECT *\nFROM   wuser_table\nWHERE  username = ?", "SELECT wuser_table"),
        (
            "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?",
            "INSERT shipping_details SELECT orders",
        ),
        ("SELECT * FROM songs, artists WHERE songs.artist_id == artists.id", "SELECT songs artists"),
        (
            "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
            "SELECT SELECT orders customers",
        ),
        ("SELECT * FROM \"song list\", artists", "SELECT \"song list\" artists"),
        ("EXEC some_stored_procedure", "EXEC some_stored_procedure"),
    ] {
        let statement = Statement::read(Dialect::PostgreSql, text.as_bytes(), false);
        assert_eq!(String::from_utf8_lossy(&statement.summary.text), expected);
    }
}

/// What the fuzz target does for hours, for a moment.
#[test]
fn shows_no_literal_of_statements_at_random() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..4_000 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(60)
        .collect();
        let written = statements::Written::new(&bytes);
        for dialect in [Dialect::of(written.system), Dialect::Other] {
            let cut = written.cut.min(written.text.len());
            for (text, is_cut) in [(&written.text[..], false), (&written.text[..cut], true)] {
                let statement = Statement::read(dialect, text, is_cut);
                for out in [&statement.text, &statement.summary.text] {
                    let out = String::from_utf8_lossy(out);
                    assert!(
                        !out.bytes().any(|byte| statements::MARKS.contains(&byte)),
                        "{dialect:?}: {out}\n{}",
                        String::from_utf8_lossy(text)
                    );
                }
            }
        }
    }
}
