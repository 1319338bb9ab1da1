//! Takes a statement apart, as far as that is needed to tell literals from the rest.
//!
//! How a text is read depends on the database, and on modes of the session that nobody can see from outside (`NO_BACKSLASH_ESCAPES`,
//! `ANSI_QUOTES`, `standard_conforming_strings`). Where two readings part, everything from there to the end is [`Kind::Doubt`], because
//! one of them would show a literal.

use crate::statement::dialect::{Dialect, Quotes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name, a variable.
    Word,
    /// A name in quotes, for certain.
    Quoted,
    /// What may be a name or a string: `"…"`.
    Unsure,
    /// A string, a number, with what stands before it: `E'…'`.
    Literal,
    /// Where a parameter goes: `$1`, `?`, `:name`.
    Marker,
    /// Spaces and comments, as many as there are.
    Space,
    /// One character, or `::`.
    Sign,
    /// From here to the end, whatever it is.
    Doubt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a [u8],
}

/// The tokens of a statement; together they are all of it.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    dialect: Dialect,
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    pub fn new(dialect: Dialect, text: &'a [u8]) -> Self {
        Self { dialect, rest: text }
    }

    /// What begins here, and how long it is; none if that cannot be said for certain.
    fn token(&self) -> Option<(Kind, usize)> {
        let rest = self.rest;
        let next = rest.get(1).copied().unwrap_or(0);
        match rest.first().copied()? {
            b' ' | b'\t'..=b'\r' => Some((Kind::Space, self.space()?)),
            b'-' if next == b'-' => self.dashes(),
            b'/' if next == b'*' => Some((Kind::Space, self.space()?)),
            b'#' => self.hash(),
            b'\'' => Some((Kind::Literal, self.sure_end(0)?)),
            b'"' => self.double_quotes(),
            b'`' if self.dialect.has_backticks() => Some((Kind::Quoted, self.sure_end(0)?)),
            b'[' => self.bracket(),
            b'$' => self.dollar(),
            b'0'..=b'9' => Some((Kind::Literal, number(rest))),
            b'.' if next.is_ascii_digit() => Some((Kind::Literal, number(rest))),
            b':' if next == b':' => Some((Kind::Sign, 2)),
            b':' | b'@' if is_word_start(next) => Some((Kind::Marker, 1 + self.word_length(&rest[1..]))),
            b'@' if next == b'@' => Some((Kind::Word, 2 + self.word_length(&rest[2..]))),
            b'?' if self.dialect == Dialect::Sqlite => Some((Kind::Marker, 1 + digits(&rest[1..]))),
            b'?' => Some((Kind::Marker, 1)),
            first if is_word_start(first) => self.word(),
            // Nothing but a string has a reason to hold these.
            b'\\' | b'`' | 0..=b' ' | 0x7f => None,
            _ => Some((Kind::Sign, 1)),
        }
    }

    /// Spaces and comments in a row.
    fn space(&self) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = &self.rest[at..];
            at += match rest {
                [b' ' | b'\t'..=b'\r', ..] => 1,
                [b'/', b'*', ..] => self.block_comment(rest)?,
                [b'-', b'-', ..] if self.dialect.is_dash_comment(rest.get(2).copied())? => line_comment(rest)?,
                [b'#', ..] if self.dialect == Dialect::MySql => line_comment(rest)?,
                _ => return Some(at),
            };
        }
    }

    fn dashes(&self) -> Option<(Kind, usize)> {
        match self.dialect.is_dash_comment(self.rest.get(2).copied())? {
            true => Some((Kind::Space, self.space()?)),
            false => Some((Kind::Sign, 1)),
        }
    }

    /// A comment to the end of the line, a temporary table's name, or an operator.
    fn hash(&self) -> Option<(Kind, usize)> {
        match self.dialect {
            Dialect::MySql => Some((Kind::Space, self.space()?)),
            Dialect::PostgreSql => Some((Kind::Sign, 1)),
            Dialect::SqlServer => {
                let signs = self.rest.iter().take_while(|byte| **byte == b'#').count();
                Some((Kind::Word, signs + self.word_length(&self.rest[signs..])))
            }
            Dialect::Sqlite | Dialect::Other => None,
        }
    }

    /// Some databases nest comments. MySQL runs what stands in `/*! … */`.
    fn block_comment(&self, text: &[u8]) -> Option<usize> {
        if self.dialect.runs_comments() && (text.get(2) == Some(&b'!') || text.get(2..4) == Some(b"M!")) {
            return None;
        }
        let (mut at, mut depth) = (2, 1);
        while depth > 0 {
            match text.get(at..at + 2)? {
                b"*/" => (at, depth) = (at + 2, depth - 1),
                b"/*" if !self.dialect.nests_comments() => return None,
                b"/*" => (at, depth) = (at + 2, depth + 1),
                _ => at += 1,
            }
        }
        Some(at)
    }

    fn double_quotes(&self) -> Option<(Kind, usize)> {
        match self.dialect.double_quotes() {
            Quotes::Name => Some((Kind::Quoted, quoted(self.rest, 0, b'"')?)),
            Quotes::String => Some((Kind::Literal, self.sure_end(0)?)),
            Quotes::Unsure => Some((Kind::Unsure, self.sure_end(0)?)),
        }
    }

    /// A name in brackets, or a sign.
    fn bracket(&self) -> Option<(Kind, usize)> {
        match self.dialect {
            Dialect::SqlServer => Some((Kind::Quoted, quoted(self.rest, 0, b']')?)),
            // No doubling here: the first one ends it.
            Dialect::Sqlite => Some((Kind::Quoted, find(self.rest, b"]")? + 1)),
            Dialect::PostgreSql | Dialect::MySql => Some((Kind::Sign, 1)),
            Dialect::Other => {
                let end = find(self.rest, b"]")?;
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" _,.".contains(byte);
                (self.rest[1..end].iter().all(is_plain) && self.rest.get(end + 1) != Some(&b']'))
                    .then_some((Kind::Sign, 1))
            }
        }
    }

    /// A parameter, a string in dollar quotes, an amount of money.
    fn dollar(&self) -> Option<(Kind, usize)> {
        let after = &self.rest[1..];
        if after.first().is_some_and(u8::is_ascii_digit) {
            return match self.dialect {
                Dialect::SqlServer => Some((Kind::Literal, 1 + number(after))),
                // In some databases this is money.
                Dialect::Other => Some((Kind::Literal, 1 + number(after))),
                _ => Some((Kind::Marker, 1 + digits(after))),
            };
        }
        match self.dialect {
            Dialect::PostgreSql => {
                let tag = after.iter().take_while(|byte| is_word(**byte)).count();
                let delimiter = self.rest.get(..tag + 2).filter(|delimiter| delimiter.ends_with(b"$"))?;
                Some((
                    Kind::Literal,
                    delimiter.len() + find(&self.rest[delimiter.len()..], delimiter)? + delimiter.len(),
                ))
            }
            Dialect::Sqlite | Dialect::SqlServer if after.first().is_some_and(|first| is_word_start(*first)) => {
                Some((Kind::Marker, 1 + self.word_length(after)))
            }
            _ => None,
        }
    }

    /// A word, or a string with a prefix.
    fn word(&self) -> Option<(Kind, usize)> {
        let length = self.word_length(self.rest);
        let (text, after) = self.rest.split_at(length);
        let is = |wanted: &[&str]| wanted.iter().any(|wanted| text.eq_ignore_ascii_case(wanted.as_bytes()));
        match after {
            [b'\'', ..] if self.dialect == Dialect::PostgreSql && is(&["e"]) => {
                Some((Kind::Literal, escaped_string(self.rest, length)?))
            }
            // Oracle's `q'[…]'`.
            [b'\'', ..] if self.dialect == Dialect::Other && is(&["q", "nq"]) => None,
            [b'\'', ..] if is(&["e", "b", "x", "n"]) || text[0] == b'_' => {
                Some((Kind::Literal, self.sure_end(length)?))
            }
            [b'&', b'\'', ..] if is(&["u"]) => Some((Kind::Literal, self.sure_end(length + 1)?)),
            [b'&', b'"', ..] if self.dialect == Dialect::PostgreSql && is(&["u"]) => {
                Some((Kind::Quoted, quoted(self.rest, length + 1, b'"')?))
            }
            _ => Some((Kind::Word, length)),
        }
    }

    fn word_length(&self, text: &[u8]) -> usize {
        text.iter().take_while(|byte| is_word(**byte) || self.dialect.word_signs().contains(byte)).count()
    }

    /// The end of what begins with the quote at `at`, where a doubled quote stands for one. None where it would end elsewhere if a
    /// backslash took the next character along, and it may.
    fn sure_end(&self, at: usize) -> Option<usize> {
        let quote = self.rest[at];
        let end = quoted(self.rest, at, quote)?;
        if !self.dialect.may_escape() {
            return Some(end);
        }
        let mut is_escaped = false;
        for byte in &self.rest[at + 1..end] {
            if *byte == quote && is_escaped {
                return None;
            }
            is_escaped = *byte == b'\\' && !is_escaped;
        }
        Some(end)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (kind, length) = self.token().unwrap_or((Kind::Doubt, self.rest.len()));
        let (text, rest) = self.rest.split_at(length.clamp(1, self.rest.len()));
        self.rest = rest;
        Some(Token { kind, text })
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Generous: what follows a digit without a space between belongs to it, as in `0xff`, `1_000`, `1e-3`.
fn number(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let is_exponent = matches!(byte, b'+' | b'-') && at > 0 && matches!(text[at - 1], b'e' | b'E');
        let is_hexadecimal = matches!(text.get(1), Some(b'x' | b'X'));
        if !is_word(*byte) && *byte != b'.' && (!is_exponent || is_hexadecimal) {
            break;
        }
        at += 1;
    }
    at
}

/// To the end of the line. None with a carriage return alone, where only some databases end it.
fn line_comment(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let line = text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]);
    (!line.contains(&b'\r')).then_some(end)
}

/// The end of what begins with a quote at `at`, where a doubled one stands for one.
fn quoted(text: &[u8], at: usize, close: u8) -> Option<usize> {
    let mut end = at + 1;
    loop {
        end += text.get(end..)?.iter().position(|byte| *byte == close)? + 1;
        if text.get(end) != Some(&close) {
            return Some(end);
        }
        end += 1;
    }
}

/// The end of `'…'` where a backslash takes the next character along.
fn escaped_string(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    loop {
        match text.get(end)? {
            b'\\' => end += 2,
            b'\'' if text.get(end + 1) == Some(&b'\'') => end += 2,
            b'\'' => return Some(end + 1),
            _ => end += 1,
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
