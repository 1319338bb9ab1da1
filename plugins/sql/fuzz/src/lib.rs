//! Has the sanitizer of the sql plugin read statements in which everything that is a literal is marked.

#[path = "../../src/statement/mod.rs"]
mod statement;
mod statements;

use std::path::Path;
use std::{env, fs, process};

use statement::{Dialect, Statement};
use statements::{MARKS, Written};

/// Writes a few inputs and ends, where `UPROBED_FUZZ_SEEDS` names a directory.
pub fn write_seeds_if_asked() {
    let Some(directory) = env::var_os("UPROBED_FUZZ_SEEDS") else { return };
    let written = (0..64u8).try_for_each(|seed| {
        let bytes: Vec<u8> =
            (0..96u8).map(|at| seed.wrapping_mul(31).wrapping_add(at.wrapping_mul(seed | 1))).collect();
        fs::write(Path::new(&directory).join("small").join(seed.to_string()), bytes)
    });
    process::exit(i32::from(written.is_err()));
}

/// One input: no mark may be shown.
pub fn run(data: &[u8]) {
    let written = Written::new(data);
    let dialect = Dialect::of(written.system);
    for dialect in [dialect, Dialect::Other] {
        check(&written.text, dialect, false, &written.text);
        let cut = &written.text[..written.cut.min(written.text.len())];
        check(cut, dialect, true, &written.text);
        // Bytes that mean nothing: it has to come to an end.
        Statement::read(dialect, data, false);
    }
}

fn check(raw: &[u8], dialect: Dialect, is_cut: bool, whole: &[u8]) {
    let statement = Statement::read(dialect, raw, is_cut);
    let summary = &statement.summary;
    for shown in [&statement.text, &summary.text, &summary.operation, &summary.collection, &summary.procedure] {
        assert!(
            !shown.iter().any(|byte| MARKS.contains(byte)),
            "{dialect:?} shows {:?} of {:?}, which is {:?}",
            String::from_utf8_lossy(shown),
            String::from_utf8_lossy(raw),
            String::from_utf8_lossy(whole)
        );
    }
}
