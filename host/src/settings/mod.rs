//! What an operator sets for plugins. A plugin declares what can be set; the operator writes tables `[settings.PLUGIN]` in TOML; a plugin
//! sees texts that were checked against what it declared. Reads no files.

mod print;
mod read;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

pub use print::print;

/// The most settings of one plugin, and the most texts of one choice.
const SETTINGS: usize = 64;
const CHOICES: usize = 64;
/// The longest text of a declaration, in bytes.
const TEXT_BYTES: usize = 1024;

/// Something that can be set; `settings-types.declaration` in the WIT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    pub key: String,
    pub kind: Kind,
    /// What holds where it is not set. For people, but shown as a value where it is one.
    pub default: String,
    pub about: String,
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Integer { least: i64, most: i64 },
    Text,
    Choice(Vec<String>),
    TextList,
    TextTable,
}

/// A plugin's name, which is its file's without the ending, and what it declares.
pub type Declared<'a> = (&'a str, &'a [Declaration]);

/// Keys and values as a plugin sees them.
pub type Texts = Vec<(String, String)>;

/// What was set, by plugin and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    plugins: BTreeMap<String, BTreeMap<String, Texts>>,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1 on; columns are characters.
    pub line: usize,
    pub column: usize,
    pub what: String,
}

impl Settings {
    /// Reads a TOML file's text. Other tables than `settings` may be `beside` it.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file; if it is not TOML, that alone.
    pub fn read(text: &str, beside: &[&str], plugins: &[Declared<'_>]) -> Result<Self, Vec<Problem>> {
        read::read(text, beside, plugins).map(|plugins| Self { plugins })
    }

    /// What was set here and there; where both set the same key, there counts.
    pub fn overridden_by(mut self, other: Self) -> Self {
        for (plugin, keys) in other.plugins {
            self.plugins.entry(plugin).or_default().extend(keys);
        }
        self
    }

    pub fn of(&self, plugin: &str) -> Texts {
        self.plugins.get(plugin).into_iter().flat_map(BTreeMap::values).flatten().cloned().collect()
    }
}

/// Checks what one plugin declares; the error says which rule it breaks.
pub fn check(declarations: &[Declaration]) -> Result<(), String> {
    if declarations.len() > SETTINGS {
        return Err(format!("{} settings, at most {SETTINGS}", declarations.len()));
    }
    let mut keys = HashSet::new();
    for declaration in declarations {
        let key = declaration.key.as_str();
        let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        if key.is_empty() || key.len() > TEXT_BYTES || !key.bytes().all(is_letter) {
            return Err(format!("the key {key:?} is not of lower case letters, digits and dashes"));
        }
        if !keys.insert(key) {
            return Err(format!("two have the key {key}"));
        }
        check_texts(declaration).and_then(|()| check_kind(&declaration.kind)).map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

fn check_texts(declaration: &Declaration) -> Result<(), String> {
    if declaration.about.trim().is_empty() {
        return Err("it does not say what it does".into());
    }
    let choices = if let Kind::Choice(choices) = &declaration.kind { &choices[..] } else { &[] };
    for text in choices.iter().chain([&declaration.default, &declaration.about]) {
        if text.len() > TEXT_BYTES {
            return Err(format!("a text of {} bytes, at most {TEXT_BYTES}", text.len()));
        }
        if text.contains(char::is_control) {
            return Err(format!("control characters in {text:?}"));
        }
    }
    Ok(())
}

fn check_kind(kind: &Kind) -> Result<(), String> {
    match kind {
        Kind::Integer { least, most } if least > most => {
            Err(format!("the least, {least}, is more than the most, {most}"))
        }
        Kind::Choice(choices) if choices.is_empty() => Err("a choice of nothing".into()),
        Kind::Choice(choices) if choices.len() > CHOICES => {
            Err(format!("a choice of {}, at most {CHOICES}", choices.len()))
        }
        Kind::Choice(choices) if choices.iter().collect::<HashSet<_>>().len() < choices.len() => {
            Err("a choice with the same text twice".into())
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { least, most } => write!(f, "an integer from {least} to {most}"),
            Self::Text => f.write_str("a string"),
            Self::Choice(choices) => {
                let choices: Vec<String> = choices.iter().map(|choice| quoted(choice)).collect();
                write!(f, "one of {}", choices.join(", "))
            }
            Self::TextList => f.write_str("an array of strings"),
            Self::TextTable => f.write_str("a table of strings"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// A text as TOML's basic strings have it, on one line: JSON's escapes are among theirs.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A key as it can stand in a file.
fn key(text: &str) -> String {
    let is_bare = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_';
    if !text.is_empty() && text.bytes().all(is_bare) { text.into() } else { quoted(text) }
}
