//! What requests and responses of servers and clients have in common: methods, versions, status codes.

use std::io::Write;

use uprobed_sdk::{Field, Fragment, Status};

use crate::{Facts, keys};

/// RFC 9110, RFC 5789 (PATCH) and the draft for QUERY, as the conventions list them.
const METHODS: [&str; 10] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];

/// The methods that are known where nothing is set, as a setting is written.
pub fn methods() -> String {
    format!("{METHODS:?}")
}

/// The method as it stands in the name of a span, or `HTTP`. An empty one means GET, as in `http.Request`; what could not be
/// read means nothing.
pub fn method_name<'a>(facts: &Facts, method: Field<'a>) -> &'a [u8] {
    if !method.is_read() {
        return b"HTTP";
    }
    let method = method.some().unwrap_or(b"GET");
    let known = match &facts.known_methods[..] {
        [] => METHODS.iter().any(|known| known.as_bytes() == method),
        methods => methods.iter().any(|known| known.as_bytes() == method),
    };
    if known { method } else { b"HTTP" }
}

/// Writes the method's attributes and the span's name without a route.
pub fn method(facts: &Facts, method: Field<'_>, fragment: &mut Fragment<'_>) {
    let name = method_name(facts, method);
    fragment.name(&[name]);
    if name != b"HTTP" {
        fragment.text(keys::REQUEST_METHOD, name);
    } else if let Some(original) = method.some() {
        fragment.text(keys::REQUEST_METHOD, "_OTHER");
        fragment.text(keys::REQUEST_METHOD_ORIGINAL, original);
    }
}

/// Writes the version of `HTTP/1.1`; that of `HTTP/2.0` is `2`.
pub fn protocol(protocol: &[u8], fragment: &mut Fragment<'_>) {
    let Some(version) = protocol.strip_prefix(b"HTTP/") else { return };
    let version = match version {
        [b'0' | b'1', ..] => version,
        _ => version.strip_suffix(b".0").unwrap_or(version),
    };
    fragment.text(keys::NETWORK_PROTOCOL_VERSION, version);
}

/// Writes a status code, and that the span failed if it lies in `failed` or is none at all.
pub fn status(code: i64, failed: std::ops::RangeFrom<i64>, fragment: &mut Fragment<'_>) {
    fragment.integer(keys::RESPONSE_STATUS_CODE, code);
    if code < 100 || failed.contains(&code) {
        fragment.status(Status::Error);
        fragment.text_with(keys::ERROR_TYPE, |out| write!(out, "{code}").expect("a vector takes every write"));
    }
}
