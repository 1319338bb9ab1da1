//! What the Go linker says about a build: version, main package, modules. From Go 1.18 on; before, it was kept behind pointers.

use super::image::Image;
use super::{GoInfo, Module};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER: usize = 32;
/// Flag in the header's byte 15: the strings follow it.
const INLINE: u8 = 2;
/// `debug/buildinfo` looks no further than that where there is no section.
const SEARCHED: usize = 64 * 1024;
/// Marks before and after the module list, so that it can be found in a core dump.
const SENTINEL: usize = 16;
const MAX_MODULES: usize = 10_000;

pub(super) fn read(image: &Image) -> Option<GoInfo> {
    let header = find(image)?;
    if header.get(15)? & INLINE == 0 {
        return None;
    }
    let (version, rest) = string(header.get(HEADER..)?)?;
    let version = std::str::from_utf8(version).ok()?.to_owned();
    let list = string(rest).map_or(&[][..], |(list, _)| list);
    let list = list.get(SENTINEL..list.len().saturating_sub(SENTINEL)).unwrap_or_default();
    let (main, modules) = parse_modules(&String::from_utf8_lossy(list));
    Some(GoInfo { version, main, modules })
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

fn parse_modules(list: &str) -> (Option<String>, Vec<Module>) {
    let mut main = None;
    let mut modules: Vec<Module> = Vec::new();
    for line in list.lines().take(MAX_MODULES) {
        let mut words = line.split('\t');
        match (words.next(), words.next(), words.next()) {
            (Some("path"), Some(path), _) => main = Some(path.to_owned()),
            (Some("mod" | "dep"), Some(path), version) => {
                modules.push(Module { path: path.to_owned(), version: version.unwrap_or_default().to_owned() });
            }
            (Some("=>"), Some(_), version) => {
                if let Some(replaced) = modules.last_mut() {
                    replaced.version = version.unwrap_or_default().to_owned();
                }
            }
            _ => {}
        }
    }
    (main, modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_replaced_module_the_name_of_its_imports() {
        let list = "path\texample.com/a/cmd\nmod\texample.com/a\t(devel)\t\ndep\texample.com/b\tv1.2.0\th1:x=\n\
                    dep\texample.com/c\tv1.0.0\n=>\texample.com/d\tv2.0.0\th1:y=\nbuild\t-compiler=gc\n";
        let (main, modules) = parse_modules(list);
        assert_eq!(main.as_deref(), Some("example.com/a/cmd"));
        let modules: Vec<_> = modules.iter().map(|module| format!("{} {}", module.path, module.version)).collect();
        assert_eq!(modules, ["example.com/a (devel)", "example.com/b v1.2.0", "example.com/c v2.0.0"]);
    }
}
