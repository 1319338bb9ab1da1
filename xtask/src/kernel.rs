//! Runs live tests on Debian's 6.1 kernel, the oldest that is supported, in QEMU: the very test binaries of `tests/`, the
//! very uprobed, in a file system in memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::place::Place;
use crate::step::{cargo, output, run as run_step, say};
use crate::{build, tools};

/// Files that the tasks need, and the packages that bring them.
const PACKAGES: [(&str, &str); 2] =
    [("qemu-system-x86", "/usr/bin/qemu-system-x86_64"), ("busybox-static", "/bin/busybox")];
/// Depends on the newest kernel package of Debian 12.
const KERNEL: &str = "linux-image-amd64";
const SERIES: &str = "6.1.";

/// What runs there: a test binary and names of tests in it. These need no Go but the one that is installed here.
const TESTS: [(&str, &[&str]); 5] = [
    (
        "exact",
        &["counts_ten_thousand_requests", "misses_none_of_eighty_in_flight", "honours_a_traceparent_that_comes_in"],
    ),
    ("pairing", &["pairs_recursive_handlers", "pairs_thousands_of_goroutines", "sees_redirects_as_siblings"]),
    ("life", &["attaches_to_a_program_that_starts_later", "leaves_an_unselected_instance_of_the_same_binary_alone"]),
    ("surroundings", &["attaches_nothing_without_plugins"]),
    (C, &["traces_a_c_program"]),
];
/// Runs on one processor there: different instructions of one program are stepped in the same places, and QEMU's processors (7.2), each a
/// thread, have been seen to execute what stood there before.
const C: &str = "native";

/// How long it may take to switch itself off after the verdict.
const SWITCHING_OFF: Duration = Duration::from_secs(10);
/// Without KVM, instruction by instruction, and on a busy machine.
const AT_MOST: Duration = Duration::from_secs(15 * 60);
const VERDICT: &str = "verdict: every test passed";

/// Where the tests find things, as the binaries were told when they were built.
struct Image {
    root: PathBuf,
}

pub fn run(place: &Place) -> Result<()> {
    tools::need_go()?;
    tools::need_root("test-kernel")?;
    tools::need_packages(&PACKAGES)?;
    let kernel = kernel(place)?;
    build::all(place)?;
    say("building the live tests for the 6.1 kernel");
    let image = image(place)?;
    let archive = place.target.join("test-kernel/initramfs");
    pack(&image.root, &archive)?;
    say("booting Linux 6.1 in QEMU (minutes)");
    boot(&kernel, &archive, &place.target.join("test-kernel/console.log"))
}

/// The kernel out of Debian's package, which is not installed: that would run its hooks here.
fn kernel(place: &Place) -> Result<PathBuf> {
    let directory = place.cache.join("kernel");
    let present = || -> Option<PathBuf> {
        let entries = fs::read_dir(&directory).ok()?.flatten();
        let is_kernel = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("vmlinuz-{SERIES}")))
        };
        entries.map(|entry| entry.path()).find(is_kernel)
    };
    if let Some(kernel) = present() {
        return Ok(kernel);
    }
    say("fetching Debian's 6.1 kernel (70 MB, once)");
    let unpacked = directory.join("unpacked");
    fs::create_dir_all(&unpacked).with_context(|| format!("make {}", unpacked.display()))?;
    let package = match kernel_package() {
        Some(package) => package,
        None => {
            run_step(Command::new("apt-get").args(["update", "-q"]))?;
            kernel_package().with_context(|| format!("{KERNEL} of Debian 12 depends on no kernel {SERIES}x"))?
        }
    };
    run_step(Command::new("apt-get").current_dir(&unpacked).args([
        "download",
        "-q",
        "-o",
        "APT::Sandbox::User=root",
        &package,
    ]))?;
    for entry in fs::read_dir(&unpacked)?.flatten() {
        run_step(Command::new("dpkg").arg("-x").arg(entry.path()).arg(&unpacked))?;
    }
    for entry in fs::read_dir(unpacked.join("boot")).context("the kernel package has no /boot")?.flatten() {
        fs::rename(entry.path(), directory.join(entry.file_name()))?;
    }
    fs::remove_dir_all(&unpacked).with_context(|| format!("remove {}", unpacked.display()))?;
    present().context("the kernel package holds no kernel")
}

fn kernel_package() -> Option<String> {
    let printed = Command::new("apt-cache").args(["depends", KERNEL]).output().ok()?;
    let prefix = format!("linux-image-{SERIES}");
    String::from_utf8_lossy(&printed.stdout)
        .split_whitespace()
        .find(|word| word.starts_with(&prefix))
        .map(str::to_owned)
}

fn image(place: &Place) -> Result<Image> {
    let root = place.target.join("test-kernel/root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
    }
    let image = Image { root };
    for directory in ["proc", "sys", "dev", "tmp", "tests", "programs"] {
        let path = image.root.join(directory);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    }
    image.busybox()?;
    image.program(&place.uprobed(), "uprobed")?;
    image.directory(&place.plugins(), Path::new("/plugins"))?;
    // Where the test binaries know it to be.
    let test_plugins = place.target.join("test-plugins");
    image.directory(&test_plugins, &test_plugins)?;
    for (name, path) in test_binaries(place)? {
        image.program(&path, &format!("tests/{name}"))?;
    }
    run_step(Command::new(place.target.join("release/programs")).arg(image.root.join("programs")))?;
    let init = image.root.join("init");
    fs::write(&init, script()).with_context(|| format!("write {}", init.display()))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    Ok(image)
}

impl Image {
    fn busybox(&self) -> Result<()> {
        self.program(Path::new("/bin/busybox"), "busybox")?;
        fs::create_dir_all(self.root.join("bin"))?;
        for applet in ["sh", "mount", "ip", "poweroff", "taskset", "uname"] {
            symlink("/busybox", self.root.join("bin").join(applet))?;
        }
        Ok(())
    }

    /// The files of a directory, elsewhere.
    fn directory(&self, from: &Path, to: &Path) -> Result<()> {
        let to = self.root.join(to.strip_prefix("/").unwrap_or(to));
        fs::create_dir_all(&to).with_context(|| format!("make {}", to.display()))?;
        for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))?.flatten() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// A binary without its debug information, and the shared libraries that it needs.
    fn program(&self, binary: &Path, name: &str) -> Result<()> {
        run_step(Command::new("strip").args(["--strip-debug", "-o"]).arg(self.root.join(name)).arg(binary))?;
        let Ok(printed) = Command::new("ldd").arg(binary).output() else { return Ok(()) };
        for library in String::from_utf8_lossy(&printed.stdout).split_whitespace().filter(|word| word.starts_with('/'))
        {
            let inside = self.root.join(library.trim_start_matches('/').trim_end_matches(':'));
            if let Some(directory) = inside.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::copy(library, &inside).with_context(|| format!("copy {library}"))?;
        }
        Ok(())
    }
}

/// Builds the tests and tells where their binaries are, by the names of the tests' files.
fn test_binaries(place: &Place) -> Result<Vec<(String, PathBuf)>> {
    let mut command = cargo(&place.root);
    command.args([
        "test",
        "--release",
        "--package",
        "uprobed-tests",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let messages = output(&mut command)?;
    run_step(cargo(&place.root).args(["build", "--release", "--package", "uprobed-tests", "--bins"]))?;
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let binaries = artifacts.filter_map(|artifact| {
        let name = artifact["target"]["name"].as_str()?;
        TESTS.iter().find(|(test, _)| *test == name)?;
        Some((name.to_owned(), PathBuf::from(artifact["executable"].as_str()?)))
    });
    let binaries: Vec<_> = binaries.collect();
    ensure!(binaries.len() == TESTS.len(), "cargo test built {} of {} test binaries", binaries.len(), TESTS.len());
    Ok(binaries)
}

/// What runs first on that kernel.
fn script() -> String {
    let mut script = String::from(
        "#!/bin/sh\n\
         export PATH=/bin UPROBED=/uprobed UPROBED_PREBUILT=/programs UPROBED_SCRATCH=/tmp RUST_BACKTRACE=0\n\
         mount -t proc proc /proc\n\
         mount -t sysfs sysfs /sys\n\
         mount -t devtmpfs devtmpfs /dev\n\
         mount -t tracefs tracefs /sys/kernel/tracing\n\
         mount -t bpf bpf /sys/fs/bpf\n\
         ip link set lo up\n\
         echo \"running on Linux $(uname -r)\"\n\
         failed=0\n",
    );
    for (binary, tests) in TESTS {
        let on = if binary == C { "taskset 1 " } else { "" };
        script.push_str(&format!("{on}/tests/{binary} --test-threads=1 --exact {} || failed=1\n", tests.join(" ")));
    }
    script.push_str(&format!("test $failed = 0 && echo '{VERDICT}' || echo 'verdict: tests failed'\npoweroff -f\n"));
    script
}

/// Uncompressed: an emulated processor takes longer to unpack it than to read it.
fn pack(root: &Path, archive: &Path) -> Result<()> {
    let into = fs::File::create(archive).with_context(|| format!("make {}", archive.display()))?;
    let mut find =
        Command::new("find").current_dir(root).arg(".").stdout(Stdio::piped()).spawn().context("start find")?;
    let names = find.stdout.take().context("find has no output")?;
    let mut cpio = Command::new("/bin/busybox");
    cpio.current_dir(root).args(["cpio", "-o", "-H", "newc"]).stdin(names).stdout(into).stderr(Stdio::null());
    run_step(&mut cpio)?;
    find.wait().context("wait for find")?;
    Ok(())
}

fn boot(kernel: &Path, archive: &Path, console: &Path) -> Result<()> {
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", "2G", "-smp", "2"])
        .args(["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot", "-serial"])
        .arg(format!("file:{}", console.display()))
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(archive)
        .args(["-append", "console=ttyS0 panic=-1 quiet"]);
    // The console of the last run would be taken for this one's until QEMU has begun its own.
    if console.exists() {
        fs::remove_file(console).with_context(|| format!("remove {}", console.display()))?;
    }
    let mut qemu = command.stdin(Stdio::null()).spawn().context("start qemu-system-x86_64")?;
    let deadline = Instant::now() + AT_MOST;
    let (mut shown, mut told) = (0, None::<Instant>);
    let ended = loop {
        // What is on the console so far, whole lines only.
        let text = fs::read(console).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if let Some(new) = text.get(shown..whole) {
            new.lines().for_each(|line| println!("  {}", line.trim_end()));
            shown = whole;
        }
        if let Some(status) = qemu.try_wait().context("wait for QEMU")? {
            break Some(status);
        }
        // The verdict is what counts: an emulated machine has been seen to hang while it was switching itself off.
        let is_told = text.contains("verdict: ");
        if is_told && told.get_or_insert_with(Instant::now).elapsed() > SWITCHING_OFF || Instant::now() > deadline {
            qemu.kill().context("end QEMU")?;
            let status = qemu.wait().context("wait for QEMU")?;
            break is_told.then_some(status);
        }
        thread::sleep(Duration::from_millis(200));
    };
    let text = String::from_utf8_lossy(&fs::read(console).context("read the console")?).into_owned();
    ensure!(ended.is_some(), "QEMU did not come to an end within {AT_MOST:?}; see {}", console.display());
    ensure!(text.contains(&format!("running on Linux {SERIES}")), "another kernel came up; see {}", console.display());
    if text.lines().any(|line| line.trim_end() == VERDICT) {
        return Ok(());
    }
    bail!("tests failed on Linux {SERIES}x; see {}", console.display())
}
