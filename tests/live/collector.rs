//! What arrives at a real OpenTelemetry Collector is what uprobed wrote into its own file, and both are what happened.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use uprobed_tests::collector::Collector;
use uprobed_tests::otlp::Span;
use uprobed_tests::programs::SERVICE;
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::Tracer;
use uprobed_tests::verdict::World;

#[test]
fn receives_every_span_over_grpc() -> Result<()> {
    arrives("grpc", |grpc, _| format!("grpc://127.0.0.1:{grpc}"))
}

#[test]
fn receives_every_span_over_http() -> Result<()> {
    arrives("http", |_, http| format!("http://127.0.0.1:{http}"))
}

fn arrives(protocol: &str, url: impl Fn(u16, u16) -> String) -> Result<()> {
    let scene = Scene::new(&format!("collector-{protocol}"))?;
    let collector = Collector::start(&scene)?;

    let (front, back) = scene.pair(&SERVICE, &[])?;
    let url = url(collector.grpc, collector.http);
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[front.pid(), back.pid()], &["--otlp", &url])?;
    let paths = "/call/{i},/status/500/{i},/status/404/{i},/refused/{i},/call/{i}";
    let sent = scene.load(&front, &["--paths", paths, "--n", "2000", "--traceparent"])?;
    let trace = tracer.stop()?;
    ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    let world = World { services: vec![front.stop()?, back.stop()?], sent };
    let received = collector.stop()?;
    scene.judge(&world, &received).context("what the collector received")?;
    same(&trace.spans, &received)?;
    let mut faulty = received.clone();
    faulty.first_mut().context("no span")?.attributes.remove("http.request.method");
    ensure!(same(&trace.spans, &faulty).is_err(), "the comparison did not notice a lost attribute");
    Ok(())
}

/// Span by span: ids, parents, times, attributes, resource and scope.
fn same(written: &[Span], received: &[Span]) -> Result<()> {
    ensure!(written.len() == received.len(), "{} spans written and {} received", written.len(), received.len());
    let received: BTreeMap<&str, &Span> = received.iter().map(|span| (span.id.as_str(), span)).collect();
    for span in written {
        let other =
            received.get(span.id.as_str()).with_context(|| format!("{} {} was not received", span.name, span.id))?;
        ensure!(span == *other, "written and received differ:\n{span:#?}\n{other:#?}");
    }
    for (key, span) in
        ["service.name", "process.pid", "host.name", "telemetry.sdk.language"].into_iter().zip(written.iter().cycle())
    {
        ensure!(span.resource.contains_key(key), "the resource has no {key}");
    }
    Ok(())
}
