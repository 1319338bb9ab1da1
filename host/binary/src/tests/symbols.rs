//! Names that lead to functions: of generic ones, wrappers, assembly, C, and of shared objects.

use expect_test::expect;

use super::super::functions::Functions;
use super::*;

const FILES: [(&str, &str); 9] = [
    ("go.mod", "module fixture.example/shop\n\ngo 1.18\n"),
    ("main.go", include_str!("shop/main.go")),
    ("yaml.v3/yaml.go", include_str!("shop/yaml.go")),
    ("sum/sum.go", "package sum\n\nfunc Sum(a, b int) int\n\nvar Value = Sum\n"),
    ("sum/sum_amd64.s", include_str!("shop/sum_amd64.s")),
    ("sum/sum_arm64.s", include_str!("shop/sum_arm64.s")),
    ("native/native.go", include_str!("shop/native.go")),
    ("with.go", include_str!("shop/with.go")),
    ("without.go", "//go:build !native\n\npackage main\n\nfunc fromC() int { return 0 }\n"),
];

/// Each is built once a run.
pub(super) fn shop(version: &str, architecture: &str, arguments: &[&str]) -> Arc<Vec<u8>> {
    static PROGRAMS: OnceLock<Mutex<HashMap<String, Arc<Vec<u8>>>>> = OnceLock::new();
    let key = format!("{version} {architecture} {arguments:?}");
    let mut programs = PROGRAMS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    programs.entry(key).or_insert_with(|| Arc::new(build_shop(version, architecture, arguments))).clone()
}

fn build_shop(version: &str, architecture: &str, arguments: &[&str]) -> Vec<u8> {
    let directory = Directory::new();
    for (path, text) in FILES {
        let path = directory.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let cgo = if arguments.contains(&"-tags=native") { "1" } else { "0" };
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o", "program"])
        .args(arguments)
        .current_dir(&directory.0)
        .envs([("GOTOOLCHAIN", version), ("GOARCH", architecture), ("CGO_ENABLED", cgo), ("GOFLAGS", "")])
        .output()
        .expect("go builds the programs that this test reads");
    assert!(output.status.success(), "{version} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(directory.0.join("program")).unwrap()
}

/// What a name leads to, without addresses.
fn look_up(binary: &Binary, name: &str) -> String {
    match binary.find_function(name) {
        Ok(function) => format!("{name}: {} {:?} {:?}\n", function.name, function.convention, function.role),
        Err(NotFound::Ambiguous { count, .. }) => format!("{name}: any of {count}\n"),
        Err(error) => format!("{name}: {error}\n"),
    }
}

const NAMES: [&str; 11] = [
    "main.main",
    "main.Map[...]",
    "main.Map",
    "main.(*List[...]).Push",
    "main.Item.Price",
    "main.(*Item).Price",
    "main.(*Cart).Price",
    "main.Item.Price-fm",
    "fixture.example/shop/yaml.v3.Marshal",
    "fixture.example/shop/sum.Sum",
    "fixture.example/shop/sum.Sum.abi0",
];

#[test]
fn finds_what_names_mean() {
    let expected = expect![[r#"
        main.main: main.main Go Body
        main.Map[...]: any of 3
        main.Map: no function main.Map
        main.(*List[...]).Push: main.(*List[go.shape.string]).Push Go Body
        main.Item.Price: main.Item.Price Go Body
        main.(*Item).Price: main.(*Item).Price Go Wrapper
        main.(*Cart).Price: main.(*Cart).Price Go Wrapper
        main.Item.Price-fm: main.Item.Price-fm Go Wrapper
        fixture.example/shop/yaml.v3.Marshal: fixture.example/shop/yaml%2ev3.Marshal Go Body
        fixture.example/shop/sum.Sum: fixture.example/shop/sum.Sum GoStack Body
        fixture.example/shop/sum.Sum.abi0: fixture.example/shop/sum.Sum GoStack Body
    "#]];
    for (version, architecture, arguments, list) in [
        ("go1.18.10", "amd64", PLAIN, "main.(*List[go.shape.string_0]).Push"),
        ("go1.18.10", "amd64", STRIPPED, "main.(*List[...]).Push"),
        ("go1.20.14", "amd64", STRIPPED, "main.(*List[...]).Push"),
        ("go1.26.8", "amd64", STRIPPED_PIE, "main.(*List[go.shape.string]).Push"),
        ("go1.27.4", "arm64", STRIPPED, "main.(*List[go.shape.string]).Push"),
    ] {
        let program = shop(version, architecture, arguments);
        let binary = Binary::parse(&program).unwrap();
        let text: String = NAMES.iter().map(|name| look_up(&binary, name)).collect();
        let text = text.replace(&format!(": {list} Go"), ": main.(*List[go.shape.string]).Push Go");
        expected.assert_eq(&text);
        let found = binary.instantiations("main.Map");
        assert_eq!(found.len(), 3, "{version} {arguments:?} {found:?}");
    }
}

/// Its own table and the symbols are read apart, and have to say the same.
#[test]
fn agrees_with_symbols_on_every_function() {
    for (version, architecture) in [("go1.18.10", "amd64"), ("go1.26.8", "amd64"), ("go1.27.4", "arm64")] {
        let program = shop(version, architecture, PLAIN);
        let binary = Binary::parse(&program).unwrap();
        let symbols = Functions::new(&binary.image, true, None, None);
        let mut by_address = HashMap::new();
        let all = (0..symbols.len()).filter_map(|number| symbols.get(&binary.image, number));
        all.filter(|symbol| symbol.size > 0).for_each(|symbol| {
            by_address.insert(symbol.address, symbol);
        });
        let mut compared = 0;
        for function in binary.functions() {
            let Some(symbol) = by_address.get(&function.address) else { continue };
            assert_eq!(function.name, symbol.name, "{version}");
            assert!(function.size - symbol.size < 64, "{version} {function:?} {symbol:?}");
            // A symbol tells the stack ABI only where the function has both, and a wrapper only by its name or its twin.
            let twins = symbols.same(function.name.as_bytes()).len();
            if twins > 1 && function.name.contains('.') && !function.name.contains('[') {
                let said = (symbol.convention, symbol.role);
                assert_eq!((function.convention, function.role), said, "{version} {}", function.name);
                compared += 1;
            }
        }
        assert!(by_address.len() > 1000 && compared > 20, "{version}: {compared} of {}", by_address.len());
    }
}

#[test]
fn finds_c_functions_of_a_go_program() {
    for mode in ["-ldflags=-linkmode=external", "-ldflags=-linkmode=internal"] {
        let program = shop("go1.26.8", "amd64", &["-tags=native", mode]);
        let binary = Binary::parse(&program).unwrap();
        let text = ["shop_total", "fixture.example/shop/native.Total", "main.main"].map(|name| look_up(&binary, name));
        expect![[r#"
            shop_total: shop_total Native Body
            fixture.example/shop/native.Total: fixture.example/shop/native.Total Go Body
            main.main: main.main Go Body
        "#]]
        .assert_eq(&text.concat());
    }
}

fn compile(source: &str, arguments: &[&str]) -> Vec<u8> {
    let directory = Directory::new();
    let (input, output) = (directory.0.join("native.cc"), directory.0.join("native"));
    std::fs::write(&input, source).unwrap();
    let versions = directory.0.join("versions");
    std::fs::write(&versions, "OLD { global: *; }; NEW { global: *; } OLD;\n").unwrap();
    let script = format!("-Wl,--version-script={}", versions.display());
    let compiled = Command::new("g++").args(arguments).arg(script).arg(&input).arg("-o").arg(&output).output();
    let compiled = compiled.expect("g++ builds the shared objects that this test reads");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    std::fs::read(output).unwrap()
}

#[test]
fn finds_functions_of_shared_objects() {
    for arguments in [&["-shared", "-fPIC", "-O1"][..], &["-shared", "-fPIC", "-O1", "-s"]] {
        let program = compile(include_str!("shop/native.cc"), arguments);
        let binary = Binary::parse(&program).unwrap();
        let names =
            ["shop::Cart::add(int)", "shop::Cart::add", "shop::Cart::total", "shop_open", "shop_copy", "shop_close"];
        let text: String = names.iter().map(|name| look_up(&binary, name)).collect();
        expect![[r#"
            shop::Cart::add(int): _ZN4shop4Cart3addEi Native Body
            shop::Cart::add: any of 2
            shop::Cart::total: _ZNK4shop4Cart5totalEv Native Body
            shop_open: shop_open Native Body
            shop_copy: shop_copy is chosen when the program starts: its symbol (an IFUNC) leads to the function that chooses
            shop_close: no function shop_close
        "#]]
        .assert_eq(&text);
        // The one that programs are linked with is the new one.
        assert_ne!(binary.function("shop_open").unwrap().address, binary.function("shop_open_1").unwrap().address);
        assert_eq!(binary.why_no_go_info(), None);
    }
}

/// What is stripped off a program is known again from its debug file.
#[test]
fn takes_symbols_of_a_debug_file() {
    let directory = Directory::new();
    let path = |name: &str| directory.0.join(name).to_str().unwrap().to_owned();
    let program = compile(include_str!("shop/native.cc"), &["-shared", "-fPIC", "-O1", "-Wl,--build-id"]);
    std::fs::write(path("whole"), program).unwrap();
    for arguments in [["--only-keep-debug", "whole", "debug"], ["--strip-all", "whole", "stripped"]] {
        let done = Command::new("objcopy").current_dir(&directory.0).args(arguments).status();
        assert!(done.expect("objcopy makes the debug files that this test reads").success());
    }
    let (stripped, debug) = (std::fs::read(path("stripped")).unwrap(), std::fs::read(path("debug")).unwrap());
    let names = ["shop::Cart::add(int)", "shop_copied", "choose", "shop_part"];
    let text = |binary: &Binary| names.iter().map(|name| look_up(binary, name)).collect::<String>();
    let alone = Binary::parse(&stripped).unwrap();
    expect![[r#"
        shop::Cart::add(int): _ZN4shop4Cart3addEi Native Body
        shop_copied: no function shop_copied
        choose: no function choose
        shop_part: no function shop_part, only shop_part.isra.0
    "#]]
    .assert_eq(&text(&alone));
    let together = Binary::parse(&stripped).unwrap().with_debug_file(&debug, Check::BuildId).unwrap();
    expect![[r#"
        shop::Cart::add(int): _ZN4shop4Cart3addEi Native Body
        shop_copied: shop_copied Native Body
        choose: choose Native Body
        shop_part: no function shop_part, only shop_part.isra.0
    "#]]
    .assert_eq(&text(&together));
    let mut named: Vec<_> = together.functions_like("*shop*").into_iter().map(|it| (it.address, it.name)).collect();
    let count = named.len();
    named.dedup();
    assert_eq!(named.len(), count, "{named:?}");
    let copied = together.function("shop_copied").unwrap();
    assert_eq!(together.function_at(copied.address + 1), Some(copied));
}
