//! What is received and settled.

use expect_test::expect;

use super::{CONTEXT, check};

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
            Kind::Client "offset_commit orders" Status::Unset messaging.system=kafka messaging.operation.name=offset_commit messaging.operation.type=settle messaging.consumer.group.name=packers messaging.destination.name=orders messaging.destination.partition.id=2 messaging.kafka.offset=41
            Kind::Client "offset_commit" Status::Unset messaging.system=kafka messaging.operation.name=offset_commit messaging.operation.type=settle messaging.consumer.group.name=packers
            Kind::Client "offset_commit a" Status::Unset messaging.system=kafka messaging.operation.name=offset_commit messaging.operation.type=settle messaging.destination.name=a
        "#]],
    );
}
