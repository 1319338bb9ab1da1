//! Database servers for tests, each with a private data directory and a port of the loopback interface. They end with the test.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::process::{Lines, Running, free_port};

const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(20);
/// The database that each server has.
pub const DATABASE: &str = "shop";

/// A running server.
#[derive(Debug)]
pub struct Database {
    running: Running,
    /// Has to be read, or else the server would wait.
    _stderr: Lines,
    end: Signal,
    pub port: u16,
}

impl Database {
    /// PostgreSQL; its superuser `postgres` needs no password. `directory` is made.
    pub fn postgresql(directory: &Path) -> Result<Self> {
        let programs = newest("/usr/lib/postgresql", "bin")?;
        // It refuses to run as root.
        let user = User::named("postgres")?;
        user.make(directory)?;
        let data = directory.join("data");
        let mut initdb = user.command(&programs.join("initdb"));
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        run(initdb.arg("--pgdata").arg(&data))?;
        let port = free_port()?;
        let mut server = user.command(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(directory).args(["-p", &port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        let database = Self::start(server, "ready to accept connections", Signal::INT, port)?;
        let mut createdb = user.command(&programs.join("createdb"));
        createdb.arg("--host").arg(directory).args(["--port", &port.to_string(), "--username", "postgres", DATABASE]);
        run(&mut createdb)?;
        Ok(database)
    }

    /// MariaDB; its user `tester` needs no password. `directory` is made.
    pub fn mariadb(directory: &Path) -> Result<Self> {
        let user = User::named("mysql")?;
        user.make(directory)?;
        let data = directory.join("data");
        let mut install = user.command(Path::new("/usr/bin/mariadb-install-db"));
        run(install.args(["--no-defaults", "--skip-test-db"]).arg(format!("--datadir={}", data.display())))?;
        let first = directory.join("first.sql");
        let statements = format!(
            "CREATE DATABASE {DATABASE};\nCREATE USER tester@'%';\nCREATE USER tester@localhost;\n\
             GRANT ALL ON *.* TO tester@'%';\nGRANT ALL ON *.* TO tester@localhost;\n"
        );
        fs::write(&first, statements).with_context(|| format!("write {}", first.display()))?;
        let port = free_port()?;
        let mut server = user.command(Path::new("/usr/sbin/mariadbd"));
        server.arg("--no-defaults").arg(format!("--datadir={}", data.display())).arg(format!("--port={port}"));
        server.arg(format!("--socket={}", directory.join("socket").display()));
        server.arg(format!("--init-file={}", first.display()));
        server.args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=200"]);
        server.arg("--innodb-flush-log-at-trx-commit=0");
        Self::start(server, "ready for connections", Signal::TERM, port)
    }

    fn start(mut command: Command, ready: &str, end: Signal, port: u16) -> Result<Self> {
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let stderr = Lines::of(running.child().stderr.take().context("the database has no standard error")?);
        stderr.wait_for(START, |line| line.contains(ready)).context("wait for the database")?;
        Ok(Self { running, _stderr: stderr, end, port })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What does not end by itself is killed when `running` is dropped.
        if self.running.signal(self.end).is_ok() {
            let _ = self.running.wait(END);
        }
    }
}

/// Somebody that a server runs as.
struct User {
    id: u32,
    group: u32,
}

impl User {
    fn named(name: &str) -> Result<Self> {
        let users = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
        for line in users.lines() {
            if let [user, _, id, group, ..] = line.split(':').collect::<Vec<_>>()[..]
                && user == name
            {
                return Ok(Self {
                    id: id.parse().context("read a user's id")?,
                    group: group.parse().context("and group")?,
                });
            }
        }
        bail!("there is no user {name}; Debian's packages postgresql and mariadb-server make theirs")
    }

    /// A directory of its own.
    fn make(&self, directory: &Path) -> Result<()> {
        let text = || format!("make {}", directory.display());
        fs::create_dir_all(directory).with_context(text)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).with_context(text)?;
        chown(directory, Some(self.id), Some(self.group)).with_context(text)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.uid(self.id).gid(self.group).current_dir("/");
        command
    }
}

/// `/usr/lib/postgresql/17/bin`, of the newest version that is there.
fn newest(directory: &str, inner: &str) -> Result<PathBuf> {
    let missing = || format!("list {directory}; PostgreSQL comes from Debian's package postgresql");
    let entries = fs::read_dir(directory).with_context(missing)?;
    let versions = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().with_context(missing)?;
    Ok(Path::new(directory).join(newest.to_string()).join(inner))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} ended with {}: {said}", output.status);
    Ok(())
}
