//! What fuzzing starts from: sound inputs of each kind and release, and broken ones that take long to come by from those: truncated,
//! cyclic, overlapping, with counts that nothing has. Made here, so that they stay in step with the targets.

pub mod buildinfo;
pub mod code;
pub mod descriptors;
pub mod dwarf;
pub mod elf;
pub mod large;
mod module;
pub mod pclntab;
pub mod symbols;

use std::path::PathBuf;

use uprobed_binary::Binary;

use crate::{Input, Target};

/// Where a target writes its seeds instead of fuzzing: those to begin with, and those that are run once.
const DIRECTORY: &str = "UPROBED_FUZZ_SEEDS";

pub struct Seed {
    pub name: String,
    pub input: Input,
    /// Of a sound one: whether the executable made of it is understood. If not, fuzzing would only scratch at the surface.
    pub is_understood: Option<fn(&Binary) -> bool>,
}

impl Seed {
    fn sound(name: impl Into<String>, input: Input, is_understood: fn(&Binary) -> bool) -> Self {
        Self { name: name.into(), input, is_understood: Some(is_understood) }
    }

    fn broken(name: impl Into<String>, input: Input) -> Self {
        Self { name: name.into(), input, is_understood: None }
    }
}

/// For a fuzz target's beginning.
pub fn write_if_asked<T: Target>() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let small = T::seeds().into_iter().map(|seed| (seed, "small"));
    for (seed, kind) in small.chain(T::large().into_iter().map(|seed| (seed, "large"))) {
        let file = T::file(&seed.input);
        if let Some(is_understood) = seed.is_understood
            && let Err(why) = understand(&file, is_understood)
        {
            eprintln!("the seed {} is not understood any more: {why}", seed.name);
            std::process::exit(1);
        }
        if let Err(error) = std::fs::write(directory.join(kind).join(&seed.name), seed.input.join()) {
            eprintln!("write {} into {}: {error}", seed.name, directory.display());
            std::process::exit(1);
        }
    }
    std::process::exit(0);
}

fn understand(file: &[u8], is_understood: fn(&Binary) -> bool) -> Result<(), String> {
    let binary = Binary::parse(file).map_err(|error| error.to_string())?;
    if is_understood(&binary) {
        return Ok(());
    }
    Err(format!("of main.T it says {:?}, of node {:?}", binary.type_named("main.T"), binary.dwarf_type_named("node")))
}

/// The same input cut off within each of its parts, at a half and near the end.
fn truncated(name: &str, input: &Input) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (index, part) in input.parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        for length in [part.len() / 2, part.len() - 1] {
            let mut input = input.clone();
            input.parts[index].truncate(length);
            seeds.push(Seed::broken(format!("truncated-{name}-part-{index}-at-{length}"), input));
        }
    }
    seeds
}

/// The same with a few bytes written over.
fn patched(input: &Input, part: usize, at: usize, bytes: &[u8]) -> Input {
    let mut input = input.clone();
    input.parts[part][at..at + bytes.len()].copy_from_slice(bytes);
    input
}
