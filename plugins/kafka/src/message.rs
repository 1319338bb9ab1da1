//! What the spans of all operations have in common: names, destinations, brokers, keys.

use std::io::Write;

use uprobed_sdk::net::{address, host_and_port, write_address};
use uprobed_sdk::{Field, Fragment, Kind, State};

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

impl Operation {
    /// Says what is known of every span of this operation.
    pub fn begin(self, kind: Kind, fragment: &mut Fragment<'_>) {
        fragment.kind(kind);
        fragment.name(&[self.name.as_bytes()]);
        fragment.text(keys::SYSTEM, "kafka");
        fragment.text(keys::OPERATION_NAME, self.name);
        fragment.text(keys::OPERATION_TYPE, self.kind);
    }

    /// The topic, and the span's name with it.
    pub fn destination(self, topic: &[u8], fragment: &mut Fragment<'_>) {
        fragment.name(&[self.name.as_bytes(), b" ", topic]);
        fragment.text(keys::DESTINATION, topic);
    }
}

pub fn partition(partition: i64, fragment: &mut Fragment<'_>) {
    fragment.text_with(keys::PARTITION, |out| write!(out, "{partition}").expect("a vector takes every write"));
}

/// The topic of all messages, if they are few enough to be known.
pub fn common<'a>(topics: &[Field<'a>], count: Option<i64>) -> Option<&'a [u8]> {
    let count = usize::try_from(count?).ok()?;
    let first = topics.first()?.some()?;
    topics.get(..count)?.iter().all(|topic| topic.some() == Some(first)).then_some(first)
}

/// The broker that the program was told, `host:port`.
pub fn server(broker: Field<'_>, fragment: &mut Fragment<'_>) {
    let (host, port) = host_and_port(broker.bytes());
    if host.is_empty() || broker.state() == State::Cut {
        return;
    }
    fragment.text(keys::SERVER_ADDRESS, host);
    if let Some(port) = port {
        fragment.integer(keys::SERVER_PORT, port.into());
    }
}

/// The broker at the other end of a connection.
pub fn peer(ip: Field<'_>, port: Field<'_>, fragment: &mut Fragment<'_>) {
    let Some(address) = address(ip.bytes()) else { return };
    fragment.text_with(keys::NETWORK_PEER_ADDRESS, |out| write_address(out, address));
    if let Some(port) = port.integer() {
        fragment.integer(keys::NETWORK_PEER_PORT, port);
    }
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
