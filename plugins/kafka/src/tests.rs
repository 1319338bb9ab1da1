//! What the hits of each probe are turned into, as rows.

mod receiving;
mod sending;

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
            &[("ty", "context.deadlineExceededError".into())],
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
            Kind::Unset "" Status::Error error.type=context.DeadlineExceeded
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
