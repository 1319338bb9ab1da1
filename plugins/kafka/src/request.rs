//! What the library sends by itself, on goroutines of its own, for many callers at once: batches of a writer, commits of a group.
//!
//! These spans have no parent, because they belong to all of those callers. They show what the callers' spans cannot: each attempt, the
//! partition and offset, and the errors that nobody waits for.

use uprobed_sdk::{Correlation, Field, Fragment, Kind, Probe};

use crate::error::{self, Caught};
use crate::message::{self, OFFSET_COMMIT, PRODUCE};
use crate::{MODULE, group, keys};

const PRODUCE_SPAN: &str = "produce request";
const COMMIT_SPAN: &str = "commit request";

uprobed_sdk::captures! {
    /// A batch.
    struct Produce {
        topic: ["topic"; 256],
        partition: ["partition"],
        count: ["count"],
        bytes: ["batch.bytes"],
        broker: ["w.Addr.(*github.com/segmentio/kafka-go.networkAddress).address"; 128],
        client: ["w.Transport.(*github.com/segmentio/kafka-go.Transport).ClientID"; 128],
    }
}

uprobed_sdk::captures! {
    /// What the broker answered.
    struct Produced {
        count: ["kept.count"],
        offset: ["res.BaseOffset"],
        ty: [error::INNER, error::ERROR; 128],
        code: [error::INNER_CODE, error::CODE],
        text: [error::INNER_TEXT, error::TEXT; 64],
        answer_type: ["answer"; 128],
        answer_code: ["answer.(github.com/segmentio/kafka-go.Error)"],
    }
}

uprobed_sdk::captures! {
    /// Offsets that a member of a group commits.
    struct Commit {
        group: ["req.GroupID"; 256],
        topics: ["req.Topics.len()"],
        topic: ["req.Topics[0].Topic"; 256],
        partitions: ["req.Topics[0].Partitions.len()"],
        partition: ["req.Topics[0].Partitions[0].Partition"],
        offset: ["req.Topics[0].Partitions[0].Offset"],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
    }
}

/// A batch goes to the broker; again for every attempt. Topic and partition are one struct, which in registers is no different; another
/// type, within a function, has the same name.
pub fn produce() -> Probe {
    let arguments = "w *github.com/segmentio/kafka-go.Writer, topic string, partition int32, \
                     batch *github.com/segmentio/kafka-go.writeBatch";
    Probe::entry("produce", &["github.com/segmentio/kafka-go.(*Writer).produce"], arguments)
        .group(group::PRODUCE_REQUEST)
        // Before, it had other parameters.
        .requires(MODULE, ">=0.4.20")
        .starts(PRODUCE_SPAN, Correlation::Frame)
        .bind("count", &["batch.msgs.len()"])
        .captures(Produce::captures())
        .keep(&["count"])
}

/// The broker has answered; if it was not asked to, there is neither an answer nor an error.
pub fn produced() -> Probe {
    let results = "res *github.com/segmentio/kafka-go.ProduceResponse, err interface";
    let probe = Probe::returns("produced", &["github.com/segmentio/kafka-go.(*Writer).produce"], results)
        .group(group::PRODUCE_REQUEST)
        .ends(PRODUCE_SPAN, Correlation::Frame);
    answered(probe)
}

/// What is copied of an answer `res` or an error `err`; `decode_produced` reads it. The start has kept `count`, how many messages there were.
pub fn answered(probe: Probe) -> Probe {
    probe
        .bind(error::INNER, &error::WRAPPED)
        .bind("answer", &["res.Error.(*fmt.wrapError).err", "res.Error"])
        .captures(Produced::captures())
}

/// Offsets go to the coordinator. A program that has a generation of its own calls this on its own goroutine, whose span is the parent.
pub fn commit() -> Probe {
    let arguments =
        "t *github.com/segmentio/kafka-go.timeoutCoordinator, req github.com/segmentio/kafka-go.offsetCommitRequestV2";
    Probe::entry("commit request", &["github.com/segmentio/kafka-go.(*timeoutCoordinator).offsetCommit"], arguments)
        .group(group::COMMIT_REQUEST)
        .starts(COMMIT_SPAN, Correlation::Frame)
        .tcp(&["t.conn.conn"])
        .captures(Commit::captures())
        .inherits()
}

/// The coordinator has answered.
pub fn committed() -> Probe {
    let results = "_ github.com/segmentio/kafka-go.offsetCommitResponseV2, err interface";
    let function = "github.com/segmentio/kafka-go.(*timeoutCoordinator).offsetCommit";
    let probe = Probe::returns("commit answered", &[function], results);
    error::capture(probe.group(group::COMMIT_REQUEST).ends(COMMIT_SPAN, Correlation::Frame))
}

pub fn decode_produce(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let produce = Produce::read(bytes);
    PRODUCE.begin(Kind::Client, fragment);
    PRODUCE.destination(produce.topic().some(), fragment);
    message::partition(produce.partition(), fragment);
    message::number(keys::BATCH_COUNT, produce.count(), fragment);
    message::number(keys::ENVELOPE_SIZE, produce.bytes(), fragment);
    message::server(produce.broker(), fragment);
    message::client(produce.client(), fragment);
}

pub fn decode_produced(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let produced = Produced::read(bytes);
    let answer = Caught { code: produced.answer_code(), text: Field::default(), ty: produced.answer_type() };
    let failed = error::say(Caught { code: produced.code(), text: produced.text(), ty: produced.ty() }, fragment)
        || error::say(answer, fragment);
    if !failed {
        message::sent_offset(produced.count(), produced.offset(), fragment);
    }
}

pub fn decode_commit(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let commit = Commit::read(bytes);
    OFFSET_COMMIT.begin(Kind::Client, fragment);
    message::group(commit.group(), fragment);
    message::peer(commit.peer_address(), commit.peer_port(), fragment);
    if commit.topics().integer() != Some(1) {
        return;
    }
    OFFSET_COMMIT.destination(commit.topic().some(), fragment);
    if commit.partitions().integer() != Some(1) {
        return;
    }
    message::partition(commit.partition(), fragment);
    // What is committed is the offset of the next message; the conventions want that of the message, which here is the last one settled.
    if let Some(offset) = commit.offset().integer() {
        fragment.integer(keys::OFFSET, offset - 1);
    }
}
