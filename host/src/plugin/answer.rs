//! Checks a plugin's answer to a batch and makes plain owned data of it.

use std::sync::Arc;

use super::bindings::uprobed::plugin::decode_types::{self as wit, Fragments, Text, ValueKind};
use super::bindings::uprobed::plugin::facts;
use super::{Event, Target, manifest};
use crate::fragment::{Kind, Link, Said, SpanEvent, Status, Value};
use crate::manifest::Manifest;

/// The most attributes of one span, span event or link; OpenTelemetry's own default.
const ATTRIBUTES: u32 = 128;
/// The most span events and links of one batch.
const MOMENTS: usize = 1024;
/// All texts of one batch together, in bytes: texts may lie on top of each other in the answer's bytes, but not here.
const TEXT_BYTES: usize = 8 << 20;

/// What is needed for one program's batches, made once.
#[derive(Clone, Debug)]
pub struct Decoder {
    target: facts::Target,
    keys: Vec<Arc<str>>,
}

type Attributes = Vec<(Arc<str>, Value)>;

impl Decoder {
    /// `manifest` is the plugin's for this target. Of the modules only those that it listed go along with a batch.
    pub fn new(target: &Target, manifest: &Manifest) -> Self {
        let mut target = target.clone();
        target.modules.retain(|(path, _)| manifest.modules.contains(path));
        Self { target: manifest::target(&target), keys: manifest.keys.iter().map(|key| key.as_str().into()).collect() }
    }

    pub(super) fn target(&self) -> &facts::Target {
        &self.target
    }

    /// Everything that was said about a batch of so many events, by the events' indices.
    pub(super) fn said(&self, answer: &Fragments, events: usize) -> Result<Vec<(usize, Said)>, String> {
        if answer.fragments.len() > events {
            return Err(format!("{} fragments for {events} events", answer.fragments.len()));
        }
        if answer.events.len() + answer.links.len() > MOMENTS {
            return Err(format!("more than {MOMENTS} span events and links"));
        }
        let mut reader = Reader { answer, keys: &self.keys, texts_left: TEXT_BYTES };
        let mut said = Vec::with_capacity(answer.fragments.len());
        for fragment in &answer.fragments {
            let event = usize::try_from(fragment.event).ok().filter(|event| *event < events);
            said.push((event.ok_or("a fragment of an event that does not exist")?, reader.fragment(fragment)?));
        }
        for event in &answer.events {
            let made = SpanEvent {
                time: event.time,
                name: reader.text(event.name)?,
                attributes: reader.attributes(event.first_attribute, event.attributes)?,
            };
            fragment(&mut said, event.fragment)?.events.push(made);
        }
        for link in &answer.links {
            let made = Link {
                trace: u128::from(link.trace_high) << 64 | u128::from(link.trace_low),
                span: link.span,
                attributes: reader.attributes(link.first_attribute, link.attributes)?,
            };
            fragment(&mut said, link.fragment)?.links.push(made);
        }
        Ok(said)
    }
}

/// The contract's events.
pub fn events(events: &[Event]) -> Vec<wit::Event> {
    let convert = |event: &Event| {
        let Event { probe, time, offset, length } = *event;
        wit::Event { probe, time, offset, length }
    };
    events.iter().map(convert).collect()
}

fn fragment(said: &mut [(usize, Said)], index: u32) -> Result<&mut Said, String> {
    let found = usize::try_from(index).ok().and_then(|index| said.get_mut(index));
    found.map(|(_, said)| said).ok_or_else(|| "a span event or link of a fragment that does not exist".into())
}

struct Reader<'a> {
    answer: &'a Fragments,
    keys: &'a [Arc<str>],
    texts_left: usize,
}

impl Reader<'_> {
    fn fragment(&mut self, fragment: &wit::Fragment) -> Result<Said, String> {
        Ok(Said {
            kind: match fragment.kind {
                wit::Kind::Unset => Kind::Unset,
                wit::Kind::Internal => Kind::Internal,
                wit::Kind::Server => Kind::Server,
                wit::Kind::Client => Kind::Client,
                wit::Kind::Producer => Kind::Producer,
                wit::Kind::Consumer => Kind::Consumer,
            },
            status: match fragment.status {
                wit::Status::Unset => Status::Unset,
                wit::Status::Ok => Status::Ok,
                wit::Status::Error => Status::Error,
            },
            name: self.text(fragment.name)?,
            status_message: self.text(fragment.status_message)?,
            trace_state: self.text(fragment.trace_state)?,
            attributes: self.attributes(fragment.first_attribute, fragment.attributes)?,
            events: Vec::new(),
            links: Vec::new(),
            drop: fragment.drop,
        })
    }

    fn attributes(&mut self, first: u32, count: u32) -> Result<Attributes, String> {
        if count > ATTRIBUTES {
            return Err(format!("{count} attributes in one place, at most {ATTRIBUTES}"));
        }
        let range = piece(&self.answer.attributes, first, count).ok_or("attributes out of bounds")?;
        let mut attributes = Attributes::with_capacity(range.len());
        for attribute in range {
            let key = usize::try_from(attribute.key).ok().and_then(|key| self.keys.get(key));
            let key = key.ok_or_else(|| format!("an attribute with key {}, of {}", attribute.key, self.keys.len()))?;
            let value = match attribute.kind {
                ValueKind::Boolean => Value::Boolean(attribute.value != 0),
                ValueKind::Integer => Value::Integer(attribute.value.cast_signed()),
                ValueKind::Double => Value::Double(f64::from_bits(attribute.value)),
                ValueKind::Text => Value::Text(self.text(unpacked(attribute.value))?),
                ValueKind::TextItem => {
                    let text = self.text(unpacked(attribute.value))?;
                    if let Some((last, Value::Texts(texts))) = attributes.last_mut()
                        && Arc::ptr_eq(last, key)
                    {
                        texts.push(text);
                        continue;
                    }
                    Value::Texts(vec![text])
                }
            };
            attributes.push((key.clone(), value));
        }
        Ok(attributes)
    }

    /// What is not UTF-8 is replaced: the bytes are the watched program's.
    fn text(&mut self, text: Text) -> Result<String, String> {
        let bytes = piece(&self.answer.bytes, text.offset, text.length).ok_or("a text out of bounds")?;
        self.texts_left = self.texts_left.checked_sub(bytes.len()).ok_or("too much text")?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        })
    }
}

fn piece<T>(all: &[T], first: u32, count: u32) -> Option<&[T]> {
    all.get(usize::try_from(first).ok()?..)?.get(..usize::try_from(count).ok()?)
}

/// Offset in the low, length in the high half.
fn unpacked(value: u64) -> Text {
    Text { offset: value as u32, length: (value >> 32) as u32 }
}
