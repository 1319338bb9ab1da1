//! What the hits of each probe are turned into, as rows.

use expect_test::{Expect, expect};
use uprobed_sdk::testing::{Batch, Copied, target, with_setting};
use uprobed_sdk::{Target, ValueKind};

use super::Http;

const GO: &str = "go1.26.8";

fn check(probe: &str, copied: &[(&str, Copied<'_>)], expected: Expect) {
    let target = target(GO);
    expected.assert_eq(&Batch::new::<Http>(&target).hit(probe, copied).decoded::<Http>(&target));
}

#[test]
fn says_what_a_server_was_asked() {
    check(
        "server request",
        &[
            ("method", "GET".into()),
            ("target", "/items/42?q=1&sig=abc".into()),
            ("host", "shop.example:8080".into()),
            ("protocol", "HTTP/1.1".into()),
            ("tls", 0.into()),
            ("remote", "127.0.0.1:50000".into()),
            ("user_agent", "curl/8".into()),
        ],
        expect![[r#"
            Kind::Server "GET" Status::Unset http.request.method=GET network.protocol.version=1.1 url.path=/items/42 url.query=q=1&sig=REDACTED url.scheme=http server.address=shop.example server.port=8080 client.address=127.0.0.1 network.peer.address=127.0.0.1 network.peer.port=50000 user_agent.original=curl/8
        "#]],
    );
}

#[test]
fn believes_what_proxies_forwarded() {
    check(
        "server request",
        &[
            ("method", "POST".into()),
            ("target", "/".into()),
            ("host", "10.0.0.9".into()),
            ("protocol", "HTTP/1.0".into()),
            ("tls", 0.into()),
            ("remote", "[::1]:50000".into()),
            ("forwarded_for", "203.0.113.5, 10.0.0.1".into()),
            ("forwarded_host", "shop.example".into()),
            ("forwarded_proto", "https".into()),
        ],
        expect![[r#"
            Kind::Server "POST" Status::Unset http.request.method=POST network.protocol.version=1.0 url.path=/ url.scheme=https server.address=shop.example client.address=203.0.113.5 network.peer.address=::1 network.peer.port=50000
        "#]],
    );
}

#[test]
fn hands_on_a_tracestate_only_with_its_traceparent() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    check(
        "server request",
        &[("traceparent", parent.into()), ("method", "GET".into()), ("tracestate", "a=1".into())],
        expect![[r#"
            Kind::Server "GET" Status::Unset tracestate=a=1 http.request.method=GET
        "#]],
    );
    check(
        "server request",
        &[("tracestate", "a=1".into())],
        expect![[r#"
            Kind::Server "HTTP" Status::Unset
        "#]],
    );
}

#[test]
fn calls_an_unknown_method_other() {
    check(
        "server request",
        &[("method", "BREW".into()), ("tls", 0xc000.into())],
        expect![[r#"
        Kind::Server "HTTP" Status::Unset http.request.method=_OTHER http.request.method_original=BREW url.scheme=https
    "#]],
    );
    check(
        "server request",
        &[("method", Copied::Unreadable)],
        expect![[r#"
            Kind::Server "HTTP" Status::Unset
        "#]],
    );
    let target = with_setting(with_setting(target(GO), "known-methods", "GET"), "known-methods", "BREW");
    let mut batch = Batch::new::<Http>(&target);
    batch.hit("server request", &[("method", "BREW".into())]).hit("server request", &[("method", "POST".into())]);
    expect![[r#"
        Kind::Server "BREW" Status::Unset http.request.method=BREW
        Kind::Server "HTTP" Status::Unset http.request.method=_OTHER http.request.method_original=POST
    "#]]
    .assert_eq(&batch.decoded::<Http>(&target));
}

#[test]
fn says_what_a_server_answered() {
    let answers: [(i64, &str); 5] =
        [(0, ""), (404, ""), (200, "GET shop.example/items/{id}"), (503, "/items/{$}"), (200, "nonsense")];
    let target = target(GO);
    let mut batch = Batch::new::<Http>(&target);
    for (status, pattern) in answers {
        batch.hit(
            "server response",
            &[("status", status.into()), ("method", "GET".into()), ("pattern", pattern.into())],
        );
    }
    expect![[r#"
        Kind::Unset "" Status::Unset http.response.status_code=200
        Kind::Unset "" Status::Unset http.response.status_code=404
        Kind::Unset "GET /items/{id}" Status::Unset http.route=/items/{id} http.response.status_code=200
        Kind::Unset "GET /items/{$}" Status::Error http.route=/items/{$} http.response.status_code=503 error.type=503
        Kind::Unset "" Status::Unset http.response.status_code=200
    "#]]
    .assert_eq(&batch.decoded::<Http>(&target));
}

#[test]
fn takes_the_route_of_a_copied_request_from_the_mux() {
    let target = target(GO);
    let mut batch = Batch::new::<Http>(&target);
    // What the mux left in the request, what it found, the status.
    for (pattern, matched, status) in [
        ("", "GET /items/{id}", 200),
        ("", "/items/", 404),
        ("/api/", "/items/{id}", 200),
        // Perhaps the mux's own redirect from `/items` to `/items/`, of which `/` says nothing.
        ("", "/", 301),
        ("", "/{path...}", 307),
        ("", "/old", 301),
        ("/items/", "/", 301),
    ] {
        let copied = [("pattern", pattern.into()), ("matched", matched.into()), ("status", status.into())];
        batch.hit("server response", &copied);
    }
    batch.hit("server connection end", &[("matched", "/a/".into()), ("panic", 1.into())]);
    expect![[r#"
        Kind::Unset "HTTP /items/{id}" Status::Unset http.route=/items/{id} http.response.status_code=200
        Kind::Unset "HTTP /items/" Status::Unset http.route=/items/ http.response.status_code=404
        Kind::Unset "HTTP /api/" Status::Unset http.route=/api/ http.response.status_code=200
        Kind::Unset "" Status::Unset http.response.status_code=301
        Kind::Unset "" Status::Unset http.response.status_code=307
        Kind::Unset "HTTP /old" Status::Unset http.route=/old http.response.status_code=301
        Kind::Unset "HTTP /items/" Status::Unset http.route=/items/ http.response.status_code=301
        Kind::Unset "HTTP /a/" Status::Error http.route=/a/ error.type=panic
    "#]]
    .assert_eq(&batch.decoded::<Http>(&target));
}

#[test]
fn tells_a_panic_from_a_hijack() {
    let target = target(GO);
    let mut batch = Batch::new::<Http>(&target);
    // status, whether the header was sent, g._panic
    for (status, sent, panic) in [(0, 0, 0xc000), (200, 0, 0xc000), (200, 1, 0xc000), (0, 0, 0), (101, 1, 0)] {
        let copied =
            [("status", status), ("header_sent", sent), ("panic", panic)].map(|(name, word)| (name, word.into()));
        batch.hit("server connection end", &copied);
    }
    expect![[r#"
        Kind::Unset "" Status::Error error.type=panic
        Kind::Unset "" Status::Error error.type=panic
        Kind::Unset "" Status::Error http.response.status_code=200 error.type=panic
        Kind::Unset "" Status::Unset
        Kind::Unset "" Status::Unset http.response.status_code=101
    "#]]
    .assert_eq(&batch.decoded::<Http>(&target));
}

#[test]
fn says_what_a_client_asked() {
    check(
        "client request",
        &[
            ("method", "".into()),
            ("scheme", "https".into()),
            ("host", "shop.example".into()),
            ("user", 0xc000.into()),
            ("path", "/a b/ü".into()),
            ("query", "q=1&Signature=x".into()),
            ("fragment", "top".into()),
        ],
        expect![[r#"
            Kind::Client "GET" Status::Unset http.request.method=GET server.address=shop.example server.port=443 url.full=https://REDACTED:REDACTED@shop.example/a%20b/%C3%BC?q=1&Signature=REDACTED#top
        "#]],
    );
    check(
        "client request",
        &[
            ("method", "GET".into()),
            ("scheme", "http".into()),
            ("host", "[::1]:8080".into()),
            ("path", "/a/b".into()),
            ("raw_path", "/a%2Fb".into()),
            ("user", 0.into()),
        ],
        expect![[r#"
            Kind::Client "GET" Status::Unset http.request.method=GET server.address=::1 server.port=8080 url.full=http://[::1]:8080/a%2Fb
        "#]],
    );
    check(
        "client request",
        &[("scheme", "http".into()), ("host", "h".into()), ("opaque", "//me:secret@h/a%20b".into())],
        expect![[r#"
            Kind::Client "HTTP" Status::Unset server.address=h server.port=80 url.full=http://REDACTED:REDACTED@h/a%20b
        "#]],
    );
}

#[test]
fn drops_a_round_trip_that_is_not_http() {
    check(
        "client request",
        &[("scheme", Copied::Unreadable), ("host", "h:1".into())],
        expect![[r#"
        Kind::Client "HTTP" Status::Unset server.address=h server.port=1
    "#]],
    );
    check(
        "client request",
        &[("scheme", "file".into())],
        expect![[r#"
        Kind::Unset "" Status::Unset dropped
    "#]],
    );
}

#[test]
fn says_what_a_client_was_answered() {
    let target = target(GO);
    let mut batch = Batch::new::<Http>(&target);
    batch.hit("client connection", &[("peer_address", Copied::Bytes(&[127, 0, 0, 1])), ("peer_port", 8080.into())]);
    batch.hit("client connection", &[("peer_address", Copied::Unreadable)]);
    for (status, protocol) in [(200, "HTTP/1.1"), (302, "HTTP/2.0"), (404, "HTTP/1.1"), (99, "HTTP/1.1")] {
        batch.hit("client response", &[("status", status.into()), ("protocol", protocol.into()), ("error", "".into())]);
    }
    batch.hit("client response", &[("error", "*net.OpError".into())]);
    batch.hit("client response", &[("error", Copied::Unreadable)]);
    batch.hit("client response", &[("error", "?".into())]);
    expect![[r#"
        Kind::Unset "" Status::Unset network.peer.address=127.0.0.1 network.peer.port=8080
        Kind::Unset "" Status::Unset
        Kind::Unset "" Status::Unset http.response.status_code=200 network.protocol.version=1.1
        Kind::Unset "" Status::Unset http.response.status_code=302 network.protocol.version=2
        Kind::Unset "" Status::Error http.response.status_code=404 error.type=404 network.protocol.version=1.1
        Kind::Unset "" Status::Error http.response.status_code=99 error.type=99 network.protocol.version=1.1
        Kind::Unset "" Status::Error error.type=*net.OpError
        Kind::Unset "" Status::Error error.type=_OTHER
        Kind::Unset "" Status::Error error.type=_OTHER
    "#]]
    .assert_eq(&batch.decoded::<Http>(&target));
}

fn set(lists: &[(&str, &[&str])]) -> Target {
    let all = lists.iter().flat_map(|(key, names)| names.iter().map(move |name| (key, name)));
    all.fold(target(GO), |target, (key, name)| with_setting(target, key, name))
}

#[test]
fn shows_the_headers_that_are_listed() {
    let target = set(&[("request-headers", &["X-Tenant", "content-type"]), ("response-headers", &["location"])]);
    let mut batch = Batch::new::<Http>(&target);
    let (tenant, location) = ("http.request.header.x-tenant", "http.response.header.location");
    batch.hit("server request", &[]);
    batch.hit("server response", &[("status", 302.into()), (tenant, "a, b".into()), (location, "/b".into())]);
    batch.hit("server connection end", &[("panic", 1.into()), (tenant, "a".into())]);
    batch.hit("client request", &[("method", "GET".into()), ("host", "h".into()), (tenant, "a".into())]);
    batch.hit("client response", &[("status", 302.into()), ("error", "".into()), (location, "/b".into())]);
    // An empty one, one cut off, one that did not fit, one that could not be read.
    let cut = Copied::Cut(b"long");
    batch.hit("server response", &[(tenant, "".into()), ("http.request.header.content-type", cut)]);
    let nothing = [(tenant, Copied::Cut(b"")), ("http.request.header.content-type", Copied::Unreadable)];
    batch.hit("server response", &nothing);
    expect![[r#"
        Kind::Server "HTTP" Status::Unset
        Kind::Unset "" Status::Unset http.response.status_code=302 http.request.header.x-tenant=a, b http.response.header.location=/b
        Kind::Unset "" Status::Error error.type=panic http.request.header.x-tenant=a
        Kind::Client "GET" Status::Unset http.request.method=GET server.address=h http.request.header.x-tenant=a
        Kind::Unset "" Status::Unset http.response.status_code=302 http.response.header.location=/b
        Kind::Unset "" Status::Unset http.request.header.x-tenant= http.request.header.content-type=long
        Kind::Unset "" Status::Unset
    "#]]
    .assert_eq(&batch.decoded::<Http>(&target));

    let said = uprobed_sdk::decode::<Http>(&target, &batch.events[2..3], &batch.data);
    assert_eq!(said.attributes.last().unwrap().kind, ValueKind::TextItem);
}

#[test]
fn looks_for_headers_by_the_names_that_go_has_for_them() {
    let target = set(&[("request-headers", &["x-request-ID", "eTag"]), ("response-headers", &["x-b3-TraceId"])]);
    let manifest = uprobed_sdk::whole_manifest::<Http>(&target).unwrap();
    let added: Vec<String> = manifest
        .probes
        .iter()
        .flat_map(|probe| probe.captures.iter().map(move |capture| (probe, capture)))
        .filter(|(_, capture)| capture.name.contains(".header."))
        .map(|(probe, capture)| format!("{}: {} = {}, {}\n", probe.name, capture.name, capture.paths[0], capture.limit))
        .collect();
    expect![[r#"
        server response: http.request.header.x-request-id = w.req.Header["X-Request-Id"], 256
        server response: http.request.header.etag = w.req.Header["Etag"], 256
        server response: http.response.header.x-b3-traceid = w.handlerHeader["X-B3-Traceid"], 256
        server connection end: http.request.header.x-request-id = kept.response.req.Header["X-Request-Id"], 256
        server connection end: http.request.header.etag = kept.response.req.Header["Etag"], 256
        client request: http.request.header.x-request-id = req.Header["X-Request-Id"], 256
        client request: http.request.header.etag = req.Header["Etag"], 256
        client response: http.response.header.x-b3-traceid = resp.Header["X-B3-Traceid"], 256
    "#]]
    .assert_eq(&added.concat());
    // Without settings, nothing is looked at.
    let manifest = uprobed_sdk::whole_manifest::<Http>(&self::target(GO)).unwrap();
    assert_eq!(manifest.keys, super::keys::KEYS);
}

#[test]
fn refuses_headers_that_it_cannot_look_for() {
    let refused = |lists: &[(&str, &[&str])]| uprobed_sdk::whole_manifest::<Http>(&set(lists)).err();
    let six = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(refused(&[("request-headers", &six), ("response-headers", &["a", "b"])]), None);
    expect!["the setting response-headers: c is one too many, 2 names can be, 8 in request-headers and response-headers together"]
        .assert_eq(&refused(&[("request-headers", &six), ("response-headers", &["a", "b", "c"])]).unwrap());
    expect!["the setting request-headers: x-forwarded-client-certificate has 30 bytes, more than 24"]
        .assert_eq(&refused(&[("request-headers", &["x-forwarded-client-certificate"])]).unwrap());
    for name in ["", "a b", "a:", "a\"]", "é"] {
        let expected = format!("the setting response-headers: {name:?} cannot be the name of a header");
        assert_eq!(refused(&[("response-headers", &[name])]), Some(expected));
    }
}

#[test]
fn refuses_programs_that_it_does_not_know() {
    let refused = |version: &str| uprobed_sdk::whole_manifest::<Http>(&target(version)).unwrap_err();
    assert_eq!(refused("go1.17.13"), "go 1.17 is too old, 1.18 is needed");
    assert_eq!(refused("devel"), "not a Go program");
    assert!(uprobed_sdk::whole_manifest::<Http>(&target("go1.28rc1")).is_ok());
}

#[test]
fn decodes_hostile_bytes_without_a_panic() {
    let target = set(&[("request-headers", &["a"]), ("response-headers", &["b"])]);
    let batch = Batch::new::<Http>(&target);
    let mut state = 1u64;
    for round in 0..20_000u32 {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        // Lengths are kept small so that most captures are within bounds.
        let data: Vec<u8> = (0..96).map(|place| (next() & if place % 4 == 3 { 0 } else { 0x7f }) as u8).collect();
        let event = uprobed_sdk::Event { probe: round % 8, time: 0, offset: next() % 8, length: next() % 128 };
        let said = uprobed_sdk::decode::<Http>(&target, &[event], &data);
        uprobed_sdk::testing::render(&batch.manifest, &said);
    }
}
