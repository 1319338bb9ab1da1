//! A collector that counts spans and keeps none, so that measured programs have somewhere to export to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};

/// Accepts OTLP over HTTP, in protobuf, until the program ends.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Host and port.
    pub address: String,
    spans: Arc<AtomicU64>,
}

impl Sink {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen for OTLP")?;
        let address = listener.local_addr().context("listen for OTLP")?.to_string();
        let sink = Self { address, spans: Arc::default() };
        let spans = sink.spans.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let spans = spans.clone();
                // A connection that breaks is the measured program's to make again.
                thread::spawn(move || drop(serve(connection, &spans)));
            }
        });
        Ok(sink)
    }

    /// How many spans have come so far.
    pub fn spans(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }
}

fn serve(connection: TcpStream, spans: &AtomicU64) -> std::io::Result<()> {
    let mut answers = connection.try_clone()?;
    let mut requests = BufReader::new(connection);
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.clear();
        requests.by_ref().take(length).read_to_end(&mut body)?;
        spans.fetch_add(count(&body, &PATH), Ordering::Relaxed);
        answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// The numbers of the fields that lead to a span: `resource_spans`, `scope_spans`, `spans` (OTLP 1.0).
const PATH: [u64; 3] = [1, 2, 2];

/// How often a message has what is at the end of this path. Ends where it is not protobuf.
fn count(mut message: &[u8], path: &[u64]) -> u64 {
    let [field, rest @ ..] = path else { return 1 };
    let mut found = 0;
    while let Some(tag) = varint(&mut message) {
        let length = match tag & 7 {
            0 => varint(&mut message).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut message),
            5 => Some(4),
            _ => None,
        };
        let Some((value, after)) = length.and_then(|length| message.split_at_checked(usize::try_from(length).ok()?))
        else {
            return found;
        };
        if tag == field << 3 | 2 {
            found += count(value, rest);
        }
        message = after;
    }
    found
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, after) = message.split_first()?;
        *message = after;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_spans_of_a_request() {
        // Two scopes of one resource, which has a schema's address; two spans and one.
        let scopes = [&[0x12, 4, 0x12, 0, 0x12, 0][..], &[0x1a, 1, b'u'], &[0x12, 5, 0x12, 3, 0x0a, 1, 7]].concat();
        let request = [&[0x0a, scopes.len() as u8][..], &scopes].concat();
        assert_eq!(count(&request, &PATH), 3);
        assert_eq!(count(b"{}", &PATH), 0);
    }
}
