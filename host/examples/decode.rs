//! What decoding costs: `cargo run --release --example decode -- target/plugins/http.wasm`.
//!
//! Hands a plugin batches of 64 events, alternately of its first two probes, with every capture filled, and prints nanoseconds an event.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use uprobed::manifest::{Capture, Manifest};
use uprobed::plugin::{Architecture, Decoder, Engine, Event, Plugin, Target};

const EVENTS: u32 = 64;
const ROUNDS: u32 = 2_000;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("usage: decode PLUGIN")?;
    let engine = Engine::new()?;
    let begun = Instant::now();
    let mut plugin = Plugin::load(&engine, Path::new(&path))?;
    println!("loaded in {} ms", begun.elapsed().as_millis());
    let target = Target {
        architecture: Architecture::Amd64,
        go_version: Some("go1.26.8".into()),
        modules: Vec::new(),
        settings: Vec::new(),
    };
    let begun = Instant::now();
    let manifest = plugin.manifest(&target)?;
    println!(
        "manifest in {} us: {} probes, {} keys",
        begun.elapsed().as_micros(),
        manifest.probes.len(),
        manifest.keys.len()
    );
    let (events, data) = batch(&manifest);
    println!("a batch is {} bytes of {EVENTS} events", data.len());
    let decoder = Decoder::new(&target, &manifest);
    let mut best = u128::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            let said = plugin.decode(&decoder, &events, &data)?;
            ensure!(said.len() == events.len(), "an event was left out");
        }
        best = best.min(begun.elapsed().as_nanos() / u128::from(EVENTS * ROUNDS));
    }
    println!("{best} ns an event");
    Ok(())
}

fn batch(manifest: &Manifest) -> (Vec<Event>, Vec<u8>) {
    let (mut events, mut data) = (Vec::new(), Vec::new());
    for number in 0..EVENTS {
        let probe = number % 2;
        let offset = data.len();
        for (index, capture) in (0u8..).zip(&manifest.probes[probe as usize].captures) {
            let value = value(capture);
            let (state, length) = if value.is_empty() { (1, 0) } else { (0, value.len() as u16) };
            data.extend([index, state]);
            data.extend(length.to_le_bytes());
            data.extend(&value);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        events.push(Event { probe, time: 0, offset: offset as u32, length: (data.len() - offset) as u32 });
    }
    (events, data)
}

/// Something plausible for a capture of this name; nothing where requests seldom have it.
fn value(capture: &Capture) -> Vec<u8> {
    match capture.name.as_str() {
        "method" => b"GET".into(),
        "target" => b"/api/v1/items/4711?page=2&sort=name".into(),
        "host" => b"shop.example.com:8080".into(),
        "protocol" => b"HTTP/1.1".into(),
        "remote" => b"10.20.30.40:51234".into(),
        "traceparent" => b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01".into(),
        "user_agent" => b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
        "pattern" => b"GET /api/v1/items/{id}".into(),
        "status" => 200u64.to_le_bytes().into(),
        "tls" => 0u64.to_le_bytes().into(),
        _ => Vec::new(),
    }
}
