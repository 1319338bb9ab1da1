//! Status codes: their names, and which of them are errors for whom.

use std::io::Write;

use uprobed_sdk::{Field, Fragment, State, Status};

use crate::{Facts, keys};

/// By their numbers.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub const OK: i64 = 0;
pub const UNKNOWN: i64 = 2;
pub const UNIMPLEMENTED: i64 = 12;

/// UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: the others are the client's affair.
pub fn fails_server(code: i64) -> bool {
    matches!(code, UNKNOWN | 4 | UNIMPLEMENTED | 13..=15)
}

pub fn fails_client(code: i64) -> bool {
    code != OK
}

/// The code of a `*status.Status`, where no status and one without content are OK; none if it could not be read.
pub fn code(field: Field<'_>) -> Option<i64> {
    if field.state() == State::Absent { Some(OK) } else { field.integer() }
}

/// Writes how a call ended.
pub fn write(facts: &Facts, code: i64, message: Field<'_>, fails: fn(i64) -> bool, fragment: &mut Fragment<'_>) {
    write_code(keys::RPC_RESPONSE_STATUS_CODE, code, fragment);
    if !fails(code) {
        return;
    }
    fragment.status(Status::Error);
    write_code(keys::ERROR_TYPE, code, fragment);
    if facts.status_messages && !message.bytes().is_empty() {
        fragment.status_message(&[message.bytes()]);
    }
}

fn write_code(key: uprobed_sdk::Key, code: i64, fragment: &mut Fragment<'_>) {
    match usize::try_from(code).ok().and_then(|code| NAMES.get(code)) {
        Some(name) => fragment.text(key, name),
        // An application may use any number.
        None => fragment.text_with(key, |out| write!(out, "{code}").expect("a vector takes every write")),
    }
}
