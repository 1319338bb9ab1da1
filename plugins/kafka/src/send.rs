//! What a program writes: calls of a writer, and of a connection.

use uprobed_sdk::{Correlation, Field, Fragment, Kind, Probe, w3c};

use crate::error::{self, Caught};
use crate::message::{self, SEND};
use crate::{group, keys};

const CALL: &str = "send";
const CONNECTION: &str = "connection send";

uprobed_sdk::captures! {
    /// What a writer is given.
    struct Call {
        count: ["msgs.len()"],
        topic: ["w.Topic"; 256],
        first: ["msgs[0].Topic"; 256],
        second: ["msgs[1].Topic"; 256],
        third: ["msgs[2].Topic"; 256],
        size: ["msgs[0].Value.len()"],
        broker: ["w.Addr.(*github.com/segmentio/kafka-go.networkAddress).address"; 128],
        client: ["w.Transport.(*github.com/segmentio/kafka-go.Transport).ClientID"; 128],
        first_context: ["msgs[0].Headers[Key=\"traceparent\"].Value"; 64],
        second_context: ["msgs[1].Headers[Key=\"traceparent\"].Value"; 64],
        third_context: ["msgs[2].Headers[Key=\"traceparent\"].Value"; 64],
        key: ["msgs[0].Key"; 256],
    }
}

uprobed_sdk::captures! {
    /// What of it goes to one partition.
    struct Partition {
        topic: ["p.meta.topic"; 256],
        partition: ["p.meta.partition"],
        count: ["indexes.len()"],
        all: ["msgs.len()"],
    }
}

uprobed_sdk::captures! {
    /// How it ended; of a batch, with the errors of its messages.
    struct Done {
        ty: [error::INNER, error::ERROR; 128],
        code: [error::INNER_CODE, error::CODE],
        text: [error::INNER_TEXT, error::TEXT; 64],
        first_type: ["first"; 128],
        first_code: ["first.(github.com/segmentio/kafka-go.Error)"],
        first_text: ["first.(*errors.errorString).s"; 64],
        second_type: ["errors[1]"; 128],
        second_code: ["errors[1].(github.com/segmentio/kafka-go.Error)"],
    }
}

uprobed_sdk::captures! {
    /// What a connection is given.
    struct ConnectionCall {
        count: ["count"],
        topic: ["c.topic"; 256],
        partition: ["c.partition"],
        client: ["c.clientID"; 128],
        size: ["msgs[0].Value.len()"],
        context: ["msgs[0].Headers[Key=\"traceparent\"].Value"; 64],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
        key: ["msgs[0].Key"; 256],
    }
}

uprobed_sdk::captures! {
    /// How it ended.
    struct ConnectionDone {
        count: ["kept.count"],
        offset: ["offset"],
        ty: [error::INNER, error::ERROR; 128],
        code: [error::INNER_CODE, error::CODE],
        text: [error::INNER_TEXT, error::TEXT; 64],
    }
}

/// A writer is given messages.
pub fn call() -> Probe {
    let arguments =
        "w *github.com/segmentio/kafka-go.Writer, ctx interface, msgs []github.com/segmentio/kafka-go.Message";
    Probe::entry("send", &["github.com/segmentio/kafka-go.(*Writer).WriteMessages"], arguments)
        .group(group::WRITER)
        .starts(CALL, Correlation::Frame)
        .captures(Call::captures())
        .current()
        .inherits()
        .parent_context("ctx")
}

/// Some or all of them are put into a partition's batches, still on the caller's goroutine.
pub fn partition() -> Probe {
    let arguments = "p *github.com/segmentio/kafka-go.partitionWriter, msgs []github.com/segmentio/kafka-go.Message, indexes []int32";
    Probe::entry("send partition", &["github.com/segmentio/kafka-go.(*partitionWriter).writeMessages"], arguments)
        .group(group::PARTITION)
        .within(CALL, Correlation::Goroutine)
        .captures(Partition::captures())
}

/// All were written, or one of them was not; or the writer does not wait.
pub fn done() -> Probe {
    Probe::returns("send done", &["github.com/segmentio/kafka-go.(*Writer).WriteMessages"], "err interface")
        .group(group::WRITER)
        .ends(CALL, Correlation::Frame)
        .bind(error::INNER, &error::WRAPPED)
        .bind("errors", &["err.(github.com/segmentio/kafka-go.WriteErrors)"])
        .bind("first", &["errors[0].(*fmt.wrapError).err", "errors[0]"])
        .captures(Done::captures())
}

/// A connection is given messages; every way to write to it comes here.
pub fn connection_call() -> Probe {
    let arguments =
        "c *github.com/segmentio/kafka-go.Conn, codec interface, msgs []github.com/segmentio/kafka-go.Message";
    Probe::entry("connection send", &["github.com/segmentio/kafka-go.(*Conn).writeCompressedMessages"], arguments)
        .group(group::CONNECTION_WRITE)
        .starts(CONNECTION, Correlation::Frame)
        .tcp(&["c.conn"])
        .bind("count", &["msgs.len()"])
        .captures(ConnectionCall::captures())
        .keep(&["count"])
        .inherits()
}

/// The broker has answered.
pub fn connection_done() -> Probe {
    let results = "nbytes int, partition int32, offset int64, appendTime time.Time, err interface";
    Probe::returns("connection sent", &["github.com/segmentio/kafka-go.(*Conn).writeCompressedMessages"], results)
        .group(group::CONNECTION_WRITE)
        .ends(CONNECTION, Correlation::Frame)
        .bind(error::INNER, &error::WRAPPED)
        .captures(ConnectionDone::captures())
}

pub fn decode_call(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = Call::read(bytes);
    let contexts = [call.first_context(), call.second_context(), call.third_context()];
    let topics = [call.first(), call.second(), call.third()];
    let count = call.count().integer();
    if count == Some(0) {
        // The library does nothing, and asks no broker.
        return fragment.drop_span();
    }
    SEND.begin(kind(call.first_context()), fragment);
    let topic = call.topic().some().or_else(|| message::common(&topics, count));
    SEND.destination(topic, fragment);
    sizes(count, call.size(), call.key(), fragment);
    message::server(call.broker(), fragment);
    message::client(call.client(), fragment);
    for (context, destination) in contexts.iter().zip(topics) {
        let Some(context) = w3c::traceparent(context.bytes()) else { continue };
        let mut link = fragment.link(context);
        if let Some(destination) = destination.some().filter(|_| topic.is_none()) {
            link.text(keys::DESTINATION, destination);
        }
    }
}

pub fn decode_partition(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let part = Partition::read(bytes);
    // Otherwise this is one of several partitions, and no attribute of the whole.
    if part.count().word().is_none() || part.count().word() != part.all().word() {
        return;
    }
    SEND.destination(part.topic().some(), fragment);
    message::partition(part.partition(), fragment);
}

pub fn decode_done(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let done = Done::read(bytes);
    let each = [
        Caught { code: done.first_code(), text: done.first_text(), ty: done.first_type() },
        Caught { code: done.second_code(), text: Field::default(), ty: done.second_type() },
    ];
    // Of several errors the first is said.
    if each.into_iter().any(|caught| error::say(caught, fragment)) {
        return;
    }
    error::say(Caught { code: done.code(), text: done.text(), ty: done.ty() }, fragment);
}

pub fn decode_connection_call(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = ConnectionCall::read(bytes);
    if call.count().integer() == Some(0) {
        return fragment.drop_span();
    }
    SEND.begin(kind(call.context()), fragment);
    SEND.destination(call.topic().some(), fragment);
    message::partition(call.partition(), fragment);
    sizes(call.count().integer(), call.size(), call.key(), fragment);
    message::client(call.client(), fragment);
    message::peer(call.peer_address(), call.peer_port(), fragment);
    message::link(call.context(), fragment);
}

pub fn decode_connection_done(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let done = ConnectionDone::read(bytes);
    if error::say(Caught { code: done.code(), text: done.text(), ty: done.ty() }, fragment) {
        return;
    }
    message::sent_offset(done.count(), done.offset(), fragment);
}

/// A message that carries a context of its own has been created elsewhere, and this span only sends it.
fn kind(context: Field<'_>) -> Kind {
    if w3c::traceparent(context.bytes()).is_some() { Kind::Client } else { Kind::Producer }
}

/// Of one message its size and key, of several their number.
fn sizes(count: Option<i64>, size: Field<'_>, key: Field<'_>, fragment: &mut Fragment<'_>) {
    match count {
        Some(1) => {
            if let Some(size) = size.integer() {
                fragment.integer(keys::BODY_SIZE, size);
            }
            message::key(key, fragment);
        }
        Some(count) => fragment.integer(keys::BATCH_COUNT, count),
        None => {}
    }
}
