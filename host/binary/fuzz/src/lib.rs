//! Throws hostile input at uprobed-binary, one target for each thing that it parses. An input is not a whole file, which would be all
//! headers to the fuzzer, but the parts of one that the target is about; the target puts a small, sound executable around them.
//! What is asked of the executable is the same for all, and stands in `questions`.

mod elf;
mod input;
mod mutation;
mod questions;
pub mod seeds;
mod stack;
mod targets;

pub use input::Input;
pub use libfuzzer_sys;
pub use mutation::{cross, mutate};
pub use targets::{Buildinfo, Code, Descriptors, Dwarf, Elf, Pclntab, Symbols, Target};

/// A target's beginning.
pub fn begin<T: Target>() {
    stack::catch_overflow();
    seeds::write_if_asked::<T>();
}

/// One input: none may panic, and every error about bytes has to say where they are.
pub fn run<T: Target>(data: &[u8]) {
    questions::ask_everything(&T::file(&Input::split(data, T::PARTS.len())));
}

/// A fuzz target's `main`, with mutations that know the parts of its input.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        use $crate::libfuzzer_sys;

        libfuzzer_sys::fuzz_target!(
            init: $crate::begin::<$crate::$name>(),
            |data: &[u8]| $crate::run::<$crate::$name>(data)
        );
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate::<$crate::$name>(data, size, max_size, seed)
        });
        libfuzzer_sys::fuzz_crossover!(|first: &[u8], second: &[u8], out: &mut [u8], seed: u32| {
            $crate::cross::<$crate::$name>(first, second, out, seed)
        });
    };
}
