//! `tests/wanted/*.toml`: the functions and fields that plugins need, and in which versions they are there.
//!
//! A group holds for the versions that it states, and outside of them none of it may be found. Where a library renamed something, each name
//! has a group of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use uprobed_binary::GoInfo;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    wanted: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    when: Option<When>,
    /// Have a symbol in every build.
    #[serde(default)]
    functions: Vec<String>,
    /// Have a symbol, or are inlined everywhere: that is the compiler's choice.
    #[serde(default)]
    inlinable: Vec<String>,
    /// Programs have them or not.
    #[serde(default)]
    optional: Vec<String>,
    /// By their struct.
    #[serde(default)]
    fields: BTreeMap<String, Vec<String>>,
    /// Likewise, where a plugin can do without: the linker leaves out descriptors of types that the program never shows to reflection.
    #[serde(default)]
    prunable: BTreeMap<String, Vec<String>>,
}

/// From a version on, until another, which is not included. The module `go` is the standard library.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    module: String,
    from: Option<String>,
    until: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A symbol or a field.
    Found,
    /// A symbol, or call sites that it was inlined into.
    FoundOrInlined,
    /// A field, or the type's descriptor is not in the binary.
    FoundOrPruned,
    /// As the program has it: a symbol, call sites, or nothing.
    Optional,
    /// Not of this version.
    Absent,
}

#[derive(Debug)]
pub struct Function<'w> {
    pub name: &'w str,
    pub expected: Expected,
}

#[derive(Debug)]
pub struct Field<'w> {
    pub structure: &'w str,
    pub name: &'w str,
    pub expected: Expected,
}

impl Wanted {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("read {}", path.display()))
    }

    /// With what is wanted of every program.
    pub fn and(mut self, other: Self) -> Self {
        self.wanted.extend(other.wanted);
        self
    }

    pub fn functions(&self, go: &GoInfo) -> Vec<Function<'_>> {
        let mut all: Vec<Function<'_>> = Vec::new();
        for group in &self.wanted {
            for (names, kind) in [
                (&group.functions, Expected::Found),
                (&group.inlinable, Expected::FoundOrInlined),
                (&group.optional, Expected::Optional),
            ] {
                let expected = group.expected(go, kind);
                for name in names {
                    match all.iter_mut().find(|function| function.name == name) {
                        Some(known) => known.expected = either(known.expected, expected),
                        None => all.push(Function { name, expected }),
                    }
                }
            }
        }
        all
    }

    pub fn fields(&self, go: &GoInfo) -> Vec<Field<'_>> {
        let mut all: Vec<Field<'_>> = Vec::new();
        for group in &self.wanted {
            for (structs, kind) in [(&group.fields, Expected::Found), (&group.prunable, Expected::FoundOrPruned)] {
                let expected = group.expected(go, kind);
                for (structure, name) in structs.iter().flat_map(|(ty, names)| names.iter().map(move |name| (ty, name)))
                {
                    match all.iter_mut().find(|field| field.structure == structure && field.name == name) {
                        Some(known) => known.expected = either(known.expected, expected),
                        None => all.push(Field { structure, name, expected }),
                    }
                }
            }
        }
        all
    }
}

impl Group {
    fn expected(&self, go: &GoInfo, within: Expected) -> Expected {
        if self.when.as_ref().is_none_or(|when| when.holds(go)) { within } else { Expected::Absent }
    }
}

impl When {
    fn holds(&self, go: &GoInfo) -> bool {
        let version = match self.module.as_str() {
            "go" => Some(go.version.trim_start_matches("go")),
            path => go.modules.iter().find(|module| module.path == path).map(|module| module.version.as_str()),
        };
        version.is_some_and(|version| self.covers(version))
    }

    fn covers(&self, version: &str) -> bool {
        let version = numbers(version);
        self.from.as_deref().is_none_or(|from| version >= numbers(from))
            && self.until.as_deref().is_none_or(|until| version < numbers(until))
    }
}

/// What is in two groups is there where either holds.
fn either(first: Expected, second: Expected) -> Expected {
    if first == Expected::Absent { second } else { first }
}

/// `v1.69.0-dev` is 1, 69, 0.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_for_the_stated_versions_only() {
        let when: When = toml::from_str("module = \"m\"\nfrom = \"1.69\"\nuntil = \"1.84\"").unwrap();
        for (version, covered) in [("v1.68.1", false), ("v1.69.0-dev", true), ("v1.83.3", true), ("v1.84.0", false)] {
            assert_eq!(when.covers(version), covered, "{version}");
        }
        let since: When = toml::from_str("module = \"go\"\nfrom = \"1.22\"").unwrap();
        assert_eq!([since.covers("1.21.13"), since.covers("1.22.0")], [false, true]);
    }

    #[test]
    fn is_wanted_where_one_of_its_groups_holds() {
        assert_eq!(either(Expected::Absent, Expected::Found), Expected::Found);
        assert_eq!(either(Expected::Found, Expected::Absent), Expected::Found);
    }

    #[test]
    fn reads_every_file_of_tests_wanted() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wanted");
        let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 5);
        for file in files {
            Wanted::read(&file).unwrap();
        }
    }

    /// Its symbols, and every field on its paths: `rw.(*net/http.response).conn` needs `conn`.
    #[test]
    fn lists_what_the_http_plugin_asks_for() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = ["server", "client"].map(|file| root.join(format!("plugins/http/src/{file}.rs")));
        let source = files.map(|file| fs::read_to_string(file).unwrap()).join("\n").replace("\\\"", "'");
        let wanted =
            ["http", "runtime"].map(|name| Wanted::read(&root.join(format!("tests/wanted/{name}.toml"))).unwrap());
        let groups = || wanted.iter().flat_map(|wanted| &wanted.wanted);
        let functions: Vec<&String> =
            groups().flat_map(|group| group.functions.iter().chain(&group.optional)).collect();
        let fields: Vec<&String> = groups().flat_map(|group| group.fields.values().flatten()).collect();
        let (mut symbols, mut paths) = (0, 0);
        for literal in source.split('"').skip(1).step_by(2).filter(|literal| !literal.contains([' ', '}'])) {
            if literal.starts_with("net/http.") {
                assert!(functions.iter().any(|name| *name == literal), "{literal}");
                symbols += 1;
            } else if literal.contains('.') {
                for field in path_fields(literal) {
                    assert!(fields.iter().any(|name| **name == field), "{field} of {literal}");
                }
                paths += 1;
            }
        }
        assert!(symbols > 10 && paths > 30, "{symbols} symbols, {paths} paths");
    }

    fn path_fields(path: &str) -> Vec<String> {
        // Casts have dots of their own.
        let without_casts = path.split(".(").map(|part| part.split_once(')').map_or(part, |(_, after)| after));
        let plain: String = without_casts.collect();
        let roots = if plain.starts_with("kept.") { 2 } else { 1 };
        plain.split('.').skip(roots).map(|part| part.split('[').next().unwrap_or(part).to_owned()).collect()
    }
}
