//! Go's conventions against a witness: what the compiler says, in DWARF, of where each parameter is when its function begins
//! (`registers-go/witness`). The platforms' conventions are in `registers_native`.

use super::*;
use crate::plan::arguments::{Expression, expression};
use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
};

#[path = "registers_native.rs"]
mod native;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/tests/registers-go")
}

/// A program of the fixture's, built for an architecture.
fn build(package: &str, architecture: &str) -> PathBuf {
    // One test builds it, the others wait.
    static BUILT: OnceLock<Mutex<HashSet<PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap();
    let binary = std::env::current_exe().unwrap().with_file_name(format!("plan-{package}-{architecture}"));
    if !built.insert(binary.clone()) {
        return binary;
    }
    let status = Command::new("go")
        .args(["build", "-gcflags=-N -l", "-o"])
        .arg(&binary)
        .arg(format!("./{package}"))
        .current_dir(source())
        .env("CGO_ENABLED", "0")
        .env("GOARCH", architecture)
        .status();
    assert!(status.expect("go is needed to build the fixture").success());
    binary
}

/// A parameter as the witness has it.
struct Row<'t> {
    is_result: bool,
    name: &'t str,
    ty: &'t str,
    location: &'t str,
}

struct Said<'t> {
    name: &'t str,
    address: u64,
    rows: Vec<Row<'t>>,
}

fn witness(binary: &Path) -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let witness = BUILT.get_or_init(|| {
        build("witness", &std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"))
    });
    let output = Command::new(witness).arg(binary).output().expect("the witness runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What the witness says, function by function.
fn functions(text: &str) -> Vec<Said<'_>> {
    let mut functions: Vec<Said> = Vec::new();
    for line in text.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["entry", name, address] => {
                functions.push(Said { name, address: address.parse().unwrap(), rows: Vec::new() });
            }
            [direction, name, ty, location] => {
                let row = Row { is_result: direction == "out", name, ty, location };
                functions.last_mut().unwrap().rows.push(row);
            }
            _ => panic!("the witness says {line:?}"),
        }
    }
    functions
}

/// By what a plugin would write, or else, where nobody can write it (`struct { ... }`), by name.
fn typed(name: &str) -> Expression {
    expression(name, 0).unwrap_or_else(|_| Expression::Named(name.to_owned()))
}

/// As the witness writes it. `cfa` is how far the stack pointer is below the frame's address at the entry.
fn text(location: &Location, cfa: i32) -> String {
    match location {
        Location::Registers(parts) => {
            let register = |part: &Part| part.register.map_or("f".to_owned(), |register| format!("r{register}"));
            let part = |part: &Part| format!("{}:{}:{}", register(part), part.offset, part.size);
            parts.iter().map(part).collect::<Vec<_>>().join(" ")
        }
        Location::Stack(offset) => format!("cfa{:+}", offset - cfa),
        Location::Nowhere => "nowhere".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The witness names no pieces where there is one, and some of those of padding, which are in no register.
fn agree(said: &str, found: &str) -> bool {
    let pieces = |text: &str| -> Vec<(String, String)> {
        let pieces = text.split(' ').filter(|piece| !piece.starts_with('?')).map(|piece| piece.split(':'));
        pieces
            .map(|mut piece| (piece.next().unwrap().to_owned(), piece.nth(1).unwrap_or_default().to_owned()))
            .collect()
    };
    let (said, found) = (pieces(said), pieces(found));
    match (&said[..], &found[..]) {
        ([(said, _)], [(found, _)]) => said == found,
        _ => said == found,
    }
}

/// Where the last of a location's pieces ends, in bytes.
fn extent(location: &str) -> u64 {
    let piece = location.rsplit(' ').next().unwrap_or_default();
    piece.split(':').skip(1).filter_map(|number| number.parse::<u64>().ok()).sum()
}

/// Functions of type parameters take a dictionary, behind the receiver, which is not in DWARF if it is not used.
fn with_dictionary<'t>(name: &str, mut rows: Vec<Row<'t>>) -> Vec<Row<'t>> {
    if name.contains("[go.shape.") && !rows.iter().any(|row| row.name == ".dict") {
        let at = usize::from(name.contains("]).") && !rows.is_empty());
        rows.insert(at, Row { is_result: false, name: ".dict", ty: "uintptr", location: "?" });
    }
    rows
}

#[derive(Default, Debug)]
struct Tally {
    /// Functions all of whose known places are right.
    functions: usize,
    parameters: usize,
    stacked: usize,
    /// The witness has no place for it.
    unknown: usize,
    wrong: Vec<String>,
}

fn compare(path: &Path, is_wanted: impl Fn(&str) -> bool) -> Tally {
    let (bytes, said) = (std::fs::read(path).unwrap(), witness(path));
    let binary = Binary::parse(&bytes).unwrap();
    let mut tally = Tally::default();
    for Said { name, address, rows } in functions(&said).into_iter().filter(|said| is_wanted(said.name)) {
        // Of a function and its wrapper, the one that a plugin would get.
        let Some(function) = binary.function(name).filter(|function| function.address == address) else { continue };
        let one = compare_with(&binary, abi(&binary, &function).unwrap(), name, &with_dictionary(name, rows));
        tally.functions += usize::from(one.wrong.is_empty());
        tally.parameters += one.parameters;
        tally.stacked += one.stacked;
        tally.unknown += one.unknown;
        tally.wrong.extend(one.wrong);
    }
    tally
}

fn compare_with(binary: &Binary, abi: &'static Abi, name: &str, rows: &[Row]) -> Tally {
    let mut tally = Tally::default();
    let cfa = if binary.architecture() == Architecture::Amd64 { 8 } else { 0 };
    let parameters = |is_result| -> Vec<Parameter> {
        let rows = rows.iter().filter(|row| row.is_result == is_result);
        rows.map(|row| Parameter { name: "_".to_owned(), ty: typed(row.ty) }).collect()
    };
    let mut assigner = Assigner::new(abi, binary);
    let mut arguments = assigner.all(parameters(false)).into_iter();
    assigner.turn_to_results(true);
    let mut results = assigner.all(parameters(true)).into_iter();
    for row in rows {
        let (_, found) = if row.is_result { results.next() } else { arguments.next() }.unwrap();
        let size = found.as_ref().map_or(0, |(ty, _)| ty.size());
        let found = found.map_or_else(|skip| skip.to_string(), |(_, location)| text(&location, cfa));
        match row.location {
            // Up to 1.22 the compiler sometimes lists a piece several times.
            said if extent(said) > size => tally.unknown += 1,
            "?" => tally.unknown += usize::from(!row.is_result),
            // A result in a register is nowhere at the beginning, or has a home in the frame.
            said if row.is_result && !said.starts_with("cfa+") => {}
            // Of what is not used, DWARF has the place where it would be spilled.
            said if !row.is_result && said.starts_with("cfa") && !found.starts_with("cfa") => tally.unknown += 1,
            said if agree(said, &found) => {
                tally.parameters += 1;
                tally.stacked += usize::from(said.starts_with("cfa"));
            }
            said => tally.wrong.push(format!("{name} {} {}: {said}, not {found}", row.name, row.ty)),
        }
    }
    tally
}

#[test]
fn knows_where_go_passes_arguments() {
    for (architecture, expected) in
        [("amd64", "24 functions, 126 places, 39 on the stack"), ("arm64", "24 functions, 124 places, 26 on the stack")]
    {
        let binary = build("signatures", architecture);
        let tally = compare(&binary, |name| name.starts_with("main."));
        assert_eq!(tally.wrong, Vec::<String>::new());
        let Tally { functions, parameters, stacked, .. } = tally;
        let actual = format!("{functions} functions, {parameters} places, {stacked} on the stack");
        assert_eq!((architecture, actual.as_str()), (architecture, expected));
    }
}

/// Beyond this the witness is wrong: of a copy made at once, it has the register of the original.
const WRONG_OF_THOUSAND: usize = 5;

/// With `WITNESS` set to paths of Go programs that have DWARF, of them too.
#[test]
fn knows_where_the_runtimes_functions_are_passed_arguments() {
    let given = std::env::var("WITNESS").unwrap_or_default();
    let given = given.split_whitespace().map(PathBuf::from);
    for binary in [build("signatures", "amd64"), build("signatures", "arm64")].into_iter().chain(given) {
        let tally = compare(&binary, |_| true);
        let Tally { functions, parameters, stacked, unknown, wrong } = &tally;
        println!(
            "{}: {functions} functions, {parameters} places, {stacked} on the stack, {unknown} unknown",
            binary.display()
        );
        assert!(*functions > 500 && *parameters > 1000, "{functions} functions, {parameters} places");
        assert!(wrong.len() * 1000 <= parameters * WRONG_OF_THOUSAND, "{wrong:#?}");
    }
}

/// Assembly calls these, through wrappers that DWARF has under the same names.
#[test]
fn knows_where_the_stack_abi_has_arguments() {
    for (architecture, abi) in [("amd64", &AMD64_STACK), ("arm64", &ARM64_STACK)] {
        let path = build("signatures", architecture);
        let (bytes, said) = (std::fs::read(&path).unwrap(), witness(&path));
        let binary = Binary::parse(&bytes).unwrap();
        let mut checked = Vec::new();
        let wanted = ["main.called", "runtime.args"];
        for Said { name, rows, .. } in functions(&said).into_iter().filter(|said| wanted.contains(&said.name)) {
            if rows.iter().all(|row| row.location.starts_with("cfa+")) {
                let tally = compare_with(&binary, abi, name, &rows);
                assert_eq!(tally.wrong, Vec::<String>::new(), "{name}");
                checked.push((name, tally.stacked));
            }
        }
        checked.sort_unstable();
        assert_eq!(checked, [("main.called", 10), ("runtime.args", 2)], "{architecture}");
    }
}
