//! What the SDK's instrumentation of kafka-go and uprobed are known to say differently of the same call.

/// For what is not there.
pub const NONE: &str = "(none)";

/// What the SDK says, in the words of 2022, and what says the same here.
pub const SAME: [(&str, &str); 8] = [
    ("name", "name"),
    ("kind", "kind"),
    ("status", "status"),
    ("messaging.operation", "messaging.operation.type"),
    ("messaging.destination", "messaging.destination.name"),
    ("messaging.message_id", "messaging.kafka.offset"),
    ("messaging.kafka.partition", "messaging.destination.partition.id"),
    ("messaging.kafka.message_key", "messaging.kafka.message.key"),
];

/// Where the two differ, and why.
pub struct Known {
    /// The calls; `commits` is a commit of several messages.
    pub of: &'static [&'static str],
    pub key: &'static str,
    /// Whether this is how: the SDK's value and the own.
    pub holds: fn(&str, &str) -> bool,
    pub why: &'static str,
}

pub const KNOWN: [Known; 14] = [
    known(
        &["send"],
        "kind",
        |theirs, mine| (theirs, mine) == ("producer", "client"),
        "the message carries the SDK's context already: it was created there, and is only sent by this call",
    ),
    known(
        &["poll", "commit", "commits"],
        "kind",
        |theirs, mine| (theirs, mine) == ("consumer", "client"),
        "the conventions have it for what processes messages only",
    ),
    known(&["commit"], "status", |theirs, mine| (theirs, mine) == ("", "error"), "the SDK does not look at the error"),
    known(
        &["send"],
        "name",
        |theirs, mine| theirs == "send " && mine.starts_with("send ") && mine.len() > theirs.len(),
        "the SDK knows no topic of the writer's",
    ),
    known(
        &["send"],
        "messaging.destination",
        |theirs, mine| theirs.is_empty() && mine != NONE,
        "the SDK knows no topic of the writer's",
    ),
    known(
        &["send", "poll", "commit", "commits"],
        "messaging.destination_kind",
        |theirs, mine| (theirs, mine) == ("topic", NONE),
        "the conventions have dropped it",
    ),
    known(
        &["commit", "commits"],
        "messaging.operation",
        |theirs, mine| (theirs, mine) == ("receive", "settle"),
        "the SDK has but one for readers",
    ),
    known(
        &["send"],
        "messaging.message_id",
        |theirs, mine| (theirs, mine) == ("0", NONE),
        "the SDK says the offset before there is one",
    ),
    known(
        &["send"],
        "messaging.kafka.partition",
        |theirs, _| theirs == "0",
        "the SDK says the partition before one is chosen",
    ),
    known(
        &["send", "poll"],
        "messaging.kafka.message_key",
        |theirs, mine| theirs.is_empty() && mine == NONE,
        "a message without a key has none",
    ),
    known(
        &["send", "poll"],
        "messaging.kafka.message_key",
        |theirs, mine| theirs.contains(char::REPLACEMENT_CHARACTER) && mine == NONE,
        "only text is a text",
    ),
    known(
        &["commit", "commits"],
        "messaging.kafka.message_key",
        |_, mine| mine == NONE,
        "the conventions have none for what is settled",
    ),
    known(
        &["commits"],
        "messaging.message_id",
        |_, mine| mine == NONE,
        "the SDK says that of the first message; several have none",
    ),
    known(
        &["commits"],
        "messaging.kafka.partition",
        |_, mine| mine == NONE,
        "the SDK says that of the first message; several have none",
    ),
];

const fn known(
    of: &'static [&'static str],
    key: &'static str,
    holds: fn(&str, &str) -> bool,
    why: &'static str,
) -> Known {
    Known { of, key, why, holds }
}

/// What only uprobed says of calls that the SDK has a span of.
pub const ALONE: [(&str, &[&str]); 3] = [
    (
        "send",
        &[
            "error.type",
            "messaging.client.id",
            "messaging.message.body.size",
            "messaging.operation.name",
            "messaging.operation.type",
            "messaging.system",
            "server.address",
            "server.port",
        ],
    ),
    (
        "poll",
        &[
            "messaging.consumer.group.name",
            "messaging.message.body.size",
            "messaging.operation.name",
            "messaging.system",
            "server.address",
            "server.port",
        ],
    ),
    (
        "commit",
        &[
            "error.type",
            "messaging.batch.message_count",
            "messaging.consumer.group.name",
            "messaging.operation.name",
            "messaging.system",
            "server.address",
            "server.port",
        ],
    ),
];
