//! The path language: `name(.field | .(*pkg/path.Type) | .(pkg/path.Type) | ["key"])*`. Only its syntax; what the names mean is
//! found out in `walk`.

use std::fmt;

/// The longest path, in bytes.
const LENGTH: usize = 512;
/// The most steps of one path.
const STEPS: usize = 24;

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
    Key(String),
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

    /// The steps before a final key, and the key.
    pub fn split_key(&self) -> (&[Step], Option<&str>) {
        match self.steps.split_last() {
            Some((Step::Key(key), rest)) => (rest, Some(key)),
            _ => (&self.steps, None),
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
            steps.push(match c {
                '.' => {
                    self.take();
                    if self.peek() == Some('(') { Step::Assert(self.assertion()?) } else { Step::Field(self.name()?) }
                }
                '[' => Step::Key(self.key()?),
                _ => return Err(format!("expected `.` or `[`, found `{c}`")),
            });
        }
        if let Some(at) = steps.iter().position(|step| matches!(step, Step::Key(_)))
            && at + 1 < steps.len()
        {
            return Err("a key ends a path".to_owned());
        }
        Ok(Path { root, steps, text: self.text.to_owned() })
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

    fn key(&mut self) -> Result<String, String> {
        self.expect('[')?;
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
        self.expect(']')?;
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
    fn names_the_column_of_a_mistake() {
        check("", expect!["path ``, column 1: expected a name, found the end"]);
        check("req.", expect!["path `req.`, column 5: expected a name, found the end"]);
        check("req..x", expect!["path `req..x`, column 5: expected a name, found `.`"]);
        check("req x", expect!["path `req x`, column 4: expected `.` or `[`, found ` `"]);
        check("é.1", expect!["path `é.1`, column 3: expected a name, found `1`"]);
        check("a.(*b", expect!["path `a.(*b`, column 4: the type's `)` is missing"]);
        check("a.()", expect!["path `a.()`, column 4: expected a type's full name, as in `.(*net/url.Error)`"]);
        check(r#"a["x"#, expect![[r#"path `a["x`, column 5: the key's `"` is missing"#]]);
        check(r#"a["x"].y"#, expect![[r#"path `a["x"].y`, column 9: a key ends a path"#]]);
        check(r"a[0]", expect![[r#"path `a[0]`, column 3: expected `"`, found `0`"#]]);
    }

    #[test]
    fn refuses_endless_paths() {
        assert!(Path::parse(&"a".repeat(LENGTH + 1)).is_err());
        assert!(Path::parse(&format!("a{}", ".b".repeat(STEPS + 1))).is_err());
        assert!(Path::parse(&format!("a{}", ".b".repeat(STEPS))).is_ok());
    }
}
