//! Types by name: found in the linker's list without a walk, also where no section says what is where.

use std::sync::LazyLock;

use super::*;

const SOURCE: &str = include_str!("descriptors.go");

static PROGRAM: LazyLock<Vec<u8>> = LazyLock::new(|| build_source("go1.26.8", "amd64", STRIPPED, SOURCE));

#[test]
fn finds_types_by_name() {
    for (name, expected) in [
        ("main.hidden", "main.hidden Struct 24"),
        ("*main.hidden", "*main.hidden Pointer 8"),
        ("**main.hidden", "None"),
        ("main.Item[[]int]", "main.Item[[]int] Struct 32"),
        ("main.Item[io/fs.FileInfo]", "main.Item[io/fs.FileInfo] Struct 24"),
        ("[]main.twin", "[]main.twin Slice 24"),
        ("main.twin", "main.twin Struct 8"),
        ("map[string][]chan<- main.Item[[]int]", "map[string][]chan<- main.Item[[]int] Map 8"),
        ("interface { main.seal(int) string }", "interface { main.seal(int) string } Interface { empty: false } 16"),
        ("struct { main.own int; Shared int }", "struct { main.own int; Shared int } Struct 16"),
        ("error", "error Interface { empty: false } 16"),
        ("unsafe.Pointer", "unsafe.Pointer UnsafePointer 8"),
        ("other.hidden", "None"),
        ("example.com/main.hidden", "None"),
        ("main.", "None"),
        ("*", "None"),
        ("", "None"),
    ] {
        let binary = Binary::parse(&PROGRAM).unwrap();
        let found = binary.type_named(name).unwrap();
        let text = found.map_or_else(|| "None".into(), |ty| format!("{} {:?} {}", ty.name, ty.kind, ty.size));
        assert_eq!(text, expected);
    }
}

#[test]
fn says_that_functions_have_different_types_of_one_name() {
    let binary = Binary::parse(&PROGRAM).unwrap();
    for name in ["main.local", "*main.local"] {
        let error = binary.type_named(name).unwrap_err().to_string();
        let start = format!("several types {name} with different layouts, at 0x");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn finds_in_the_list_what_has_a_name() {
    for (version, arguments) in [("go1.21.13", PLAIN), ("go1.24.9", PIE), ("go1.26.8", STRIPPED), ("go1.27.4", PIE)] {
        let program = program(version, "amd64", arguments);
        let binary = Binary::parse(&program).unwrap();
        let descriptors = binary.descriptors().unwrap();
        let inventory = binary.inventory(&descriptors);
        let mut compared = 0;
        for name in inventory.names(&descriptors) {
            let all = inventory.named(&descriptors, &name);
            let is_listed = |&address: &u64| {
                let descriptor = descriptors.get(address).unwrap();
                descriptor.is_named() && descriptor.kind != crate::descriptors::kinds::POINTER
            };
            // What generic code is compiled for is called by what it is made of.
            if !name.starts_with("go.shape.") && all.iter().any(is_listed) {
                assert_eq!(binary.links(&descriptors).named(&descriptors, &name), all, "{version} {name}");
                compared += 1;
            }
        }
        assert!(compared > 900, "only {compared} types have names in {version}");
    }
}

#[test]
fn needs_no_sections() {
    for (version, arguments) in [("go1.21.13", STRIPPED_PIE), ("go1.26.8", STRIPPED), ("go1.27.4", STRIPPED_PIE)] {
        let mut program = program(version, "amd64", arguments).to_vec();
        let size = |bytes: &[u8]| Binary::parse(bytes).unwrap().type_named("net/http.Request").unwrap().unwrap().size;
        let usual = size(&program);
        // Where sections are, and their number and names, as sstrip leaves them.
        program[40..48].fill(0);
        program[58..64].fill(0);
        assert_eq!(size(&program), usual, "{version}");
    }
}

/// As if another release had made the file.
fn claims(version: &str, other: &str) -> Vec<u8> {
    let mut program = program(version, "amd64", STRIPPED).to_vec();
    let at = program.windows(14).position(|bytes| bytes == b"\xff Go buildinf:").unwrap();
    let place = at + program[at..].windows(version.len()).position(|bytes| bytes == version.as_bytes()).unwrap();
    program[place..place + other.len()].copy_from_slice(other.as_bytes());
    program
}

#[test]
fn reads_a_release_that_it_does_not_know() {
    let program = claims("go1.27.4", "go1.99.4");
    let binary = Binary::parse(&program).unwrap();
    assert_eq!(binary.go().unwrap().version, "go1.99.4");
    assert!(binary.type_named("net/http.Request").unwrap().is_some());
}

#[test]
fn refuses_a_layout_that_is_not_what_the_version_says() {
    for (version, other, expected) in [
        ("go1.26.8", "go1.27.8", "is not moduledata as go1.27.8 has it: "),
        ("go1.27.4", "go1.26.4", "is not moduledata as go1.26.4 has it: no type links near "),
        ("go1.26.8", "go1.19.8", "is not moduledata as go1.19.8 has it: "),
        ("go1.26.8", "go1.17.8", "of go1.17.8, before Go 1.18"),
    ] {
        let error = Binary::parse(&claims(version, other)).unwrap().type_named("net/http.Request").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
