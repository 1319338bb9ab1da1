//! The watched process as an OpenTelemetry resource: what its own environment says of it, else what /proc does.
//!
//! Left out on purpose: `process.command_args` and its kin, because command lines hold secrets (tokens, passwords), and
//! `process.owner`, because a user's name is only known inside the process's own namespaces.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;
use uuid::Uuid;

use crate::fragment::Value;
use crate::spans::Clock;

/// The semantic conventions that the attributes here follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";
/// The most of a process's environment that is looked at, in bytes. The kernel's own limit is larger (a quarter of the stack's).
const ENVIRONMENT_BYTES: u64 = 4 << 20;
/// The most attributes that a process may give itself, and the most bytes of a value.
const OWN_ATTRIBUTES: usize = 128;
const VALUE_BYTES: usize = 4096;
/// The namespace that the conventions name for a `service.instance.id` that is derived and not random.
const INSTANCE_NAMESPACE: Uuid = Uuid::from_u128(0x4d63009a_8d0f_11ee_aad7_4c796ed8e320);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// Each key once.
    pub attributes: Vec<(Arc<str>, Value)>,
}

/// What runs the program, as far as the binary says.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// `telemetry.sdk.language`, for instance `go`.
    pub language: String,
    /// `process.runtime.name` and `.version`: `go`, `go1.26.8`.
    pub name: String,
    pub version: String,
}

/// What is true for every process of this machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub name: String,
    /// /etc/machine-id; None if there is none.
    pub id: Option<String>,
    /// As the conventions spell it: `amd64`, `arm64`.
    pub architecture: String,
}

/// What was read about one process.
#[derive(Clone, Debug)]
pub struct Facts {
    pub pid: u32,
    /// As in /proc/PID/environ: `KEY=value`, each ended by a zero.
    pub environment: Vec<u8>,
    pub executable: PathBuf,
    /// Nanoseconds since boot.
    pub started_boot: u64,
    pub started: SystemTime,
}

impl Resource {
    /// Reads what /proc knows about a process and makes the resource of it.
    pub fn of_process(pid: u32, runtime: Option<&Runtime>, machine: &Machine, clock: &Clock) -> io::Result<Self> {
        Facts::read(pid, clock).map(|facts| Self::new(&facts, runtime, machine))
    }

    /// Neither disk nor kernel. What the process says of itself wins over what was found out, but for `telemetry.sdk.*`.
    pub fn new(facts: &Facts, runtime: Option<&Runtime>, machine: &Machine) -> Self {
        let mut resource = Self::default();
        let path = facts.executable.to_string_lossy();
        let name = facts.executable.file_name().unwrap_or(OsStr::new("unknown_service")).to_string_lossy();
        resource.set("service.name", &*name);
        resource.set("service.instance.id", &*instance(facts, machine).to_string());
        resource.set("process.pid", Value::Integer(facts.pid.into()));
        resource.set("process.executable.name", &*name);
        resource.set("process.executable.path", &*path);
        resource.set("process.creation.time", &*humantime::format_rfc3339_millis(facts.started).to_string());
        if let Some(runtime) = runtime {
            resource.set("process.runtime.name", &*runtime.name);
            resource.set("process.runtime.version", &*runtime.version);
        }
        resource.set("host.name", &*machine.name);
        if let Some(id) = &machine.id {
            resource.set("host.id", &**id);
        }
        resource.set("host.arch", &*machine.architecture);
        resource.set("os.type", "linux");

        for (key, value) in own_attributes(facts) {
            resource.set(&key, &*value);
        }
        resource.set("telemetry.sdk.name", "uprobed");
        resource.set("telemetry.sdk.language", runtime.map_or("unknown", |runtime| &runtime.language));
        resource.set("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
        resource
    }

    pub fn service_name(&self) -> &str {
        match self.get("service.name") {
            Some(Value::Text(name)) => name,
            _ => "unknown_service",
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(other, _)| &**other == key).map(|(_, value)| value)
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        match self.attributes.iter().position(|(other, _)| &**other == key) {
            Some(index) => self.attributes[index].1 = value.into(),
            None => self.attributes.push((key.into(), value.into())),
        }
    }
}

impl Machine {
    /// Asks the kernel and /etc/machine-id. What is not there is left out.
    pub fn read() -> Self {
        let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
            .iter()
            .find_map(|path| fs::read_to_string(path).ok())
            .map(|id| id.trim().to_owned())
            .filter(|id| !id.is_empty());
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { name, id, architecture: architecture.to_owned() }
    }
}

impl Facts {
    fn read(pid: u32, clock: &Clock) -> io::Result<Self> {
        let directory = Path::new("/proc").join(pid.to_string());
        let executable = without_deleted(fs::read_link(directory.join("exe"))?);
        let ticks = started_ticks(&fs::read(directory.join("stat"))?)
            .ok_or_else(|| io::Error::other(format!("no start time in /proc/{pid}/stat")))?;
        let nanoseconds_per_tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let started_boot = ticks.saturating_mul(nanoseconds_per_tick);
        let mut environment = Vec::new();
        match File::open(directory.join("environ")) {
            Ok(file) => _ = file.take(ENVIRONMENT_BYTES).read_to_end(&mut environment)?,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                warn!(
                    pid,
                    "without CAP_DAC_READ_SEARCH its environment, and what it says of itself there, is not read"
                );
            }
            Err(error) => return Err(error),
        }
        let started = UNIX_EPOCH + Duration::from_nanos(clock.wall(started_boot));
        Ok(Self { pid, environment, executable, started_boot, started })
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.environment
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .filter(|value| !value.is_empty())
    }
}

/// The same for the same life of the same process, so that a new watcher continues an old one's series.
fn instance(facts: &Facts, machine: &Machine) -> Uuid {
    let host = machine.id.as_deref().unwrap_or(&machine.name);
    Uuid::new_v5(&INSTANCE_NAMESPACE, format!("{host}/{}/{}", facts.pid, facts.started_boot).as_bytes())
}

/// `OTEL_RESOURCE_ATTRIBUTES`, then `OTEL_SERVICE_NAME`, which wins.
fn own_attributes(facts: &Facts) -> Vec<(String, String)> {
    let mut attributes = match facts.variable("OTEL_RESOURCE_ATTRIBUTES").map(parse_attributes) {
        None => Vec::new(),
        Some(Ok(attributes)) => attributes,
        Some(Err(entry)) => {
            warn!(pid = facts.pid, "OTEL_RESOURCE_ATTRIBUTES of the process ignored: cannot read {entry:?}");
            Vec::new()
        }
    };
    if let Some(name) = facts.variable("OTEL_SERVICE_NAME") {
        attributes.push(("service.name".to_owned(), shortened(String::from_utf8_lossy(name).trim())));
    }
    attributes
}

/// `key=value,key=value`, both percent-encoded, as the specification of OpenTelemetry's resources says; an error in one entry
/// discards them all, and is that entry.
fn parse_attributes(text: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = str::from_utf8(text).map_err(|_| String::from_utf8_lossy(text).into_owned())?;
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.take(OWN_ATTRIBUTES).map(|entry| parse_attribute(entry).ok_or_else(|| shortened(entry))).collect()
}

fn parse_attribute(entry: &str) -> Option<(String, String)> {
    let (key, value) = entry.split_once('=')?;
    let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
    (!key.is_empty()).then(|| (key, shortened(&value)))
}

/// Percent-decoding; None if what stands behind a `%` is no hexadecimal byte, or the result is no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    parts.next();
    if !parts.all(|part| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit)) {
        return None;
    }
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(VALUE_BYTES)].to_owned()
}

/// The kernel marks an executable that was removed or replaced in the link's text.
fn without_deleted(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(bytes) => PathBuf::from(OsStr::from_bytes(bytes)),
        None => path,
    }
}

/// Field 22 of /proc/PID/stat. The second field, the name in parentheses, may itself hold anything.
fn started_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(&stat[end + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;

    fn facts(environment: &str) -> Facts {
        Facts {
            pid: 42,
            environment: environment.into(),
            executable: "/srv/shop/checkout".into(),
            started_boot: 12_340_000_000,
            started: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        }
    }

    fn machine() -> Machine {
        Machine { name: "box".into(), id: Some("0123456789abcdef".into()), architecture: "arm64".into() }
    }

    #[test]
    fn describes_a_process_that_says_nothing_of_itself() {
        let runtime = Runtime { language: "go".into(), name: "go".into(), version: "go1.26.8".into() };
        let resource = Resource::new(&facts("PATH=/bin\0"), Some(&runtime), &machine());
        let text = resource.attributes.iter().fold(String::new(), |mut text, (key, value)| {
            writeln!(text, "{key} = {value:?}").unwrap();
            text
        });
        let version = env!("CARGO_PKG_VERSION");
        expect![[r#"
            service.name = Text("checkout")
            service.instance.id = Text("7f628d2a-4b57-57e9-b97d-546b8a819c8d")
            process.pid = Integer(42)
            process.executable.name = Text("checkout")
            process.executable.path = Text("/srv/shop/checkout")
            process.creation.time = Text("2023-11-14T22:13:20.123Z")
            process.runtime.name = Text("go")
            process.runtime.version = Text("go1.26.8")
            host.name = Text("box")
            host.id = Text("0123456789abcdef")
            host.arch = Text("arm64")
            os.type = Text("linux")
            telemetry.sdk.name = Text("uprobed")
            telemetry.sdk.language = Text("go")
            telemetry.sdk.version = Text("VERSION")
        "#]]
        .assert_eq(&text.replace(&format!("{version:?}"), "\"VERSION\""));
    }

    /// What the environment changes, without what stands there anyway.
    fn check(environment: &str, expected: Expect) {
        let [plain, own] = ["", environment].map(|text| Resource::new(&facts(text), None, &machine()).attributes);
        let changed = own.iter().filter(|attribute| !plain.contains(attribute));
        let text: Vec<_> = changed.map(|(key, value)| format!("{key}={value:?}")).collect();
        expected.assert_eq(&text.join(" "));
    }

    #[test]
    fn believes_what_a_process_says_of_itself() {
        check("OTEL_SERVICE_NAME=a\0", expect![[r#"service.name=Text("a")"#]]);
        check("OTEL_SERVICE_NAME=\0XOTEL_SERVICE_NAME=a\0", expect![""]);
        check(
            "OTEL_RESOURCE_ATTRIBUTES=service.name=b,k%2C1= v%20%C3%A4+1 ,,e=\0OTEL_SERVICE_NAME=a",
            expect![[r#"service.name=Text("a") k,1=Text("v ä+1") e=Text("")"#]],
        );
        check("OTEL_RESOURCE_ATTRIBUTES=service.name=b", expect![[r#"service.name=Text("b")"#]]);
        check("OTEL_RESOURCE_ATTRIBUTES=telemetry.sdk.name=x,host.name=y", expect![[r#"host.name=Text("y")"#]]);
    }

    #[test]
    fn discards_all_attributes_for_one_that_is_broken() {
        for broken in ["a=1,b", "a=1,=2", "a=1,b=%2", "a=1,b=%zz", "a=1,b=%C3"] {
            check(&format!("OTEL_RESOURCE_ATTRIBUTES={broken}\0"), expect![""]);
        }
    }

    #[test]
    fn bounds_what_a_process_says() {
        let long = "ä".repeat(VALUE_BYTES);
        let many: String = (0..1000).map(|n| format!("k{n}={long},")).collect();
        let resource = Resource::new(&facts(&format!("OTEL_RESOURCE_ATTRIBUTES={many}")), None, &machine());
        assert_eq!(resource.get("k127"), Some(&Value::Text("ä".repeat(VALUE_BYTES / 2))));
        assert_eq!(resource.get("k128"), None);
    }

    #[test]
    fn finds_the_start_time_behind_any_name() {
        let rest = "S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0";
        for (stat, expected) in [
            (format!("1 (a) {rest}"), Some(777)),
            (format!("1 (a) S 1 () {rest}"), Some(777)),
            ("1 (a) S 1".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(started_ticks(stat.as_bytes()), expected, "{stat}");
        }
    }

    #[test]
    fn knows_itself() {
        let (machine, clock) = (Machine::read(), Clock::measured());
        let pid = std::process::id();
        let resource = Resource::of_process(pid, None, &machine, &clock).unwrap();
        assert_eq!(resource.get("process.pid"), Some(&Value::Integer(pid.into())));
        let executable = std::env::current_exe().unwrap();
        assert_eq!(resource.get("process.executable.path"), Some(&Value::Text(executable.display().to_string())));
        let facts = Facts::read(pid, &clock).unwrap();
        let age = SystemTime::now().duration_since(facts.started).unwrap();
        assert!(age < Duration::from_secs(600), "{age:?}");
        assert_eq!(Resource::of_process(pid, None, &machine, &clock).unwrap(), resource);
    }

    #[test]
    fn says_that_a_process_is_not_there() {
        let error = Resource::of_process(u32::MAX, None, &Machine::default(), &Clock::fixed(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn names_a_deleted_executable_without_the_mark() {
        assert_eq!(without_deleted("/a/b (deleted)".into()), Path::new("/a/b"));
        assert_eq!(without_deleted("/a/b".into()), Path::new("/a/b"));
    }
}
