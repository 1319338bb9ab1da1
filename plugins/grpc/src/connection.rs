//! The connection under a transport: who is at its other end, and where client and server meet.

use uprobed_sdk::{Field, Fragment, Join};

use crate::keys;

/// One stream of an HTTP/2 connection is one call.
const CHANNEL: &str = "grpc";

/// The TCP connection behind `connection`, a `net.Conn`: itself, or below TLS, which the library's credentials wrap once more.
pub const TCP: [&str; 2] = [
    "connection.(*net.TCPConn)",
    "connection.(*google.golang.org/grpc/internal/credentials.syscallConn).sysConn.(*net.TCPConn)",
];

/// Where the two ends of a stream meet, by the bindings `local` and `remote` and the path to its number.
pub fn join(stream: &str) -> Join {
    Join::tcp(CHANNEL, "local", "remote").stream(stream)
}

pub fn write_peer(address: Field<'_>, port: Field<'_>, fragment: &mut Fragment<'_>) {
    fragment.end([keys::NETWORK_PEER_ADDRESS, keys::NETWORK_PEER_PORT], address, port);
}
