//! DWARF that leads in circles or is cut off: an error, never a panic, and soon.

use std::collections::HashSet;

use object::{Object, ObjectSection};

use super::dwarf_native::Native;
use super::*;

const NAMES: [&str; 8] =
    ["item", "pair_t", "union both", "other", "struct open", "shop::cart::Item", "runtime.g", "int"];

/// Asks everything that hangs together with a few types.
fn exercise(bytes: &[u8]) -> usize {
    let Ok(binary) = Binary::parse(bytes) else { return 0 };
    let _ = binary.dwarf_layouts(&NAMES);
    let mut waiting: Vec<Type> = NAMES.iter().filter_map(|name| binary.dwarf_type_named(name).ok().flatten()).collect();
    let mut seen = HashSet::new();
    while let Some(ty) = waiting.pop() {
        if seen.len() > 200 || !seen.insert(ty.reference) {
            continue;
        }
        let parts = [binary.element(&ty), binary.key(&ty), binary.group(&ty)].into_iter().flatten();
        waiting.extend(parts);
        let fields = binary.fields(&ty).unwrap_or_default();
        waiting.extend(fields.into_iter().filter_map(|field| binary.resolve(field.ty).ok()));
    }
    seen.len()
}

#[test]
fn survives_changed_dwarf() {
    for arguments in [&["-gdwarf-4", "-fdebug-types-section"], &["-gdwarf-5", "-fno-debug-types-section"]] {
        let program = Native::build("dwarf_item.c", arguments).read("program");
        assert!(exercise(&program) > 15);
        let file = object::File::parse(&program[..]).unwrap();
        let places: Vec<_> = [".debug_info", ".debug_types", ".debug_abbrev", ".debug_info"]
            .iter()
            .filter_map(|name| file.section_by_name(name)?.file_range())
            .filter(|&(_, length)| length > 0)
            .collect();
        // Numbers that look random and are the same in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..600 {
            let mut bytes = program.clone();
            for _ in 0..=next() % 4 {
                let (at, length) = places[round % places.len()];
                bytes[(at + next() % length) as usize] = [next() as u8, 0, 1, 0xff][(next() % 4) as usize];
            }
            exercise(&bytes);
        }
    }
}

#[test]
fn survives_references_to_everything() {
    let program = Native::build("dwarf_item.c", &["-gdwarf-5"]).read("program");
    let file = object::File::parse(&program[..]).unwrap();
    let (at, length) = file.section_by_name(".debug_info").unwrap().file_range().unwrap();
    let words: Vec<u64> = (at..at + length - 4).collect();
    // What looks like a reference within the unit is made one to an early entry, so that types are in themselves.
    for target in [0x2au32, 0x31, 0x38, 0x60, 0x9a] {
        let mut bytes = program.clone();
        for &at in words.iter().skip(64) {
            let word = &mut bytes[at as usize..at as usize + 4];
            let value = u32::from_le_bytes(word.try_into().unwrap());
            if (0x20..length as u32).contains(&value) && at % 3 == u64::from(target) % 3 {
                word.copy_from_slice(&target.to_le_bytes());
            }
        }
        exercise(&bytes);
    }
}
