//! A collector that takes everything and keeps nothing, so that measured programs have somewhere to export to.

use std::io::{BufRead, BufReader, Read, Write, copy, sink};
use std::net::{TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

/// Accepts OTLP over HTTP until the program ends; tells host and port.
pub fn start() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen for OTLP")?;
    let address = listener.local_addr().context("listen for OTLP")?.to_string();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A connection that breaks is the measured program's to make again.
            thread::spawn(move || drop(serve(connection)));
        }
    });
    Ok(address)
}

fn serve(connection: TcpStream) -> std::io::Result<()> {
    let mut answers = connection.try_clone()?;
    let mut requests = BufReader::new(connection);
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
        copy(&mut requests.by_ref().take(length), &mut sink())?;
        answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")?;
    }
}
