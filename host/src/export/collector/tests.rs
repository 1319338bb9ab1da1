//! Against servers on loopback that count what they get.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Collector, Counts, Endpoint, Pace};
use crate::export::sample;

fn quick() -> Pace {
    Pace {
        tick: Duration::from_millis(20),
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
        ..Pace::default()
    }
}

/// What a server got: its requests, each as the services and span names in it; and what it is to answer next.
#[derive(Clone, Default)]
struct Got {
    requests: Arc<Mutex<Vec<String>>>,
    /// HTTP status or gRPC code; without one all is well.
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Got {
    fn answering(answers: impl IntoIterator<Item = u16>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, ..Self::default() }
    }

    fn take(&self, request: &ExportTraceServiceRequest) -> Option<u16> {
        let mut text = Vec::new();
        for resource in &request.resource_spans {
            let attributes = &resource.resource.as_ref().unwrap().attributes;
            let service = format!("{:?}", attributes[0].value.as_ref().unwrap().value.as_ref().unwrap());
            assert_eq!(resource.schema_url, crate::resource::SCHEMA_URL);
            for scope in &resource.scope_spans {
                assert_eq!(scope.schema_url, "https://example.org/schemas/1.2.3");
                let names: Vec<_> = scope.spans.iter().map(|span| &*span.name).collect();
                text.push(format!("{service}: {}", names.join(" ")));
            }
        }
        self.requests.lock().unwrap().push(text.join("; "));
        self.answers.lock().unwrap().pop_front()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn http_server(got: Got) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_http(stream, got.clone()));
        }
    });
    address
}

async fn serve_http(stream: TcpStream, got: Got) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begin = head.len();
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = head[begin..].to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let status = got.take(&ExportTraceServiceRequest::decode(&*body).unwrap()).unwrap_or(200);
        let answer = format!("HTTP/1.1 {status} so\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tonic::async_trait]
impl TraceService for Got {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        match self.take(request.get_ref()) {
            None => Ok(tonic::Response::new(ExportTraceServiceResponse::default())),
            Some(code) => Err(tonic::Status::new(i32::from(code).into(), "so")),
        }
    }
}

async fn grpc_server(got: Got) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(got));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

/// Sends spans 0 to n-1 of two services in turn.
fn send(collector: &Collector, number: u64) {
    let services = [sample::resource("a"), sample::resource("b")];
    for id in 0..number {
        let span = sample::span(id + 1, None, &format!("s{id}"), 1, 2);
        collector.send(span, &services[id as usize % 2]);
    }
}

fn exported(exported: u64, outages: u64) -> Counts {
    Counts { exported, outages, ..Counts::default() }
}

const THREE: [&str; 2] = [r#"StringValue("a"): s0 s2"#, r#"StringValue("b"): s1"#];

#[tokio::test]
async fn sends_each_process_with_its_resource_over_http() {
    let got = Got::default();
    let url = format!("http://{}", http_server(got.clone()).await);
    let collector = Collector::new(&Endpoint::parse(&url).unwrap(), quick()).unwrap();
    send(&collector, 3);
    assert_eq!(collector.shutdown().await, exported(3, 0));
    assert_eq!(got.requests(), THREE);
}

#[tokio::test]
async fn sends_each_process_with_its_resource_over_grpc() {
    let got = Got::default();
    let url = format!("grpc://{}", grpc_server(got.clone()).await);
    let collector = Collector::new(&Endpoint::parse(&url).unwrap(), quick()).unwrap();
    send(&collector, 3);
    assert_eq!(collector.shutdown().await, exported(3, 0));
    assert_eq!(got.requests(), THREE);
}

#[tokio::test]
async fn sends_when_a_batch_is_full_or_the_tick_is_over() {
    let got = Got::default();
    let url = format!("http://{}", http_server(got.clone()).await);
    let pace = Pace { batch: 4, ..quick() };
    let collector = Collector::new(&Endpoint::parse(&url).unwrap(), pace).unwrap();
    send(&collector, 6);
    let begin = Instant::now();
    while collector.counts().exported < 6 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", collector.counts());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let a = |names| format!(r#"StringValue("a"): {names}"#);
    let b = |names| format!(r#"StringValue("b"): {names}"#);
    assert_eq!(got.requests(), [a("s0 s2"), b("s1 s3"), a("s4"), b("s5")]);
}

/// A server that answers so, and what becomes of one span.
async fn check(grpc: bool, answers: &[u16], requests: usize, expected: Counts) {
    let got = Got::answering(answers.iter().copied());
    let url = match grpc {
        true => format!("grpc://{}", grpc_server(got.clone()).await),
        false => format!("http://{}", http_server(got.clone()).await),
    };
    let collector = Collector::new(&Endpoint::parse(&url).unwrap(), quick()).unwrap();
    send(&collector, 1);
    assert_eq!(collector.shutdown().await, expected, "{url} {answers:?}");
    assert_eq!(got.requests().len(), requests, "{url} {answers:?}");
}

#[tokio::test]
async fn tries_again_when_that_may_help_and_only_then() {
    let refused = Counts { refused: 1, outages: 1, ..Counts::default() };
    check(false, &[503, 429, 502], 4, exported(1, 1)).await;
    check(false, &[400], 1, refused).await;
    check(false, &[500], 1, refused).await;
    let code = |code: tonic::Code| code as u16;
    check(true, &[code(tonic::Code::Unavailable), code(tonic::Code::DeadlineExceeded)], 3, exported(1, 1)).await;
    check(true, &[code(tonic::Code::InvalidArgument)], 1, refused).await;
    check(true, &[code(tonic::Code::Unauthenticated)], 1, refused).await;
}

#[tokio::test]
async fn does_not_sit_out_a_long_pause_at_the_end() {
    let got = Got::answering([503]);
    let url = format!("http://{}", http_server(got.clone()).await);
    let pace = Pace { first_pause: Duration::from_secs(60), patience: Duration::from_secs(600), ..quick() };
    let collector = Collector::new(&Endpoint::parse(&url).unwrap(), pace).unwrap();
    send(&collector, 1);
    while collector.counts().outages == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begin = Instant::now();
    assert_eq!(collector.shutdown().await, exported(1, 1));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

/// A loopback address where nothing listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn counts_what_it_cannot_deliver_and_ends_in_time() {
    for scheme in ["http", "grpc"] {
        let endpoint = Endpoint::parse(&format!("{scheme}://{}", nobody().await)).unwrap();
        let pace = Pace { queue: 100, batch: 10, flush: Duration::from_millis(300), ..quick() };
        let collector = Collector::new(&endpoint, pace).unwrap();
        send(&collector, 1_000);
        // Nothing was awaited so far, so the worker could not take any out of the queue.
        assert_eq!(collector.counts(), Counts { waiting: 100, full: 900, ..Counts::default() });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begin = Instant::now();
        let counts = collector.shutdown().await;
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(counts, Counts { full: 900, undelivered: 100, outages: 1, ..Counts::default() });
        assert_eq!(counts.to_string(), "exported=0 lost=1000 (queue_full=900 undelivered=100)");
    }
}

#[tokio::test]
async fn loses_a_batch_when_its_patience_ends_and_goes_on_with_the_next() {
    let endpoint = Endpoint::parse(&format!("http://{}", nobody().await)).unwrap();
    let pace = Pace { batch: 10, patience: Duration::from_millis(50), ..quick() };
    let collector = Collector::new(&endpoint, pace).unwrap();
    send(&collector, 20);
    let begin = Instant::now();
    while collector.counts().undelivered < 20 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", collector.counts());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(collector.counts(), Counts { undelivered: 20, outages: 1, ..Counts::default() });
}

#[tokio::test]
async fn delivers_what_waited_when_the_collector_comes_back() {
    for grpc in [false, true] {
        let address = nobody().await;
        let endpoint = Endpoint::parse(&format!("{}://{address}", if grpc { "grpc" } else { "http" })).unwrap();
        let collector = Collector::new(&endpoint, quick()).unwrap();
        send(&collector, 3);
        while collector.counts().outages == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let listener = TcpListener::bind(address).await.unwrap();
        let got = Got::default();
        let server = got.clone();
        tokio::spawn(async move {
            if grpc {
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(server));
                server.serve_with_incoming(incoming).await.unwrap();
            } else {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve_http(stream, server.clone()));
                }
            }
        });
        assert_eq!(collector.shutdown().await, exported(3, 1));
        assert_eq!(got.requests(), THREE);
    }
}
