//! Hosts, ports and addresses as they stand in requests and in memory.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Splits `example.com:8080`, `[::1]:80`, `::1` or `example.com` into host, without brackets, and port.
pub fn host_and_port(text: &[u8]) -> (&[u8], Option<u16>) {
    if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return (text, None) };
        return (&rest[..end], rest[end + 1..].strip_prefix(b":").and_then(port));
    }
    match text.iter().position(|byte| *byte == b':') {
        Some(colon) if !text[colon + 1..].contains(&b':') => (&text[..colon], port(&text[colon + 1..])),
        _ => (text, None),
    }
}

/// A port number in decimal digits.
pub fn port(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// The address whose 4 or 16 bytes these are; an IPv4 address that is wrapped in IPv6 is unwrapped.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_canonical())
}

/// Appends an address as text.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    write!(out, "{address}").expect("a vector takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_hosts_from_ports() {
        let rows: [(&str, &str, Option<u16>); 8] = [
            ("example.com:8080", "example.com", Some(8080)),
            ("example.com", "example.com", None),
            ("[::1]:80", "::1", Some(80)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
            ("example.com:99999", "example.com", None),
            ("example.com:+80", "example.com", None),
            ("[::1", "[::1", None),
        ];
        for (text, host, port) in rows {
            assert_eq!(host_and_port(text.as_bytes()), (host.as_bytes(), port), "{text}");
        }
    }

    #[test]
    fn unwraps_an_address_in_ipv6() {
        let mut out = Vec::new();
        write_address(&mut out, address(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]).unwrap());
        assert_eq!(out, b"127.0.0.1");
        assert_eq!(address(&[1, 2, 3]), None);
    }
}
