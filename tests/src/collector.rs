//! A real OpenTelemetry Collector that writes what it receives into a file.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::otlp::{self, Span};
use crate::process::{Running, free_port};
use crate::programs::Program;
use crate::scene::Scene;

const COLLECTOR: Program = Program::new("go-collector").go("auto");
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Collector {
    running: Running,
    received: PathBuf,
    pub grpc: u16,
    pub http: u16,
}

impl Collector {
    /// Starts it and waits until it listens.
    pub fn start(scene: &Scene) -> Result<Self> {
        let (grpc, http) = (free_port()?, free_port()?);
        let received = scene.file("received.jsonl");
        let configuration = scene.file("collector.yaml");
        fs::write(&configuration, configured(grpc, http, &received.to_string_lossy()))?;
        let mut command = Command::new(COLLECTOR.build()?);
        command.arg("--config").arg(&configuration).stdout(Stdio::null());
        let mut running = Running::start(&mut command)?;
        for port in [grpc, http] {
            let deadline = Instant::now() + PATIENCE;
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                ensure!(Instant::now() < deadline && running.is_running(), "the collector does not listen");
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(Self { running, received, grpc, http })
    }

    /// Ends it; what it received.
    pub fn stop(mut self) -> Result<Vec<Span>> {
        self.running.signal(Signal::TERM)?;
        self.running.wait(PATIENCE)?;
        otlp::read(&self.received)
    }
}

fn configured(grpc: u16, http: u16, file: &str) -> String {
    format!(
        "\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}
      http: {{endpoint: \"127.0.0.1:{http}\"}}
exporters:
  lines: {{path: \"{file}\"}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [lines]}}
"
    )
}
