//! What the Go linker says about a build: version, main package, modules, settings. From Go 1.18 on; before, it was kept behind
//! pointers.

use super::image::Image;
use super::{Binary, GoInfo, Module};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER: usize = 32;
/// Flag in the header's byte 15: the strings follow it.
const INLINE: u8 = 2;
/// `debug/buildinfo` looks no further than that where there is no section.
const SEARCHED: usize = 64 * 1024;
/// Marks before and after the module list, so that it can be found in a core dump.
const SENTINEL: usize = 16;
/// Modules and settings.
const MAX_LINES: usize = 20_000;

pub(super) fn read(image: &Image) -> Option<GoInfo> {
    let header = find(image)?;
    if header.get(15)? & INLINE == 0 {
        return None;
    }
    let (version, rest) = string(header.get(HEADER..)?)?;
    let version = std::str::from_utf8(version).ok()?.to_owned();
    let list = string(rest).map_or(&[][..], |(list, _)| list);
    let list = list.get(SENTINEL..list.len().saturating_sub(SENTINEL)).unwrap_or_default();
    Some(parse(version, &String::from_utf8_lossy(list)))
}

impl Binary<'_> {
    /// Why there is no `GoInfo`, if the program looks like one of Go's.
    pub fn why_no_go_info(&self) -> Option<String> {
        if self.go().is_some() {
            return None;
        }
        let Some(header) = find(&self.image) else {
            let table = self.image.section(".gopclntab")?;
            return Some(format!("functions of Go at {:#x}, but no build info", table.address));
        };
        // The header is a part of the file.
        let at = header.as_ptr().addr() - self.image.data.as_ptr().addr();
        Some(match header.get(15).is_some_and(|flags| flags & INLINE != 0) {
            true => format!("build info at offset {at:#x} that ends before its strings do"),
            false => format!("build info at offset {at:#x} behind pointers, as Go before 1.18 wrote it"),
        })
    }
}

fn find<'d>(image: &Image<'d>) -> Option<&'d [u8]> {
    if let Some(section) = image.section(".go.buildinfo") {
        let bytes = image.bytes_from(section.address).ok()?;
        return bytes.starts_with(MAGIC).then_some(bytes);
    }
    let writable = image.segments.iter().filter(|segment| segment.writable);
    writable.into_iter().find_map(|segment| {
        let end = segment.bytes.len().min(SEARCHED);
        let at = (0..end).step_by(ALIGNMENT).find(|&at| segment.bytes[at..].starts_with(MAGIC))?;
        Some(&segment.bytes[at..])
    })
}

/// A string after its length as a variable-length number, and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, used) = super::varint(bytes)?;
    let rest = bytes.get(used..)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Lines of words with tabs between (`runtime/debug.ParseBuildInfo`).
fn parse(version: String, list: &str) -> GoInfo {
    let mut info = GoInfo { version, main: None, modules: Vec::new(), settings: Vec::new() };
    for line in list.lines().take(MAX_LINES) {
        let mut words = line.split('\t');
        match (words.next(), words.next(), words.next()) {
            (Some("path"), Some(path), _) => info.main = Some(path.to_owned()),
            (Some("mod" | "dep"), Some(path), version) => {
                let version = version.unwrap_or_default().to_owned();
                info.modules.push(Module { path: path.to_owned(), version, replaced_by: None });
            }
            (Some("=>"), Some(path), version) => {
                if let Some(replaced) = info.modules.last_mut() {
                    replaced.version = version.unwrap_or_default().to_owned();
                    replaced.replaced_by = Some(path.to_owned());
                }
            }
            (Some("build"), Some(_), _) => {
                info.settings.extend(setting(line.split_once('\t').map_or("", |(_, it)| it)))
            }
            _ => {}
        }
    }
    info
}

/// `key=value`, either of them perhaps in quotes.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = unquoted(text, '=')?;
    let (value, _) = unquoted(rest.strip_prefix('=')?, '\t')?;
    Some((key, value))
}

/// A word up to the end or to a character that cannot be in it, unless it is in quotes, and what follows.
fn unquoted(text: &str, end: char) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        return raw.split_once('`').map(|(word, rest)| (word.to_owned(), rest));
    }
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = text.split_at(text.find(end).unwrap_or(text.len()));
        return Some((word.to_owned(), rest));
    };
    let (mut word, mut characters) = (String::new(), quoted.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((word, &quoted[at + 1..])),
            '\\' => word.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            other => word.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_replaced_module_the_name_of_its_imports() {
        let list = "path\texample.com/a/cmd\nmod\texample.com/a\t(devel)\t\ndep\texample.com/b\tv1.2.0\th1:x=\n\
                    dep\texample.com/c\tv1.0.0\n=>\texample.com/d\tv2.0.0\th1:y=\ndep\texample.com/e\tv1.0.0\n=>\t../e\t\t\n\
                    dep\texample.com/f\tv0.0.0-20240102030405-abcdefabcdef\th1:z=\n\
                    dep\texample.com/g\tv2.1.0+incompatible\th1:z=\n";
        let info = parse("go1.26.8".into(), list);
        assert_eq!(info.main.as_deref(), Some("example.com/a/cmd"));
        let replaced = |module: &Module| module.replaced_by.as_ref().map_or(String::new(), |by| format!(" => {by}"));
        let modules =
            info.modules.iter().map(|module| format!("{} {}{}", module.path, module.version, replaced(module)));
        assert_eq!(
            modules.collect::<Vec<_>>(),
            [
                "example.com/a (devel)",
                "example.com/b v1.2.0",
                "example.com/c v2.0.0 => example.com/d",
                "example.com/e  => ../e",
                "example.com/f v0.0.0-20240102030405-abcdefabcdef",
                "example.com/g v2.1.0+incompatible",
            ]
        );
    }

    #[test]
    fn reads_settings() {
        for (line, expected) in [
            ("build\t-compiler=gc", Some(("-compiler", "gc"))),
            ("build\t-ldflags=\"-s -w \\\"-X=a\\tb\\\"\"", Some(("-ldflags", "-s -w \"-X=a\tb\""))),
            ("build\t-tags=`a b`", Some(("-tags", "a b"))),
            ("build\t\"a=b\"=c", Some(("a=b", "c"))),
            ("build\tCGO_CFLAGS=", Some(("CGO_CFLAGS", ""))),
            ("build\t-race", None),
            ("build\t-x=\"open", None),
            ("build", None),
        ] {
            let info = parse(String::new(), line);
            let found = info.settings.first().map(|(key, value)| (key.as_str(), value.as_str()));
            assert_eq!(found, expected, "{line}");
        }
    }
}
