//! Which processes the operator wants: what /proc says of a process, and what selects it. Knows no binary and no kernel table.

mod command;

use std::{
    collections::HashSet,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use globset::{Glob, GlobMatcher};

pub use command::{Command, Held, exit_code};

/// A process, at the moment that it was looked at.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    /// Clock ticks since boot (`/proc/PID/stat`, field 22). With the pid it names one life.
    pub start: u64,
    pub parent: u32,
    /// As the process's own mount namespace names it.
    pub executable: PathBuf,
    pub file: FileId,
    /// Inode of its network namespace.
    pub network: u32,
}

/// An executable, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
    /// In bytes, and when it last changed, in nanoseconds: the same file with other contents is another.
    pub size: u64,
    pub changed: i64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec()),
        }
    }
}

impl FileId {
    /// Follows links, as the kernel does when it looks for the file to probe.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self::from(&metadata))
    }
}

impl Process {
    /// Reads what /proc says. `NotFound` if there is no such process (any more), or if it is a kernel thread.
    pub fn read(pid: u32) -> io::Result<Self> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(directory.join("stat")).map_err(gone)?;
        let (parent, start) = parse_stat(&stat).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}/stat is not readable", directory.display()))
        })?;
        let link = directory.join("exe");
        let executable = fs::read_link(&link).map_err(gone)?;
        let file = FileId::of(&link).map_err(gone)?;
        let network = fs::metadata(directory.join("ns/net")).map_err(gone)?.ino() as u32;
        Ok(Self { pid, start, parent, executable: undeleted(executable), file, network })
    }

    /// The running file, under a name that works in every mount namespace and after it was deleted.
    pub fn image(&self) -> PathBuf {
        image_of(self.pid)
    }

    /// The root of its mount namespace.
    pub fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.pid).into()
    }

    /// Whether this life of the pid still goes on.
    pub fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.is_ok_and(|stat| parse_stat(&stat).is_some_and(|(_, start)| start == self.start) && !is_dead(&stat))
    }
}

/// `/proc/PID/exe`.
pub fn image_of(pid: u32) -> PathBuf {
    format!("/proc/{pid}/exe").into()
}

/// Every process that can be read.
pub fn processes() -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("list /proc")?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ended meanwhile, or a kernel thread, is not there.
    Ok(pids.filter_map(|pid| Process::read(pid).ok()).collect())
}

/// What selects processes.
#[derive(Clone, Debug)]
pub enum Selector {
    Pid(u32),
    /// By the executable: the same file, or the same name if it was built anew.
    Executable(PathBuf),
    Glob(GlobMatcher),
    /// The process itself and whatever it starts.
    Tree(u32),
}

impl Selector {
    pub fn executable(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| format!("find executable {}", path.display()))?;
        Ok(Self::Executable(path))
    }

    pub fn glob(pattern: &str) -> Result<Self> {
        let glob = Glob::new(pattern).with_context(|| format!("read the pattern {pattern}"))?;
        Ok(Self::Glob(glob.compile_matcher()))
    }

    pub fn selects(&self, process: &Process) -> bool {
        match self {
            Self::Pid(pid) => process.pid == *pid,
            Self::Executable(path) => {
                process.executable == *path || FileId::of(path).is_ok_and(|file| file == process.file)
            }
            Self::Glob(glob) => glob.is_match(&process.executable),
            Self::Tree(root) => descends(process, *root),
        }
    }
}

/// Whether `root` is among the ancestors, or the process itself.
fn descends(process: &Process, root: u32) -> bool {
    let (mut pid, mut seen) = (process.pid, HashSet::new());
    while pid > 1 && seen.insert(pid) {
        if pid == root {
            return true;
        }
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        let Some((parent, _)) = parse_stat(&stat) else { return false };
        pid = parent;
    }
    false
}

/// Parent and start time. The second field, the name in parentheses, may hold anything.
fn parse_stat(stat: &str) -> Option<(u32, u64)> {
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    Some((parent, fields.nth(17)?.parse().ok()?))
}

/// A zombie has ended; only its parent has not looked yet.
fn is_dead(stat: &str) -> bool {
    stat.rfind(')').and_then(|at| stat.get(at + 2..at + 3)).is_some_and(|state| matches!(state, "Z" | "X"))
}

fn undeleted(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(path) => path.into(),
        None => path,
    }
}

/// A process that ends while it is read gives ESRCH in places.
fn gone(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) {
        return io::Error::from(io::ErrorKind::NotFound);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parent_and_start_past_a_name_with_parentheses() {
        let stat = "42 (a) b) c) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 2 18446744073709551615";
        assert_eq!(parse_stat(stat), Some((7, 12345)));
        assert_eq!(parse_stat("42 (a"), None);
    }

    #[test]
    fn reads_itself() {
        let process = Process::read(std::process::id()).unwrap();
        assert_eq!(process.executable, std::env::current_exe().unwrap());
        assert!(process.is_alive());
        assert!(Selector::Tree(process.parent).selects(&process));
        assert!(Selector::executable(&process.executable).unwrap().selects(&process));
        assert!(!Selector::Pid(process.pid + 1).selects(&process));
    }

    #[test]
    fn says_not_found_for_a_process_that_is_not_there() {
        assert_eq!(Process::read(u32::MAX / 2).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
