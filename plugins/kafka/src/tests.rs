//! What the hits of each probe are turned into, as rows.

use expect_test::{Expect, expect};
use uprobed_sdk::testing::{Batch, Copied, target, with_setting};
use uprobed_sdk::whole_manifest;

use super::Kafka;

const GO: &str = "go1.26.8";
const CONTEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

/// Hits of one probe, and what each is turned into.
fn check(probe: &str, hits: &[&[(&str, Copied<'_>)]], expected: Expect) {
    let target = target(GO);
    let mut batch = Batch::new::<Kafka>(&target);
    for copied in hits {
        batch.hit(probe, copied);
    }
    expected.assert_eq(&batch.decoded::<Kafka>(&target));
}

#[test]
fn says_what_a_writer_is_given() {
    check(
        "send",
        &[
            &[
                ("count", 1.into()),
                ("topic", "orders".into()),
                ("size", 11.into()),
                ("broker", "kafka.example:9092".into()),
                ("client", "shop".into()),
                ("key", "customer-7".into()),
            ],
            // Of a batch neither key nor size.
            &[("count", 3.into()), ("topic", "orders".into()), ("size", 11.into()), ("key", "customer-7".into())],
            &[("count", 0.into())],
        ],
        expect![[r#"
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.message.body.size=11 messaging.kafka.message.key=customer-7 server.address=kafka.example server.port=9092 messaging.client.id=shop
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.batch.message_count=3
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.batch.message_count=0
        "#]],
    );
}

#[test]
fn names_a_topic_that_all_messages_have() {
    let topic = |first: &'static str, second: &'static str, count: i64| {
        vec![("count", count.into()), ("first", first.into()), ("second", second.into())]
    };
    let rows = [topic("a", "", 1), topic("a", "a", 2), topic("a", "b", 2), topic("a", "a", 9)];
    check(
        "send",
        &rows.each_ref().map(Vec::as_slice),
        expect![[r#"
            Kind::Producer "send a" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=a
            Kind::Producer "send a" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=a messaging.batch.message_count=2
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.batch.message_count=2
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.batch.message_count=9
        "#]],
    );
}

#[test]
fn links_messages_that_carry_a_context_of_their_own() {
    check(
        "send",
        &[
            &[("count", 1.into()), ("topic", "a".into()), ("first_context", CONTEXT.into())],
            &[
                ("count", 2.into()),
                ("first", "a".into()),
                ("second", "b".into()),
                ("first_context", "nonsense".into()),
                ("second_context", CONTEXT.into()),
            ],
        ],
        expect![[r#"
            Kind::Client "send a" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=a -> 0af7651916cd43dd8448eb211c80319c/00f067aa0ba902b7
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.batch.message_count=2 -> 0af7651916cd43dd8448eb211c80319c/00f067aa0ba902b7 messaging.destination.name=b
        "#]],
    );
}

#[test]
fn takes_a_key_for_text_only_if_it_is() {
    let key = |key: Copied<'static>| vec![("count", 1.into()), ("key", key)];
    let rows = [
        key("snowman ☃".into()),
        key(Copied::Bytes(&[0, 0, 0, 7])),
        key(Copied::Bytes(b"\xff\xfe")),
        key(Copied::Bytes(b"")),
        key(Copied::Cut(b"long")),
        // A character that the limit cut in two.
        key(Copied::Cut(b"long \xe2\x98")),
        key(Copied::Cut(b"bad \xff long")),
        key(Copied::Unreadable),
    ];
    check(
        "send",
        &rows.each_ref().map(Vec::as_slice),
        expect![[r#"
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.kafka.message.key=snowman ☃
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.kafka.message.key=long…
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.kafka.message.key=long …
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send
            Kind::Producer "send" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send
        "#]],
    );
}

#[test]
fn says_a_partition_only_if_everything_goes_there() {
    let part =
        |count: i64| vec![("topic", "a".into()), ("partition", 3.into()), ("count", count.into()), ("all", 2.into())];
    let rows = [part(2), part(1), vec![("topic", "a".into())]];
    check(
        "send partition",
        &rows.each_ref().map(Vec::as_slice),
        expect![[r#"
            Kind::Unset "send a" Status::Unset messaging.destination.name=a messaging.destination.partition.id=3
            Kind::Unset "" Status::Unset
            Kind::Unset "" Status::Unset
        "#]],
    );
}

#[test]
fn calls_errors_by_the_names_that_the_protocol_and_go_have_for_them() {
    let plain = "*errors.errorString";
    let broker = "github.com/segmentio/kafka-go.Error";
    check(
        "send done",
        &[
            &[("ty", "".into())],
            &[("ty", broker.into()), ("code", 3.into())],
            &[("ty", broker.into()), ("code", (-1).into())],
            &[("ty", broker.into()), ("code", 127.into())],
            &[("ty", broker.into()), ("code", 9999.into())],
            &[("ty", broker.into()), ("code", 0.into())],
            &[("ty", plain.into()), ("text", "context canceled".into())],
            &[("ty", plain.into()), ("text", "dial tcp 10.0.0.7: secret".into())],
            &[("ty", "github.com/segmentio/kafka-go.MessageTooLargeError".into())],
            &[("ty", "?".into())],
            &[("ty", Copied::Unreadable)],
            // Of a batch the first error, though the first message was written.
            &[
                ("ty", "github.com/segmentio/kafka-go.WriteErrors".into()),
                ("first_type", "".into()),
                ("second_type", broker.into()),
                ("second_code", 10.into()),
            ],
            &[("ty", "github.com/segmentio/kafka-go.WriteErrors".into())],
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset
            Kind::Unset "" Status::Error error.type=UNKNOWN_TOPIC_OR_PARTITION
            Kind::Unset "" Status::Error error.type=UNKNOWN_SERVER_ERROR
            Kind::Unset "" Status::Error error.type=VOTER_NOT_FOUND
            Kind::Unset "" Status::Error error.type=github.com/segmentio/kafka-go.Error
            Kind::Unset "" Status::Error error.type=github.com/segmentio/kafka-go.Error
            Kind::Unset "" Status::Error error.type=context.Canceled
            Kind::Unset "" Status::Error error.type=*errors.errorString
            Kind::Unset "" Status::Error error.type=github.com/segmentio/kafka-go.MessageTooLargeError
            Kind::Unset "" Status::Error error.type=_OTHER
            Kind::Unset "" Status::Error error.type=_OTHER
            Kind::Unset "" Status::Error error.type=MESSAGE_TOO_LARGE
            Kind::Unset "" Status::Error error.type=github.com/segmentio/kafka-go.WriteErrors
        "#]],
    );
}

#[test]
fn says_what_a_reader_is_asked_for() {
    check(
        "receive",
        &[
            &[
                ("topic", "orders".into()),
                ("group", "packers".into()),
                ("brokers", 1.into()),
                ("broker", "[::1]:9092".into()),
            ],
            // Several topics, several brokers.
            &[("topic", "".into()), ("group", "packers".into()), ("brokers", 2.into()), ("broker", "a:1".into())],
        ],
        expect![[r#"
            Kind::Client "poll orders" Status::Unset messaging.system=kafka messaging.operation.name=poll messaging.operation.type=receive messaging.destination.name=orders messaging.consumer.group.name=packers server.address=::1 server.port=9092
            Kind::Client "poll" Status::Unset messaging.system=kafka messaging.operation.name=poll messaging.operation.type=receive messaging.consumer.group.name=packers
        "#]],
    );
}

#[test]
fn says_what_was_received_and_links_its_producer() {
    let message = [
        ("topic", "orders".into()),
        ("partition", 2.into()),
        ("offset", 41.into()),
        ("size", 11.into()),
        ("context", CONTEXT.into()),
        ("key", "customer-7".into()),
    ];
    let failed = [("ty", "*net.OpError".into()), ("partition", 0.into()), ("offset", 0.into()), ("size", 0.into())];
    let closed = [("ty", "*errors.errorString".into()), ("text", "EOF".into()), ("partition", 0.into())];
    check(
        "received",
        &[&message, &failed, &closed],
        expect![[r#"
            Kind::Unset "poll orders" Status::Unset messaging.destination.name=orders messaging.destination.partition.id=2 messaging.kafka.offset=41 messaging.message.body.size=11 messaging.kafka.message.key=customer-7 -> 0af7651916cd43dd8448eb211c80319c/00f067aa0ba902b7
            Kind::Unset "" Status::Error error.type=*net.OpError
            Kind::Unset "" Status::Unset
        "#]],
    );
}

#[test]
fn says_what_is_settled() {
    check(
        "commit",
        &[
            &[
                ("count", 1.into()),
                ("first", "orders".into()),
                ("partition", 2.into()),
                ("offset", 41.into()),
                ("group", "packers".into()),
            ],
            &[("count", 2.into()), ("first", "a".into()), ("second", "b".into()), ("partition", 2.into())],
        ],
        expect![[r#"
            Kind::Client "commit orders" Status::Unset messaging.system=kafka messaging.operation.name=commit messaging.operation.type=settle messaging.destination.name=orders messaging.destination.partition.id=2 messaging.kafka.offset=41 messaging.consumer.group.name=packers
            Kind::Client "commit" Status::Unset messaging.system=kafka messaging.operation.name=commit messaging.operation.type=settle messaging.batch.message_count=2
        "#]],
    );
    check(
        "commit request",
        &[
            &[
                ("group", "packers".into()),
                ("topics", 1.into()),
                ("topic", "orders".into()),
                ("partitions", 1.into()),
                ("partition", 2.into()),
                ("offset", 42.into()),
            ],
            &[("group", "packers".into()), ("topics", 2.into()), ("topic", "a".into()), ("partitions", 1.into())],
            &[("topics", 1.into()), ("topic", "a".into()), ("partitions", 2.into()), ("offset", 42.into())],
        ],
        expect![[r#"
            Kind::Client "commit orders" Status::Unset messaging.system=kafka messaging.operation.name=commit messaging.operation.type=settle messaging.consumer.group.name=packers messaging.destination.name=orders messaging.destination.partition.id=2 messaging.kafka.offset=41
            Kind::Client "commit" Status::Unset messaging.system=kafka messaging.operation.name=commit messaging.operation.type=settle messaging.consumer.group.name=packers
            Kind::Client "commit a" Status::Unset messaging.system=kafka messaging.operation.name=commit messaging.operation.type=settle messaging.destination.name=a
        "#]],
    );
}

#[test]
fn says_what_a_batch_became() {
    check(
        "produce",
        &[&[
            ("topic", "orders".into()),
            ("partition", 2.into()),
            ("count", 16.into()),
            ("bytes", 700.into()),
            ("broker", "kafka.example:9092".into()),
        ]],
        expect![[r#"
            Kind::Client "produce orders" Status::Unset messaging.system=kafka messaging.operation.name=produce messaging.operation.type=send messaging.destination.name=orders messaging.destination.partition.id=2 messaging.batch.message_count=16 messaging.message.envelope.size=700 server.address=kafka.example server.port=9092
        "#]],
    );
    check(
        "produced",
        &[
            &[("offset", 41.into())],
            // The broker was not asked to answer.
            &[],
            &[("ty", "*net.OpError".into())],
            &[("offset", (-1).into()), ("answer_type", "x.Error".into()), ("answer_code", 10.into())],
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset messaging.kafka.offset=41
            Kind::Unset "" Status::Unset
            Kind::Unset "" Status::Error error.type=*net.OpError
            Kind::Unset "" Status::Error error.type=MESSAGE_TOO_LARGE
        "#]],
    );
}

#[test]
fn says_what_goes_over_a_connection() {
    let peer = [("topic", "orders".into()), ("partition", 2.into()), ("peer_port", 9092.into())];
    let peer = [&peer[..], &[("peer_address", Copied::Bytes(&[10, 0, 0, 7]))]].concat();
    let sent = [&peer[..], &[("count", 1.into()), ("size", 11.into()), ("key", "a".into())]].concat();
    check(
        "connection send",
        &[&sent],
        expect![[r#"
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.destination.partition.id=2 messaging.message.body.size=11 messaging.kafka.message.key=a network.peer.address=10.0.0.7 network.peer.port=9092
        "#]],
    );
    check(
        "connection sent",
        &[&[("offset", 41.into())], &[("offset", 0.into()), ("ty", "x.Error".into()), ("code", 7.into())]],
        expect![[r#"
            Kind::Unset "" Status::Unset messaging.kafka.offset=41
            Kind::Unset "" Status::Error error.type=REQUEST_TIMED_OUT
        "#]],
    );
    check(
        "connection receive",
        &[&peer],
        expect![[r#"
            Kind::Client "poll orders" Status::Unset messaging.system=kafka messaging.operation.name=poll messaging.operation.type=receive messaging.destination.name=orders messaging.destination.partition.id=2 network.peer.address=10.0.0.7 network.peer.port=9092
        "#]],
    );
}

#[test]
fn says_what_a_program_requests_by_itself() {
    check(
        "client send",
        &[
            &[
                ("topic", "orders".into()),
                ("partition", 2.into()),
                ("count", 2.into()),
                ("broker", "kafka.example:9092".into()),
                ("client", "shop".into()),
            ],
            &[("topic", "orders".into()), ("count", 1.into()), ("context", CONTEXT.into())],
        ],
        expect![[r#"
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.destination.partition.id=2 messaging.batch.message_count=2 server.address=kafka.example server.port=9092 messaging.client.id=shop
            Kind::Client "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.batch.message_count=1 -> 0af7651916cd43dd8448eb211c80319c/00f067aa0ba902b7
        "#]],
    );
    check(
        "client receive",
        &[&[("topic", "orders".into()), ("partition", 2.into())]],
        expect![[r#"
            Kind::Client "poll orders" Status::Unset messaging.system=kafka messaging.operation.name=poll messaging.operation.type=receive messaging.destination.name=orders messaging.destination.partition.id=2
        "#]],
    );
    check(
        "client received",
        &[&[], &[("answer_type", "x.Error".into()), ("answer_code", 1.into())], &[("ty", "*net.OpError".into())]],
        expect![[r#"
            Kind::Unset "" Status::Unset
            Kind::Unset "" Status::Error error.type=OFFSET_OUT_OF_RANGE
            Kind::Unset "" Status::Error error.type=*net.OpError
        "#]],
    );
}

#[test]
fn captures_no_key_if_it_is_not_to() {
    let keys = |value: &str| {
        let manifest = whole_manifest::<Kafka>(&with_setting(target(GO), "keys", value)).unwrap();
        manifest.probes.iter().flat_map(|probe| &probe.captures).filter(|capture| capture.name == super::KEY).count()
    };
    assert_eq!((keys("true"), keys("false")), (4, 0));
    // It has to be the last, or else the others would be read in its place.
    for probe in whole_manifest::<Kafka>(&target(GO)).unwrap().probes {
        let place = probe.captures.iter().position(|capture| capture.name == super::KEY);
        assert!(place.is_none_or(|place| place + 1 == probe.captures.len()), "{}", probe.name);
    }
}

#[test]
fn leaves_out_what_is_not_wanted() {
    let left_out = |name: &str, value: &str| {
        let manifest = whole_manifest::<Kafka>(&with_setting(target(GO), name, value)).unwrap();
        let impossible = |probe: &&uprobed_sdk::Probe| probe.requires.iter().any(|each| each.versions == "<0.0.0");
        manifest.probes.iter().filter(impossible).map(|probe| probe.name.clone()).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(left_out("requests", "true"), "");
    assert_eq!(left_out("requests", "false"), "produce, produced, commit request, commit answered");
    assert_eq!(left_out("commits", "true"), "");
    assert_eq!(left_out("commits", "false"), "commit, committed");
}

#[test]
fn reads_neither_bodies_nor_headers_other_than_the_context() {
    for probe in whole_manifest::<Kafka>(&target(GO)).unwrap().probes {
        for path in probe.captures.iter().flat_map(|capture| &capture.paths) {
            let of_body = path.contains(".Value") && !path.ends_with(".Value.len()");
            let of_context = path.contains(".Headers[Key=\"traceparent\"].Value");
            assert!(!of_body || of_context, "{path}");
            assert!(!path.contains("Headers") || of_context, "{path}");
        }
    }
}

#[test]
fn wants_go_1_18() {
    assert_eq!(whole_manifest::<Kafka>(&target("go1.17.13")).unwrap_err(), "go 1.17 is too old, 1.18 is needed");
}
