//! What the spans of all operations have in common: names, destinations, brokers, keys, offsets.

use std::io::Write;

use uprobed_sdk::net::host_and_port;
use uprobed_sdk::{Field, Fragment, Key, Kind, State, w3c};

use crate::keys;

/// An operation as the conventions' example for Kafka names it, and its type.
#[derive(Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    pub kind: &'static str,
}

pub const SEND: Operation = Operation { name: "send", kind: "send" };
pub const PRODUCE: Operation = Operation { name: "produce", kind: "send" };
pub const POLL: Operation = Operation { name: "poll", kind: "receive" };
pub const COMMIT: Operation = Operation { name: "commit", kind: "settle" };
/// The request that a commit leads to, by the name that Kafka's protocol has for it: who counts commits is not to count both.
pub const OFFSET_COMMIT: Operation = Operation { name: "offset_commit", kind: "settle" };

impl Operation {
    /// Says what is known of every span of this operation.
    pub fn begin(self, kind: Kind, fragment: &mut Fragment<'_>) {
        fragment.kind(kind);
        fragment.name(&[self.name.as_bytes()]);
        fragment.text(keys::SYSTEM, "kafka");
        fragment.text(keys::OPERATION_NAME, self.name);
        fragment.text(keys::OPERATION_TYPE, self.kind);
    }

    /// The topic, if it is known, and the span's name with it.
    pub fn destination(self, topic: Option<&[u8]>, fragment: &mut Fragment<'_>) {
        let Some(topic) = topic else { return };
        fragment.name(&[self.name.as_bytes(), b" ", topic]);
        fragment.text(keys::DESTINATION, topic);
    }
}

pub fn partition(partition: Field<'_>, fragment: &mut Fragment<'_>) {
    let Some(partition) = partition.integer() else { return };
    fragment.text_with(keys::PARTITION, |out| write!(out, "{partition}").expect("a vector takes every write"));
}

/// An integer that may not be known.
pub fn number(key: Key, number: Field<'_>, fragment: &mut Fragment<'_>) {
    if let Some(number) = number.integer() {
        fragment.integer(key, number);
    }
}

/// Where a message that was sent stands, if it was the only one: the attribute is for operations on a single message.
pub fn sent_offset(count: Field<'_>, offset: Field<'_>, fragment: &mut Fragment<'_>) {
    if count.integer() == Some(1) {
        number(keys::OFFSET, offset, fragment);
    }
}

/// The context that a message carries, if it does.
pub fn link(traceparent: Field<'_>, fragment: &mut Fragment<'_>) {
    if let Some(context) = w3c::traceparent(traceparent.bytes()) {
        fragment.link(context);
    }
}

/// The topic of all messages, if they are few enough to be known.
pub fn common<'a>(topics: &[Field<'a>], count: Option<i64>) -> Option<&'a [u8]> {
    let count = usize::try_from(count?).ok()?;
    let first = topics.first()?.some()?;
    topics.get(..count)?.iter().all(|topic| topic.some() == Some(first)).then_some(first)
}

/// The broker that the program was told, `host:port`.
pub fn server(broker: Field<'_>, fragment: &mut Fragment<'_>) {
    if broker.state() != State::Cut {
        let (host, port) = host_and_port(broker.bytes());
        fragment.host([keys::SERVER_ADDRESS, keys::SERVER_PORT], host, port);
    }
}

/// The broker at the other end of a connection.
pub fn peer(ip: Field<'_>, port: Field<'_>, fragment: &mut Fragment<'_>) {
    fragment.end([keys::NETWORK_PEER_ADDRESS, keys::NETWORK_PEER_PORT], ip, port);
}

pub fn client(client: Field<'_>, fragment: &mut Fragment<'_>) {
    if let Some(client) = client.some() {
        fragment.text(keys::CLIENT_ID, client);
    }
}

pub fn group(group: Field<'_>, fragment: &mut Fragment<'_>) {
    if let Some(group) = group.some() {
        fragment.text(keys::CONSUMER_GROUP, group);
    }
}

/// A message's key, where it is text: UTF-8 without control characters. One that was cut off ends in an ellipsis.
pub fn key(key: Field<'_>, fragment: &mut Fragment<'_>) {
    let Some(bytes) = key.some() else { return };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The limit may have cut a character in two.
        Err(error) if key.state() == State::Cut && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return,
    };
    if text.is_empty() || text.chars().any(char::is_control) {
        return;
    }
    let end = if key.state() == State::Cut { "…" } else { "" };
    fragment.text_with(keys::MESSAGE_KEY, |out| {
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(end.as_bytes());
    });
}
