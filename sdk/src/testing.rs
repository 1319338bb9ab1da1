//! For a plugin's own tests: makes batches by the names of probes and captures, and prints answers as text.

use crate::bindings::uprobed::plugin::decode_types::{Attribute, Text};
use crate::{Architecture, Event, Fragments, Manifest, Plugin, Setting, State, Target, ValueKind, plugin};

/// A Go program of this version on amd64 without settings.
pub fn target(go_version: &str) -> Target {
    Target {
        architecture: Architecture::Amd64,
        go_version: Some(go_version.into()),
        modules: Vec::new(),
        settings: Vec::new(),
    }
}

/// The same with a setting more.
pub fn with_setting(mut target: Target, key: &str, value: &str) -> Target {
    target.settings.push(Setting { key: key.into(), value: value.into() });
    target
}

/// What stands in a capture.
#[derive(Clone, Copy, Debug)]
pub enum Copied<'a> {
    Bytes(&'a [u8]),
    Cut(&'a [u8]),
    Word(i64),
    Unreadable,
}

impl<'a> From<&'a str> for Copied<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl From<i64> for Copied<'_> {
    fn from(word: i64) -> Self {
        Self::Word(word)
    }
}

/// Events as the host would hand them to a plugin.
#[derive(Debug)]
pub struct Batch {
    pub manifest: Manifest,
    pub events: Vec<Event>,
    pub data: Vec<u8>,
}

impl Batch {
    /// # Panics
    /// If the plugin has no manifest for this target.
    pub fn new<P: Plugin>(target: &Target) -> Self {
        let manifest = plugin::manifest::<P>(target).expect("the plugin supports the target");
        Self { manifest, events: Vec::new(), data: Vec::new() }
    }

    /// Adds a hit of the probe with this name; captures that are not named are absent.
    ///
    /// # Panics
    /// If there is no such probe or capture.
    pub fn hit(&mut self, probe: &str, copied: &[(&str, Copied<'_>)]) -> &mut Self {
        let number = self.manifest.probes.iter().position(|each| each.name == probe).expect("a probe of this name");
        let captures = &self.manifest.probes[number].captures;
        for (name, _) in copied {
            assert!(captures.iter().any(|capture| capture.name == *name), "{probe} has no capture {name}");
        }
        let offset = self.data.len();
        for (index, capture) in captures.iter().enumerate() {
            let given = copied.iter().find(|(name, _)| *name == capture.name).map(|(_, value)| *value);
            write_capture(&mut self.data, index, given);
        }
        self.events.push(Event {
            probe: small(number),
            time: 1_000 + self.events.len() as u64,
            offset: small(offset),
            length: small(self.data.len() - offset),
        });
        self
    }

    /// Decodes natively and prints: a line a fragment, `kind "name" status key=value…`.
    pub fn decoded<P: Plugin>(&self, target: &Target) -> String {
        render(&self.manifest, &plugin::decode::<P>(target, &self.events, &self.data))
    }
}

/// An answer as text.
pub fn render(manifest: &Manifest, said: &Fragments) -> String {
    let text = |text: Text| piece(&said.bytes, text.offset, text.length);
    let mut out = String::new();
    for (index, fragment) in (0u32..).zip(&said.fragments) {
        out += &format!("{:?} {:?} {:?}", fragment.kind, text(fragment.name), fragment.status);
        if fragment.trace_state.length > 0 {
            out += &format!(" tracestate={}", text(fragment.trace_state));
        }
        out += &attributes(manifest, said, fragment.first_attribute, fragment.attributes);
        for event in said.events.iter().filter(|event| event.fragment == index) {
            out += &format!(
                " [{}{}]",
                text(event.name),
                attributes(manifest, said, event.first_attribute, event.attributes)
            );
        }
        for link in said.links.iter().filter(|link| link.fragment == index) {
            let values = attributes(manifest, said, link.first_attribute, link.attributes);
            out += &format!(" -> {:016x}{:016x}/{:016x}{values}", link.trace_high, link.trace_low, link.span);
        }
        out += if fragment.drop { " dropped\n" } else { "\n" };
    }
    out
}

fn attributes(manifest: &Manifest, said: &Fragments, first: u32, count: u32) -> String {
    let mine = &said.attributes[first as usize..][..count as usize];
    mine.iter()
        .map(|attribute| format!(" {}={}", manifest.keys[attribute.key as usize], value(said, attribute)))
        .collect()
}

fn value(said: &Fragments, attribute: &Attribute) -> String {
    match attribute.kind {
        ValueKind::Boolean => (attribute.value != 0).to_string(),
        ValueKind::Integer => attribute.value.cast_signed().to_string(),
        ValueKind::Double => f64::from_bits(attribute.value).to_string(),
        ValueKind::Text | ValueKind::TextItem => {
            piece(&said.bytes, attribute.value as u32, (attribute.value >> 32) as u32)
        }
    }
}

fn piece(bytes: &[u8], offset: u32, length: u32) -> String {
    String::from_utf8_lossy(&bytes[offset as usize..][..length as usize]).into_owned()
}

fn write_capture(data: &mut Vec<u8>, index: usize, copied: Option<Copied<'_>>) {
    let word;
    let (state, bytes): (State, &[u8]) = match copied {
        None => (State::Absent, &[]),
        Some(Copied::Unreadable) => (State::Unreadable, &[]),
        Some(Copied::Bytes(bytes)) => (State::Read, bytes),
        Some(Copied::Cut(bytes)) => (State::Cut, bytes),
        Some(Copied::Word(number)) => {
            word = number.to_le_bytes();
            (State::Read, &word)
        }
    };
    let length = u16::try_from(bytes.len()).expect("a capture is at most 1024 bytes");
    data.extend([u8::try_from(index).expect("captures are few"), state as u8]);
    data.extend(length.to_le_bytes());
    data.extend(bytes);
    data.resize(data.len().next_multiple_of(4), 0);
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a test's batch is small")
}
