//! What a program settles: messages that it hands back to a reader of a group.

use uprobed_sdk::{Correlation, Field, Fragment, Kind, Probe};

use crate::error;
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
    let probe =
        Probe::returns("committed", &["github.com/segmentio/kafka-go.(*Reader).CommitMessages"], "err interface");
    error::capture(probe.group(group::COMMIT).ends(CALL, Correlation::Frame))
}

pub fn decode_call(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = Call::read(bytes);
    COMMIT.begin(Kind::Client, fragment);
    let topics = [call.first(), call.second(), call.third()];
    let count = call.count().integer();
    COMMIT.destination(call.topic().some().or_else(|| message::common(&topics, count)), fragment);
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

fn single(partition: Field<'_>, offset: Field<'_>, fragment: &mut Fragment<'_>) {
    message::partition(partition, fragment);
    message::number(keys::OFFSET, offset, fragment);
}
