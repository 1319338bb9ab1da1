//! What the hits of each probe are turned into, as rows.

use expect_test::{Expect, expect};
use uprobed_sdk::testing::{Batch, Copied, target, with_setting};
use uprobed_sdk::{Module, Role, Target, ValueKind};

use super::{Grpc, MODULE};

fn linked() -> Target {
    let modules = vec![Module { path: MODULE.into(), version: "v1.85.0".into() }];
    Target { modules, ..target("go1.26.8") }
}

fn check(probe: &str, rows: &[&[(&str, Copied<'_>)]], expected: Expect) {
    let target = linked();
    let mut batch = Batch::new::<Grpc>(&target);
    for row in rows {
        batch.hit(probe, row);
    }
    expected.assert_eq(&batch.decoded::<Grpc>(&target));
}

#[test]
fn says_what_a_server_was_called_for() {
    check(
        "server call",
        &[
            &[
                ("method", "/shop.Work/Once".into()),
                ("authority", "shop.example:50051".into()),
                ("peer_address", Copied::Bytes(&[127, 0, 0, 1])),
                ("peer_port", 50000.into()),
            ],
            // Behind net/http.
            &[
                ("method", "/shop.Work/Once".into()),
                ("authority", "shop.example".into()),
                ("peer", "[::1]:50000".into()),
            ],
            &[("method", "malformed".into()), ("peer_address", Copied::Bytes(&[0; 3])), ("peer", "@".into())],
            &[("method", Copied::Unreadable)],
        ],
        expect![[r#"
            Kind::Server "shop.Work/Once" Status::Unset rpc.system.name=grpc rpc.method=shop.Work/Once server.address=shop.example server.port=50051 network.peer.address=127.0.0.1 network.peer.port=50000
            Kind::Server "shop.Work/Once" Status::Unset rpc.system.name=grpc rpc.method=shop.Work/Once server.address=shop.example network.peer.address=::1 network.peer.port=50000
            Kind::Server "malformed" Status::Unset rpc.system.name=grpc rpc.method=malformed
            Kind::Server "grpc" Status::Unset rpc.system.name=grpc
        "#]],
    );
}

#[test]
fn hands_on_a_tracestate_only_with_its_traceparent() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    check(
        "server call",
        &[
            &[("method", "/a.B/C".into()), ("traceparent", parent.into()), ("tracestate", "a=1".into())],
            &[("method", "/a.B/C".into()), ("tracestate", "a=1".into())],
        ],
        expect![[r#"
            Kind::Server "a.B/C" Status::Unset tracestate=a=1 rpc.system.name=grpc rpc.method=a.B/C
            Kind::Server "a.B/C" Status::Unset rpc.system.name=grpc rpc.method=a.B/C
        "#]],
    );
}

#[test]
fn tells_the_servers_failures_from_the_clients() {
    let codes: Vec<[(&str, Copied<'_>); 2]> = [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 77]
        .map(|code| [("code", code.into()), ("message", "a secret".into())])
        .into();
    let rows: Vec<&[(&str, Copied<'_>)]> = codes.iter().map(|row| &row[..]).collect();
    check(
        "server end",
        &rows,
        expect![[r#"
        Kind::Unset "" Status::Unset rpc.response.status_code=OK
        Kind::Unset "" Status::Unset rpc.response.status_code=CANCELLED
        Kind::Unset "" Status::Error rpc.response.status_code=UNKNOWN error.type=UNKNOWN
        Kind::Unset "" Status::Unset rpc.response.status_code=INVALID_ARGUMENT
        Kind::Unset "" Status::Error rpc.response.status_code=DEADLINE_EXCEEDED error.type=DEADLINE_EXCEEDED
        Kind::Unset "" Status::Unset rpc.response.status_code=NOT_FOUND
        Kind::Unset "" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED
        Kind::Unset "" Status::Error rpc.response.status_code=INTERNAL error.type=INTERNAL
        Kind::Unset "" Status::Error rpc.response.status_code=UNAVAILABLE error.type=UNAVAILABLE
        Kind::Unset "" Status::Error rpc.response.status_code=DATA_LOSS error.type=DATA_LOSS
        Kind::Unset "" Status::Unset rpc.response.status_code=UNAUTHENTICATED
        Kind::Unset "" Status::Unset rpc.response.status_code=77
    "#]],
    );
    check(
        "client end",
        &rows,
        expect![[r#"
        Kind::Unset "" Status::Unset rpc.response.status_code=OK
        Kind::Unset "" Status::Error rpc.response.status_code=CANCELLED error.type=CANCELLED
        Kind::Unset "" Status::Error rpc.response.status_code=UNKNOWN error.type=UNKNOWN
        Kind::Unset "" Status::Error rpc.response.status_code=INVALID_ARGUMENT error.type=INVALID_ARGUMENT
        Kind::Unset "" Status::Error rpc.response.status_code=DEADLINE_EXCEEDED error.type=DEADLINE_EXCEEDED
        Kind::Unset "" Status::Error rpc.response.status_code=NOT_FOUND error.type=NOT_FOUND
        Kind::Unset "" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED
        Kind::Unset "" Status::Error rpc.response.status_code=INTERNAL error.type=INTERNAL
        Kind::Unset "" Status::Error rpc.response.status_code=UNAVAILABLE error.type=UNAVAILABLE
        Kind::Unset "" Status::Error rpc.response.status_code=DATA_LOSS error.type=DATA_LOSS
        Kind::Unset "" Status::Error rpc.response.status_code=UNAUTHENTICATED error.type=UNAUTHENTICATED
        Kind::Unset "" Status::Error rpc.response.status_code=77 error.type=77
    "#]],
    );
}

#[test]
fn calls_a_method_that_nobody_registered_other() {
    let rows = [
        ("/shop.Nothing/Once", "unknown service shop.Nothing"),
        ("/shop.Work/Nothing", "unknown method Nothing for service shop.Work"),
        ("shop", "malformed method name: \"shop\""),
        // A method that is registered and not implemented yet, and one that speaks of others.
        ("/shop.Work/Once", "method Once not implemented"),
        ("/shop.Work/Once", "unknown service shop.Other"),
    ];
    let rows =
        rows.map(|(method, message)| [("method", method.into()), ("code", 12.into()), ("message", message.into())]);
    let rows: Vec<&[(&str, Copied<'_>)]> = rows.iter().map(|row| &row[..]).collect();
    check(
        "server end",
        &rows,
        expect![[r#"
        Kind::Unset "grpc" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED rpc.method=_OTHER rpc.method_original=shop.Nothing/Once
        Kind::Unset "grpc" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED rpc.method=_OTHER rpc.method_original=shop.Work/Nothing
        Kind::Unset "grpc" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED rpc.method=_OTHER rpc.method_original=shop
        Kind::Unset "" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED
        Kind::Unset "" Status::Error rpc.response.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED
    "#]],
    );
}

#[test]
fn takes_no_status_for_ok_and_an_unreadable_one_for_none() {
    check(
        "server end",
        &[&[], &[("code", Copied::Unreadable)]],
        expect![[r#"
        Kind::Unset "" Status::Unset rpc.response.status_code=OK
        Kind::Unset "" Status::Unset
    "#]],
    );
    check(
        "client end",
        &[
            &[("error", "".into())],
            &[("error", "*errors.errorString".into())],
            &[("error", "*net.OpError".into())],
            &[("error", Copied::Unreadable)],
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset rpc.response.status_code=OK
            Kind::Unset "" Status::Unset rpc.response.status_code=OK
            Kind::Unset "" Status::Error rpc.response.status_code=UNKNOWN error.type=UNKNOWN
            Kind::Unset "" Status::Unset
        "#]],
    );
}

#[test]
fn says_whom_a_client_called() {
    check(
        "client call",
        &[
            &[("method", "/shop.Work/Once".into()), ("target", "dns:///shop.example:50051".into())],
            &[("method", "/shop.Work/Once".into()), ("target", "unix:///run/shop.sock".into())],
            &[("target", Copied::Unreadable)],
        ],
        expect![[r#"
            Kind::Client "shop.Work/Once" Status::Unset rpc.system.name=grpc rpc.method=shop.Work/Once server.address=shop.example server.port=50051
            Kind::Client "shop.Work/Once" Status::Unset rpc.system.name=grpc rpc.method=shop.Work/Once server.address=/run/shop.sock
            Kind::Client "grpc" Status::Unset rpc.system.name=grpc
        "#]],
    );
}

#[test]
fn says_why_a_call_was_never_sent() {
    check(
        "client failure",
        &[&[("code", 14.into()), ("message", "refused".into())], &[]],
        expect![[r#"
        Kind::Unset "" Status::Error rpc.response.status_code=UNAVAILABLE error.type=UNAVAILABLE
        Kind::Unset "" Status::Unset
    "#]],
    );
    check(
        "client end",
        &[&[("code", 4.into()), ("peer_address", Copied::Bytes(&[127, 0, 0, 1])), ("peer_port", 1.into())]],
        expect![[r#"
        Kind::Unset "" Status::Error network.peer.address=127.0.0.1 network.peer.port=1 rpc.response.status_code=DEADLINE_EXCEEDED error.type=DEADLINE_EXCEEDED
    "#]],
    );
}

#[test]
fn refuses_programs_that_it_does_not_know() {
    let refused = |modules| uprobed_sdk::whole_manifest::<Grpc>(&Target { modules, ..target("go1.26.8") }).err();
    let version = |version: &str| vec![Module { path: MODULE.into(), version: version.into() }];
    assert_eq!(refused(Vec::new()).unwrap(), "google.golang.org/grpc is not linked");
    assert_eq!(refused(version("v1.34.2")).unwrap(), "google.golang.org/grpc v1.34.2 is too old, v1.35 is needed");
    for known in ["v1.35.0", "v1.86.0-dev", "(devel)", "v2.0.0"] {
        assert_eq!(refused(version(known)), None);
    }
}

#[test]
fn gives_a_failed_span_a_description_only_where_that_is_set() {
    for (value, expected) in [("true", "as you wished"), ("false", "")] {
        let target = with_setting(linked(), "status-messages", value);
        let mut batch = Batch::new::<Grpc>(&target);
        batch.hit("server end", &[("code", 13.into()), ("message", "as you wished".into())]);
        let said = uprobed_sdk::decode::<Grpc>(&target, &batch.events, &batch.data);
        let text = said.fragments[0].status_message;
        let (from, length) = (text.offset as usize, text.length as usize);
        assert_eq!(&said.bytes[from..][..length], expected.as_bytes());
    }
}

fn listing(names: &[&str]) -> Target {
    names.iter().fold(linked(), |target, name| with_setting(target, "request-metadata", name))
}

#[test]
fn shows_the_metadata_that_is_listed() {
    let target = listing(&["X-Tenant", "x-id"]);
    let mut batch = Batch::new::<Grpc>(&target);
    for probe in ["server call", "client header written"] {
        batch.hit(probe, &[("rpc.request.metadata.x-id", "7".into())]);
        let copied = [("rpc.request.metadata.x-tenant", "shop".into()), ("rpc.request.metadata.x-id", "7".into())];
        batch.hit(probe, &copied);
    }
    expect![[r#"
        Kind::Server "grpc" Status::Unset rpc.system.name=grpc rpc.request.metadata.x-id=7
        Kind::Server "grpc" Status::Unset rpc.system.name=grpc rpc.request.metadata.x-tenant=shop rpc.request.metadata.x-id=7
        Kind::Unset "" Status::Unset rpc.request.metadata.x-id=7
        Kind::Unset "" Status::Unset rpc.request.metadata.x-tenant=shop rpc.request.metadata.x-id=7
    "#]]
    .assert_eq(&batch.decoded::<Grpc>(&target));
    let said = uprobed_sdk::decode::<Grpc>(&target, &batch.events, &batch.data);
    assert_eq!(said.attributes.last().unwrap().kind, ValueKind::TextItem);
}

#[test]
fn looks_at_a_clients_header_only_for_what_is_listed() {
    let written = |target: &Target| {
        let manifest = uprobed_sdk::whole_manifest::<Grpc>(target).unwrap();
        let probes = manifest.probes.into_iter().filter(|probe| probe.name.starts_with("client header written"));
        let paths = |probe: uprobed_sdk::Probe| {
            let paths: Vec<String> = probe.captures.into_iter().map(|capture| capture.paths.concat()).collect();
            (probe.role, paths)
        };
        probes.map(paths).collect::<Vec<_>>()
    };
    assert_eq!(written(&linked()), vec![(Role::Mark, vec![]); 3]);
    let path = "header.hf[Name=\"x-id\"].Value".to_owned();
    assert_eq!(written(&listing(&["x-id"])), vec![(Role::Event, vec![path]); 3]);
}

#[test]
fn refuses_metadata_that_it_cannot_look_for() {
    let refused = |names: &[&str]| uprobed_sdk::whole_manifest::<Grpc>(&listing(names)).err();
    assert_eq!(refused(&["a", "b", "c", "x-234567890123456789.bcd"]), None);
    let most = "the setting request-metadata: e is one too many, 4 names can be";
    assert_eq!(refused(&["a", "b", "c", "d", "e"]).unwrap(), most);
    let long = "the setting request-metadata: x-234567890123456789abcde has 25 bytes, more than 24";
    assert_eq!(refused(&["x-234567890123456789abcde"]).unwrap(), long);
    for name in [":path", "a b", "token-bin"] {
        let expected = format!("the setting request-metadata: {name:?} cannot be the name of a text in metadata");
        assert_eq!(refused(&[name]), Some(expected));
    }
}

#[test]
fn decodes_hostile_bytes_without_a_panic() {
    let target = listing(&["x-id"]);
    let batch = Batch::new::<Grpc>(&target);
    let probes = u32::try_from(batch.manifest.probes.len()).unwrap();
    let mut state = 1u64;
    for round in 0..20_000u32 {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        // Lengths are kept small so that most captures are within bounds.
        let data: Vec<u8> = (0..96).map(|place| (next() & if place % 4 == 3 { 0 } else { 0x7f }) as u8).collect();
        let event = uprobed_sdk::Event { probe: round % probes, time: 0, offset: next() % 8, length: next() % 128 };
        let said = uprobed_sdk::decode::<Grpc>(&target, &[event], &data);
        uprobed_sdk::testing::render(&batch.manifest, &said);
    }
}
