//! Functions by the names that people use: the linker's, in any spelling, those of generic functions, and demangled ones.

use super::super::demangle::Query;
use super::super::{Binary, Convention, Function, Role};
use super::names;

/// Names that an error lists.
const LISTED: usize = 8;
/// Of `functions_like`.
const MAX_FOUND: usize = 100_000;

/// Why a name does not lead to a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("no function {name}{}", made_of_it(.variants))]
    Absent {
        name: String,
        /// What a C compiler made of it, with arguments of its own.
        variants: Vec<String>,
    },
    /// With the link-time address of the first function whose name is not read.
    #[error("no function {name} before that at {at:#x}, from which on names are not read: they have too much text")]
    Unread { name: String, at: u64 },
    #[error("{name} may be any of {count} functions: {}", .candidates.join(", "))]
    Ambiguous { name: String, count: usize, candidates: Vec<String> },
    #[error("{0} is chosen when the program starts: its symbol (an IFUNC) leads to the function that chooses")]
    Resolver(String),
}

impl<'d> Binary<'d> {
    /// The function itself, not a wrapper of it, by the linker's name (`net/http.(*Server).Serve`, `gopkg.in/yaml.v3.Marshal` with or
    /// without the linker's escapes, `foo` for `foo@@VERSION`), or, with or without parameters, by a demangled one
    /// (`shop::Cart::add(int)`). `main.Map[...]` is the only instantiation of a generic function.
    pub fn find_function(&self, name: &str) -> Result<Function, NotFound> {
        self.only_function(name).map_err(|error| match error {
            // Go's compiler makes no such copies.
            NotFound::Absent { name, .. } if self.go().is_none() => {
                NotFound::Absent { variants: self.variants(&name), name }
            }
            error => error,
        })
    }

    /// As `find_function`, without looking for what a C compiler made of an absent one.
    pub(in super::super) fn only_function(&self, name: &str) -> Result<Function, NotFound> {
        let (mut found, unread) = self.look_up(name);
        let has = |role: Role| found.iter().any(|function| function.role == role);
        if !has(Role::Body) && has(Role::Resolver) {
            return Err(NotFound::Resolver(name.to_owned()));
        }
        if has(Role::Body) {
            found.retain(|function| function.role == Role::Body);
        }
        match found.len() {
            0 => Err(match unread.or_else(|| self.function_table().unread()) {
                Some(at) => NotFound::Unread { name: name.to_owned(), at },
                None => NotFound::Absent { name: name.to_owned(), variants: Vec::new() },
            }),
            1 => Ok(found.remove(0)),
            count => {
                let listed = found.into_iter().take(LISTED);
                let candidates = listed.map(|function| format!("{} at {:#x}", function.name, function.address));
                Err(NotFound::Ambiguous { name: name.to_owned(), count, candidates: candidates.collect() })
            }
        }
    }

    /// All functions that go by the name, as `find_function` takes it; wrappers of the same name are among them. Each address once.
    pub fn functions_named(&self, name: &str) -> Vec<Function> {
        self.look_up(name).0
    }

    /// With the address of the first function that was not looked at, if there were too many.
    fn look_up(&self, name: &str) -> (Vec<Function>, Option<u64>) {
        let table = self.function_table();
        let (mut numbers, mut unread) = (table.same(name.as_bytes()), None);
        // In a Go program a name like `(*T).Method` that is not there is no reason to look through what C left in it.
        let is_foreign = || name.contains("::") || name.contains(')') && !name.contains("(*") && !name.contains('/');
        if numbers.is_empty() && (self.go().is_none() || is_foreign()) {
            (numbers, unread) = Query::new(name).map(|query| query.search(table.symbol_names())).unwrap_or_default();
        }
        let mut found: Vec<_> = numbers.into_iter().filter_map(|number| table.get(&self.image, number)).collect();
        if name.ends_with(".abi0") && self.go().is_some() {
            found.retain(|function| function.convention == Convention::GoStack);
        }
        let mut seen = std::collections::HashSet::new();
        found.retain(|function| seen.insert(function.address));
        (found, unread.and_then(|number| table.address(number)))
    }

    /// All that was made of a generic function, with or without `[...]` in the name: `main.Map`, `main.(*List[...]).Push`. Those that
    /// hold the code, not the wrappers that give them their dictionaries.
    pub fn instantiations(&self, name: &str) -> Vec<Function> {
        let mut found = match name.contains('[') {
            true => self.functions_named(name),
            false => self.functions_named(&format!("{name}[...]")),
        };
        found.retain(|function| function.role == Role::Body);
        found
    }

    /// Functions whose names, the linker's or as they are written in a program, are like a pattern: `*` stands for anything.
    pub fn functions_like(&self, pattern: &str) -> Vec<Function> {
        if !pattern.contains('*') {
            return self.functions_named(pattern);
        }
        let parts: Vec<_> = pattern.split('*').collect();
        let like = |function: &Function| {
            is_like(&parts, &function.name)
                || std::str::from_utf8(&names::natural(function.name.as_bytes()))
                    .is_ok_and(|name| is_like(&parts, name))
        };
        self.functions().filter(like).take(MAX_FOUND).collect()
    }

    fn variants(&self, name: &str) -> Vec<String> {
        let of_it = |linked: &[u8]| names::origin(linked) == Some(name.as_bytes());
        let linked = self.function_table().symbol_names().filter(|(_, linked)| of_it(linked));
        let mut found = std::collections::BTreeSet::new();
        for (_, linked) in linked {
            if found.len() == LISTED {
                break;
            }
            found.insert(String::from_utf8_lossy(linked).into_owned());
        }
        found.into_iter().collect()
    }
}

fn made_of_it(variants: &[String]) -> String {
    if variants.is_empty() { String::new() } else { format!(", only {}", variants.join(", ")) }
}

/// Whether the parts follow one another in the name, the first at its beginning and the last at its end.
fn is_like(parts: &[&str], name: &str) -> bool {
    let [first, between @ .., last] = parts else { return parts == [name] };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
