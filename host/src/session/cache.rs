//! What was prepared once for a binary serves every file with the same binary in it: a process that is started again from a new copy, a
//! container from the same image.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use super::Prepared;
use crate::{
    binary::{Binary, Error},
    executable::Executable,
};

/// Plans are some ten kilobytes each; the oldest goes.
const PLANS: usize = 256;

/// What a binary says of itself. Builds that hide what they were made from (`-buildid=redacted`) may share it with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    build_id: String,
    /// In bytes.
    size: usize,
    debug_file: Option<PathBuf>,
}

#[derive(Default)]
pub struct Cache {
    plans: VecDeque<Known>,
}

struct Known {
    key: Key,
    /// Of all that the plan was made from.
    contents: u64,
    prepared: Prepared,
}

impl Key {
    /// None for a binary that cannot be told from others: one without a build id, or without Go's tables, from which plans are made.
    pub fn new(executable: &Executable, binary: &Binary) -> Option<Self> {
        binary.go()?;
        Some(Self {
            build_id: binary.build_id()?,
            size: executable.size(),
            debug_file: executable.debug_file().map(Into::into),
        })
    }
}

impl Cache {
    pub fn get(&self, key: &Key, binary: &Binary) -> Option<&Prepared> {
        self.plans
            .iter()
            .filter(|known| known.key == *key)
            .find(|known| contents(&known.prepared, binary).is_ok_and(|contents| contents == known.contents))
            .map(|known| &known.prepared)
    }

    pub fn put(&mut self, key: Key, prepared: Prepared, binary: &Binary) {
        // What cannot be read will not be found again.
        let Ok(contents) = contents(&prepared, binary) else { return };
        if self.plans.len() == PLANS {
            self.plans.pop_front();
        }
        self.plans.push_back(Known { key, contents, prepared });
    }
}

/// Types, the places of all functions, and the code of those that are probed.
fn contents(prepared: &Prepared, binary: &Binary) -> Result<u64, Error> {
    let mut hash = DefaultHasher::new();
    for part in binary.go_tables()? {
        part.hash(&mut hash);
    }
    for site in prepared.probes().flat_map(|probe| &probe.sites) {
        let function = binary.function_at(site.address);
        let code = function.map(|function| binary.code(&function)).transpose()?;
        (site.address, code).hash(&mut hash);
    }
    Ok(hash.finish())
}
