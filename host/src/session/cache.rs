//! What was prepared once for a binary serves every file with the same binary in it: a process that is started again from a new copy, a
//! container from the same image.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::Arc,
};

use super::Prepared;
use crate::{binary::Binary, executable::Executable};

/// Plans are some ten kilobytes each; the oldest goes.
const PLANS: usize = 256;

/// Tells binaries apart by what they say of themselves, and by their headers: nobody has to believe a build id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    build_id: String,
    /// In bytes.
    size: usize,
    headers: u64,
    debug_file: Option<PathBuf>,
}

#[derive(Default)]
pub struct Cache {
    plans: VecDeque<(Key, Arc<Prepared>)>,
}

impl Key {
    /// None for a binary without a build id.
    pub fn new(executable: &Executable, binary: &Binary) -> Option<Self> {
        let mut headers = DefaultHasher::new();
        binary.headers().hash(&mut headers);
        Some(Self {
            build_id: binary.build_id()?,
            size: executable.size(),
            headers: headers.finish(),
            debug_file: executable.debug_file().map(Into::into),
        })
    }
}

impl Cache {
    pub fn get(&self, key: &Key) -> Option<Arc<Prepared>> {
        self.plans.iter().find(|(known, _)| known == key).map(|(_, prepared)| prepared.clone())
    }

    pub fn put(&mut self, key: Key, prepared: Arc<Prepared>) {
        if self.plans.len() == PLANS {
            self.plans.pop_front();
        }
        self.plans.push_back((key, prepared));
    }
}
