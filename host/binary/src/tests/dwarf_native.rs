//! Structs of C, C++ and Rust: as the compiled programs say of themselves, whatever version of DWARF describes them.

use std::ffi::OsStr;
use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

/// A program in a directory of its own, with what its run printed.
pub(super) struct Native {
    directory: Directory,
    said: String,
}

impl Native {
    pub fn build(source: &str, arguments: &[&str]) -> Self {
        let directory = Directory::new();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests").join(source);
        let (compiler, missing) = match path.extension().and_then(OsStr::to_str) {
            Some("c") => (vec!["gcc"], "gcc and libc6-dev"),
            Some("cc") => (vec!["g++", "-Wno-invalid-offsetof"], "g++"),
            _ => (vec!["rustc", "--crate-name", "item", "--edition", "2024"], "rustc"),
        };
        let program = directory.0.join("program");
        let mut command = Command::new(compiler[0]);
        command.args(&compiler[1..]).args(arguments).arg("-o").arg(&program).arg(&path);
        run(&mut command, missing);
        let said = run(&mut Command::new(&program), "nothing more");
        Self { directory, said }
    }

    /// C from several files, which are compiled one by one.
    pub fn compile(sources: &[(&str, &str)], arguments: &[&str]) -> Self {
        let directory = Directory::new();
        for (name, text) in sources {
            std::fs::write(directory.0.join(name), text).unwrap();
        }
        let mut command = Command::new("gcc");
        command.current_dir(&directory.0).args(arguments).args(["-o", "program"]);
        run(command.args(sources.iter().map(|(name, _)| name)), "gcc and libc6-dev");
        Self { directory, said: String::new() }
    }

    /// What `objcopy` makes beside the program.
    pub fn objcopy(&self, arguments: &[&str], output: &str) -> Vec<u8> {
        let mut command = Command::new("objcopy");
        run(command.current_dir(&self.directory.0).args(arguments).arg(output), "binutils");
        self.read(output)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.0.join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.directory.0.join(name)).unwrap()
    }

    /// Every line that the program printed is what is read.
    pub fn check(&self, binary: &Binary, context: &str) {
        assert!(self.said.lines().count() > 10, "{}", self.said);
        for line in self.said.lines() {
            let (name, member, expected) = match *line.split('|').collect::<Vec<_>>() {
                [name, size] => (name, None, size.to_owned()),
                [name, member, at] => (name, Some(member), at.to_owned()),
                _ => panic!("{line}"),
            };
            let ty = binary.dwarf_type_named(name).unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
            let ty = ty.unwrap_or_else(|| panic!("{context}: no {name}"));
            let found = match member {
                None => ty.size.to_string(),
                Some(member) => place(binary, &ty, member, 0).unwrap_or_else(|| panic!("{context}: {line}")),
            };
            assert_eq!(found, expected, "{context}: {line}");
        }
    }
}

/// Also of a base class.
fn place(binary: &Binary, ty: &Type, member: &str, base: u64) -> Option<String> {
    if let Some((field, ty)) = binary.field(ty, member).unwrap() {
        let at = base + field.offset;
        return Some(match ty.kind {
            Kind::Bits { offset, .. } => format!("bit {}", at * 8 + u64::from(offset)),
            _ => at.to_string(),
        });
    }
    let bases = binary.fields(ty).unwrap().into_iter().filter(|field| field.embedded);
    bases.into_iter().find_map(|field| place(binary, &binary.resolve(field.ty).unwrap(), member, base + field.offset))
}

fn run(command: &mut Command, missing: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install {missing}"));
    assert!(output.status.success(), "{command:?}: {}; is {missing} there?", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn check_types(binary: &Binary, names: &[&str], expected: Expect) {
    let mut text = String::new();
    for name in names {
        text += &match binary.dwarf_type_named(name) {
            Ok(Some(ty)) => describe(binary, &ty),
            Ok(None) => format!("{name} is not there\n"),
            Err(error) => format!("{name}: {error}\n"),
        };
    }
    expected.assert_eq(&text);
}

fn describe(binary: &Binary, ty: &Type) -> String {
    let mut text = format!("{} {:?} {}\n", ty.name, ty.kind, ty.size);
    if matches!(ty.kind, Kind::Struct | Kind::Union | Kind::Variants) {
        for Field { name, offset, embedded, ty } in binary.fields(ty).unwrap() {
            let embedded = if embedded { " embedded" } else { "" };
            text += &match binary.resolve(ty) {
                Ok(ty) => format!("  {offset} {name}{embedded} {} {:?} {}\n", ty.name, ty.kind, ty.size),
                Err(error) => format!("  {offset} {name}{embedded} {error}\n"),
            };
        }
    }
    text
}

#[test]
fn reads_c_as_the_compiler_laid_it_out() {
    let versions: [&[&str]; 4] = [
        &["-g", "-gdwarf-4"],
        &["-g", "-gdwarf-5"],
        &["-g3", "-gdwarf-2", "-gstrict-dwarf"],
        &["-gdwarf-4", "-fdebug-types-section"],
    ];
    for arguments in versions {
        let program = Native::build("dwarf_item.c", arguments);
        program.check(&Binary::parse(&program.read("program")).unwrap(), &format!("{arguments:?}"));
    }
    let program = Native::build("dwarf_item.c", &["-gdwarf-5", "-fdebug-types-section"]);
    for compression in ["zlib", "zlib-gnu", "zstd"] {
        let compression = format!("--compress-debug-sections={compression}");
        let bytes = program.objcopy(&[&compression, "program"], "compressed");
        program.check(&Binary::parse(&bytes).unwrap(), &compression);
    }
}

#[test]
fn reads_what_c_has() {
    let program = Native::build("dwarf_item.c", &["-g", "-gdwarf-5"]).read("program");
    let names =
        ["item", "struct item", "pair_t", "both", "union both", "struct both", "balance", "enum balance", "other"];
    check_types(
        &Binary::parse(&program).unwrap(),
        &names,
        expect![[r#"
        item Struct 128
          0 tag char Int { size: 1, signed: true } 1
          4 width int16_t Int { size: 2, signed: true } 2
          8 number uint32_t Int { size: 4, signed: false } 4
          8 letters [4]char Array { len: 4 } 4
          16 grid [2][3]double Array { len: 2 } 48
          64 link *uint64_t Pointer 8
          72 unknown *other Pointer 8
          80 call *func Pointer 8
          88 class size_class Int { size: 4, signed: false } 4
          92 balance balance Int { size: 4, signed: true } 4
          96 low uint32_t Bits { offset: 0, size: 3, signed: false } 1
          96 middle uint32_t Bits { offset: 5, size: 7, signed: false } 2
          97 wide int64_t Bits { offset: 4, size: 40, signed: true } 6
          102 flag _Bool Bits { offset: 4, size: 1, signed: false } 1
          112 precise long double Float { size: 16 } 16
          128 rest [0]unsigned char Array { len: 0 } 0
        item Struct 128
          0 tag char Int { size: 1, signed: true } 1
          4 width int16_t Int { size: 2, signed: true } 2
          8 number uint32_t Int { size: 4, signed: false } 4
          8 letters [4]char Array { len: 4 } 4
          16 grid [2][3]double Array { len: 2 } 48
          64 link *uint64_t Pointer 8
          72 unknown *other Pointer 8
          80 call *func Pointer 8
          88 class size_class Int { size: 4, signed: false } 4
          92 balance balance Int { size: 4, signed: true } 4
          96 low uint32_t Bits { offset: 0, size: 3, signed: false } 1
          96 middle uint32_t Bits { offset: 5, size: 7, signed: false } 2
          97 wide int64_t Bits { offset: 4, size: 40, signed: true } 6
          102 flag _Bool Bits { offset: 4, size: 1, signed: false } 1
          112 precise long double Float { size: 16 } 16
          128 rest [0]unsigned char Array { len: 0 } 0
        pair_t Struct 144
          0 first item Struct 128
          128 last *int Pointer 8
        both Union 8
          0 whole int64_t Int { size: 8, signed: true } 8
          0 halves struct without a name Struct 8
        both Union 8
          0 whole int64_t Int { size: 8, signed: true } 8
          0 halves struct without a name Struct 8
        struct both is not there
        balance Int { size: 4, signed: true } 4
        balance Int { size: 4, signed: true } 4
        other Struct 160
          0 back *item Pointer 8
          16 pair pair_t Struct 144
    "#]],
    );
}

#[test]
fn reads_cpp_as_the_compiler_laid_it_out() {
    let versions: [&[&str]; 3] =
        [&["-g", "-gdwarf-4"], &["-gdwarf-4", "-fdebug-types-section"], &["-gdwarf-5", "-fdebug-types-section"]];
    for arguments in versions {
        let program = Native::build("dwarf_item.cc", arguments);
        program.check(&Binary::parse(&program.read("program")).unwrap(), &format!("{arguments:?}"));
    }
}

#[test]
fn reads_what_cpp_has() {
    let program = Native::build("dwarf_item.cc", &["-g", "-gdwarf-5"]);
    let bytes = program.read("program");
    let binary = Binary::parse(&bytes).unwrap();
    program.check(&binary, "DWARF 5");
    let names = [
        "shop::cart::Item",
        "shop::cart::Item::Color",
        "shop::cart::Shared",
        "shop::cart::Box<shop::cart::Item::Inner,3>",
        "Item",
    ];
    check_types(
        &binary,
        &names,
        expect![[r#"
        shop::cart::Item Struct 112
          0 Base embedded shop::cart::Base Struct 16
          16 Mixin embedded shop::cart::Mixin Struct 4
          24 name std::string Struct 32
          56 numbers std::vector<int, std::allocator<int> > Struct 24
          80 inner shop::cart::Item::Inner Struct 8
          88 reference *int32_t Pointer 8
          96 moved *int32_t Pointer 8
          104 color shop::cart::Item::Color Int { size: 1, signed: false } 1
        shop::cart::Item::Color Int { size: 1, signed: false } 1
        shop::cart::Shared Struct 16
          0 Mixin embedded not a type to read: the virtual base class shop::cart::Mixin (at 0x649c of .debug_info) has no fixed place: only the object itself says where it is
          0 _vptr.Shared *__vtbl_ptr_type Pointer 8
          8 own int32_t Int { size: 4, signed: true } 4
        shop::cart::Box<shop::cart::Item::Inner, 3> Struct 28
          0 content [3]shop::cart::Item::Inner Array { len: 3 } 24
          24 full bool Bool 1
        Item is not there
    "#]],
    );
}

#[test]
fn reads_rust_as_the_compiler_laid_it_out() {
    for arguments in [&["-g", "-Cdwarf-version=4"], &["-g", "-Cdwarf-version=5"]] {
        let program = Native::build("dwarf_item.rs", arguments);
        let bytes = program.read("program");
        let binary = Binary::parse(&bytes).unwrap();
        program.check(&binary, &format!("{arguments:?}"));
        if arguments[1].ends_with('5') {
            let names = [
                "item::shop::cart::Event",
                "core::option::Option<u32>",
                "item::shop::cart::Code",
                "item::shop::cart::Either",
            ];
            check_types(
                &binary,
                &names,
                expect![[r#"
                item::shop::cart::Event Variants 80
                  0 (discriminant) u64 Int { size: 8, signed: false } 8
                  0 Nothing item::shop::cart::Event::Nothing Struct 80
                  0 Bought item::shop::cart::Event::Bought Struct 80
                  0 Moved item::shop::cart::Event::Moved Struct 80
                core::option::Option<u32> Variants 8
                  0 (discriminant) u32 Int { size: 4, signed: false } 4
                  0 None core::option::Option<u32>::None Struct 8
                  0 Some core::option::Option<u32>::Some Struct 8
                item::shop::cart::Code Int { size: 1, signed: true } 1
                item::shop::cart::Either Union 8
                  0 number u64 Int { size: 8, signed: false } 8
                  0 letters [3]u8 Array { len: 3 } 3
            "#]],
            );
        }
    }
}
