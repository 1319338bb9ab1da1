//! A client's round trips: one span for each request that a transport sends; redirects are siblings.

use uprobed_sdk::net::host_and_port;
use uprobed_sdk::{Captures, Correlation, Fragment, Join, Kind, Probe, Status};

use crate::url::Url;
use crate::{CHANNEL, Facts, group, keys, message};

const SPAN: &str = "client";

uprobed_sdk::captures! {
    /// A request, when it is handed to the transport.
    struct Request {
        method: ["req.Method"; 32],
        scheme: ["req.URL.Scheme"; 16],
        opaque: ["req.URL.Opaque"; 512],
        user: ["req.URL.User"],
        host: ["req.URL.Host"; 256],
        path: ["req.URL.Path"; 512],
        raw_path: ["req.URL.RawPath"; 512],
        query: ["req.URL.RawQuery"; 512],
        fragment: ["req.URL.Fragment"; 128],
    }
}

uprobed_sdk::captures! {
    /// The connection that was found for it.
    struct Connection {
        peer_address: ["remote.IP"; 16],
        peer_port: ["remote.Port"],
    }
}

uprobed_sdk::captures! {
    /// What came back.
    struct Response {
        status: ["resp.StatusCode"],
        protocol: ["resp.Proto"; 16],
        error: ["err"; 128],
    }
}

/// A request is handed to the transport.
pub fn request() -> Probe {
    let arguments = "t pointer, req *net/http.Request";
    Probe::entry("client request", &["net/http.(*Transport).roundTrip"], arguments)
        .group(group::CLIENT)
        .starts(SPAN, Correlation::Frame)
        .captures(Request::captures())
        .parent_context("req.ctx")
        .current()
        .inherits()
}

/// A connection was found, new or used before; the request is about to be written. Once more for every attempt.
pub fn connection() -> Probe {
    Probe::entry("client connection", &["net/http.(*persistConn).roundTrip"], "pc *net/http.persistConn")
        .group(group::CLIENT)
        .within(SPAN, Correlation::Goroutine)
        .tcp(&["pc.conn"])
        .captures(Connection::captures())
        .publish(Join::tcp(CHANNEL, "local", "remote"))
}

/// The response's headers were read, or the round trip failed.
pub fn response() -> Probe {
    let results = "resp *net/http.Response, err interface";
    Probe::returns("client response", &["net/http.(*Transport).roundTrip"], results)
        .group(group::CLIENT)
        .ends(SPAN, Correlation::Frame)
        .captures(Response::captures())
}

pub fn decode_request(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let request = Request::read(bytes);
    let default_port = match (request.scheme().is_read(), request.scheme().bytes()) {
        (true, b"http") => Some(80),
        (true, b"https") => Some(443),
        // Transports can be taught other schemes (`file`), which are not HTTP.
        (true, _) => return fragment.drop_span(),
        (false, _) => None,
    };
    fragment.kind(Kind::Client);
    message::method(facts, request.method(), fragment);
    let (host, port) = host_and_port(request.host().bytes());
    fragment.host([keys::SERVER_ADDRESS, keys::SERVER_PORT], host, port.or(default_port));
    facts.headers.request.write(bytes, Request::COUNT, fragment);
    if !request.scheme().is_read() || !request.host().is_read() {
        return;
    }
    let url = Url {
        scheme: request.scheme(),
        opaque: request.opaque(),
        has_user: request.user().is_set(),
        host: request.host(),
        path: request.path(),
        raw_path: request.raw_path(),
        query: request.query(),
        fragment: request.fragment(),
    };
    fragment.text_with(keys::URL_FULL, |out| url.write(out));
}

pub fn decode_connection(_: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let connection = Connection::read(bytes);
    let peer = [keys::NETWORK_PEER_ADDRESS, keys::NETWORK_PEER_PORT];
    fragment.end(peer, connection.peer_address(), connection.peer_port());
}

pub fn decode_response(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let response = Response::read(bytes);
    if let Some(error) = response.error().error_type() {
        fragment.status(Status::Error);
        fragment.text(keys::ERROR_TYPE, error);
        return;
    }
    if let Some(status) = response.status().integer() {
        message::status(status, 400.., fragment);
        message::protocol(response.protocol().bytes(), fragment);
    }
    facts.headers.response.write(bytes, Response::COUNT, fragment);
}
