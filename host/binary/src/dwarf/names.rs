//! Names of types as they are asked for and as compilers write them.

use std::borrow::Cow;

/// What a namespace without a name is called, as debuggers do.
pub(super) const ANONYMOUS: &str = "(anonymous namespace)";

/// Without the spaces that compilers write or leave out as they like: `vector<int, allocator<int> >` is `vector<int,allocator<int>>`.
pub(super) fn normal(name: &str) -> Cow<'_, str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let Some((first, mut rest)) = name.split_once(' ') else { return Cow::Borrowed(name) };
    let mut text = String::with_capacity(name.len());
    text.push_str(first);
    loop {
        if text.chars().next_back().is_some_and(is_word) && rest.chars().next().is_some_and(is_word) {
            text.push(' ');
        }
        match memchr::memchr(b' ', rest.as_bytes()) {
            Some(at) => {
                text.push_str(&rest[..at]);
                rest = &rest[at + 1..];
            }
            None => {
                text.push_str(rest);
                return Cow::Owned(text);
            }
        }
    }
}

/// Go's linker writes dots in a path's last element, and what is not printable, as `%2e`.
pub(crate) fn unescape(name: &str) -> String {
    let mut parts = name.split('%');
    let mut text = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                text.push(byte);
                text.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                text.push(b'%');
                text.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8(text).unwrap_or_else(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_the_linkers_names() {
        for (name, expected) in [("a/yaml%2ev3.Node", "a/yaml.v3.Node"), ("50%", "50%"), ("%zz.T", "%zz.T")] {
            assert_eq!(unescape(name), expected);
        }
    }

    #[test]
    fn leaves_out_the_spaces_that_mean_nothing() {
        for (name, expected) in [
            ("std::vector<int, std::allocator<int> >", "std::vector<int,std::allocator<int>>"),
            ("std::map<unsigned int, char const *>", "std::map<unsigned int,char const*>"),
            ("(anonymous namespace)::T", "(anonymous namespace)::T"),
            ("  long   int ", "long int"),
            ("plain", "plain"),
            (" ", ""),
            ("", ""),
        ] {
            assert_eq!(normal(name), expected);
        }
    }
}
