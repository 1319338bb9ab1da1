//! Tells where the eBPF object is that `cargo xtask` (make build) leaves in the target directory.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=UPROBED_BPF_OBJECT");
    let object = env::var_os("UPROBED_BPF_OBJECT").map_or_else(
        || PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../target/uprobed.bpf.o"),
        PathBuf::from,
    );
    println!("cargo::rerun-if-changed={}", object.display());
    match object.canonicalize() {
        Ok(object) => println!("cargo::rustc-env=UPROBED_BPF_OBJECT={}", object.display()),
        Err(error) => {
            println!("cargo::error=the eBPF program {} is not built ({error}); run: make build", object.display());
        }
    }
}
