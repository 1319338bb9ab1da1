//! Requests that a program makes by itself, with the library's `Client`: `Produce` with records that `NewRecordReader` was given, and
//! `Fetch`. A writer's batches go through `Produce` too, with records of another kind.

use uprobed_sdk::{Correlation, Field, Fragment, Kind, KnownOffset, Probe, w3c};

use crate::error::{self, Caught};
use crate::message::{self, POLL, SEND};
use crate::{MODULE, group, keys, request};

const PRODUCE: &str = "client send";
const FETCH: &str = "client receive";
const READERS: [&str; 1] = ["github.com/segmentio/kafka-go.NewRecordReader"];

uprobed_sdk::captures! {
    /// Records for one partition.
    struct Produce {
        topic: ["req.Topic"; 256],
        partition: ["req.Partition"],
        count: ["count"],
        broker: [
            "req.Addr.(*github.com/segmentio/kafka-go.networkAddress).address",
            "c.Addr.(*github.com/segmentio/kafka-go.networkAddress).address";
            128
        ],
        client: ["c.Transport.(*github.com/segmentio/kafka-go.Transport).ClientID"; 128],
        context: ["records[0].Headers[Key=\"traceparent\"].Value"; 64],
    }
}

uprobed_sdk::captures! {
    /// Where to fetch.
    struct Fetch {
        topic: ["req.Topic"; 256],
        partition: ["req.Partition"],
        broker: [
            "req.Addr.(*github.com/segmentio/kafka-go.networkAddress).address",
            "c.Addr.(*github.com/segmentio/kafka-go.networkAddress).address";
            128
        ],
        client: ["c.Transport.(*github.com/segmentio/kafka-go.Transport).ClientID"; 128],
    }
}

/// Records are sent.
pub fn produce() -> Probe {
    let arguments =
        "c *github.com/segmentio/kafka-go.Client, ctx interface, req *github.com/segmentio/kafka-go.ProduceRequest";
    Probe::entry("client send", &["github.com/segmentio/kafka-go.(*Client).Produce"], arguments)
        .group(group::CLIENT_PRODUCE)
        .if_mentioned(&READERS)
        .starts(PRODUCE, Correlation::Frame)
        .bind("records", &["req.Records.(*github.com/segmentio/kafka-go/protocol.recordReader).records"])
        .bind("count", &["records.len()"])
        .only_if(&["req.Records.(*github.com/segmentio/kafka-go/protocol.recordReader)"])
        .captures(Produce::captures())
        .keep(&["count"])
        .inherits()
        .parent_context("ctx")
}

/// The broker has answered.
pub fn produced() -> Probe {
    let results = "res *github.com/segmentio/kafka-go.ProduceResponse, err interface";
    let probe = Probe::returns("client sent", &["github.com/segmentio/kafka-go.(*Client).Produce"], results)
        .group(group::CLIENT_PRODUCE)
        .if_mentioned(&READERS)
        .ends(PRODUCE, Correlation::Frame);
    request::answered(probe)
}

/// Records are asked for.
pub fn fetch() -> Probe {
    let arguments =
        "c *github.com/segmentio/kafka-go.Client, ctx interface, req *github.com/segmentio/kafka-go.FetchRequest";
    Probe::entry("client receive", &["github.com/segmentio/kafka-go.(*Client).Fetch"], arguments)
        .group(group::CLIENT_FETCH)
        .starts(FETCH, Correlation::Frame)
        .captures(Fetch::captures())
        .inherits()
        .parent_context("ctx")
}

/// The broker has answered.
pub fn fetched() -> Probe {
    let results = "res *github.com/segmentio/kafka-go.FetchResponse, err interface";
    Probe::returns("client received", &["github.com/segmentio/kafka-go.(*Client).Fetch"], results)
        .group(group::CLIENT_FETCH)
        .ends(FETCH, Correlation::Frame)
        .bind(error::INNER, &error::WRAPPED)
        .bind("answer", &["res.Error.(*fmt.wrapError).err", "res.Error"])
        .captures(Fetched::captures())
}

uprobed_sdk::captures! {
    /// What the broker answered.
    struct Fetched {
        ty: [error::INNER, error::ERROR; 128],
        code: [error::INNER_CODE, error::CODE],
        text: [error::INNER_TEXT, error::TEXT; 64],
        answer_type: ["answer"; 128],
        answer_code: ["answer.(github.com/segmentio/kafka-go.Error)"],
    }
}

/// Where fields are that only these functions use: the linker leaves their structs out of most programs.
pub fn offsets() -> Vec<KnownOffset> {
    let known = |ty: &str, field: &str, field_type: &str, offset: u32| {
        KnownOffset::new(&format!("{MODULE}.{ty}"), field, field_type, offset, MODULE, ">=0.4.20, <0.5.0")
    };
    vec![
        known("ProduceRequest", "Addr", "interface", 0),
        known("ProduceRequest", "Topic", "string", 16),
        known("ProduceRequest", "Partition", "int", 32),
        known("ProduceRequest", "Records", "interface", 72),
        known("FetchRequest", "Addr", "interface", 0),
        known("FetchRequest", "Topic", "string", 16),
        known("FetchRequest", "Partition", "int", 32),
        known("FetchResponse", "Error", "interface", 56),
        known("Client", "Addr", "interface", 0),
        known("Client", "Transport", "interface", 24),
    ]
}

pub fn decode_produce(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let produce = Produce::read(bytes);
    let context = w3c::traceparent(produce.context().bytes());
    SEND.begin(if context.is_some() { Kind::Client } else { Kind::Producer }, fragment);
    SEND.destination(produce.topic().some(), fragment);
    message::partition(produce.partition(), fragment);
    message::number(keys::BATCH_COUNT, produce.count(), fragment);
    message::server(produce.broker(), fragment);
    message::client(produce.client(), fragment);
    if let Some(context) = context {
        fragment.link(context);
    }
}

pub fn decode_fetch(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let fetch = Fetch::read(bytes);
    POLL.begin(Kind::Client, fragment);
    POLL.destination(fetch.topic().some(), fragment);
    message::partition(fetch.partition(), fragment);
    message::server(fetch.broker(), fragment);
    message::client(fetch.client(), fragment);
}

pub fn decode_fetched(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let fetched = Fetched::read(bytes);
    let answer = Caught { code: fetched.answer_code(), text: Field::default(), ty: fetched.answer_type() };
    let _ = error::say(Caught { code: fetched.code(), text: fetched.text(), ty: fetched.ty() }, fragment)
        || error::say(answer, fragment);
}
