//! URLs as they stand in a request line or in a `url.URL`, with what is secret replaced.

use uprobed_sdk::Field;

const REDACTED: &[u8] = b"REDACTED";

/// The keys whose values the conventions want replaced, in `url.query` and `url.full`.
const SECRET_KEYS: [&[u8]; 7] = [
    b"AWSAccessKeyId",
    b"Signature",
    b"sig",
    b"X-Goog-Signature",
    b"X-Amz-Signature",
    b"X-Amz-Credential",
    b"X-Amz-Security-Token",
];

/// Path and query of a request line's target (RFC 9112, section 3.2), which may be absolute, or an authority (CONNECT).
pub fn path_and_query(target: &[u8]) -> (&[u8], &[u8]) {
    let target = match position(target, b"://") {
        Some(scheme) if !target.starts_with(b"/") => {
            let rest = &target[scheme + 3..];
            let authority = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            &rest[authority..]
        }
        _ if target.starts_with(b"/") || target == b"*" => target,
        _ => &[],
    };
    match target.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&target[..mark], &target[mark + 1..]),
        None => (target, &[]),
    }
}

/// Appends a query, secret values replaced.
pub fn write_query(out: &mut Vec<u8>, query: &[u8]) {
    // Most queries have none of the keys; they are copied whole.
    if !SECRET_KEYS.iter().any(|key| position(query, key).is_some()) {
        out.extend_from_slice(query);
        return;
    }
    for (index, pair) in query.split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        let equals = pair.iter().position(|byte| *byte == b'=');
        match equals {
            Some(equals) if SECRET_KEYS.contains(&&pair[..equals]) => {
                out.extend_from_slice(&pair[..=equals]);
                out.extend_from_slice(REDACTED);
            }
            _ => out.extend_from_slice(pair),
        }
    }
}

/// The fields of a `url.URL`.
pub struct Url<'a> {
    pub scheme: Field<'a>,
    pub opaque: Field<'a>,
    pub has_user: bool,
    pub host: Field<'a>,
    pub path: Field<'a>,
    pub raw_path: Field<'a>,
    pub query: Field<'a>,
    pub fragment: Field<'a>,
}

impl Url<'_> {
    /// Appends what `(*url.URL).String` gives, secrets replaced.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.bytes());
        out.push(b':');
        if let Some(opaque) = self.opaque.some() {
            write_opaque(out, opaque);
        } else {
            out.extend_from_slice(b"//");
            if self.has_user {
                out.extend_from_slice(b"REDACTED:REDACTED@");
            }
            out.extend_from_slice(self.host.bytes());
            match self.raw_path.some() {
                Some(raw) => out.extend_from_slice(raw),
                None => write_encoded(out, self.path.bytes(), is_path),
            }
        }
        if let Some(query) = self.query.some() {
            out.push(b'?');
            write_query(out, query);
        }
        if let Some(fragment) = self.fragment.some() {
            out.push(b'#');
            write_encoded(out, fragment, is_fragment);
        }
    }
}

/// `//user:secret@host/path`, the part before the `@` replaced.
fn write_opaque(out: &mut Vec<u8>, opaque: &[u8]) {
    let rest = opaque.strip_prefix(b"//").unwrap_or_default();
    let authority = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => {
            out.extend_from_slice(b"//REDACTED:REDACTED");
            write_with_query(out, &rest[at..]);
        }
        None => write_with_query(out, opaque),
    }
}

/// A text that may have a query.
fn write_with_query(out: &mut Vec<u8>, text: &[u8]) {
    match text.iter().position(|byte| *byte == b'?') {
        Some(at) => {
            out.extend_from_slice(&text[..=at]);
            write_query(out, &text[at + 1..]);
        }
        None => out.extend_from_slice(text),
    }
}

fn write_encoded(out: &mut Vec<u8>, text: &[u8], is_plain: fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if is_plain(*byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// What `(*url.URL).EscapedPath` leaves as it is.
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

/// What `(*url.URL).EscapedFragment` leaves as it is.
fn is_fragment(byte: u8) -> bool {
    is_path(byte) || b"?!()*".contains(&byte)
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn takes_a_request_target_apart() {
        let rows = [
            ("/a/b?c=d?e", "/a/b", "c=d?e"),
            ("/", "/", ""),
            ("*", "*", ""),
            ("http://example.com/a?b", "/a", "b"),
            ("http://example.com?b", "", "b"),
            ("http://example.com", "", ""),
            ("example.com:443", "", ""),
            ("/redirect?to=http://example.com/x", "/redirect", "to=http://example.com/x"),
            ("//double", "//double", ""),
            ("", "", ""),
        ];
        for (target, path, query) in rows {
            let (found_path, found_query) = path_and_query(target.as_bytes());
            assert_eq!((text(found_path), text(found_query)), (path, query), "{target}");
        }
    }

    #[test]
    fn replaces_secret_values_and_nothing_else() {
        let rows = [
            ("q=1", "q=1"),
            ("sig=abc", "sig=REDACTED"),
            ("a=1&sig=ab=c&b=2", "a=1&sig=REDACTED&b=2"),
            ("design=x&sigma=1&Sig=2", "design=x&sigma=1&Sig=2"),
            (
                "Signature=x&AWSAccessKeyId=y&X-Goog-Signature=z",
                "Signature=REDACTED&AWSAccessKeyId=REDACTED&X-Goog-Signature=REDACTED",
            ),
            ("sig", "sig"),
            ("&&sig=", "&&sig=REDACTED"),
        ];
        for (query, expected) in rows {
            let mut out = Vec::new();
            write_query(&mut out, query.as_bytes());
            assert_eq!(text(&out), expected);
        }
    }
}
