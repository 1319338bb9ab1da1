//! Methods: `/package.Service/Method` as it stands in a stream, and the answers to those that a server does not have.

use uprobed_sdk::{Field, Fragment};

use crate::keys;

/// Writes the method, and the span's name.
pub fn write(method: Field<'_>, fragment: &mut Fragment<'_>) {
    fragment.text(keys::RPC_SYSTEM_NAME, "grpc");
    match method.some() {
        Some(method) => {
            let method = without_slash(method);
            fragment.name(&[method]);
            fragment.text(keys::RPC_METHOD, method);
        }
        None => fragment.name(&[b"grpc"]),
    }
}

/// Takes back what the call said of a method that turned out to be unknown: clients make names up.
pub fn write_unknown(method: Field<'_>, fragment: &mut Fragment<'_>) {
    fragment.name(&[b"grpc"]);
    fragment.text(keys::RPC_METHOD, "_OTHER");
    fragment.text(keys::RPC_METHOD_ORIGINAL, without_slash(method.bytes()));
}

/// Whether the library itself answered UNIMPLEMENTED, with one of its texts, because nothing is registered under the method's name.
/// Both may have been cut off.
pub fn is_unknown(method: &[u8], message: &[u8]) -> bool {
    if message.starts_with(b"malformed method name: ") {
        return true;
    }
    let method = without_slash(method);
    let Some(slash) = method.iter().rposition(|byte| *byte == b'/') else { return false };
    let (service, name) = (&method[..slash], &method[slash + 1..]);
    let unknown_service = [&b"unknown service "[..], service].concat();
    let unknown_method = [&b"unknown method "[..], name, b" for service ", service].concat();
    message == unknown_service || message == unknown_method
}

fn without_slash(method: &[u8]) -> &[u8] {
    method.strip_prefix(b"/").unwrap_or(method)
}
