//! What a program receives: messages of a reader, and of a connection.
//!
//! A reader's `ReadMessage` calls `FetchMessage` and, in a group, `CommitMessages` after it: what the program called is one poll and,
//! because something was settled, one commit. A reader fetches ahead on goroutines of its own, through `(*Conn).ReadBatchWith`; that is no
//! span, as the conventions demand, and so a program's own batches, which come from there too, are none either.

use uprobed_sdk::{Correlation, Fragment, Kind, Probe};

use crate::error::{self, Caught};
use crate::message::{self, POLL};
use crate::{group, keys};

const CALL: &str = "receive";
const CONNECTION: &str = "connection receive";

uprobed_sdk::captures! {
    /// A reader, when it is asked for the next message. In a group of several topics it has none of its own.
    struct Call {
        topic: ["r.config.Topic"; 256],
        group: ["r.config.GroupID"; 256],
        brokers: ["r.config.Brokers.len()"],
        broker: ["r.config.Brokers[0]"; 128],
        client: ["r.config.Dialer.ClientID"; 128],
    }
}

uprobed_sdk::captures! {
    /// The message.
    struct Done {
        topic: ["msg.Topic"; 256],
        partition: ["msg.Partition"],
        offset: ["msg.Offset"],
        size: ["msg.Value.len()"],
        context: ["msg.Headers[Key=\"traceparent\"].Value"; 64],
        ty: [error::INNER, error::ERROR; 128],
        code: [error::INNER_CODE, error::CODE],
        text: [error::INNER_TEXT, error::TEXT; 64],
        key: ["msg.Key"; 256],
    }
}

uprobed_sdk::captures! {
    /// A connection, when it is asked for a message.
    struct ConnectionCall {
        topic: ["c.topic"; 256],
        partition: ["c.partition"],
        client: ["c.clientID"; 128],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
    }
}

/// The next message is asked for.
pub fn call() -> Probe {
    let arguments = "r *github.com/segmentio/kafka-go.Reader, ctx interface";
    Probe::entry("receive", &["github.com/segmentio/kafka-go.(*Reader).FetchMessage"], arguments)
        .group(group::READER)
        .starts(CALL, Correlation::Frame)
        .captures(Call::captures())
        .inherits()
        .parent_context("ctx")
}

/// It is there, or there is none.
pub fn done() -> Probe {
    let signature = "r *github.com/segmentio/kafka-go.Reader, ctx interface \
                     -> msg github.com/segmentio/kafka-go.Message, err interface";
    Probe::returns("received", &["github.com/segmentio/kafka-go.(*Reader).FetchMessage"], signature)
        .group(group::READER)
        .ends(CALL, Correlation::Frame)
        .bind(error::INNER, &error::WRAPPED)
        .captures(Done::captures())
}

/// A message is asked of a connection.
pub fn connection_call() -> Probe {
    let arguments = "c *github.com/segmentio/kafka-go.Conn, maxBytes int";
    Probe::entry("connection receive", &["github.com/segmentio/kafka-go.(*Conn).ReadMessage"], arguments)
        .group(group::CONNECTION_READ)
        .starts(CONNECTION, Correlation::Frame)
        .tcp(&["c.conn"])
        .captures(ConnectionCall::captures())
        .inherits()
}

/// It is there, or there is none.
pub fn connection_done() -> Probe {
    let signature = "c *github.com/segmentio/kafka-go.Conn, maxBytes int \
                     -> msg github.com/segmentio/kafka-go.Message, err interface";
    Probe::returns("connection received", &["github.com/segmentio/kafka-go.(*Conn).ReadMessage"], signature)
        .group(group::CONNECTION_READ)
        .ends(CONNECTION, Correlation::Frame)
        .bind(error::INNER, &error::WRAPPED)
        .captures(Done::captures())
}

pub fn decode_call(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = Call::read(bytes);
    POLL.begin(Kind::Client, fragment);
    POLL.destination(call.topic().some(), fragment);
    message::group(call.group(), fragment);
    if call.brokers().integer() == Some(1) {
        message::server(call.broker(), fragment);
    }
    message::client(call.client(), fragment);
}

pub fn decode_done(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let done = Done::read(bytes);
    let caught = Caught { code: done.code(), text: done.text(), ty: done.ty() };
    match error::name(caught) {
        None => {}
        // The reader was closed.
        Some(b"io.EOF") => return,
        Some(_) => {
            error::say(caught, fragment);
            return;
        }
    }
    POLL.destination(done.topic().some(), fragment);
    message::partition(done.partition(), fragment);
    message::number(keys::OFFSET, done.offset(), fragment);
    message::number(keys::BODY_SIZE, done.size(), fragment);
    message::key(done.key(), fragment);
    message::link(done.context(), fragment);
}

pub fn decode_connection_call(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = ConnectionCall::read(bytes);
    POLL.begin(Kind::Client, fragment);
    POLL.destination(call.topic().some(), fragment);
    message::partition(call.partition(), fragment);
    message::client(call.client(), fragment);
    message::peer(call.peer_address(), call.peer_port(), fragment);
}
