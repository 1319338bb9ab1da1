//! A client's calls: from the moment that a stream is asked for to its last, with every attempt. Unary calls are streams, too.
//!
//! Whoever sends and receives on a stream may be any goroutine, and a header is written by a goroutine of its connection. So a call goes
//! by what is at hand: the goroutine until its stream exists, then the stream; and, while an attempt is under way, the goroutine again
//! until the header exists, then the header. It is never current: what its goroutine does next is not part of it.

use uprobed_sdk::{Binding, Correlation, Fragment, Kind, Probe, State};

use crate::connection::{self, TCP};
use crate::{Facts, MODULE, group, keys, method, status, target};

const SPAN: &str = "client";

/// How a call is found until its stream exists: by its goroutine.
const BEGINNING: [&str; 1] = ["g"];
/// How a call is found, beside its stream, while an attempt is under way: by its goroutine again, and not as one that begins.
const ATTEMPT: [&str; 2] = ["g", "g"];

uprobed_sdk::captures! {
    /// A call, when its stream is asked for.
    struct Call {
        method: ["method"; 256],
        target: ["cc.target"; 256],
    }
}

uprobed_sdk::captures! {
    /// How a stream ended.
    struct End {
        code: ["status.Code"],
        message: ["status.Message"; 320],
        error: ["err"; 128],
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
    }
}

uprobed_sdk::captures! {
    /// Why a stream could not be made.
    struct Failure {
        code: ["status.Code"],
        message: ["status.Message"; 320],
    }
}

/// The status in an error, and in one of older versions.
const STATUS: [&str; 2] = [
    "err.(*google.golang.org/grpc/internal/status.Error).s.s",
    "err.(*google.golang.org/grpc/internal/status.Error).e",
];

/// A stream is asked for, by the generated code of a unary or streaming method, after the client's interceptors.
pub fn call() -> Probe {
    let arguments = "ctx interface, desc pointer, cc *google.golang.org/grpc.ClientConn, method string";
    Probe::entry("client call", &["google.golang.org/grpc.newClientStream"], arguments)
        .group(group::CLIENT)
        .starts(SPAN, Correlation::words(&BEGINNING))
        .captures(Call::captures())
        .parent_context("ctx")
        .inherits()
}

/// The stream exists, and its first attempt is about to begin. Later attempts begin here as well, and find no call by their goroutine.
pub fn stream() -> Probe {
    let arguments = "cs *google.golang.org/grpc.clientStream";
    Probe::entry("client stream", &["google.golang.org/grpc.(*clientStream).newAttemptLocked"], arguments)
        .group(group::CLIENT)
        .marks(SPAN, Correlation::words(&BEGINNING))
        .rename(&["cs"])
}

/// An attempt has its connection, and is about to begin a stream on it.
pub fn attempt() -> Probe {
    let arguments = "a *google.golang.org/grpc.csAttempt";
    Probe::entry("client attempt", &["google.golang.org/grpc.(*csAttempt).newStream"], arguments)
        .group(group::HEADER)
        .marks(SPAN, Correlation::words(&["a.cs"]))
        .alias(&ATTEMPT)
}

/// The stream's header exists, and is handed to the goroutine that writes for its connection. Everything that is written passes this
/// function, a server's answers too.
pub fn header() -> Probe {
    let symbol = "google.golang.org/grpc/internal/transport.(*controlBuffer).executeAndPut";
    let caller = "google.golang.org/grpc/internal/transport.(*http2Client).NewStream";
    // Until 1.82.0, clients and servers had one type of header.
    let headers =
        ["clientHeaders", "headerFrame"].map(|name| format!("it.(*google.golang.org/grpc/internal/transport.{name})"));
    Probe::entry("client header", &[symbol], "buffer pointer, check pointer, it interface")
        .called_by(&[caller])
        .group(group::HEADER)
        .marks(SPAN, Correlation::words(&ATTEMPT))
        .bind("header", &headers.each_ref().map(String::as_str))
        .alias(&["header"])
}

/// The header is about to be written, with the stream's number in it: nobody can have received it yet.
pub fn written() -> Probe {
    let header = "*google.golang.org/grpc/internal/transport.clientHeaders";
    writes("client header written", "clientHeaderHandler", &format!("header {header}")).group(group::JOIN)
}

pub fn older_written() -> Probe {
    let header = "*google.golang.org/grpc/internal/transport.headerFrame";
    writes("client header written, older", "originateStream", &format!("stream pointer, header {header}"))
        .group(group::OLDER_JOIN)
        .requires(MODULE, ">=1.53.0")
}

/// The same where the header waits in its stream.
pub fn oldest_written() -> Probe {
    let stream = "*google.golang.org/grpc/internal/transport.outStream";
    let header = "stream.itl.head.it.(*google.golang.org/grpc/internal/transport.headerFrame)";
    let mut probe = writes("client header written, oldest", "originateStream", &format!("stream {stream}"))
        .group(group::OLDEST_JOIN)
        .requires(MODULE, "<1.53.0");
    probe.bindings.insert(0, Binding { name: "header".into(), paths: vec![header.into()] });
    probe
}

fn writes(name: &str, function: &str, arguments: &str) -> Probe {
    let symbol = format!("google.golang.org/grpc/internal/transport.(*loopyWriter).{function}");
    let arguments = format!("l *google.golang.org/grpc/internal/transport.loopyWriter, {arguments}");
    Probe::entry(name, &[&symbol], &arguments)
        .marks(SPAN, Correlation::words(&["header"]))
        // The writer itself knows its connection since 1.54.0.
        .bind("connection", &["l.conn", "l.framer.writer.conn"])
        .bind("tcp", &TCP)
        .ends_of_tcp()
        .publish(connection::join("header.streamID"))
}

/// The stream ends. What calls this again, when it cleans up, finds nothing.
pub fn end() -> Probe {
    let arguments = "cs *google.golang.org/grpc.clientStream, err interface";
    Probe::entry("client end", &["google.golang.org/grpc.(*clientStream).finish"], arguments)
        .group(group::CLIENT)
        .ends(SPAN, Correlation::words(&["cs"]))
        .bind(
            "transport",
            &[
                "cs.attempt.transport.(*google.golang.org/grpc/internal/transport.http2Client)",
                "cs.attempt.t.(*google.golang.org/grpc/internal/transport.http2Client)",
            ],
        )
        .bind("status", &STATUS)
        .bind("connection", &["transport.conn"])
        .bind("tcp", &TCP)
        .ends_of_tcp()
        .captures(End::captures())
}

/// An operation on the stream failed. Where that was the first one, nothing ends the stream: the call fails soon, on this goroutine.
pub fn retry() -> Probe {
    let arguments = "cs *google.golang.org/grpc.clientStream";
    Probe::entry("client retry", &["google.golang.org/grpc.(*clientStream).retryLocked"], arguments)
        .group(group::CLIENT)
        .marks(SPAN, Correlation::words(&["cs"]))
        .alias(&ATTEMPT)
}

/// A stream could not be made, not even tried.
pub fn failure() -> Probe {
    fails("client failure", &BEGINNING)
}

/// No attempt at a stream succeeded.
pub fn attempt_failure() -> Probe {
    fails("client attempt failure", &ATTEMPT)
}

fn fails(name: &str, call: &[&str]) -> Probe {
    let probe = Probe::entry(name, &["google.golang.org/grpc.endOfClientStream"], "cc pointer, err interface");
    failed(probe, call).group(group::FAILURE)
}

pub fn older_failure() -> Probe {
    older_fails("client failure, older", &BEGINNING)
}

pub fn older_attempt_failure() -> Probe {
    older_fails("client attempt failure, older", &ATTEMPT)
}

/// No function is called when a stream could not be made. One that was made passes here as well.
fn older_fails(name: &str, call: &[&str]) -> Probe {
    let probe = Probe::returns(name, &["google.golang.org/grpc.newClientStream"], "stream interface, err interface");
    failed(probe, call).group(group::OLDER_FAILURE).requires(MODULE, "<1.78.0")
}

fn failed(probe: Probe, call: &[&str]) -> Probe {
    // Every error that there can be has a status.
    let probe = probe.ends(SPAN, Correlation::words(call)).bind("status", &STATUS).only_if(&["status"]);
    probe.captures(Failure::captures())
}

pub fn decode_call(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let call = Call::read(bytes);
    fragment.kind(Kind::Client);
    method::write(call.method(), fragment);
    let (server, port) = target::server(call.target().bytes());
    if !server.is_empty() {
        fragment.text(keys::SERVER_ADDRESS, server);
    }
    if let Some(port) = port {
        fragment.integer(keys::SERVER_PORT, port.into());
    }
}

pub fn decode_end(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let end = End::read(bytes);
    connection::write_peer(end.peer_address(), end.peer_port(), fragment);
    let code = match (end.code().integer(), end.error().state()) {
        (Some(code), _) => code,
        // An error that could not be read.
        (None, State::Unreadable) => return,
        // No error, or io.EOF, which is none here either.
        (None, _) if matches!(end.error().bytes(), b"" | b"*errors.errorString") => status::OK,
        // As the library itself has it for an error without a status.
        (None, _) => status::UNKNOWN,
    };
    status::write(facts, code, end.message(), status::fails_client, fragment);
}

pub fn decode_failure(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let failure = Failure::read(bytes);
    let Some(code) = failure.code().integer() else { return };
    status::write(facts, code, failure.message(), status::fails_client, fragment);
}
