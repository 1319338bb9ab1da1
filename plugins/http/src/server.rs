//! A server's requests: from the call of the handler to the last of the response, a hijacked connection's end, or a panic.
//!
//! HTTP/2 has other types behind the `http.ResponseWriter`; its requests are passed over.

use uprobed_sdk::net::host_and_port;
use uprobed_sdk::{Captures, Correlation, Field, Fragment, Join, Kind, Probe, Status};

use crate::forwarded::Forwarded;
use crate::{CHANNEL, Facts, group, keys, message, url};

const SPAN: &str = "server";

uprobed_sdk::captures! {
    /// A request, when the handler is called.
    struct Request {
        method: ["req.Method"; 32],
        target: ["req.RequestURI"; 1024],
        host: ["req.Host"; 256],
        protocol: ["req.Proto"; 16],
        tls: ["req.TLS"],
        remote: ["req.RemoteAddr"; 64],
        traceparent: ["req.Header[\"Traceparent\"]"; 64],
        tracestate: ["req.Header[\"Tracestate\"]"; 512],
        user_agent: ["req.Header[\"User-Agent\"]"; 256],
        forwarded: ["req.Header[\"Forwarded\"]"; 256],
        forwarded_for: ["req.Header[\"X-Forwarded-For\"]"; 128],
        forwarded_host: ["req.Header[\"X-Forwarded-Host\"]"; 256],
        forwarded_proto: ["req.Header[\"X-Forwarded-Proto\"]"; 16],
    }
}

uprobed_sdk::captures! {
    /// A response, when the handler has returned. The mux has left its pattern in the request by now (Go 1.22, and in a
    /// field for everybody from 1.23 on).
    struct Response {
        status: ["w.status"],
        method: ["w.req.Method"; 32],
        pattern: ["w.req.Pattern", "w.req.pat.str"; 256],
        matched: ["kept.matched.str"; 256],
    }
}

uprobed_sdk::captures! {
    /// What is left when a connection ends while its request is still open.
    struct ConnectionEnd {
        status: ["kept.response.status"],
        header_sent: ["kept.response.cw.wroteHeader"],
        method: ["kept.response.req.Method"; 32],
        pattern: ["kept.response.req.Pattern", "kept.response.req.pat.str"; 256],
        matched: ["kept.matched.str"; 256],
        panic: ["g._panic"],
    }
}

/// The handler is called.
pub fn request() -> Probe {
    let arguments = "sh net/http.serverHandler, rw interface, req *net/http.Request";
    Probe::entry("server request", &["net/http.serverHandler.ServeHTTP"], arguments)
        .group(group::SERVER)
        .starts(SPAN, Correlation::Frame)
        .bind("response", &["rw.(*net/http.response)"])
        .tcp(&["response.conn.rwc"])
        .only_if(&["response"])
        .captures(Request::captures())
        .traceparent("traceparent")
        .own_context("req.ctx")
        .current()
        .keep(&["response"])
        .adopt(Join::tcp(CHANNEL, "local", "remote"))
}

/// The mux compares what it found with the path. What it found is kept, for where the mux has a copy of the request and the
/// pattern never gets to the original. Not the copy: by the end it may be garbage, and another request in its place. The first
/// mux counts, whose pattern has the whole path.
pub fn route() -> Probe {
    Probe::entry("server route", &["net/http.exactMatch"], "node *net/http.routingNode")
        .group(group::ROUTE)
        .if_mentioned(&COPIES)
        .marks(SPAN, Correlation::Goroutine)
        .bind("matched", &["node.pattern"])
        .only_if(&["matched"])
        .keep(&["matched"])
        // http.TimeoutHandler has a goroutine for its handler.
        .inherits()
}

/// What copies requests in `net/http`. A program that uses none of it pays nothing for it.
const COPIES: [&str; 6] = [
    "net/http.(*Request).WithContext",
    "net/http.(*Request).Clone",
    "net/http.StripPrefix",
    "net/http.MaxBytesHandler",
    "net/http.AllowQuerySemicolons",
    // http.TimeoutHandler, which uses WithContext within its own package.
    "net/http.(*timeoutHandler).ServeHTTP",
];

/// The handler has returned; what it wrote is flushed next. Not reached by a panic or a hijack. The connection calls it as it
/// called the handler, so the frame is the same.
pub fn response() -> Probe {
    Probe::entry("server response", &["net/http.(*response).finishRequest"], "w *net/http.response")
        .group(group::SERVER)
        .ends(SPAN, Correlation::Frame)
        .captures(Response::captures())
}

/// The deferred function of a connection's goroutine runs: where a request is still open, its handler panicked, or it took the
/// connection over and returned.
pub fn connection_end() -> Probe {
    Probe::entry("server connection end", &["net/http.(*conn).serve.func1"], "")
        .group(group::SERVER)
        .ends(SPAN, Correlation::Goroutine)
        .captures(ConnectionEnd::captures())
}

pub fn decode_request(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let request = Request::read(bytes);
    fragment.kind(Kind::Server);
    message::method(facts, request.method(), fragment);
    message::protocol(request.protocol().bytes(), fragment);
    let (path, query) = url::path_and_query(request.target().bytes());
    if !path.is_empty() {
        fragment.text(keys::URL_PATH, path);
    }
    if !query.is_empty() {
        fragment.text_with(keys::URL_QUERY, |out| url::write_query(out, query));
    }
    decode_ends(&request, fragment);
    if let Some(agent) = request.user_agent().some() {
        fragment.text(keys::USER_AGENT_ORIGINAL, agent);
    }
    fragment.incoming_state(request.traceparent(), request.tracestate());
}

/// Who speaks with whom: what proxies said about it, else what is seen here.
fn decode_ends(request: &Request<'_>, fragment: &mut Fragment<'_>) {
    let forwarded = Forwarded::read(
        request.forwarded().bytes(),
        request.forwarded_for().bytes(),
        request.forwarded_host().bytes(),
        request.forwarded_proto().bytes(),
    );
    let scheme = request.tls().word().map(|tls| if tls == 0 { &b"http"[..] } else { b"https" });
    if let Some(scheme) = forwarded.scheme.or(scheme) {
        fragment.text(keys::URL_SCHEME, scheme);
    }

    let (host, port) = host_and_port(forwarded.host.unwrap_or(request.host().bytes()));
    fragment.host([keys::SERVER_ADDRESS, keys::SERVER_PORT], host, port);

    let (peer, peer_port) = host_and_port(request.remote().bytes());
    // The peer of a Unix socket has no port, and a name that says nothing.
    if let Some(client) = forwarded.client.or(peer_port.map(|_| peer)) {
        fragment.text(keys::CLIENT_ADDRESS, client);
    }
    if let Some(port) = peer_port {
        fragment.text(keys::NETWORK_PEER_ADDRESS, peer);
        fragment.integer(keys::NETWORK_PEER_PORT, port.into());
    }
}

pub fn decode_response(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let response = Response::read(bytes);
    let pattern = pattern(response.pattern(), response.matched(), response.status());
    name_by_route(facts, response.method(), pattern, fragment);
    if let Some(status) = response.status().integer() {
        // 0: the handler wrote nothing, which finishRequest is about to make a 200.
        message::status(if status == 0 { 200 } else { status }, 500.., fragment);
    }
    let (request, response) = (&facts.headers.request, &facts.headers.response);
    request.write(bytes, Response::COUNT, fragment);
    response.write(bytes, Response::COUNT + request.len(), fragment);
}

pub fn decode_connection_end(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let end = ConnectionEnd::read(bytes);
    name_by_route(facts, end.method(), pattern(end.pattern(), end.matched(), end.status()), fragment);
    let panicked = end.panic().is_set();
    let status = end.status().integer().filter(|status| *status != 0);
    // The status of a handler that panicked stays in a buffer unless the header was already written out.
    if let Some(status) = status.filter(|_| !panicked || end.header_sent().is_set()) {
        message::status(status, if panicked { i64::MAX.. } else { 500.. }, fragment);
    }
    if panicked {
        fragment.status(Status::Error);
        fragment.text(keys::ERROR_TYPE, "panic");
    }
    facts.headers.request.write(bytes, ConnectionEnd::COUNT, fragment);
}

/// What the mux left in the request, or else what it found for a copy of it.
fn pattern<'a>(left: Field<'a>, matched: Field<'a>, status: Field<'_>) -> &'a [u8] {
    if let Some(left) = left.some() {
        return left;
    }
    let matched = matched.bytes();
    // Where `/tree` leads to `/tree/`, the mux found `/` or the like first: a pattern that matches more than its own path.
    let is_prefix = matched.ends_with(b"/") || matched.ends_with(b"...}");
    // Until Go 1.25, and from 1.26 on.
    let is_redirect = matches!(status.integer(), Some(301 | 307));
    if is_prefix && is_redirect { &[] } else { matched }
}

/// `GET example.com/items/{id}` is the route `/items/{id}`.
fn name_by_route(facts: &Facts, method: Field<'_>, pattern: &[u8], fragment: &mut Fragment<'_>) {
    let Some(slash) = pattern.iter().position(|byte| *byte == b'/') else { return };
    let route = &pattern[slash..];
    fragment.name(&[message::method_name(facts, method), b" ", route]);
    fragment.text(keys::ROUTE, route);
}
