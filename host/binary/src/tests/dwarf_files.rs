//! Debug files beside the binary, and DWARF that is not what it seems.

use super::dwarf_native::Native;
use super::*;

const ID: &str = "-Wl,--build-id=0xabcdef01";

fn size(binary: &Binary, name: &str) -> Result<Option<u64>, String> {
    binary.dwarf_type_named(name).map(|ty| ty.map(|ty| ty.size)).map_err(|error| error.to_string())
}

#[test]
fn takes_types_from_a_debug_file() {
    let program = Native::build("dwarf_item.c", &["-gdwarf-5", ID]);
    let debug = program.objcopy(&["--only-keep-debug", "--compress-debug-sections=zlib", "program"], "item.debug");
    let stripped = program.objcopy(&["--strip-all", "--add-gnu-debuglink=item.debug", "program"], "stripped");
    let alone = Binary::parse(&stripped).unwrap();
    assert_eq!(size(&alone, "item"), Ok(None));
    assert_eq!(alone.gnu_build_id().as_deref(), Some("abcdef01"));
    let link = alone.debug_link().unwrap();
    assert_eq!((link.name.as_str(), link.crc), ("item.debug", crc32fast::hash(&debug)));
    for check in [Check::BuildId, Check::DebugLink] {
        let binary = Binary::parse(&stripped).unwrap().with_debug_file(&debug, check).unwrap();
        program.check(&binary, &format!("{check:?}"));
    }
}

#[test]
fn refuses_the_debug_file_of_another_binary() {
    let program = Native::build("dwarf_item.c", &["-gdwarf-5", ID]);
    let other = Native::build("dwarf_item.c", &["-gdwarf-5", "-Wl,--build-id=0x22"]);
    let unnamed = Native::build("dwarf_item.c", &["-gdwarf-5", "-Wl,--build-id=none"]);
    let [debug, other, unnamed] =
        [&program, &other, &unnamed].map(|program| program.objcopy(&["--only-keep-debug", "program"], "debug"));
    let stripped = program.objcopy(&["--strip-all", "--add-gnu-debuglink=debug", "program"], "stripped");
    let mut changed = debug.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (file, check, expected) in [
        (&other, Check::BuildId, "its build id is 22, not abcdef01"),
        (&other, Check::DebugLink, "its build id is 22, not abcdef01"),
        (&unnamed, Check::BuildId, "it has no build id"),
        (&unnamed, Check::DebugLink, "its crc is "),
        (&changed, Check::DebugLink, "its crc is "),
    ] {
        let error =
            Binary::parse(&stripped).unwrap().with_debug_file(file, check).err().expect("it is another's").to_string();
        let expected = format!("not the debug file of this binary: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = Binary::parse(&stripped).unwrap().with_debug_file(b"nothing", Check::BuildId).err().unwrap();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
}

#[test]
fn names_the_file_that_it_lacks() {
    let source = [("main.c", "struct item { int a; } item; int main(void) { return 0; }")];
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let program = Native::compile(&source, &[version, "-gsplit-dwarf"]).read("program");
        let expected = "no item (but 1 units are in files like program-main.dwo, which are not read) in the binary";
        assert_eq!(size(&Binary::parse(&program).unwrap(), "item").unwrap_err(), expected, "{version}");
    }
}

#[test]
fn names_the_alternate_file_that_it_lacks() {
    let source = [("main.c", "struct item { int a; } item; int main(void) { return 0; }")];
    let program = Native::compile(&source, &["-gdwarf-5", "-Wl,--build-id"]);
    program.write("link", b"/shared/types\0\xab\xcd");
    let bytes = program.objcopy(&["--add-section=.gnu_debugaltlink=link", "program"], "linked");
    let binary = Binary::parse(&bytes).unwrap();
    assert_eq!(binary.alternate_link(), Some(AlternateLink { path: "/shared/types".into(), build_id: "abcd".into() }));
    assert_eq!(size(&binary, "item"), Ok(Some(4)));
    let expected = "no other (but the alternate debug file /shared/types was not given) in the binary";
    assert_eq!(size(&binary, "other").unwrap_err(), expected);
    let error = binary.with_alternate_debug_file(&bytes).err().expect("it is another").to_string();
    assert!(error.starts_with("not the debug file of this binary: the alternate file's build id is "), "{error}");
}

#[test]
fn says_which_units_it_cannot_read() {
    use object::{Object, ObjectSection};
    let program =
        Native::compile(&[("main.c", "struct item { int a; } item; int main(void) { return 0; }")], &["-gdwarf-5"]);
    let mut bytes = program.read("program");
    let file = object::File::parse(&bytes[..]).unwrap();
    let (at, _) = file.section_by_name(".debug_info").unwrap().file_range().unwrap();
    // The version of the only unit.
    bytes[at as usize + 4] = 9;
    let expected = "a truncated or corrupt ELF file: item is not in its DWARF as far as that can be read; 1 units cannot, the first for this: \
        its dwarf at 0x0 of .debug_info: unknown dwarf version: 9";
    assert_eq!(size(&Binary::parse(&bytes).unwrap(), "item").unwrap_err(), expected);
}

#[test]
fn tells_two_types_of_one_name_apart() {
    let first = "struct item { int a; long b; }; struct same { char c; }; struct item first; struct same one; struct open; struct open *open;";
    let second = "struct item { int a; }; struct same { char c; }; struct item second; struct same two; struct open { short s; } three; int main(void) { return 0; }";
    let program = Native::compile(&[("first.c", first), ("second.c", second)], &["-gdwarf-5"]);
    let bytes = program.read("program");
    let binary = Binary::parse(&bytes).unwrap();
    assert_eq!(size(&binary, "same"), Ok(Some(1)));
    assert_eq!(size(&binary, "open"), Ok(Some(2)));
    let error = size(&binary, "struct item").unwrap_err();
    let error = error.split(['(', ')']).step_by(2).collect::<Vec<_>>();
    assert_eq!(
        error,
        ["not a type to read: item is not one type: 16 bytes in first.c ", ", and another of 4 bytes in second.c ", ""]
    );
}
