//! How linkers spell functions' names, and which spellings mean the same: Go escapes dots in the last element of an import path
//! (`gopkg.in/yaml%2ev3.Marshal`), names what it makes of a generic function by the shapes of its type arguments
//! (`main.Map[go.shape.int]`, `main.Map[...]` in Go's table until 1.20), and marks the stack ABI in symbol tables (`.abi0`).

use std::borrow::Cow;
use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Stands for any type arguments.
pub(in super::super) const ANY: &[u8] = b"[...]";
const DOT: &[u8] = "\u{b7}".as_bytes();

/// The same for all spellings of a name, and for all instantiations of a generic function.
pub(in super::super) fn hash(name: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    match memchr::memchr3(b'[', b'%', DOT[0], name) {
        None => hasher.write(name),
        Some(_) => {
            let name = natural(name);
            match arguments(&name) {
                Some((start, end)) => {
                    hasher.write(&name[..start]);
                    hasher.write(ANY);
                    hasher.write(&name[end..]);
                }
                None => hasher.write(&name),
            }
        }
    }
    hasher.finish()
}

/// Whether a name of the linker's is what was asked for, in any spelling; `[...]` stands for any type arguments.
pub(in super::super) fn is_meant(asked: &[u8], name: &[u8]) -> bool {
    if asked == name {
        return true;
    }
    let (asked, name) = (natural(asked), natural(name));
    let (Some((start, end)), Some((from, to))) = (arguments(&asked), arguments(&name)) else { return asked == name };
    let same_place = asked[..start] == name[..from] && asked[end..] == name[to..];
    same_place && (&asked[start..end] == ANY || asked[start..end] == name[from..to])
}

/// Where type arguments are, brackets included: from the first to the last, as the runtime prints them.
pub(in super::super) fn arguments(name: &[u8]) -> Option<(usize, usize)> {
    let start = memchr::memchr(b'[', name)?;
    let end = memchr::memrchr(b']', name)? + 1;
    (start < end).then_some((start, end))
}

/// As it is written in a program: `gopkg.in/yaml.v3.Marshal`.
pub(in super::super) fn natural(name: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', DOT[0], name).is_none() {
        return Cow::Borrowed(name);
    }
    let (mut out, mut rest) = (Vec::with_capacity(name.len()), name);
    while let [first, more @ ..] = rest {
        if let (b'%', Some(byte)) = (first, more.first_chunk().and_then(escaped)) {
            out.push(byte);
            rest = &more[2..];
        } else if let Some(more) = rest.strip_prefix(DOT) {
            out.push(b'.');
            rest = more;
        } else {
            out.push(*first);
            rest = more;
        }
    }
    Cow::Owned(out)
}

fn escaped(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(digits[0])? * 16 + digit(digits[1])?)
}

/// A name without the mark of an ABI that Go's linker adds where a function has two, and whether it is that of the stack ABI.
pub(super) fn without_abi(name: &[u8]) -> (&[u8], bool) {
    match name.strip_suffix(b".abi0") {
        Some(plain) => (plain, true),
        None => (name.strip_suffix(b".abiinternal").unwrap_or(name), false),
    }
}

/// The function of which a C compiler made this one, or this piece of one: `add` of `add.isra.0`, `add.cold`, `add.part.0.llvm.7`.
pub(super) fn origin(name: &[u8]) -> Option<&[u8]> {
    let dot = memchr::memchr(b'.', name)?;
    let mut marks = name[dot + 1..].split(|&byte| byte == b'.');
    let known = |mark: &[u8]| {
        let word = matches!(mark, b"isra" | b"part" | b"cold" | b"constprop" | b"lto_priv" | b"llvm" | b"localalias");
        word || mark.iter().all(u8::is_ascii_digit)
    };
    (dot > 0 && marks.all(known)).then_some(&name[..dot])
}

/// `net/http` of `net/http.(*Request).Clone`; the arguments of a generic function may hold other paths.
pub(in super::super) fn package(function: &[u8]) -> &[u8] {
    let plain = function.split(|byte| matches!(byte, b'[' | b'(')).next().unwrap_or_default();
    let last = plain.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = plain[last..].iter().position(|byte| *byte == b'.').map_or(plain.len(), |dot| last + dot);
    &plain[..dot]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_spellings_of_one_name() {
        for (asked, name, expected) in [
            ("gopkg.in/yaml.v3.Marshal", "gopkg.in/yaml%2ev3.Marshal", true),
            ("gopkg.in/yaml%2ev3.Marshal", "gopkg.in/yaml%2ev3.Marshal", true),
            ("runtime\u{b7}memmove", "runtime.memmove", true),
            ("main.Map[...]", "main.Map[go.shape.int]", true),
            ("main.Map[...].func1", "main.Map[go.shape.int].func1", true),
            ("main.Map[...]", "main.Map[go.shape.int].func1", false),
            ("main.Map[int]", "main.Map[go.shape.int]", false),
            ("main.(*List[...]).Push", "main.(*List[go.shape.[]uint8]).Push", true),
            ("main.Map", "main.Map[go.shape.int]", false),
            ("main.100%", "main.100%", true),
            ("main.%zz", "main.%zz", true),
            ("main.]x[", "main.]y[", false),
        ] {
            assert_eq!(is_meant(asked.as_bytes(), name.as_bytes()), expected, "{asked} {name}");
            assert!(!expected || hash(asked.as_bytes()) == hash(name.as_bytes()), "{asked} {name}");
        }
    }

    #[test]
    fn knows_what_compilers_make_of_a_function() {
        for (name, expected) in [
            ("add.isra.0", Some("add")),
            ("add.part.0.constprop.12", Some("add")),
            ("add.cold", Some("add")),
            ("main.add", None),
            ("add", None),
            (".cold", None),
        ] {
            assert_eq!(origin(name.as_bytes()), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn knows_the_package_of_a_function() {
        for (function, expected) in [
            ("example.com/http.(*Request).Clone", "example.com/http"),
            ("main.main.func1", "main"),
            ("gopkg.in/yaml%2ev3.Marshal", "gopkg.in/yaml%2ev3"),
            ("example.com/a.Map[example.com/b.Key,int].Get", "example.com/a"),
            ("memmove", "memmove"),
        ] {
            assert_eq!(package(function.as_bytes()), expected.as_bytes(), "{function}");
        }
    }
}
