//! What of a span is shown: its place in the trace and a few words.

use uprobed_ebpf::wire::ParentSource;

use crate::fragment::{Kind, Status, Value};
use crate::spans::{FinishedSpan, UNOBSERVED_END};

/// The most characters of a service's name, a span's name and each of the words behind it.
const CHARACTERS: usize = 120;
/// What of a span's attributes says most about it to somebody who reads many: the first of these.
const SUBJECTS: [&str; 5] = ["url.path", "url.full", "db.query.summary", "db.query.text", "messaging.destination.name"];

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    /// Whether the parent is a span that is seen here as well, sooner or later.
    pub parent_is_watched: bool,
    pub service: String,
    pub kind: &'static str,
    pub name: String,
    /// Status code, subject, error.
    pub notes: String,
    pub failed: bool,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
}

impl Row {
    pub fn new(span: &FinishedSpan, service: &str) -> Self {
        Self {
            id: span.id,
            parent: span.parent,
            parent_is_watched: !matches!(span.parent_source, ParentSource::None | ParentSource::Remote),
            service: printable(service),
            kind: kind(span.kind),
            name: printable(&span.name),
            notes: notes(span),
            failed: span.status == Status::Error,
            start: span.start,
            end: span.end,
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Unset | Kind::Internal => "internal",
        Kind::Server => "server",
        Kind::Client => "client",
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
    }
}

fn notes(span: &FinishedSpan) -> String {
    let mut notes: Vec<String> = Vec::new();
    // Whatever the protocol, the conventions end the key so.
    notes.extend(span.attributes.iter().find(|(key, _)| key.ends_with(".status_code")).map(|(_, value)| shown(value)));
    let subject = SUBJECTS.iter().find_map(|key| span.attribute(key)).map(shown);
    notes.extend(subject.filter(|subject| !span.name.ends_with(&**subject)));
    let error = span.attribute("error.type").map(shown);
    notes.extend(error.filter(|error| !notes.contains(error)));
    if !span.status_message.is_empty() {
        notes.push(printable(&span.status_message));
    }
    if span.attribute(UNOBSERVED_END.0).is_some() {
        notes.push("(end not seen)".to_owned());
    }
    notes.join(" ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Text(text) => printable(text),
        Value::Texts(texts) => printable(&texts.join(",")),
    }
}

/// Without anything that a terminal would act on or that reorders text, and not too long.
fn printable(text: &str) -> String {
    let harmless = |character: char| match character {
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '·',
        character if character.is_control() => '·',
        character => character,
    };
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(CHARACTERS).map(harmless).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
