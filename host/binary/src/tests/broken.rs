//! Files that are not what they seem: an error, never a panic.

use super::functions::sites;
use super::types::FIELDS;
use super::*;

#[test]
fn refuses_what_it_cannot_read() {
    let program = program("go1.26.8", "amd64", STRIPPED);
    let patched = |at: usize, byte: u8| {
        let mut bytes = program.to_vec();
        bytes[at] = byte;
        bytes
    };
    for (bytes, expected) in [
        (Vec::new(), "not an ELF file"),
        (b"#!/bin/sh\n".to_vec(), "not an ELF file"),
        (program[..5].to_vec(), "a truncated or corrupt ELF file: it ends within the header"),
        (program[..63].to_vec(), "a truncated or corrupt ELF file: it ends within the header"),
        (program[..program.len() / 2].to_vec(), "a truncated or corrupt ELF file: it ends within a segment"),
        (program[..program.len() - 1].to_vec(), "a truncated or corrupt ELF file: "),
        (patched(4, 1), "an ELF file for 32 bits, not a 64-bit little-endian executable for x86-64 or aarch64"),
        (
            patched(5, 2),
            "an ELF file for big-endian machines, not a 64-bit little-endian executable for x86-64 or aarch64",
        ),
        (patched(18, 0xf3), "an ELF file for machine 243, not a 64-bit little-endian executable for x86-64 or aarch64"),
        (patched(16, 1), "an ELF file of type 1, not a 64-bit little-endian executable for x86-64 or aarch64"),
    ] {
        let error = Binary::parse(&bytes).err().expect("it is broken").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Asks everything; what it answers does not matter.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(binary) = Binary::parse(bytes) else { return false };
    let _ = (binary.go(), binary.build_id(), binary.first_load_address());
    let _ = (sites(&binary), binary.mentions("net/http.Header.Get"));
    for function in binary.functions().step_by(97) {
        let _ = (entry_site(&binary, &function), return_sites(&binary, &function));
    }
    for &(name, _) in FIELDS {
        for ty in [binary.type_named(name), binary.dwarf_type_named(name)].into_iter().flatten().flatten() {
            for field in binary.fields(&ty).unwrap_or_default() {
                if let Ok(ty) = binary.resolve(field.ty) {
                    let _ = (binary.element(&ty), binary.key(&ty), binary.group(&ty));
                }
            }
        }
    }
    true
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn survives_truncation() {
    let program = program("go1.26.8", "amd64", PLAIN);
    let ends = (0..512).chain((1..64).map(|part| program.len() * part / 64));
    let readable = ends.filter(|&end| exercise(&program[..end])).count();
    assert_eq!(readable, 0, "a file that ends early was taken for whole");
}

#[test]
fn survives_flipped_bits() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut readable = 0;
    for (version, arguments) in [("go1.21.13", PLAIN), ("go1.26.8", STRIPPED), ("go1.27.4", PIE)] {
        let program = program(version, "amd64", arguments);
        for round in 0..4 {
            let mut bytes = program.to_vec();
            // In the headers, in moduledata and what is near it, or anywhere.
            let start = [0, bytes.len() / 2, 64, 0][round % 4];
            let length = [64, bytes.len() / 2, 1024, bytes.len()][round % 4];
            for _ in 0..[2, 20_000, 6, 5_000][round % 4] {
                bytes[start + numbers.below(length)] ^= 1 << numbers.below(8);
            }
            readable += usize::from(exercise(&bytes));
        }
    }
    assert!(readable > 3, "only {readable} files were looked into");
}
