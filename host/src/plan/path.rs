//! The path language: `name(.field | .(*pkg/path.Type) | .(pkg/path.Type) | [index])*`, and at its end perhaps one of `["key"]`,
//! `[Field="key"].Field` and `.len()`. Only its syntax; what the names mean is found out in `walk`.

use std::fmt;

/// The longest path, in bytes.
const LENGTH: usize = 512;
/// The most steps of one path.
const STEPS: usize = 24;
/// The largest index.
const INDEX: u32 = 65_535;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub root: String,
    pub steps: Vec<Step>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Field(String),
    /// A type assertion, with the type's full name: `*net/url.Error`.
    Assert(String),
    /// An element of a slice.
    Index(u32),
    /// The length of a slice, a string or a map. The last step.
    Length,
    /// The value of a map's key. The last step.
    Key(String),
    /// The value of the element of a slice that has a key. The last step.
    Search(Search),
}

/// `[field="key"].value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    pub field: String,
    pub key: String,
    pub value: String,
}

/// What a capture makes of the value that the other steps lead to.
#[derive(Clone, Copy, Debug)]
pub enum End<'p> {
    /// The value itself.
    Value,
    Key(&'p str),
    Search(&'p Search),
}

/// What is wrong with a path, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path `{path}`, column {column}: {message}")]
pub struct PathError {
    pub path: String,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
}

impl Path {
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser { text, at: 0 };
        parser.path().map_err(|message| PathError {
            path: text.chars().take(LENGTH).collect(),
            column: text[..parser.at].chars().count() + 1,
            message,
        })
    }

    /// The name after `kept.`, and the steps that follow it.
    pub fn kept(&self) -> Option<(&str, &[Step])> {
        match self.steps.split_first() {
            Some((Step::Field(name), rest)) if self.root == "kept" => Some((name, rest)),
            _ => None,
        }
    }

    /// The steps that lead to a value, and what is to be captured of it.
    pub fn split_end(&self) -> (&[Step], End<'_>) {
        match self.steps.split_last() {
            Some((Step::Key(key), rest)) => (rest, End::Key(key)),
            Some((Step::Search(search), rest)) => (rest, End::Search(search)),
            _ => (&self.steps, End::Value),
        }
    }

    /// The text of the first so many steps.
    pub fn first(&self, steps: usize) -> String {
        self.steps.iter().take(steps).fold(self.root.clone(), |text, step| text + &step.to_string())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Assert(name) => write!(f, ".({name})"),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Length => f.write_str(".len()"),
            Self::Key(key) => write!(f, "[{key:?}]"),
            Self::Search(Search { field, key, value }) => write!(f, "[{field}={key:?}].{value}"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a character can be part of a Go identifier.
pub fn is_identifier(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Parser<'t> {
    text: &'t str,
    /// In bytes, always between characters.
    at: usize,
}

impl Parser<'_> {
    fn path(&mut self) -> Result<Path, String> {
        if self.text.len() > LENGTH {
            return Err(format!("longer than {LENGTH} bytes"));
        }
        let root = self.name()?;
        let mut steps = Vec::new();
        while let Some(c) = self.peek() {
            if steps.len() == STEPS {
                return Err(format!("more than {STEPS} steps"));
            }
            match steps.last() {
                Some(Step::Key(_)) => return Err("a key ends a path".to_owned()),
                Some(Step::Length) => return Err("a length ends a path".to_owned()),
                Some(Step::Search(_)) => return Err("one field behind a search ends a path".to_owned()),
                _ => {}
            }
            self.take();
            steps.push(match c {
                '.' => self.behind_dot()?,
                '[' => self.behind_bracket()?,
                _ => {
                    self.at -= c.len_utf8();
                    return Err(format!("expected `.` or `[`, found `{c}`"));
                }
            });
        }
        Ok(Path { root, steps, text: self.text.to_owned() })
    }

    fn behind_dot(&mut self) -> Result<Step, String> {
        if self.peek() == Some('(') {
            return Ok(Step::Assert(self.assertion()?));
        }
        let name = self.name()?;
        if name != "len" || self.peek() != Some('(') {
            return Ok(Step::Field(name));
        }
        self.expect('(')?;
        self.expect(')')?;
        Ok(Step::Length)
    }

    fn behind_bracket(&mut self) -> Result<Step, String> {
        let step = match self.peek() {
            Some('"') => Step::Key(self.string()?),
            Some(c) if c.is_ascii_digit() => Step::Index(self.index()?),
            Some(c) if is_identifier(c) => {
                let field = self.name()?;
                self.expect('=')?;
                let key = self.string()?;
                self.expect(']')?;
                self.expect('.')?;
                return Ok(Step::Search(Search { field, key, value: self.name()? }));
            }
            found => {
                let found = found.map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
                return Err(format!("expected an index, a key or a search, found {found}"));
            }
        };
        self.expect(']')?;
        Ok(step)
    }

    fn index(&mut self) -> Result<u32, String> {
        let rest = &self.text[self.at..];
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        let index = digits.parse().ok().filter(|index| *index <= INDEX);
        let index = index.ok_or_else(|| format!("the index {digits} is larger than {INDEX}"))?;
        self.at += digits.len();
        Ok(index)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.peek() {
            Some(c) if c == wanted => {
                self.take();
                Ok(())
            }
            Some(c) => Err(format!("expected `{wanted}`, found `{c}`")),
            None => Err(format!("expected `{wanted}`, found the end")),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let rest = &self.text[self.at..];
        let name = &rest[..rest.find(|c| !is_identifier(c)).unwrap_or(rest.len())];
        if name.is_empty() || name.starts_with(|c: char| c.is_numeric()) {
            return Err(match self.peek() {
                Some(c) => format!("expected a name, found `{c}`"),
                None => "expected a name, found the end".to_owned(),
            });
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    fn assertion(&mut self) -> Result<String, String> {
        self.expect('(')?;
        let rest = &self.text[self.at..];
        let mut depth = 0usize;
        let end = rest.find(|c| match c {
            '(' | '[' => {
                depth += 1;
                false
            }
            ')' if depth == 0 => true,
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => false,
        });
        let name = &rest[..end.ok_or("the type's `)` is missing")?];
        if name.trim_start_matches('*').is_empty() || name.contains(char::is_whitespace) {
            return Err("expected a type's full name, as in `.(*net/url.Error)`".to_owned());
        }
        self.at += name.len();
        self.expect(')')?;
        Ok(name.to_owned())
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut key = String::new();
        loop {
            match self.peek() {
                Some('"') => break,
                Some('\\') => {
                    self.take();
                    key.push(self.peek().filter(|c| matches!(c, '"' | '\\')).ok_or("only \\\" and \\\\ are escapes")?);
                }
                Some(c) => key.push(c),
                None => return Err("the key's `\"` is missing".to_owned()),
            }
            self.take();
        }
        self.expect('"')?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let actual = match Path::parse(text) {
            Ok(path) => format!("{} {:?}", path.root, path.steps),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&actual);
    }

    #[test]
    fn reads_fields_assertions_and_keys() {
        check("request", expect!["request []"]);
        check("c.rwc.(*net.TCPConn).fd", expect![[r#"c [Field("rwc"), Assert("*net.TCPConn"), Field("fd")]"#]]);
        check("x.(a.b/c.Pair[int,(x)]).y", expect![[r#"x [Assert("a.b/c.Pair[int,(x)]"), Field("y")]"#]]);
        check(r#"req.Header["User-Agent"]"#, expect![[r#"req [Field("Header"), Key("User-Agent")]"#]]);
        check(r#"m["a\"b\\"]"#, expect![[r#"m [Key("a\"b\\")]"#]]);
        check("größe.naïve", expect![[r#"größe [Field("naïve")]"#]]);
    }

    #[test]
    fn reads_elements_lengths_and_searches() {
        check("msgs[0].Topic", expect![[r#"msgs [Index(0), Field("Topic")]"#]]);
        check("m[65535][1].(*a.B)", expect![[r#"m [Index(65535), Index(1), Assert("*a.B")]"#]]);
        check("m.list[2].len()", expect![[r#"m [Field("list"), Index(2), Length]"#]]);
        check("m.len.x", expect![[r#"m [Field("len"), Field("x")]"#]]);
        check(
            r#"m.Headers[Key="trace\"parent"].Value"#,
            expect![[r#"m [Field("Headers"), Search(Search { field: "Key", key: "trace\"parent", value: "Value" })]"#]],
        );
    }

    #[test]
    fn says_a_path_again() {
        for text in ["a.b.(*c.D)[7].len()", r#"a["x\"y"]"#, r#"a.b[Key="x\\"].Value"#, "a"] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.first(path.steps.len()), text);
        }
        assert_eq!(Path::parse("a.b[1].c").unwrap().first(2), "a.b[1]");
    }

    #[test]
    fn names_the_column_of_a_mistake() {
        check("", expect!["path ``, column 1: expected a name, found the end"]);
        check("req.", expect!["path `req.`, column 5: expected a name, found the end"]);
        check("req..x", expect!["path `req..x`, column 5: expected a name, found `.`"]);
        check("req x", expect!["path `req x`, column 4: expected `.` or `[`, found ` `"]);
        check("é.1", expect!["path `é.1`, column 3: expected a name, found `1`"]);
        check("a.(*b", expect!["path `a.(*b`, column 4: the type's `)` is missing"]);
        check("a.()", expect!["path `a.()`, column 4: expected a type's full name, as in `.(*net/url.Error)`"]);
        check(r#"a["x"#, expect![[r#"path `a["x`, column 5: the key's `"` is missing"#]]);
        check(r#"a["x"].y"#, expect![[r#"path `a["x"].y`, column 7: a key ends a path"#]]);
        check("a[0", expect!["path `a[0`, column 4: expected `]`, found the end"]);
        check("a[0x]", expect!["path `a[0x]`, column 4: expected `]`, found `x`"]);
        check("a[-1]", expect!["path `a[-1]`, column 3: expected an index, a key or a search, found `-`"]);
        check("a[", expect!["path `a[`, column 3: expected an index, a key or a search, found the end"]);
        check("a[65536]", expect!["path `a[65536]`, column 3: the index 65536 is larger than 65535"]);
        check("a[99999999999]", expect!["path `a[99999999999]`, column 3: the index 99999999999 is larger than 65535"]);
        check("a.len(", expect!["path `a.len(`, column 7: expected `)`, found the end"]);
        check("a.len(1)", expect!["path `a.len(1)`, column 7: expected `)`, found `1`"]);
        check("a.cap()", expect!["path `a.cap()`, column 6: expected `.` or `[`, found `(`"]);
        check("a.len().x", expect!["path `a.len().x`, column 8: a length ends a path"]);
        check("a.len()[0]", expect!["path `a.len()[0]`, column 8: a length ends a path"]);
        check("a[Key]", expect!["path `a[Key]`, column 6: expected `=`, found `]`"]);
        check("a[Key=x]", expect![[r#"path `a[Key=x]`, column 7: expected `"`, found `x`"#]]);
        check(r#"a[Key="x]"#, expect![[r#"path `a[Key="x]`, column 10: the key's `"` is missing"#]]);
        check(r#"a[Key="x""#, expect![[r#"path `a[Key="x"`, column 10: expected `]`, found the end"#]]);
        check(r#"a[Key="x"]"#, expect![[r#"path `a[Key="x"]`, column 11: expected `.`, found the end"#]]);
        check(r#"a[Key="x"].(b)"#, expect![[r#"path `a[Key="x"].(b)`, column 12: expected a name, found `(`"#]]);
        check(
            r#"a[Key="x"].b.c"#,
            expect![[r#"path `a[Key="x"].b.c`, column 13: one field behind a search ends a path"#]],
        );
        check(
            r#"a[Key="x"].b[0]"#,
            expect![[r#"path `a[Key="x"].b[0]`, column 13: one field behind a search ends a path"#]],
        );
    }

    #[test]
    fn refuses_endless_paths() {
        assert!(Path::parse(&"a".repeat(LENGTH + 1)).is_err());
        assert!(Path::parse(&format!("a{}", ".b".repeat(STEPS + 1))).is_err());
        assert!(Path::parse(&format!("a{}", ".b".repeat(STEPS))).is_ok());
    }
}
