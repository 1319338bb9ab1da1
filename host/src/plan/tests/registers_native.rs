//! The platforms' conventions against what gcc says of `fixture-native/signatures.c`.

use super::*;
use expect_test::{Expect, expect};

#[path = "registers_plans.rs"]
mod plans;

fn fixture() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/tests/fixture-native/signatures.c");
        let binary = std::env::current_exe().unwrap().with_file_name("plan-native-fixture");
        let status = Command::new("gcc").args(["-O1", "-gdwarf-4", "-o"]).arg(&binary).arg(source).status();
        assert!(status.expect("gcc is needed to build the fixture").success());
        binary
    })
}

fn with_binary<T>(look: impl FnOnce(&Binary) -> T) -> T {
    let bytes = std::fs::read(fixture()).unwrap();
    look(&Binary::parse(&bytes).unwrap())
}

fn ty(name: &str, binary: &Binary) -> Ty {
    if name == "pointer" { Ty::opaque() } else { Ty::named(name, binary).unwrap() }
}

/// The register of each eight bytes, as gcc counts; or the place in memory.
fn eights(location: &Location, cfa: i32) -> String {
    let Location::Registers(parts) = location else {
        return match location {
            Location::At(register) => format!("@r{register}"),
            other => super::text(other, cfa),
        };
    };
    let eights: BTreeMap<u64, Option<u8>> = parts.iter().map(|part| (part.offset / 8, part.register)).collect();
    let text = |register: &Option<u8>| register.map_or("f".to_owned(), |register| format!("r{register}"));
    eights.values().map(text).collect::<Vec<_>>().join(" ")
}

/// Each function's arguments, found and said.
fn found(abi: &'static Abi) -> Vec<(String, String, String)> {
    let said = witness(fixture());
    let cfa = if abi.rules == Rules::SystemV { 8 } else { 0 };
    with_binary(|binary| {
        let mut found = Vec::new();
        for Said { name, rows, .. } in functions(&said) {
            let mut assigner = Assigner::new(abi, binary);
            for row in rows.iter().filter(|row| row.ty != "complex double" && row.ty != "complex float") {
                let location = assigner.assign(&ty(row.ty, binary));
                let text = location.map_or_else(|skip| skip.to_string(), |location| eights(&location, cfa));
                found.push((format!("{name} {} {}", row.name, row.ty), text, row.location.to_owned()));
            }
        }
        found
    })
}

#[test]
fn knows_where_system_v_passes_arguments() {
    let (mut agreed, mut wrong) = (0, Vec::new());
    for (what, found, said) in found(&AMD64_NATIVE) {
        let mut pieces = BTreeMap::new();
        for piece in said.split(' ') {
            let mut parts = piece.split(':');
            let register = parts.next().unwrap().to_owned();
            let offset: u64 = parts.next().map_or(0, |offset| offset.parse().unwrap());
            pieces.insert(offset / 8, register);
        }
        let said = pieces.into_values().collect::<Vec<_>>().join(" ");
        // The function has put it into its own frame.
        if said.starts_with("cfa-") {
            continue;
        }
        if said == found { agreed += 1 } else { wrong.push(format!("{what}: {said}, not {found}")) }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(agreed, 75);
}

/// As aarch64-linux-gnu-gcc 12.2 has them; the types are amd64's, which are the same.
#[test]
fn knows_where_aapcs64_passes_arguments() {
    let lines: String = found(&ARM64_NATIVE).iter().map(|(what, found, _)| format!("{what}: {found}\n")).collect();
    expect![[r#"
        variadic format pointer: r0
        variadic a int: r1
        complexes c int: r0
        homogeneous a doubles: f f
        homogeneous b floats: f f
        homogeneous c doubles: f f
        homogeneous d doubles: cfa+0
        homogeneous e float: cfa+16
        homogeneous f int: r0
        manyLarge a large: @r0
        manyLarge b large: @r1
        manyLarge c large: @r2
        manyLarge d large: @r3
        manyLarge e large: @r4
        manyLarge f int: r5
        packs a packed: r0
        packs b int: r2
        packs c long double: f
        packs d int: r3
        wides a int: r0
        wides b __int128: r2 r3
        wides c aligned: r4 r5
        wides d int: r6
        wides e __int128: cfa+0
        wides f int: cfa+16
        tails a long int: r0
        tails b long int: r1
        tails c long int: r2
        tails d long int: r3
        tails e long int: r4
        tails f long int: r5
        tails g long int: r6
        tails h long int: r7
        tails i char: cfa+0
        tails j short int: cfa+8
        tails k item: cfa+16
        tails l int: cfa+32
        full a long int: r0
        full b long int: r1
        full c long int: r2
        full d long int: r3
        full e long int: r4
        full f item: r5 r6
        full g long int: r7
        full h char: cfa+0
        full i small: cfa+8
        larges a int: r0
        larges b large: @r1
        larges c int: r2
        larges d vector: f f f f
        larges e floats: f f
        arrays a twelve: r0 r1
        arrays b bytes: r2 r3
        arrays c int: r4
        blends a blend: r0 r1
        blends b mixed: r2 r3
        blends c either: r4
        blends d nested: r5 r6
        structs a small: r0
        structs b item: r1 r2
        structs c int: r3
        structs d mixed: r4 r5
        numbers a int: r0
        numbers b double: f
        numbers c float: f
        numbers d long int: r1
        numbers e double: f
        pointers a pointer: r0
        pointers b pointer: r1
        pointers c pointer: r2
        pointers d handle: r3
        pointers e pointer: r4
        integers a char: r0
        integers b short unsigned int: r1
        integers c int: r2
        integers d long int: r3
        integers e _Bool: r4
        integers f colour: r5
        integers g size_t: r6
        integers h int8_t: r7
    "#]]
    .assert_eq(&lines);
}

fn check_results(abi: &'static Abi, expected: Expect) {
    let names = [
        "_Bool",
        "int",
        "long int",
        "__int128",
        "pointer",
        "double",
        "long double",
        "small",
        "item",
        "mixed",
        "blend",
        "twelve",
        "bytes",
        "large",
        "doubles",
        "floats",
        "vector",
        "packed",
        "either",
        "colour",
    ];
    let lines: String = with_binary(|binary| {
        let line = |name: &&str| {
            let mut assigner = Assigner::new(abi, binary);
            assigner.turn_to_results(false);
            let location = assigner.assign(&ty(name, binary));
            let text = location.map_or_else(|skip| skip.to_string(), |location| eights(&location, 0));
            format!("{name}: {text}\n")
        };
        names.iter().map(line).collect()
    });
    expected.assert_eq(&lines);
}

#[test]
fn knows_where_native_results_are() {
    check_results(
        &AMD64_NATIVE,
        expect![[r#"
        _Bool: r0
        int: r0
        long int: r0
        __int128: r0 r1
        pointer: r0
        double: f
        long double: long double is in a floating-point register, which probes do not see
        small: r0
        item: r0 r1
        mixed: f r0
        blend: r0 f
        twelve: r0 r1
        bytes: r0 r1
        large: @r0
        doubles: f f
        floats: f f
        vector: @r0
        packed: @r0
        either: r0
        colour: r0
    "#]],
    );
    check_results(
        &ARM64_NATIVE,
        expect![[r#"
            _Bool: r0
            int: r0
            long int: r0
            __int128: r0 r1
            pointer: r0
            double: f
            long double: f
            small: r0
            item: r0 r1
            mixed: r0 r1
            blend: r0 r1
            twelve: r0 r1
            bytes: r0 r1
            large: the address of a large is gone when the function returns
            doubles: f f
            floats: f f
            vector: f f f f
            packed: r0
            either: r0
            colour: r0
        "#]],
    );
}

#[test]
fn splits_registers_that_hold_several_fields() {
    with_binary(|binary| {
        let mut assigner = Assigner::new(&AMD64_NATIVE, binary);
        let location = assigner.assign(&ty("small", binary)).unwrap();
        let part = |shift: u8, offset| Part { register: Some(DI), shift, offset, size: 4 };
        assert_eq!(location, Location::Registers(vec![part(0, 0), part(4, 4)]));
    });
}
