//! Asks an executable everything that it can be asked, bounded, and looks at the errors.

use uprobed_binary::{
    Binary, Check, Condition, Error, Function, Refusal, Type, TypeRef, call_sites, compare, entry_site, return_sites,
};

use crate::targets::{TEXT, TYPES as TYPES_AT};

/// Names that the seeds have, and some that they do not.
const TYPES: [&str; 8] = ["main.T", "*main.T", "[]main.T", "map[string]main.T", "int", "node", "unsigned char", ""];
const FUNCTIONS: [&str; 9] = [
    "main.main",
    "main.(*T).Get",
    "main.inlined",
    "main.Map[...]",
    "lib.called",
    "shop::Cart::add(int)",
    "shop::cart::add",
    "main",
    "",
];
const LISTED: usize = 48;
/// Places in the types, and in the DWARF, that are asked for without being named anywhere.
const PLACES: u64 = 192;
const DWARF_PLACES: u64 = 96;
/// References to DWARF are offsets, with what they are offsets in, and an array's dimension, above them; any number can be asked for.
const DWARF_SPACES: [u64; 5] = [0, 1 << 60, 1 << 61, 3 << 60, 1 << 48];
const DEPTH: u32 = 3;

pub fn ask_everything(bytes: &[u8]) {
    let Some(binary) = answer(Binary::parse(bytes)) else { return };
    let _ = (binary.architecture(), binary.is_position_independent(), binary.first_load_address(), binary.build_id());
    versions(&binary);
    functions(&binary);
    types(&binary);
    debug_files(bytes);
}

/// The file as its own debug file, and as what that shares with others: so are references from one to the other followed.
fn debug_files(bytes: &[u8]) {
    let parse = || answer(Binary::parse(bytes));
    if let Some(binary) = parse() {
        let _ = (binary.debug_link(), binary.alternate_link(), binary.gnu_build_id());
        let _ = answer(binary.with_debug_file(bytes, Check::DebugLink));
    }
    let debug = parse().and_then(|binary| answer(binary.with_debug_file(bytes, Check::BuildId)));
    if let Some(both) = debug.and_then(|binary| answer(binary.with_alternate_debug_file(bytes))) {
        types(&both);
    }
}

fn versions(binary: &Binary) {
    let Some(go) = binary.go() else {
        let _ = binary.why_no_go_info();
        return;
    };
    let modules = go.modules.iter().take(LISTED).map(|module| module.version.as_str());
    for version in modules.chain([go.version.as_str()]) {
        let _ = compare(version, "v1.2.0");
        for condition in [version, ">=1.2, <v2.0.0-rc.1"] {
            if let Ok(condition) = Condition::parse(condition) {
                let _ = condition.verdict(version);
            }
        }
    }
}

fn functions(binary: &Binary) {
    for name in FUNCTIONS {
        let _ = (binary.mentions(name), binary.functions_named(name), binary.instantiations(name));
        if let Ok(function) = binary.find_function(name) {
            sites(binary, &function);
        }
    }
    let _ = (binary.inlining(&FUNCTIONS), binary.functions_like("*a*.*"));
    for function in binary.functions().take(LISTED) {
        let _ =
            (binary.function_at(function.address), binary.function_at(function.address.wrapping_add(function.size)));
        sites(binary, &function);
    }
    // What no table names: any code at all, and what only pretends to be.
    let Some(known) = binary.functions().next() else { return };
    for (address, size) in [(TEXT, 64), (TEXT + 1, u64::MAX), (u64::MAX, 1), (0, 0)] {
        sites(binary, &Function { address, size, ..known.clone() });
    }
}

fn sites(binary: &Binary, function: &Function) {
    let _ = answer(binary.code(function));
    refusal(entry_site(binary, function).err());
    refusal(return_sites(binary, function).err());
    refusal(call_sites(binary, function, "lib.called").err());
}

fn types(binary: &Binary) {
    for name in TYPES {
        let found = [answer(binary.type_named(name)), answer(binary.dwarf_type_named(name))];
        for ty in found.into_iter().flatten().flatten() {
            parts(binary, &ty, DEPTH);
        }
    }
    for name in binary.type_names().take(LISTED) {
        if let Some(ty) = answer(binary.type_named(&name)).flatten() {
            parts(binary, &ty, 1);
        }
    }
    let _ = answer(binary.dwarf_layouts(&TYPES));
    for place in 0..PLACES {
        let address = TYPES_AT + place * 8;
        let _ = answer(binary.type_name(address));
        resolve(binary, TypeRef::Descriptor(address));
    }
    for space in DWARF_SPACES {
        for place in 0..DWARF_PLACES {
            resolve(binary, TypeRef::Dwarf(space | place));
        }
        resolve(binary, TypeRef::Dwarf(space | u64::from(u32::MAX)));
    }
    for reference in [TypeRef::Descriptor(u64::MAX), TypeRef::Dwarf(u64::MAX), TypeRef::Descriptor(0)] {
        resolve(binary, reference);
    }
}

fn resolve(binary: &Binary, reference: TypeRef) {
    if let Some(ty) = answer(binary.resolve(reference)) {
        parts(binary, &ty, 1);
    }
}

fn parts(binary: &Binary, ty: &Type, depth: u32) {
    let made_of = [answer(binary.element(ty)), answer(binary.key(ty)), answer(binary.group(ty))];
    let _ = answer(binary.field(ty, "next"));
    let fields = answer(binary.fields(ty)).unwrap_or_default();
    if depth == 0 {
        return;
    }
    let fields = fields.iter().take(LISTED).filter_map(|field| answer(binary.resolve(field.ty)));
    for part in made_of.into_iter().flatten().chain(fields) {
        parts(binary, &part, depth - 1);
    }
}

/// An error that speaks of bytes says where they are. Exempt are those that are about a file as a whole: it is no ELF file, is of a
/// kind that is not read, belongs to another binary, or has nothing of what was asked for.
fn answer<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::NotElf | Error::Unsupported(_) | Error::Mismatch(_) | Error::Missing(_)) => None,
        Err(error) => {
            assert!(names_place(&error.to_string()), "names no offset: {error}");
            None
        }
    }
}

fn refusal(refusal: Option<Refusal>) {
    if let Some(refusal) = refusal {
        assert!(!refusal.to_string().is_empty(), "refused without a reason");
    }
}

/// `0x` and at least one digit.
fn names_place(text: &str) -> bool {
    text.split("0x").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()))
}
