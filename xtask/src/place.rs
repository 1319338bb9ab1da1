//! Where things are: the checkout, what is built in it, and the cache that outlives it.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Every path is absolute.
pub struct Place {
    pub root: PathBuf,
    pub target: PathBuf,
    /// What is built or unpacked once for this machine.
    pub cache: PathBuf,
}

impl Place {
    pub fn find() -> Result<Self> {
        let root =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?.to_owned();
        let cache = match (env::var_os("UPROBED_CACHE"), env::var_os("XDG_CACHE_HOME")) {
            (Some(path), _) => path.into(),
            (None, Some(path)) => PathBuf::from(path).join("uprobed"),
            (None, None) => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache/uprobed"),
        };
        Ok(Self { target: root.join("target"), cache: std::path::absolute(cache)?, root })
    }

    /// The eBPF program, which the host includes.
    pub fn ebpf_object(&self) -> PathBuf {
        self.target.join("uprobed.bpf.o")
    }

    pub fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    pub fn uprobed(&self) -> PathBuf {
        self.target.join("release/uprobed")
    }
}
