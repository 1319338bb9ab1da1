//! A server's calls: from the moment that a stream is handled to the status that is written for it. Unary calls and streams are alike.
//!
//! A stream is found by its pointer, and is handled on one goroutine; what serves it may be on others.

use uprobed_sdk::net::host_and_port;
use uprobed_sdk::{Captures, Correlation, Fragment, Kind, Probe};

use crate::connection::{self, TCP};
use crate::{Facts, group, keys, method, status};

const SPAN: &str = "server";
const TRANSPORT: &str = "google.golang.org/grpc/internal/transport";

uprobed_sdk::captures! {
    /// A stream, when it is to be handled.
    struct Call {
        method: ["stream.method"; 256],
        authority: ["metadata[\":authority\"]"; 256],
        traceparent: ["metadata[\"traceparent\"]"; 64],
        tracestate: ["metadata[\"tracestate\"]"; 512],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
        // Behind net/http there are texts only.
        peer: ["behind_http.req.RemoteAddr"; 64],
    }
}

uprobed_sdk::captures! {
    /// The status that is about to be written.
    struct End {
        method: ["s.method"; 256],
        code: ["st.s.Code"],
        message: ["st.s.Message"; 320],
    }
}

/// A stream of the library's own HTTP/2 server, or of one behind `net/http`, is handled.
pub fn call() -> Probe {
    begins("server call", "ServerStream").group(group::SERVER)
}

/// The same where client and server have one type of stream.
pub fn older_call() -> Probe {
    begins("server call, older", "Stream").group(group::OLDER_SERVER)
}

fn begins(name: &str, stream: &str) -> Probe {
    let arguments = format!("s *google.golang.org/grpc.Server, t interface, stream *{TRANSPORT}.{stream}");
    Probe::entry(name, &["google.golang.org/grpc.(*Server).handleStream"], &arguments)
        .starts(SPAN, Correlation::words(&["stream"]))
        .bind("http2", &["t.(*google.golang.org/grpc/internal/transport.http2Server)"])
        .bind("behind_http", &["t.(*google.golang.org/grpc/internal/transport.serverHandlerTransport)"])
        .bind("connection", &["http2.conn"])
        .bind("tcp", &TCP)
        .ends_of_tcp()
        .bind("metadata", &METADATA)
        .captures(Call::captures())
        .traceparent("traceparent")
        .own_context("stream.ctx")
        .current()
        .adopt(connection::join("stream.id"))
}

/// The incoming metadata, which the context of a stream carries: the innermost value, unless something put others around it.
const METADATA: [&str; 2] = [
    "stream.ctx.(*context.valueCtx).val.(google.golang.org/grpc/metadata.MD)",
    "stream.ctx.(*context.valueCtx).Context.(*context.valueCtx).val.(google.golang.org/grpc/metadata.MD)",
];

/// The status of a call is about to be written.
pub fn end() -> Probe {
    ends("server end", "(*http2Server).writeStatus", "ServerStream").group(group::SERVER)
}

pub fn older_end() -> Probe {
    ends("server end, older", "(*http2Server).WriteStatus", "Stream").group(group::OLDER_SERVER)
}

/// The same behind `net/http`.
pub fn end_behind_http() -> Probe {
    ends("server end behind net/http", "(*serverHandlerTransport).writeStatus", "ServerStream")
        .group(group::BEHIND_HTTP)
}

pub fn older_end_behind_http() -> Probe {
    ends("server end behind net/http, older", "(*serverHandlerTransport).WriteStatus", "Stream")
        .group(group::OLDER_BEHIND_HTTP)
}

fn ends(name: &str, method: &str, stream: &str) -> Probe {
    let symbol = format!("{TRANSPORT}.{method}");
    let arguments = format!("t pointer, s *{TRANSPORT}.{stream}, st *google.golang.org/grpc/internal/status.Status");
    Probe::entry(name, &[&symbol], &arguments).ends(SPAN, Correlation::words(&["s"])).captures(End::captures())
}

pub fn decode_call(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = Call::read(bytes);
    fragment.kind(Kind::Server);
    method::write(call.method(), fragment);
    let (host, port) = host_and_port(call.authority().bytes());
    fragment.host([keys::SERVER_ADDRESS, keys::SERVER_PORT], host, port);
    if let (peer, Some(port)) = host_and_port(call.peer().bytes()) {
        fragment.text(keys::NETWORK_PEER_ADDRESS, peer);
        fragment.integer(keys::NETWORK_PEER_PORT, port.into());
    } else {
        connection::write_peer(call.peer_address(), call.peer_port(), fragment);
    }
    fragment.incoming_state(call.traceparent(), call.tracestate());
    facts.metadata.write(bytes, Call::COUNT, fragment);
}

pub fn decode_end(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let end = End::read(bytes);
    let Some(code) = status::code(end.code()) else { return };
    status::write(facts, code, end.message(), status::fails_server, fragment);
    if code == status::UNIMPLEMENTED && method::is_unknown(end.method().bytes(), end.message().bytes()) {
        method::write_unknown(end.method(), fragment);
    }
}
