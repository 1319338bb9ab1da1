//! What a program settles: messages that it hands back to a reader of a group.

use uprobed_sdk::{Correlation, Field, Fragment, Kind, Probe};

use crate::error::{self, Caught};
use crate::message::{self, COMMIT};
use crate::{group, keys};

const CALL: &str = "commit";

uprobed_sdk::captures! {
    /// What is settled.
    struct Call {
        count: ["msgs.len()"],
        first: ["msgs[0].Topic"; 256],
        second: ["msgs[1].Topic"; 256],
        third: ["msgs[2].Topic"; 256],
        partition: ["msgs[0].Partition"],
        offset: ["msgs[0].Offset"],
        topic: ["r.config.Topic"; 256],
        group: ["r.config.GroupID"; 256],
        brokers: ["r.config.Brokers.len()"],
        broker: ["r.config.Brokers[0]"; 128],
        client: ["r.config.Dialer.ClientID"; 128],
    }
}

uprobed_sdk::captures! {
    /// How it ended.
    struct Done {
        ty: [error::INNER, error::ERROR; 128],
        code: [error::INNER_CODE, error::CODE],
        text: [error::INNER_TEXT, error::TEXT; 64],
    }
}

/// Messages are handed back.
pub fn call() -> Probe {
    let arguments =
        "r *github.com/segmentio/kafka-go.Reader, ctx interface, msgs []github.com/segmentio/kafka-go.Message";
    Probe::entry("commit", &["github.com/segmentio/kafka-go.(*Reader).CommitMessages"], arguments)
        .group(group::COMMIT)
        .starts(CALL, Correlation::Frame)
        .captures(Call::captures())
        .inherits()
        .parent_context("ctx")
}

/// The coordinator has answered, or the reader commits later, by itself.
pub fn done() -> Probe {
    Probe::returns("committed", &["github.com/segmentio/kafka-go.(*Reader).CommitMessages"], "err interface")
        .group(group::COMMIT)
        .ends(CALL, Correlation::Frame)
        .bind(error::INNER, &error::WRAPPED)
        .captures(Done::captures())
}

pub fn decode_call(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = Call::read(bytes);
    COMMIT.begin(Kind::Client, fragment);
    let topics = [call.first(), call.second(), call.third()];
    let count = call.count().integer();
    if let Some(topic) = call.topic().some().or_else(|| message::common(&topics, count)) {
        COMMIT.destination(topic, fragment);
    }
    match count {
        Some(1) => single(call.partition(), call.offset(), fragment),
        Some(count) => fragment.integer(keys::BATCH_COUNT, count),
        None => {}
    }
    message::group(call.group(), fragment);
    if call.brokers().integer() == Some(1) {
        message::server(call.broker(), fragment);
    }
    message::client(call.client(), fragment);
}

pub fn decode_done(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let done = Done::read(bytes);
    error::say(Caught { code: done.code(), text: done.text(), ty: done.ty() }, fragment);
}

fn single(partition: Field<'_>, offset: Field<'_>, fragment: &mut Fragment<'_>) {
    if let Some(partition) = partition.integer() {
        message::partition(partition, fragment);
    }
    if let Some(offset) = offset.integer() {
        fragment.integer(keys::OFFSET, offset);
    }
}
