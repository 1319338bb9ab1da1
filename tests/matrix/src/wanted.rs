//! `tests/wanted/*.toml`: `runtime.toml` has the functions and fields that the host itself needs, the others what each plugin has to do
//! without, and in which versions. Everything else that plugins need stands in their manifests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uprobed_binary::GoInfo;

/// A group holds for the versions that it states, and outside of them none of it may be found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    wanted: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    when: Option<When>,
    #[serde(default)]
    functions: Vec<String>,
    /// By their struct.
    #[serde(default)]
    fields: BTreeMap<String, Vec<String>>,
}

/// From a version on, until another, which is not included. The module `go` is the standard library.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    module: String,
    from: Option<String>,
    until: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Found,
    /// Not of this version.
    Absent,
    /// Found, inlined or absent, as the witness saw it.
    AsSeen,
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

/// What a plugin does without in the programs of the matrix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Without {
    without: Vec<Missing>,
}

/// One thing, or several for one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Missing {
    when: Option<When>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    context_types: Vec<String>,
    /// Alternatives of captures and bindings.
    #[serde(default)]
    paths: Vec<String>,
}

impl Wanted {
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    pub fn functions(&self, go: &GoInfo) -> Vec<Function<'_>> {
        let mut all = Vec::new();
        for group in &self.wanted {
            let expected = group.expected(go);
            all.extend(group.functions.iter().map(|name| Function { name, expected }));
        }
        all
    }

    pub fn fields(&self, go: &GoInfo) -> Vec<Field<'_>> {
        let mut all = Vec::new();
        for group in &self.wanted {
            let expected = group.expected(go);
            let fields = group.fields.iter().flat_map(|(ty, names)| names.iter().map(move |name| (ty, name)));
            all.extend(fields.map(|(structure, name)| Field { structure, name, expected }));
        }
        all
    }
}

impl Group {
    fn expected(&self, go: &GoInfo) -> Expected {
        if holds(self.when.as_ref(), go) { Expected::Found } else { Expected::Absent }
    }
}

impl Without {
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("read what a plugin does without")
    }

    pub fn group(&self, name: &str, go: &GoInfo) -> bool {
        self.any(go, |missing| missing.groups.iter().any(|known| known == name))
    }

    pub fn context_type(&self, name: &str, go: &GoInfo) -> bool {
        self.any(go, |missing| missing.context_types.iter().any(|known| known == name))
    }

    pub fn path(&self, path: &str, go: &GoInfo) -> bool {
        self.any(go, |missing| missing.paths.iter().any(|known| known == path))
    }

    fn any(&self, go: &GoInfo, is_it: impl Fn(&Missing) -> bool) -> bool {
        self.without.iter().any(|missing| is_it(missing) && holds(missing.when.as_ref(), go))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("read {}", path.display()))
}

fn holds(when: Option<&When>, go: &GoInfo) -> bool {
    when.is_none_or(|when| version_of(&when.module, go).is_some_and(|version| when.covers(version)))
}

/// A module's version; `go` and `std` are the standard library.
fn version_of<'g>(module: &str, go: &'g GoInfo) -> Option<&'g str> {
    match module {
        "go" | "std" => Some(go.version.trim_start_matches("go")),
        path => go.modules.iter().find(|module| module.path == path).map(|module| module.version.as_str()),
    }
}

/// Whether a manifest's requirement is met: `>=1.40.0, <1.60.0`. Read here once more, because the host is what is checked.
pub fn is_met(module: &str, versions: &str, go: &GoInfo) -> Result<bool> {
    let Some(found) = version_of(module, go).map(numbers) else { return Ok(false) };
    for comparison in versions.split(',').map(str::trim).filter(|comparison| *comparison != "*") {
        let start = comparison.find(|character: char| character.is_ascii_digit()).unwrap_or(0);
        let (operator, version) = comparison.split_at(start);
        let bound = numbers(version);
        let is_so = match operator.trim() {
            ">=" => found >= bound,
            ">" => found > bound,
            "<" => found < bound,
            "<=" => found <= bound,
            "=" => found == bound,
            _ => anyhow::bail!("versions `{versions}` of {module} cannot be read"),
        };
        if !is_so {
            return Ok(false);
        }
    }
    Ok(true)
}

impl When {
    fn covers(&self, version: &str) -> bool {
        let version = numbers(version);
        self.from.as_deref().is_none_or(|from| version >= numbers(from))
            && self.until.as_deref().is_none_or(|until| version < numbers(until))
    }
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
    fn reads_what_manifests_require() {
        let go = GoInfo { version: "go1.22.12".into(), main: None, modules: Vec::new(), settings: Vec::new() };
        for (versions, met) in [
            ("*", true),
            (">=1.22", true),
            (">1.22.12", false),
            (">=1.18, <1.22.12", false),
            (">=1.18,<=1.22.12", true),
            ("=1.22.12", true),
            ("<0.0.0", false),
        ] {
            assert_eq!(is_met("std", versions, &go).unwrap(), met, "{versions}");
        }
        assert!(!is_met("example.com/not/linked", "*", &go).unwrap());
        assert!(is_met("std", "^1.22", &go).is_err());
    }

    #[test]
    fn reads_every_file_of_tests_wanted() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wanted");
        let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 5);
        for file in files {
            if file.ends_with("runtime.toml") {
                Wanted::read(&file).unwrap();
            } else {
                Without::read(&file).unwrap();
            }
        }
    }
}
