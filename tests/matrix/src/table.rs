//! The table of what was checked, as Markdown: `docs/matrix.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use uprobed_binary::GoInfo;

use crate::Row;
use crate::check::Outcome;
use crate::variant::{Architecture, Mode, PROGRAMS, TOOLCHAINS, Toolchain, Variant};

/// Modules whose versions are shown, with a short name.
const LIBRARIES: [(&str, &str); 4] = [
    ("google.golang.org/grpc", "grpc"),
    ("github.com/lib/pq", "pq"),
    ("github.com/go-sql-driver/mysql", "mysql"),
    ("github.com/segmentio/kafka-go", "kafka-go"),
];

const ABOUT: &str = "# What is read from which binaries

Written by `make matrix`. Four programs, each built with every minor version of Go from 1.18 on and with the newest libraries that this
version builds, in eight ways, for two architectures. For each binary the plugin of its library was planned, and the plan compared with what
Go's own `debug/elf` and `debug/dwarf` say of that binary or, if it is stripped, of one that was compiled alike: every function and field
that the manifest asks for was found where it is, or is with reason not found. What plugins do without in which versions stands in
`tests/wanted`.

";

const AGREEMENT: &str = "## Structs

How many structs have a type descriptor and DWARF that agree: size, and every field's name, offset and type. All structs of a binary are
compared, not only those asked for, and every named one whose descriptor the linker kept has to be found. `amd64 arm64`;
`–` was not built (a profile needs Go 1.20, arm64's race detector under an amd64 Go 1.21), `!` has mismatches.

";

const WANTED: &str = "## Wanted fields and functions

What the manifest of the program's plugin and the host itself ask for, found in all builds of a program; two numbers are the least and the
most. *Fields*: those that probes go through. *Inlined*: no symbol, every call has a copy. *Bypassed*: there is a symbol, and some callers
have a copy. *Pruned*: the linker kept no descriptor, there is no DWARF, and the plugin knows the place itself. *Absent*: functions, and
alternatives of paths, that are not of this version or not in this program.

";

pub fn write(rows: &[Row]) -> String {
    let mut text = ABOUT.to_owned();
    let all = Variant::all().filter(|variant| variant.exists()).count();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Of {all} binaries, {} were built and read for this table.\n", rows.len());
    text += AGREEMENT;
    agreement(rows, &mut text);
    text.push('\n');
    text += WANTED;
    wanted(rows, &mut text);
    text += "\n## Which ones\n";
    for (title, pick) in NAMED {
        names(rows, title, pick, &mut text);
    }
    text
}

pub fn libraries(go: &GoInfo) -> String {
    let version = |path| go.modules.iter().find(|module| module.path == path).map(|module| module.version.as_str());
    let known = LIBRARIES.iter().filter_map(|(path, name)| Some(format!("{name} {}", version(*path)?)));
    known.collect::<Vec<_>>().join(", ")
}

fn agreement(rows: &[Row], text: &mut String) {
    let _ = writeln!(text, "| Go | program | {} |", Mode::ALL.map(|mode| mode.to_string()).join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(Mode::ALL.len()));
    for (toolchain, program) in lines() {
        let cell = |mode| {
            Architecture::ALL
                .map(|architecture| {
                    let row = rows.iter().find(|row| {
                        let variant = row.variant;
                        (variant.toolchain, variant.program, variant.mode, variant.architecture)
                            == (toolchain, program, mode, architecture)
                    });
                    row.map_or("–".to_owned(), |row| {
                        let mark = if row.outcome.mismatches.is_empty() { "" } else { "!" };
                        format!("{}{mark}", row.outcome.agreeing)
                    })
                })
                .join(" ")
                .replace("– –", "–")
        };
        let _ = writeln!(text, "| 1.{} | {program} | {} |", toolchain.minor, Mode::ALL.map(cell).join(" | "));
    }
}

fn wanted(rows: &[Row], text: &mut String) {
    *text += "| Go | program | libraries | fields | functions | inlined | bypassed | pruned | absent |\n";
    *text += "|---|---|---|---|---|---|---|---|---|\n";
    for (toolchain, program) in lines() {
        let of = rows.iter().filter(|row| (row.variant.toolchain, row.variant.program) == (toolchain, program));
        let of: Vec<&Row> = of.collect();
        let Some(first) = of.first() else { continue };
        let counts: [fn(&Outcome) -> usize; 6] = [
            |outcome| outcome.fields.len(),
            |outcome| outcome.functions,
            |outcome| outcome.inlined.len(),
            |outcome| outcome.bypassed.len(),
            |outcome| outcome.pruned.len(),
            |outcome| outcome.absent.len(),
        ];
        let cells = counts.map(|count| {
            let all: BTreeSet<usize> = of.iter().map(|row| count(&row.outcome)).collect();
            match (all.first(), all.last()) {
                (Some(least), Some(most)) if least != most => format!("{least}–{most}"),
                (Some(only), _) => only.to_string(),
                _ => String::new(),
            }
        });
        let _ = writeln!(text, "| 1.{} | {program} | {} | {} |", toolchain.minor, first.libraries, cells.join(" | "));
    }
}

type Pick = fn(&Outcome) -> &[String];

const NAMED: [(&str, Pick); 3] = [
    ("Inlined everywhere", |outcome| &outcome.inlined),
    ("Bypassed by some callers", |outcome| &outcome.bypassed),
    ("Pruned", |outcome| &outcome.pruned),
];

/// By name: in how many builds, of which Go versions and ways of building.
fn names(rows: &[Row], title: &str, pick: Pick, text: &mut String) {
    let mut builds: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        for name in pick(&row.outcome) {
            builds.entry((row.variant.program, name)).or_default().push(row);
        }
    }
    let _ = writeln!(text, "\n{title}:\n\n| program | name | Go | built | builds |\n|---|---|---|---|---|");
    for ((program, name), of) in builds {
        let all = rows.iter().filter(|row| row.variant.program == program).count();
        let versions: BTreeSet<u32> = of.iter().map(|row| row.variant.toolchain.minor).collect();
        let modes = Mode::ALL.into_iter().filter(|mode| of.iter().any(|row| row.variant.mode == *mode));
        let modes: Vec<String> = modes.map(|mode| mode.to_string()).collect();
        let built = if modes.len() == Mode::ALL.len() { "every way".to_owned() } else { modes.join(", ") };
        let _ = writeln!(text, "| {program} | `{name}` | {} | {built} | {} of {all} |", ranges(&versions), of.len());
    }
}

/// `1.18–1.20, 1.22`
fn ranges(versions: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &version in versions {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == version => *last = version,
            _ => ranges.push((version, version)),
        }
    }
    let text = |(first, last): (u32, u32)| {
        if first == last { format!("1.{first}") } else { format!("1.{first}–1.{last}") }
    };
    ranges.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn lines() -> impl Iterator<Item = (Toolchain, &'static str)> {
    TOOLCHAINS.into_iter().flat_map(|toolchain| PROGRAMS.into_iter().map(move |program| (toolchain, program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_versions_in_a_row_as_a_range() {
        assert_eq!(ranges(&[18, 19, 20, 22].into()), "1.18–1.20, 1.22");
    }
}
