//! What is shown of a statement holds none of its literals, whole or cut, whatever it is taken for.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: uprobed_sql_fuzz::write_seeds_if_asked(), |data: &[u8]| uprobed_sql_fuzz::run(data));
