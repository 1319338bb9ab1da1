//! What is sent: by writers, over connections, by the low-level client, and in which requests.

use expect_test::expect;
use uprobed_sdk::testing::Copied;

use super::{CONTEXT, check};

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
            // The library does nothing.
            &[("count", 0.into()), ("topic", "orders".into())],
        ],
        expect![[r#"
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.message.body.size=11 messaging.kafka.message.key=customer-7 server.address=kafka.example server.port=9092 messaging.client.id=shop
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.batch.message_count=3
            Kind::Unset "" Status::Unset dropped
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
            &[("count", 1.into()), ("offset", 41.into())],
            // That of one message is none of the batch.
            &[("count", 2.into()), ("offset", 41.into())],
            // The broker was not asked to answer.
            &[("count", 1.into())],
            &[("count", 1.into()), ("ty", "*net.OpError".into())],
            &[
                ("count", 1.into()),
                ("offset", (-1).into()),
                ("answer_type", "x.Error".into()),
                ("answer_code", 10.into()),
            ],
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset messaging.kafka.offset=41
            Kind::Unset "" Status::Unset
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
        &[&sent, &[("count", 0.into()), ("topic", "orders".into())]],
        expect![[r#"
            Kind::Producer "send orders" Status::Unset messaging.system=kafka messaging.operation.name=send messaging.operation.type=send messaging.destination.name=orders messaging.destination.partition.id=2 messaging.message.body.size=11 messaging.kafka.message.key=a network.peer.address=10.0.0.7 network.peer.port=9092
            Kind::Unset "" Status::Unset dropped
        "#]],
    );
    check(
        "connection sent",
        &[
            &[("count", 1.into()), ("offset", 41.into())],
            &[("count", 3.into()), ("offset", 41.into())],
            &[("count", 1.into()), ("offset", 0.into()), ("ty", "x.Error".into()), ("code", 7.into())],
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset messaging.kafka.offset=41
            Kind::Unset "" Status::Unset
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
