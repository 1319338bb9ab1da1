//! What an error is called: `error.type`.
//!
//! An error code of a broker has the name that Kafka's protocol gives it, `UNKNOWN_TOPIC_OR_PARTITION`; well-known errors of Go's standard
//! library have the name of their variable, `context.Canceled`; others their dynamic type, without one wrapper of `fmt.Errorf`.

use uprobed_sdk::{Field, Fragment, Probe, Status, errors};

use crate::keys;

/// What one wrapper of `fmt.Errorf` holds, bound by every return, and the paths of captures: first into that, then into `err` itself.
pub const INNER: &str = "inner";
pub const WRAPPED: [&str; 1] = ["err.(*fmt.wrapError).err"];
pub const ERROR: &str = "err";
pub const CODE: &str = "err.(github.com/segmentio/kafka-go.Error)";
pub const INNER_CODE: &str = "inner.(github.com/segmentio/kafka-go.Error)";
pub const TEXT: &str = "err.(*errors.errorString).s";
pub const INNER_TEXT: &str = "inner.(*errors.errorString).s";

/// One error, as captures: its code if it is one of a broker, its text if it is one of Go's plain errors, its type.
#[derive(Clone, Copy)]
pub struct Caught<'a> {
    pub code: Field<'a>,
    pub text: Field<'a>,
    pub ty: Field<'a>,
}

uprobed_sdk::captures! {
    /// How a call ended that answers with nothing but an error.
    pub struct Outcome {
        ty: [INNER, ERROR; 128],
        code: [INNER_CODE, CODE],
        text: [INNER_TEXT, TEXT; 64],
    }
}

/// Copies what a call's `err` says, for [`decode`].
pub fn capture(probe: Probe) -> Probe {
    probe.bind(INNER, &WRAPPED).captures(Outcome::captures())
}

pub fn decode(_: &(), _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let outcome = Outcome::read(bytes);
    say(Caught { code: outcome.code(), text: outcome.text(), ty: outcome.ty() }, fragment);
}

/// Says that the span failed, if there was an error.
pub fn say(caught: Caught<'_>, fragment: &mut Fragment<'_>) -> bool {
    let Some(name) = name(caught) else { return false };
    fragment.status(Status::Error);
    fragment.text(keys::ERROR_TYPE, name);
    true
}

/// None where there is no error.
pub fn name(caught: Caught<'_>) -> Option<&[u8]> {
    let name = errors::name(caught.ty, caught.text)?;
    Some(caught.code.integer().and_then(broker).map_or(name, str::as_bytes))
}

fn broker(code: i64) -> Option<&'static str> {
    match code {
        -1 => Some("UNKNOWN_SERVER_ERROR"),
        _ => usize::try_from(code.checked_sub(1)?).ok().and_then(|index| CODES.get(index)).copied(),
    }
}

/// The protocol's error codes from 1 on (https://kafka.apache.org/protocol.html#protocol_error_codes, Kafka 3.9).
const CODES: [&str; 127] = [
    "OFFSET_OUT_OF_RANGE",
    "CORRUPT_MESSAGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "INVALID_FETCH_SIZE",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "BROKER_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE",
    "MESSAGE_TOO_LARGE",
    "STALE_CONTROLLER_EPOCH",
    "OFFSET_METADATA_TOO_LARGE",
    "NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "INVALID_TOPIC_EXCEPTION",
    "RECORD_LIST_TOO_LARGE",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "INVALID_REQUIRED_ACKS",
    "ILLEGAL_GENERATION",
    "INCONSISTENT_GROUP_PROTOCOL",
    "INVALID_GROUP_ID",
    "UNKNOWN_MEMBER_ID",
    "INVALID_SESSION_TIMEOUT",
    "REBALANCE_IN_PROGRESS",
    "INVALID_COMMIT_OFFSET_SIZE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_TIMESTAMP",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "UNSUPPORTED_VERSION",
    "TOPIC_ALREADY_EXISTS",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_REPLICA_ASSIGNMENT",
    "INVALID_CONFIG",
    "NOT_CONTROLLER",
    "INVALID_REQUEST",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "POLICY_VIOLATION",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "DUPLICATE_SEQUENCE_NUMBER",
    "INVALID_PRODUCER_EPOCH",
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_ID_MAPPING",
    "INVALID_TRANSACTION_TIMEOUT",
    "CONCURRENT_TRANSACTIONS",
    "TRANSACTION_COORDINATOR_FENCED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "SECURITY_DISABLED",
    "OPERATION_NOT_ATTEMPTED",
    "KAFKA_STORAGE_ERROR",
    "LOG_DIR_NOT_FOUND",
    "SASL_AUTHENTICATION_FAILED",
    "UNKNOWN_PRODUCER_ID",
    "REASSIGNMENT_IN_PROGRESS",
    "DELEGATION_TOKEN_AUTH_DISABLED",
    "DELEGATION_TOKEN_NOT_FOUND",
    "DELEGATION_TOKEN_OWNER_MISMATCH",
    "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    "DELEGATION_TOKEN_EXPIRED",
    "INVALID_PRINCIPAL_TYPE",
    "NON_EMPTY_GROUP",
    "GROUP_ID_NOT_FOUND",
    "FETCH_SESSION_ID_NOT_FOUND",
    "INVALID_FETCH_SESSION_EPOCH",
    "LISTENER_NOT_FOUND",
    "TOPIC_DELETION_DISABLED",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "UNSUPPORTED_COMPRESSION_TYPE",
    "STALE_BROKER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "MEMBER_ID_REQUIRED",
    "PREFERRED_LEADER_NOT_AVAILABLE",
    "GROUP_MAX_SIZE_REACHED",
    "FENCED_INSTANCE_ID",
    "ELIGIBLE_LEADERS_NOT_AVAILABLE",
    "ELECTION_NOT_NEEDED",
    "NO_REASSIGNMENT_IN_PROGRESS",
    "GROUP_SUBSCRIBED_TO_TOPIC",
    "INVALID_RECORD",
    "UNSTABLE_OFFSET_COMMIT",
    "THROTTLING_QUOTA_EXCEEDED",
    "PRODUCER_FENCED",
    "RESOURCE_NOT_FOUND",
    "DUPLICATE_RESOURCE",
    "UNACCEPTABLE_CREDENTIAL",
    "INCONSISTENT_VOTER_SET",
    "INVALID_UPDATE_VERSION",
    "FEATURE_UPDATE_FAILED",
    "PRINCIPAL_DESERIALIZATION_FAILURE",
    "SNAPSHOT_NOT_FOUND",
    "POSITION_OUT_OF_RANGE",
    "UNKNOWN_TOPIC_ID",
    "DUPLICATE_BROKER_REGISTRATION",
    "BROKER_ID_NOT_REGISTERED",
    "INCONSISTENT_TOPIC_ID",
    "INCONSISTENT_CLUSTER_ID",
    "TRANSACTIONAL_ID_NOT_FOUND",
    "FETCH_SESSION_TOPIC_ID_ERROR",
    "INELIGIBLE_REPLICA",
    "NEW_LEADER_ELECTED",
    "OFFSET_MOVED_TO_TIERED_STORAGE",
    "FENCED_MEMBER_EPOCH",
    "UNRELEASED_INSTANCE_ID",
    "UNSUPPORTED_ASSIGNOR",
    "STALE_MEMBER_EPOCH",
    "MISMATCHED_ENDPOINT_TYPE",
    "UNSUPPORTED_ENDPOINT_TYPE",
    "UNKNOWN_CONTROLLER_ID",
    "UNKNOWN_SUBSCRIPTION_ID",
    "TELEMETRY_TOO_LARGE",
    "INVALID_REGISTRATION",
    "TRANSACTION_ABORTABLE",
    "INVALID_RECORD_STATE",
    "SHARE_SESSION_NOT_FOUND",
    "INVALID_SHARE_SESSION_EPOCH",
    "FENCED_STATE_EPOCH",
    "INVALID_VOTER_KEY",
    "DUPLICATE_VOTER",
    "VOTER_NOT_FOUND",
];
