//! Functions by demangled names, C++'s and Rust's. Nothing is demangled but what has the name's last word in it, so there is no table
//! of demangled names to make or to keep. A name of Rust's is without its hash.

use std::fmt;

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};
use memchr::memmem::Finder;

use super::Function;

/// A demangled name may be as long as it likes; of a longer one this much is compared.
const MAX_BYTES: usize = 16 * 1024;
const MAX_MANGLED: usize = 4 * 1024;
/// Names that one search demangles, and bytes of what they mean. The
/// time that a name takes grows with what it means, not with itself.
const MAX_DEMANGLED: usize = 200_000;
const MAX_TEXT: usize = 8 << 20;
const MAX_FOUND: usize = 10_000;
const RECURSION: u32 = 64;

pub(super) struct Query {
    /// Without spaces.
    wanted: String,
    /// An identifier that every mangled form has.
    word: String,
}

impl Query {
    /// None if there is no word in it.
    pub fn new(name: &str) -> Option<Self> {
        let word = word(name)?.to_owned();
        Some(Self { wanted: compact(name), word })
    }

    /// Numbers of those of the mangled names that are meant: with all of its parameters, or without any. Then the number of the first
    /// that was not looked at, if they were too many.
    pub fn search<'n>(&self, names: impl Iterator<Item = (u32, &'n [u8])>) -> (Vec<u32>, Option<u32>) {
        self.search_within(names, MAX_TEXT)
    }

    fn search_within<'n>(
        &self,
        names: impl Iterator<Item = (u32, &'n [u8])>,
        mut text: usize,
    ) -> (Vec<u32>, Option<u32>) {
        let finder = Finder::new(self.word.as_bytes());
        let possible = names.filter(|(_, name)| {
            let is_mangled = name.starts_with(b"_Z") || name.starts_with(b"_R");
            is_mangled && name.len() <= MAX_MANGLED && finder.find(name).is_some()
        });
        let mut found = Vec::new();
        for (count, (number, name)) in possible.enumerate() {
            if count == MAX_DEMANGLED || found.len() == MAX_FOUND || text == 0 {
                return (found, Some(number));
            }
            if self.is_meant(name, &mut text) {
                found.push(number);
            }
        }
        (found, None)
    }

    /// Takes what was written from the number of bytes.
    fn is_meant(&self, mangled: &[u8], bytes: &mut usize) -> bool {
        let Ok(text) = std::str::from_utf8(mangled) else { return false };
        if let Ok(name) = rustc_demangle::try_demangle(text) {
            return bounded(bytes, |out| fmt::write(out, format_args!("{name:#}"))) == self.wanted;
        }
        // What a compiler split off or made of it (`.cold`, `.isra.0`) is not the function.
        if mangled.contains(&b'.') {
            return false;
        }
        let parsed = ParseOptions::default().recursion_limit(RECURSION);
        let Ok(symbol) = Symbol::new_with_options(mangled, &parsed) else { return false };
        let options = DemangleOptions::new().no_return_type().recursion_limit(RECURSION);
        let whole = bounded(bytes, |out| symbol.structured_demangle(out, &options));
        let wanted = self.wanted.as_str();
        whole == wanted
            || whole.strip_suffix("const") == Some(wanted)
            || bounded(bytes, |out| symbol.structured_demangle(out, &options.no_params())) == wanted
    }
}

impl Function {
    /// Its name as people write it, with the parameters of C++, without the hash of Rust. None if it is not mangled.
    pub fn demangled(&self) -> Option<String> {
        if self.name.len() > MAX_MANGLED {
            return None;
        }
        let mut out = Text { text: String::new(), keeps_spaces: true };
        if let Ok(name) = rustc_demangle::try_demangle(&self.name) {
            return fmt::write(&mut out, format_args!("{name:#}")).ok().map(|()| out.text);
        }
        let symbol =
            Symbol::new_with_options(self.name.as_bytes(), &ParseOptions::default().recursion_limit(RECURSION)).ok()?;
        let options = DemangleOptions::new().no_return_type().recursion_limit(RECURSION);
        symbol.structured_demangle(&mut out, &options).ok().map(|()| out.text)
    }
}

/// Text that does not grow beyond its bound.
struct Text {
    text: String,
    keeps_spaces: bool,
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len() + part.len() > MAX_BYTES {
            return Err(fmt::Error);
        }
        match self.keeps_spaces {
            true => self.text.push_str(part),
            false => self.text.extend(part.chars().filter(|character| *character != ' ')),
        }
        Ok(())
    }
}

/// Without spaces; empty if it cannot be written.
fn bounded(bytes: &mut usize, write: impl FnOnce(&mut Text) -> fmt::Result) -> String {
    let mut out = Text { text: String::new(), keeps_spaces: false };
    let written = write(&mut out);
    *bytes = bytes.saturating_sub(out.text.len());
    written.map_or_else(|_| String::new(), |()| out.text)
}

fn compact(name: &str) -> String {
    name.chars().filter(|character| *character != ' ').collect()
}

/// The function's own identifier, or for an operator, a closure, a constructor that of its class: mangled names have them literally.
fn word(name: &str) -> Option<&str> {
    // Parameters, template arguments, and traits in angle brackets are left out; nested ones with them.
    let mut depth = 0usize;
    let mut words: Vec<&str> = Vec::new();
    let mut start = None;
    for (at, character) in name.char_indices().chain([(name.len(), ':')]) {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => {
                start = start.or(Some(at));
                continue;
            }
            _ => {}
        }
        if let Some(start) = start.take().filter(|_| depth == 0) {
            words.push(&name[start..at]);
        }
        match character {
            '(' | '<' | '{' | '[' => depth += 1,
            ')' | '>' | '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let special = ["operator", "const", "new", "delete", "std", "string", "volatile"];
    let last = words.iter().rposition(|word| !special.contains(word))?;
    // After `operator` comes what it converts to, which may be mangled as a single letter.
    let operator = words.iter().position(|word| *word == "operator").unwrap_or(words.len());
    words.get(last.min(operator.checked_sub(1)?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_functions_by_demangled_names() {
        let names = [
            "_ZN4shop4Cart3addEi",
            "_ZN4shop4Cart3addEd",
            "_ZNK4shop4Cart5totalEv",
            "_ZN4shop4CartC1Ev",
            "_ZN4shop4CartD1Ev",
            "_ZN4shop4CartplERKS0_",
            "_ZN4shop5firstIiEET_S1_",
            "_ZN12_GLOBAL__N_13addEi",
            "_ZN4shop4Cart3addEi.cold",
            "_ZN4shop6basket3add17h0123456789abcdefE",
            "_RNvNtCs1234_4shop6basket6remove",
            "_ZN47_$LT$shop..Cart$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE",
            "_ZN4shop5bySStRERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
            "add",
        ];
        for (query, expected) in [
            ("shop::Cart::add(int)", &["_ZN4shop4Cart3addEi"][..]),
            ("shop::Cart::add", &["_ZN4shop4Cart3addEi", "_ZN4shop4Cart3addEd"]),
            ("shop::Cart::total() const", &["_ZNK4shop4Cart5totalEv"]),
            ("shop::Cart::total()", &["_ZNK4shop4Cart5totalEv"]),
            ("shop::Cart::Cart()", &["_ZN4shop4CartC1Ev"]),
            ("shop::Cart::~Cart", &["_ZN4shop4CartD1Ev"]),
            ("shop::Cart::operator+(shop::Cart const&)", &["_ZN4shop4CartplERKS0_"]),
            ("shop::first<int>", &["_ZN4shop5firstIiEET_S1_"]),
            ("(anonymous namespace)::add(int)", &["_ZN12_GLOBAL__N_13addEi"]),
            ("shop::basket::add", &["_ZN4shop6basket3add17h0123456789abcdefE"]),
            ("shop::basket::remove", &["_RNvNtCs1234_4shop6basket6remove"]),
            (
                "<shop::Cart as core::fmt::Debug>::fmt",
                &["_ZN47_$LT$shop..Cart$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE"],
            ),
            ("shop::Cart::sub", &[]),
            ("add", &[]),
            ("", &[]),
            ("()", &[]),
        ] {
            let numbered = || names.iter().enumerate().map(|(number, name)| (number as u32, name.as_bytes()));
            let (found, _) = Query::new(query).map(|query| query.search(numbered())).unwrap_or_default();
            let found: Vec<_> = found.into_iter().map(|number| names[number as usize]).collect();
            assert_eq!(found, expected, "{query}");
        }
    }

    #[test]
    fn survives_names_that_grow() {
        // Each substitution holds the one before twice.
        let bomb = format!("_Z1fI{}E", (0..2000).map(|_| "S_S_").collect::<String>());
        let found =
            |names: &mut dyn Iterator<Item = (u32, &[u8])>| Query::new("f").unwrap().search_within(names, 1 << 18);
        assert_eq!(found(&mut [(0, bomb.as_bytes())].into_iter()), (Vec::new(), None));
        let nested = format!("_Z1f{}i", "P".repeat(4000));
        assert_eq!(found(&mut [(0, nested.as_bytes())].into_iter()), (Vec::new(), None));
        // Each parameter is twice the one before.
        let mut doubling = String::from("_Z1fSt4pairIiiE");
        doubling.extend(["St4pairIS_S_E", "St4pairIS0_S0_E", "St4pairIS1_S1_E", "St4pairIS2_S2_E"].repeat(40));
        let (meant, unread) = found(&mut (0..1000).map(|number| (number, doubling.as_bytes())));
        assert!(unread.is_some_and(|number| number < 200), "{unread:?} of {doubling}");
        assert!(!meant.is_empty());
    }
}
