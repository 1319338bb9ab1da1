//! Traces github.com/segmentio/kafka-go, v0.4.20 and later: the calls that a program makes, and the requests in which the library sends
//! what many callers gave it.
//!
//! Follows OpenTelemetry's conventions for messaging and Kafka, 1.44.0. What they leave open is decided so:
//! - A call of `WriteMessages` is one span, whatever it writes: a span a message would need a context that goes with the message, and
//!   nothing is written into the program. Messages that carry a context of their own (a header `traceparent`) are linked to it.
//! - A batch belongs to many callers at once, so its request is a span without a parent.
//! - A receiving span lasts as long as the call, waiting included, and links to the message's context; its parent is who called.
//! - `io.EOF` from a reader that was closed is its orderly end and no error; a context that ended is one.

mod client;
mod commit;
mod error;
mod keys;
mod message;
mod receive;
mod request;
mod send;

#[cfg(test)]
mod tests;

use uprobed_sdk::{Declaration, Group, Limits, Manifest, Plugin, Probe, Row, SettingKind, Target, need_go, setting};

/// Indices of the groups.
mod group {
    pub const WRITER: u32 = 0;
    pub const PARTITION: u32 = 1;
    pub const READER: u32 = 2;
    pub const COMMIT: u32 = 3;
    pub const PRODUCE_REQUEST: u32 = 4;
    pub const COMMIT_REQUEST: u32 = 5;
    pub const CONNECTION_WRITE: u32 = 6;
    pub const CONNECTION_READ: u32 = 7;
    pub const CLIENT_PRODUCE: u32 = 8;
    pub const CLIENT_FETCH: u32 = 9;
}

const MODULE: &str = "github.com/segmentio/kafka-go";

/// The capture that holds a message's key. It is the last of its probe, so that it can be left out.
const KEY: &str = "key";

/// Settings that leave spans out, and what their probes belong to.
const LEFT_OUT: [(&str, &[u32]); 2] =
    [("commits", &[group::COMMIT]), ("requests", &[group::PRODUCE_REQUEST, group::COMMIT_REQUEST])];

struct Kafka;

uprobed_sdk::export!(Kafka with_types_in uprobed_sdk::bindings);

impl Plugin for Kafka {
    type Facts = ();

    const PROBES: &'static [Row<()>] = &[
        Row { probe: send::call, decode: send::decode_call },
        Row { probe: send::partition, decode: send::decode_partition },
        Row { probe: send::done, decode: send::decode_done },
        Row { probe: receive::call, decode: receive::decode_call },
        Row { probe: receive::done, decode: receive::decode_done },
        Row { probe: commit::call, decode: commit::decode_call },
        Row { probe: commit::done, decode: error::decode },
        Row { probe: request::produce, decode: request::decode_produce },
        Row { probe: request::produced, decode: request::decode_produced },
        Row { probe: request::commit, decode: request::decode_commit },
        Row { probe: request::committed, decode: error::decode },
        Row { probe: send::connection_call, decode: send::decode_connection_call },
        Row { probe: send::connection_done, decode: send::decode_connection_done },
        Row { probe: receive::connection_call, decode: receive::decode_connection_call },
        Row { probe: receive::connection_done, decode: receive::decode_done },
        Row { probe: client::produce, decode: client::decode_produce },
        Row { probe: client::produced, decode: request::decode_produced },
        Row { probe: client::fetch, decode: client::decode_fetch },
        Row { probe: client::fetched, decode: client::decode_fetched },
    ];

    fn settings() -> Vec<Declaration> {
        vec![
            Declaration::new(
                "keys",
                SettingKind::Boolean,
                "true",
                "Whether the keys of messages are captured, where they are text.",
            ),
            Declaration::new(
                "commits",
                SettingKind::Boolean,
                "true",
                "Whether handing messages back to a group is a span, also where `ReadMessage` does it.",
            ),
            Declaration::new(
                "requests",
                SettingKind::Boolean,
                "true",
                "Whether what the library sends to a broker for many callers at once (batches, commits of groups) is a span too.",
            ),
        ]
    }

    fn facts(_: &Target) {}

    fn manifest(target: &Target, mut probes: Vec<Probe>) -> Result<Manifest, String> {
        need_go(target, 18)?;
        if setting(target, "keys") == Some("false") {
            for probe in &mut probes {
                probe.captures.retain(|capture| capture.name != KEY);
            }
        }
        for (name, groups) in LEFT_OUT {
            if setting(target, name) == Some("false") {
                for probe in probes.iter_mut().filter(|probe| groups.contains(&probe.group)) {
                    // No version of any module is this one.
                    *probe = probe.clone().requires(MODULE, "<0.0.0");
                }
            }
        }
        let manifest = Manifest::for_go("uprobed/kafka", env!("CARGO_PKG_VERSION"), probes, keys::KEYS);
        Ok(Manifest {
            library: MODULE.into(),
            library_versions: "0.4.20 and later".into(),
            groups: vec![
                Group::optional("writer"),
                Group::optional("partition").needs(&[group::WRITER]),
                Group::optional("reader"),
                Group::optional("commit"),
                Group::optional("produce request"),
                Group::optional("commit request"),
                Group::optional("connection write"),
                Group::optional("connection read"),
                Group::optional("client produce"),
                Group::optional("client fetch"),
            ],
            offsets: client::offsets(),
            // A reader may wait for a day for its next message.
            limits: Limits { open_seconds: 24 * 60 * 60, ..manifest.limits },
            ..manifest
        })
    }
}
