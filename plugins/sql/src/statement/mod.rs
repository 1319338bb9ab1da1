//! What may be shown of a statement: its text without literals, and a summary.

mod bare;
mod dialect;
mod lexer;
mod summary;

#[cfg(test)]
mod tests;

use bare::Guard;
pub use dialect::Dialect;
use lexer::{Kind, Lexer, Token};
pub use summary::Summary;

/// Stands for what is not shown, to the end.
pub const REST: &[u8] = "…".as_bytes();

/// A statement, without anything that may be a literal.
#[derive(Debug, Default)]
pub struct Statement {
    pub text: Vec<u8>,
    pub summary: Summary,
}

impl Statement {
    /// `is_cut` says that this is only the beginning.
    pub fn read(dialect: Dialect, raw: &[u8], is_cut: bool) -> Self {
        let mut reader = Reader::new(dialect);
        let mut tokens = Lexer::new(dialect, raw).peekable();
        while let Some(token) = tokens.next() {
            // Half a name says nothing.
            let is_half = is_cut && tokens.peek().is_none();
            if is_half || !reader.read(token, tokens.peek().copied()) {
                return reader.end(true);
            }
        }
        reader.end(is_cut)
    }
}

/// Puts the text together.
struct Reader {
    text: Vec<u8>,
    summary: summary::Builder,
    is_spaced: bool,
    /// The last word, if nothing followed it.
    word: Vec<u8>,
    /// The last sign, if nothing followed it.
    sign: u8,
    guard: Guard,
}

impl Reader {
    fn new(dialect: Dialect) -> Self {
        Self {
            text: Vec::new(),
            summary: summary::Builder::default(),
            is_spaced: false,
            word: Vec::new(),
            sign: 0,
            guard: Guard::new(dialect),
        }
    }

    /// Says whether to go on.
    fn read(&mut self, token: Token<'_>, next: Option<Token<'_>>) -> bool {
        let kind = match token.kind {
            Kind::Space => {
                self.is_spaced = true;
                return true;
            }
            Kind::Unsure if self.is_name(next) => Kind::Quoted,
            Kind::Unsure => Kind::Literal,
            Kind::Word if is_any(token.text, &["true", "false"]) => Kind::Literal,
            Kind::Doubt => return false,
            kind => kind,
        };
        if !self.guard.shows(kind, token.text) {
            self.summary.end_name();
            return false;
        }
        if self.is_spaced && !self.text.is_empty() {
            self.text.push(b' ');
        }
        self.is_spaced = false;
        let shown = if kind == Kind::Literal { b"?" } else { token.text };
        self.text.extend_from_slice(shown);
        self.word.clear();
        self.sign = 0;
        match kind {
            Kind::Word => self.word.extend_from_slice(token.text),
            Kind::Sign => self.sign = token.text[0],
            _ => {}
        }
        self.summary.read(kind, token.text);
        true
    }

    /// Whether only a name can stand here: after these words, and beside a dot.
    fn is_name(&self, next: Option<Token<'_>>) -> bool {
        self.sign == b'.'
            || self.summary.is_table_next() && is_any(&self.word, &["from", "join", "into", "update", "table"])
            || next.is_some_and(|next| next.kind == Kind::Sign && next.text == b".")
    }

    fn end(mut self, is_cut: bool) -> Statement {
        if is_cut {
            if !self.text.is_empty() {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(REST);
        }
        Statement { text: self.text, summary: self.summary.end(is_cut) }
    }
}

fn is_any(word: &[u8], words: &[&str]) -> bool {
    words.iter().any(|each| word.eq_ignore_ascii_case(each.as_bytes()))
}
