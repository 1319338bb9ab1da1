//! Descriptors that no linker makes: in circles, one over another, without end. An error that names the place, in little time.

use std::time::{Duration, Instant};

use super::*;

/// In a build without optimization and on a busy machine; without bounds it would be hours.
const ENOUGH: Duration = Duration::from_secs(60);

/// A program in which what stands at addresses can be changed, found in the whole one.
struct Patched {
    bytes: Vec<u8>,
    usual: Arc<Vec<u8>>,
}

impl Patched {
    fn new(version: &str) -> Self {
        let usual = program(version, "amd64", STRIPPED);
        Self { bytes: usual.to_vec(), usual }
    }

    fn binary(&self) -> Binary<'_> {
        Binary::parse(&self.usual).unwrap()
    }

    fn address(&self, name: &str) -> u64 {
        self.binary().type_named(name).unwrap().unwrap().address.unwrap()
    }

    fn word(&self, address: u64) -> u64 {
        self.binary().image.u64(address).unwrap()
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> &mut Self {
        let at = self.binary().image.file_offset(address).unwrap() as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Of moduledata: what follows the words that begin it.
    fn moduledata(&self, word: u64) -> u64 {
        self.binary().image.section(".go.module").unwrap().address + word * 8
    }

    /// What is said of a type, and of all.
    fn check(&self, name: &str, expected: &str) {
        let start = Instant::now();
        let binary = Binary::parse(&self.bytes).unwrap();
        let said = match binary.type_named(name).and_then(|ty| ty.map(|ty| binary.fields(&ty)).transpose()) {
            Ok(fields) => format!("{:?}", fields.map(|fields| fields.len())),
            Err(error) => error.to_string(),
        };
        assert!(said.starts_with(expected), "{name}: {said}");
        let _all = binary.type_names().count();
        assert!(start.elapsed() < ENOUGH, "{name} took {:?}", start.elapsed());
    }
}

#[test]
fn refuses_fields_without_end() {
    for version in ["go1.26.8", "go1.27.4"] {
        for (count, expected) in [
            (u64::MAX, "a truncated or corrupt ELF file: a type of 18446744073709551615 parts at 0x"),
            (8193, "a truncated or corrupt ELF file: a type of 8193 parts at 0x"),
        ] {
            let mut patched = Patched::new(version);
            let request = patched.address("net/http.Request");
            patched.put(request + 64, &count.to_le_bytes()).check("net/http.Request", expected);
        }
    }
}

#[test]
fn says_where_fields_are_not_in_the_file() {
    let mut patched = Patched::new("go1.26.8");
    let request = patched.address("net/http.Request");
    patched.put(request + 56, &0x7fff_ffff_fff0u64.to_le_bytes());
    patched.check("net/http.Request", "a truncated or corrupt ELF file: nothing at address 0x7ffffffffff0");
}

#[test]
fn says_where_a_name_is_broken() {
    let mut patched = Patched::new("go1.26.8");
    let request = patched.address("net/http.Request");
    let name = patched.word(patched.word(request + 56));
    patched.put(name + 1, &[0xff; 9]);
    patched.check("net/http.Request", &format!("a truncated or corrupt ELF file: a name at {name:#x}"));
}

#[test]
fn leaves_out_types_that_are_made_of_themselves() {
    for (name, part) in [("[]string", 48), ("*net/http.Request", 48), ("map[string][]string", 56)] {
        let mut patched = Patched::new("go1.26.8");
        let address = patched.address(name);
        patched.put(address + part, &address.to_le_bytes());
        let found = Binary::parse(&patched.bytes).unwrap().type_name(address).unwrap_err().to_string();
        assert!(found.contains("a type with a name too long or too deep at 0x"), "{found}");
        patched.check(name, "None");
    }
}

#[test]
fn survives_a_list_of_one_type() {
    let mut patched = Patched::new("go1.26.8");
    let types = patched.word(patched.moduledata(37));
    let (list, count) = (patched.word(patched.moduledata(45)), patched.word(patched.moduledata(46)));
    let pointer = patched.address("*net/http.Request") - types;
    let list_bytes = (pointer as u32).to_le_bytes().repeat(count as usize);
    patched.put(list, &list_bytes).check("net/http.Request", "Some(");
    // Ascending, but one begins in another.
    let overlapping: Vec<u8> = (0..count).flat_map(|at| ((pointer + at * 8) as u32).to_le_bytes()).collect();
    patched.put(list, &overlapping).check("net/http.Request", "a truncated or corrupt ELF file: what is at 0x");
}

#[test]
fn refuses_lists_and_types_beyond_the_file() {
    for (version, word, value, expected) in [
        ("go1.26.8", 38, u64::MAX, "types from 0x"),
        ("go1.26.8", 37, 0, "types from 0x0 to 0x"),
        ("go1.26.8", 46, 1 << 40, "no type links near 0x"),
        ("go1.26.8", 22, 8, "text at 0x8, where nothing is executable"),
        ("go1.27.4", 39, 1 << 60, "types from 0x"),
        ("go1.27.4", 40, u64::MAX, "sizes beyond the address space at 0x"),
    ] {
        let mut patched = Patched::new(version);
        let moduledata = patched.moduledata(0);
        let text = format!(
            "a truncated or corrupt ELF file: what is at {moduledata:#x} is not moduledata as {version} has it: {expected}"
        );
        patched.put(moduledata + word * 8, &value.to_le_bytes()).check("net/http.Request", &text);
    }
}

#[test]
fn survives_types_that_reach_over_all_that_is_read_only() {
    for (version, word) in [("go1.26.8", 38), ("go1.27.4", 39)] {
        let mut patched = Patched::new(version);
        let types = patched.word(patched.moduledata(37));
        let end = types + patched.binary().image.bytes_from(types).unwrap().len() as u64;
        let place = patched.moduledata(word);
        patched.put(place, &end.to_le_bytes()).check("net/http.Request", "Some(");
    }
}
