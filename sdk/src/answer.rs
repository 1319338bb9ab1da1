//! Writes the answer to a batch: fragments, attributes and one list of bytes that every text points into.

use crate::bindings::uprobed::plugin::decode_types::{Attribute, Fragment as Piece, Link, SpanEvent, Text};
use crate::{Field, Fragments, Kind, Status, ValueKind, net, w3c};

/// An attribute's key, by its place in the manifest. `keys!` makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub u32);

/// Declares the attribute keys of a plugin: a constant each, and `KEYS` for the manifest.
///
/// ```
/// uprobed_sdk::keys! {
///     METHOD = "http.request.method",
///     STATUS = "http.response.status_code",
/// }
/// assert_eq!((STATUS.0, KEYS[1]), (1, "http.response.status_code"));
/// ```
#[macro_export]
macro_rules! keys {
    ($($name:ident = $text:expr),* $(,)?) => {
        /// Every key, in the order of their numbers.
        pub const KEYS: &[&str] = &[$($text),*];
        $crate::keys!(@constants 0; $($name)*);
    };
    (@constants $index:expr; $name:ident $($rest:ident)*) => {
        pub const $name: $crate::Key = $crate::Key($index);
        $crate::keys!(@constants $index + 1; $($rest)*);
    };
    (@constants $index:expr;) => {};
}

/// The answer to a batch, as it grows.
#[derive(Debug)]
pub struct Answer {
    fragments: Vec<Piece>,
    bytes: Vec<u8>,
    attributes: Vec<Attribute>,
    /// Attributes of span events and links; they follow those of the fragments, whose own have to lie together.
    inner: Vec<Attribute>,
    events: Vec<SpanEvent>,
    links: Vec<Link>,
}

const NOTHING: Text = Text { offset: 0, length: 0 };

impl Answer {
    /// An answer to `events` events with about `bytes` bytes of text.
    pub fn new(events: usize, bytes: usize) -> Self {
        Self {
            fragments: Vec::with_capacity(events),
            bytes: Vec::with_capacity(bytes),
            attributes: Vec::with_capacity(events * 12),
            inner: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Begins what the event with this index says.
    pub fn fragment(&mut self, event: u32) -> Fragment<'_> {
        self.fragments.push(Piece {
            event,
            kind: Kind::Unset,
            status: Status::Unset,
            name: NOTHING,
            status_message: NOTHING,
            trace_state: NOTHING,
            first_attribute: count(self.attributes.len()),
            attributes: 0,
            drop: false,
        });
        Fragment(self)
    }

    pub fn finish(mut self) -> Fragments {
        let shift = count(self.attributes.len());
        for event in &mut self.events {
            event.first_attribute += shift;
        }
        for link in &mut self.links {
            link.first_attribute += shift;
        }
        self.attributes.append(&mut self.inner);
        Fragments {
            fragments: self.fragments,
            attributes: self.attributes,
            events: self.events,
            links: self.links,
            bytes: self.bytes,
        }
    }
}

/// Writes what one event says about its span. What is not said stays as it was.
#[derive(Debug)]
pub struct Fragment<'a>(&'a mut Answer);

impl Fragment<'_> {
    pub fn kind(&mut self, kind: Kind) {
        self.piece().kind = kind;
    }

    pub fn status(&mut self, status: Status) {
        self.piece().status = status;
    }

    /// The span's name, put together from parts.
    pub fn name(&mut self, parts: &[&[u8]]) {
        self.piece().name = append(&mut self.0.bytes, parts);
    }

    pub fn status_message(&mut self, parts: &[&[u8]]) {
        self.piece().status_message = append(&mut self.0.bytes, parts);
    }

    /// A W3C `tracestate`.
    pub fn trace_state(&mut self, value: &[u8]) {
        self.piece().trace_state = append(&mut self.0.bytes, &[value]);
    }

    /// The span is not to be exported.
    pub fn drop_span(&mut self) {
        self.piece().drop = true;
    }

    /// A moment within the span, in nanoseconds since boot. Its attributes are written next.
    pub fn event(&mut self, time: u64, name: &[u8]) -> Attributes<'_> {
        let Answer { fragments, bytes, inner, events, .. } = &mut *self.0;
        let (fragment, first_attribute) = (count(fragments.len() - 1), count(inner.len()));
        events.push(SpanEvent { fragment, time, name: append(bytes, &[name]), first_attribute, attributes: 0 });
        let counted = events.last_mut().map(|event| &mut event.attributes).expect("it was pushed");
        Attributes { bytes, attributes: inner, counted }
    }

    /// A link to another span. Its attributes are written next.
    pub fn link(&mut self, to: crate::w3c::Traceparent) -> Attributes<'_> {
        let Answer { fragments, bytes, inner, links, .. } = &mut *self.0;
        let (fragment, first_attribute) = (count(fragments.len() - 1), count(inner.len()));
        let (trace_high, trace_low) = ((to.trace >> 64) as u64, to.trace as u64);
        links.push(Link { fragment, trace_high, trace_low, span: to.span, first_attribute, attributes: 0 });
        let counted = links.last_mut().map(|link| &mut link.attributes).expect("it was pushed");
        Attributes { bytes, attributes: inner, counted }
    }

    /// The attributes of the span itself.
    pub fn attributes(&mut self) -> Attributes<'_> {
        let Answer { fragments, bytes, attributes, .. } = &mut *self.0;
        let counted = fragments.last_mut().map(|piece| &mut piece.attributes).expect("a fragment was begun");
        Attributes { bytes, attributes, counted }
    }

    pub fn boolean(&mut self, key: Key, value: bool) {
        self.attributes().boolean(key, value);
    }

    pub fn integer(&mut self, key: Key, value: i64) {
        self.attributes().integer(key, value);
    }

    pub fn double(&mut self, key: Key, value: f64) {
        self.attributes().double(key, value);
    }

    pub fn text(&mut self, key: Key, value: impl AsRef<[u8]>) {
        self.attributes().text(key, value);
    }

    pub fn text_with(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.attributes().text_with(key, write);
    }

    pub fn text_item(&mut self, key: Key, value: impl AsRef<[u8]>) {
        self.attributes().text_item(key, value);
    }

    /// The `tracestate` that came in with a `traceparent`; without a valid one it means nothing.
    pub fn incoming_state(&mut self, traceparent: Field<'_>, tracestate: Field<'_>) {
        if w3c::is_tracestate(tracestate.bytes()) && w3c::traceparent(traceparent.bytes()).is_some() {
            self.trace_state(tracestate.bytes());
        }
    }

    /// A host and its port, if there is a host.
    pub fn host(&mut self, [address, number]: [Key; 2], host: &[u8], port: Option<u16>) {
        if host.is_empty() {
            return;
        }
        self.text(address, host);
        if let Some(port) = port {
            self.integer(number, port.into());
        }
    }

    /// One end of a connection, by an address's 4 or 16 bytes and its port, if there is an address.
    pub fn end(&mut self, [address, number]: [Key; 2], ip: Field<'_>, port: Field<'_>) {
        let Some(ip) = net::address(ip.bytes()) else { return };
        self.text_with(address, |out| net::write_address(out, ip));
        if let Some(port) = port.integer() {
            self.integer(number, port);
        }
    }

    fn piece(&mut self) -> &mut Piece {
        self.0.fragments.last_mut().expect("a fragment was begun")
    }
}

/// Writes attributes of a span, a span event or a link.
#[derive(Debug)]
pub struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
    attributes: &'a mut Vec<Attribute>,
    counted: &'a mut u32,
}

impl Attributes<'_> {
    pub fn boolean(&mut self, key: Key, value: bool) {
        self.push(key, ValueKind::Boolean, value.into());
    }

    pub fn integer(&mut self, key: Key, value: i64) {
        self.push(key, ValueKind::Integer, value.cast_unsigned());
    }

    pub fn double(&mut self, key: Key, value: f64) {
        self.push(key, ValueKind::Double, value.to_bits());
    }

    /// A text; bytes that are not UTF-8 are replaced by the host.
    pub fn text(&mut self, key: Key, value: impl AsRef<[u8]>) {
        let text = append(self.bytes, &[value.as_ref()]);
        self.push(key, ValueKind::Text, packed(text));
    }

    /// A text that `write` appends to the answer's bytes, instead of making it elsewhere first.
    pub fn text_with(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        let offset = self.bytes.len();
        write(self.bytes);
        let text = Text { offset: count(offset), length: count(self.bytes.len().saturating_sub(offset)) };
        self.push(key, ValueKind::Text, packed(text));
    }

    /// One text of an array: all items of a key are written one after another.
    pub fn text_item(&mut self, key: Key, value: impl AsRef<[u8]>) {
        let text = append(self.bytes, &[value.as_ref()]);
        self.push(key, ValueKind::TextItem, packed(text));
    }

    fn push(&mut self, key: Key, kind: ValueKind, value: u64) {
        self.attributes.push(Attribute { key: key.0, kind, value });
        *self.counted += 1;
    }
}

fn append(bytes: &mut Vec<u8>, parts: &[&[u8]]) -> Text {
    let offset = bytes.len();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Text { offset: count(offset), length: count(bytes.len() - offset) }
}

fn packed(text: Text) -> u64 {
    u64::from(text.offset) | u64::from(text.length) << 32
}

/// In WebAssembly every length fits; natively only tests come here.
fn count(length: usize) -> u32 {
    u32::try_from(length).expect("an answer is far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_attributes_of_a_span_together_though_an_event_stands_between() {
        let mut answer = Answer::new(1, 64);
        let mut fragment = answer.fragment(3);
        fragment.integer(Key(0), -1);
        fragment.event(7, b"exception").text(Key(1), "boom");
        fragment.boolean(Key(2), true);
        let said = answer.finish();
        assert_eq!(
            (said.fragments[0].event, said.fragments[0].first_attribute, said.fragments[0].attributes),
            (3, 0, 2)
        );
        assert_eq!((said.events[0].first_attribute, said.events[0].attributes), (2, 1));
        assert_eq!(said.attributes[2], Attribute { key: 1, kind: ValueKind::Text, value: 9 | 4 << 32 });
        assert_eq!(said.bytes, b"exceptionboom");
    }
}
