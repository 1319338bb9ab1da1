//! Symbol tables with names of C, C++, Rust and Go, and names that are short and say a lot.

use super::{Seed, patched, truncated};
use crate::Input;
use crate::targets::{TEXT, symbol_table};

const SYMBOLS: usize = 0;
const NAMES: usize = 1;
const NAMED: [&str; 12] = [
    "main",
    "lib.called",
    "called@@VERSION_2",
    "called@VERSION_1",
    "_ZN4shop4Cart3addEi",
    "_ZNK4shop4Cart3addEi",
    "_ZN4shop4Cart3addEi.cold",
    "_ZN4shop4Cart3addIN4shop4ItemEEEvRKSt6vectorIT_SaIS4_EE",
    "_ZN4shop4cart3add17h0123456789abcdefE",
    "_RNvNtCs1234_4shop4cart3add",
    "main.Map[go.shape.int,go.shape.string]",
    "gopkg.in/yaml%2ev3.(*Node).Decode",
];

pub fn all() -> Vec<Seed> {
    let sound = with_names(&NAMED);
    let (first, second) = (doubling_templates(30), doubling_tuples(30));
    let names = |names: &[&str]| with_names(names);
    let symbol = |index: usize, at: usize, bytes: &[u8]| patched(&sound, SYMBOLS, index * 24 + at, bytes);
    let mut endless = sound.clone();
    endless.parts[NAMES] = [vec![0], vec![b'a'; 4000]].concat();
    let mut dynamic_only = sound.clone();
    dynamic_only.parts[SYMBOLS].clear();
    let deep = format!("_Z3add{}i", "P".repeat(500));
    let nested = format!("_ZN{}3addE", "4shop".repeat(500));
    let lambdas = format!("_Z3add{}", "IJ".repeat(500));
    let references = format!("_RINvC4shop3add{}", "R".repeat(500));
    let itself = "_RINvC4shop3addBd_E";
    let mut seeds = vec![
        Seed::sound("sound", sound.clone(), is_understood),
        Seed::sound("dynamic", dynamic_only, is_understood),
        Seed::broken("doubling-templates", names(&[&first])),
        Seed::broken("doubling-tuples", names(&[&second])),
        Seed::broken("pointers-to-pointers", names(&[&deep])),
        Seed::broken("references-to-references", names(&[&references])),
        Seed::broken("reference-to-itself", names(&[itself])),
        Seed::broken("nested-names", names(&[&nested])),
        Seed::broken("nested-arguments", names(&[&lambdas])),
        Seed::broken("many-of-one-name", names(&["_ZN4shop4Cart3addEi"; 60])),
        Seed::broken("name-beyond", symbol(1, 0, &[0xff; 4])),
        Seed::broken("names-overlap", symbol(2, 0, &2u32.to_le_bytes())),
        Seed::broken("names-without-an-end", endless),
        Seed::broken("section-beyond", symbol(1, 6, &[0xfe, 0xff])),
        Seed::broken("section-elsewhere", symbol(1, 6, &[0xff, 0xff])),
        Seed::broken("resolver", symbol(1, 4, &[0x1a])),
        Seed::broken("address-at-the-end", symbol(1, 8, &[0xff; 16])),
        Seed::broken("functions-overlap", symbol(1, 16, &u64::MAX.to_le_bytes())),
    ];
    seeds.extend(truncated("sound", &sound));
    seeds
}

fn is_understood(binary: &uprobed_binary::Binary) -> bool {
    ["main", "shop::cart::add", "shop::Cart::add(int)"].iter().all(|name| !binary.functions_named(name).is_empty())
}

pub fn with_names(names: &[&str]) -> Input {
    let functions: Vec<_> = (0..).zip(names).map(|(index, &name)| (name, TEXT + index % 32 * 8, 8)).collect();
    let (symbols, names) = symbol_table(&functions);
    let versions = (0..=functions.len()).flat_map(|index| [index as u8 % 4, if index % 5 == 4 { 0x80 } else { 0 }]);
    Input { choices: [0, 0], parts: vec![symbols.clone(), names.clone(), symbols, names, versions.collect()] }
}

/// C++: each parameter is a pair of the one before, so that the last is two to the number of them long.
pub fn doubling_templates(count: usize) -> String {
    let mut name = "_Z3addSt4pairIiiE".to_owned();
    for index in 0..count {
        let last = number(36, index, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        name.push_str(&format!("S_IS{last}_S{last}_E"));
    }
    name
}

/// Rust: each argument is a tuple of the one before, twice.
fn doubling_tuples(count: usize) -> String {
    let mut name = "_RINvC4shop3add".to_owned();
    let mut last = "i".to_owned();
    for _ in 0..count {
        // Places are counted behind the mark of two letters, and one less is written.
        let at = name.len() - 2;
        name.push_str(&format!("T{last}{last}E"));
        let digits = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        last = format!("B{}_", number(62, at - 1, digits));
    }
    name + "E"
}

fn number(base: usize, mut value: usize, digits: &[u8]) -> String {
    let mut text = Vec::new();
    loop {
        text.insert(0, digits[value % base]);
        value /= base;
        if value == 0 {
            return text.into_iter().map(char::from).collect();
        }
    }
}
