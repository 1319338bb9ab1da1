//! What a client was dialled with, as gRPC's name resolution has it: `example.com:443`, `dns://authority/example.com`,
//! `unix:///run/x.sock`.

use uprobed_sdk::net::host_and_port;

/// Server and port, where the target names one server; else the whole target stands for the group of servers.
pub fn server(target: &[u8]) -> (&[u8], Option<u16>) {
    match scheme(target) {
        Some((b"dns" | b"passthrough", rest)) => host_and_port(endpoint(rest)),
        Some((b"unix", rest)) => (rest.strip_prefix(b"//").unwrap_or(rest), None),
        Some((b"unix-abstract", rest)) => (endpoint(rest), None),
        Some((_, rest)) if rest.starts_with(b"//") => (target, None),
        // `example.com:443` has no scheme, though it looks like one.
        _ if target.contains(&b',') => (target, None),
        _ => host_and_port(target),
    }
}

fn scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    Some((&target[..colon], &target[colon + 1..]))
}

/// `//authority/endpoint`, `///endpoint` or `endpoint`.
fn endpoint(rest: &[u8]) -> &[u8] {
    let Some(rest) = rest.strip_prefix(b"//") else { return rest };
    rest.iter().position(|byte| *byte == b'/').map_or(rest, |slash| &rest[slash + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_server_and_port_from_a_target() {
        let rows: [(&str, &str, Option<u16>); 16] = [
            ("grpc.io:50051", "grpc.io", Some(50051)),
            ("grpc.io", "grpc.io", None),
            ("127.0.0.1:50051", "127.0.0.1", Some(50051)),
            ("[::1]:50051", "::1", Some(50051)),
            ("dns:grpc.io:50051", "grpc.io", Some(50051)),
            ("dns:///grpc.io", "grpc.io", None),
            ("dns://1.2.3.4/grpc.io:50051", "grpc.io", Some(50051)),
            ("dns:///[::1]:50051", "::1", Some(50051)),
            ("passthrough:///10.0.0.1:50051", "10.0.0.1", Some(50051)),
            ("unix:///run/containerd/containerd.sock", "/run/containerd/containerd.sock", None),
            ("unix:run/x.sock", "run/x.sock", None),
            ("unix-abstract:name", "name", None),
            ("zk://zookeeper:2181/my-server", "zk://zookeeper:2181/my-server", None),
            ("xds:///shop", "xds:///shop", None),
            ("ipv4:198.51.100.123:50051,198.51.100.124:50051", "ipv4:198.51.100.123:50051,198.51.100.124:50051", None),
            ("", "", None),
        ];
        for (target, address, port) in rows {
            assert_eq!(server(target.as_bytes()), (address.as_bytes(), port), "{target}");
        }
    }
}
