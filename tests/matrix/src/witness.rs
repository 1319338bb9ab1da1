//! What Go's own `debug/elf` and `debug/dwarf` see in a binary that was not stripped, as `tests/go/matrix/witness` prints it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Before the name of a type that is never compared or hashed.
const COMPILERS_OWN: &str = "noalg.";

#[derive(Debug, Default)]
pub struct Witness {
    /// Link-time addresses, by the symbol's name.
    pub functions: HashMap<String, Vec<u64>>,
    /// What was inlined somewhere, and how often.
    pub inlined: HashMap<String, u64>,
    /// By the name that descriptors have; types of one name differ where functions declare them.
    pub structs: HashMap<String, Vec<Struct>>,
    /// Types whose descriptors are in the binary, but for those that only the compiler makes (closures, groups of maps): nothing names them.
    pub described: HashSet<String>,
    /// Names that are the same in DWARF.
    pub plainly_named: HashSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    pub size: u64,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub offset: u64,
    pub ty: String,
}

impl Witness {
    pub fn ask(program: &Path, binary: &Path) -> Result<Self> {
        let output = Command::new(program).arg(binary).output().context("start the witness")?;
        if !output.status.success() {
            bail!("the witness on {}: {}", binary.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut witness = Self::default();
        let mut last = None;
        for line in String::from_utf8(output.stdout).context("read what the witness printed")?.lines() {
            witness.add(line, &mut last).with_context(|| format!("read the witness's line {line:?}"))?;
        }
        witness.keep(last);
        if witness.structs.is_empty() || witness.functions.is_empty() {
            bail!("the witness saw nothing in {}", binary.display());
        }
        Ok(witness)
    }

    fn add(&mut self, line: &str, last: &mut Option<(String, Struct)>) -> Result<()> {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            ["function", name, address, _] => self.functions.entry(name.to_owned()).or_default().push(address.parse()?),
            ["inlined", name, times] => *self.inlined.entry(name.to_owned()).or_default() += times.parse::<u64>()?,
            ["type", name, descriptor] if descriptor != "0" && !name.starts_with(COMPILERS_OWN) => {
                self.described.insert(plain(name));
            }
            ["type", ..] => {}
            ["struct", name, size] => {
                let known = plain(name);
                if known == name {
                    self.plainly_named.insert(name.to_owned());
                }
                let next = (known, Struct { size: size.parse()?, fields: Vec::new() });
                let before = last.replace(next);
                self.keep(before);
            }
            ["field", name, offset, ty] => {
                let (_, structure) = last.as_mut().context("a field before any struct")?;
                structure.fields.push(Field { name: name.to_owned(), offset: offset.parse()?, ty: plain(ty) });
            }
            _ => bail!("no line of that kind"),
        }
        Ok(())
    }

    fn keep(&mut self, structure: Option<(String, Struct)>) {
        let Some((name, structure)) = structure else { return };
        // The groups and buckets of maps have names in DWARF only.
        if name.starts_with("map.") {
            let fields: Vec<String> =
                structure.fields.iter().map(|field| format!("{} {}", field.name, field.ty)).collect();
            let name = format!("struct {{ {} }}", fields.join("; "));
            self.structs.entry(name).or_default().push(structure.clone());
        }
        self.structs.entry(name).or_default().push(structure);
    }
}

/// As descriptors have it. In DWARF the compiler's own names show: `noalg.`, a number behind types that functions declare (`net.result·2`),
/// and escaped dots in the last element of a package's path (`v1%2e0%2e0.source`).
pub fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        let in_word = plain.ends_with(|before: char| before.is_alphanumeric() || "_./-%~".contains(before));
        rest = if let Some(after) = rest.strip_prefix('·') {
            after.trim_start_matches(|digit: char| digit.is_ascii_digit())
        } else if let Some(after) = rest.strip_prefix(COMPILERS_OWN).filter(|_| !in_word) {
            after
        } else if let Some(after) = rest.strip_prefix("%2e") {
            plain.push('.');
            after
        } else {
            plain.push(character);
            &rest[character.len_utf8()..]
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_only_dwarf_has_in_names() {
        for (name, expected) in [
            ("net/http.Request", "net/http.Request"),
            ("noalg.map.bucket[string]*net.conn", "map.bucket[string]*net.conn"),
            ("chan net.result·2", "chan net.result"),
            ("*noalg.struct { net.n int }", "*struct { net.n int }"),
            ("example.com/noalg.T", "example.com/noalg.T"),
            ("crypto/internal/entropy/v1%2e0%2e0.source", "crypto/internal/entropy/v1.0.0.source"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }
}
