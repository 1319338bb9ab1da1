//! What proxies said about the original request: `Forwarded` (RFC 7239) before `X-Forwarded-*`.

use uprobed_sdk::net::host_and_port;

/// The first, which is to say the original, element of each header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded<'a> {
    pub client: Option<&'a [u8]>,
    pub host: Option<&'a [u8]>,
    pub scheme: Option<&'a [u8]>,
}

impl<'a> Forwarded<'a> {
    pub fn read(forwarded: &'a [u8], client: &'a [u8], host: &'a [u8], scheme: &'a [u8]) -> Self {
        let mut found = Self::parse(forwarded);
        found.client = found.client.or_else(|| address(first(client)));
        found.host = found.host.or_else(|| some(first(host)));
        found.scheme = found.scheme.or_else(|| known_scheme(first(scheme)));
        found
    }

    fn parse(header: &'a [u8]) -> Self {
        let mut found = Self::default();
        for pair in first(header).split(|byte| *byte == b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = (pair[..equals].trim_ascii(), unquoted(pair[equals + 1..].trim_ascii()));
            if name.eq_ignore_ascii_case(b"for") {
                found.client = address(value);
            } else if name.eq_ignore_ascii_case(b"host") {
                found.host = some(value);
            } else if name.eq_ignore_ascii_case(b"proto") {
                found.scheme = known_scheme(value);
            }
        }
        found
    }
}

/// The first element of a list.
fn first(list: &[u8]) -> &[u8] {
    list.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii()
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

fn some(value: &[u8]) -> Option<&[u8]> {
    Some(value).filter(|value| !value.is_empty())
}

/// In lower case (RFC 3986, 3.1); anything but HTTP's own is not believed.
fn known_scheme(value: &[u8]) -> Option<&'static [u8]> {
    [b"http".as_slice(), b"https"].into_iter().find(|scheme| value.eq_ignore_ascii_case(scheme))
}

/// A node without its port; none if its name is `unknown` or obfuscated (RFC 7239, section 6).
fn address(node: &[u8]) -> Option<&[u8]> {
    let (host, _) = host_and_port(node);
    some(host).filter(|host| !host.starts_with(b"_") && !host.eq_ignore_ascii_case(b"unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_forwarded_and_takes_the_first_element() {
        type Row<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);
        let rows: [Row<'_>; 6] = [
            (
                "for=192.0.2.60;proto=https;host=shop.example",
                "",
                Some("192.0.2.60"),
                Some("shop.example"),
                Some("https"),
            ),
            ("For=\"[2001:db8::17]:4711\", for=10.0.0.1", "", Some("2001:db8::17"), None, None),
            ("for=unknown", "203.0.113.5, 10.0.0.1", Some("203.0.113.5"), None, None),
            ("for=_hidden", "", None, None, None),
            ("", "203.0.113.5:1234", Some("203.0.113.5"), None, None),
            ("by=x;;=;for", "", None, None, None),
        ];
        for (forwarded, list, client, host, scheme) in rows {
            let found = Forwarded::read(forwarded.as_bytes(), list.as_bytes(), b"", b"");
            let expected = Forwarded {
                client: client.map(str::as_bytes),
                host: host.map(str::as_bytes),
                scheme: scheme.map(str::as_bytes),
            };
            assert_eq!(found, expected, "{forwarded} {list}");
        }
    }
}
