//! Whether this machine lets the program be loaded at all, in words that say what to do.

use std::{fs, os::unix::fs::MetadataExt};

use rustix::thread::{CapabilitySet, capabilities};
use thiserror::Error;

/// `bpf_loop` and cookies on uprobes.
const OLDEST_KERNEL: (u32, u32) = (5, 17);

/// Inode of the initial pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h): the eBPF program sees pids of that one.
const INITIAL_PIDS: u64 = 0xefff_fffc;

/// What is in the way.
#[derive(Debug, Error)]
pub enum Surroundings {
    #[error("no privileges: {0} missing; run as root, or grant CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE")]
    Privileges(String),
    #[error("not in the machine's own pid namespace; in a container, run with the host's (--pid=host)")]
    PidNamespace,
    #[error("kernel {found} is too old: {}.{} or newer is needed", OLDEST_KERNEL.0, OLDEST_KERNEL.1)]
    Kernel { found: String },
}

/// Checks the kernel's version and this process's capabilities.
pub fn check() -> Result<(), Surroundings> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if let Some(version) = version(&release)
        && version < OLDEST_KERNEL
    {
        return Err(Surroundings::Kernel { found: release.trim().to_owned() });
    }
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    if fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() != INITIAL_PIDS) {
        return Err(Surroundings::PidNamespace);
    }
    let missing = missing(effective);
    if missing.is_empty() { Ok(()) } else { Err(Surroundings::Privileges(missing.join(" and "))) }
}

/// `6.18.44-something` is (6, 18).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.trim().split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// CAP_SYS_ADMIN stands for the two that were split from it in 5.8; `/proc/PID/exe` and `environ` of others want ptrace's.
fn missing(effective: CapabilitySet) -> Vec<&'static str> {
    let is_admin = effective.contains(CapabilitySet::SYS_ADMIN);
    let mut missing = Vec::new();
    if !is_admin && !effective.contains(CapabilitySet::BPF) {
        missing.push("CAP_BPF");
    }
    if !is_admin && !effective.contains(CapabilitySet::PERFMON) {
        missing.push("CAP_PERFMON");
    }
    if !effective.contains(CapabilitySet::SYS_PTRACE) {
        missing.push("CAP_SYS_PTRACE");
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_release_as_major_and_minor() {
        assert_eq!(version("6.18.44-fc\n"), Some((6, 18)));
        assert_eq!(version("5.4.0-200-generic"), Some((5, 4)));
        assert_eq!(version("what"), None);
    }

    #[test]
    fn names_each_capability_that_is_missing() {
        assert_eq!(missing(CapabilitySet::empty()), ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"]);
        assert_eq!(missing(CapabilitySet::BPF | CapabilitySet::SYS_PTRACE), ["CAP_PERFMON"]);
        assert!(missing(CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE).is_empty());
    }
}
