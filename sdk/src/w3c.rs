//! W3C Trace Context, level 1: reads the headers, makes none.

/// What a `traceparent` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    pub trace: u128,
    pub span: u64,
    pub sampled: bool,
}

/// Reads a `traceparent`; none if it is not valid (section 3.2.2: lower-case hexadecimal, no zero ids, version ff is none).
pub fn traceparent(bytes: &[u8]) -> Option<Traceparent> {
    let (version, rest) = field(bytes, 2)?;
    let (trace, rest) = field(rest, 32)?;
    let (span, rest) = field(rest, 16)?;
    let flags = hexadecimal(rest.get(..2)?)?;
    let longer = rest.len() > 2;
    // A later version may be longer; what follows begins with a dash.
    if version == 0xff || version == 0 && longer || longer && rest[2] != b'-' || trace == 0 || span == 0 {
        return None;
    }
    Some(Traceparent { trace, span: u64::try_from(span).ok()?, sampled: flags & 1 == 1 })
}

/// Whether a `tracestate` is worth handing on: not empty, at most 512 visible characters (section 3.3.1.5) and all of them ASCII.
pub fn is_tracestate(bytes: &[u8]) -> bool {
    (1..=512).contains(&bytes.len())
        && bytes.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\t')
        && bytes.contains(&b'=')
}

/// A number of so many digits with a dash behind it, and what follows.
fn field(bytes: &[u8], digits: usize) -> Option<(u128, &[u8])> {
    let (number, rest) = bytes.split_at_checked(digits)?;
    Some((hexadecimal(number)?, rest.strip_prefix(b"-")?))
}

fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_traceparents_as_the_recommendation_says() {
        const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
        let rows: [(&str, Option<bool>); 9] = [
            ("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", Some(true)),
            ("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00", Some(false)),
            ("01-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more", Some(true)),
            ("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more", None),
            ("ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", None),
            ("00-0AF7651916CD43DD8448EB211C80319C-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7", None),
        ];
        for (text, sampled) in rows {
            let expected = sampled.map(|sampled| Traceparent { trace: TRACE, span: 0x00f0_67aa_0ba9_02b7, sampled });
            assert_eq!(traceparent(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn hands_on_only_a_plausible_tracestate() {
        assert!(is_tracestate(b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        assert!(!is_tracestate(b""));
        assert!(!is_tracestate("a=é".as_bytes()));
        assert!(!is_tracestate(&[b'='; 513]));
    }
}
