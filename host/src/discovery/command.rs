//! A program that is started to be watched: held before its first instruction until its probes are in place.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::PermissionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow, bail};

/// A command line.
#[derive(Clone, Debug)]
pub struct Command {
    pub executable: PathBuf,
    words: Vec<OsString>,
}

/// A child that has not called exec yet.
pub struct Held {
    pub pid: u32,
    gate: File,
    starting: JoinHandle<io::Result<Child>>,
}

impl Command {
    /// Finds the executable as a shell does.
    pub fn new(words: Vec<OsString>) -> Result<Self> {
        let first = words.first().context("the command is empty")?;
        let path = Path::new(first);
        let executable = if path.components().count() > 1 {
            path.to_owned()
        } else {
            let directories = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&directories)
                .map(|directory| directory.join(path))
                .find(|path| is_executable(path))
                .with_context(|| format!("the command {} is not in PATH", path.display()))?
        };
        if !is_executable(&executable) {
            bail!("the command {} is not an executable file", executable.display());
        }
        let executable = executable.canonicalize().with_context(|| format!("find {}", executable.display()))?;
        Ok(Self { executable, words })
    }

    /// Makes the process and holds it before it calls exec.
    pub fn hold(&self) -> Result<Held> {
        let (told, tells) = pipe()?;
        let (waits, gate) = pipe()?;
        let mut command = std::process::Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        let (tells_fd, waits_fd, gate_fd) = (tells.as_raw_fd(), waits.as_raw_fd(), gate.as_raw_fd());
        // SAFETY: between fork and exec only getpid, close, write and read are called, which are async-signal-safe; the descriptors are open
        // until the thread below ends.
        unsafe {
            command.pre_exec(move || {
                // The child's own copy would keep the pipe open if uprobed is killed.
                libc::close(gate_fd);
                let pid = std::process::id().to_le_bytes();
                if libc::write(tells_fd, pid.as_ptr().cast(), pid.len()) != pid.len() as isize {
                    return Err(io::Error::last_os_error());
                }
                let mut go = [0u8; 1];
                // 0 bytes: uprobed is gone or gave up; do not run unwatched.
                if libc::read(waits_fd, go.as_mut_ptr().cast(), 1) != 1 {
                    return Err(io::Error::from(io::ErrorKind::Interrupted));
                }
                Ok(())
            });
        }
        // Spawning returns after exec, so it has a thread of its own.
        let starting = thread::spawn(move || {
            let child = command.spawn();
            drop((tells, waits));
            child
        });
        let mut pid = [0; 4];
        if let Err(error) = File::from(told).read_exact(&mut pid) {
            drop(gate);
            return match starting.join() {
                Ok(Err(error)) => Err(error).context("start the command"),
                _ => Err(error).context("start the command"),
            };
        }
        Ok(Held { pid: u32::from_le_bytes(pid), gate: gate.into(), starting })
    }
}

impl Held {
    /// Lets it call exec.
    pub fn release(mut self) -> Result<Child> {
        self.gate.write_all(b"g").context("let the command go on")?;
        match self.starting.join() {
            Ok(child) => child.context("run the command"),
            Err(_) => Err(anyhow!("the thread that starts the command failed")),
        }
    }
}

/// The status as a shell gives it: 128 and the signal's number if a signal ended it.
pub fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make a pipe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_a_command_until_it_is_released() {
        let marker = env::temp_dir().join(format!("uprobed-held-{}", std::process::id()));
        let words = ["touch".into(), marker.clone().into_os_string()].to_vec();
        let held = Command::new(words).unwrap().hold().unwrap();
        thread::sleep(std::time::Duration::from_millis(50));
        assert!(!marker.exists(), "it ran before it was released");
        let status = held.release().unwrap().wait().unwrap();
        assert!(status.success() && marker.exists());
        std::fs::remove_file(marker).unwrap();
    }

    #[test]
    fn names_a_command_that_is_not_there() {
        let error = Command::new(vec!["no-such-command-anywhere".into()]).unwrap_err();
        assert!(error.to_string().contains("no-such-command-anywhere"), "{error}");
    }
}
