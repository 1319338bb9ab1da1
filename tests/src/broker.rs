//! A Kafka broker for tests, with a private data directory: the real one, in Java, from Maven. It can be stopped and started again with
//! what it has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::process::{Lines, Running, free_port};

const VERSION: &str = "3.9.1";
/// Java on a busy machine.
const START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Broker {
    libraries: PathBuf,
    directory: PathBuf,
    port: u16,
    running: Option<Running>,
}

impl Broker {
    /// Starts one below this directory and waits until it serves.
    pub fn start(directory: &Path) -> Result<Self> {
        let libraries = libraries()?;
        let directory = directory.join("broker");
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let (port, controller) = (free_port()?, free_port()?);
        let properties = directory.join("server.properties");
        fs::write(&properties, configured(port, controller, &directory.join("data")))?;
        let mut broker = Self { libraries, directory, port, running: None };
        let mut format = broker.java("kafka.tools.StorageTool");
        // Any 16 bytes in base64 are a cluster's name.
        format.args(["format", "-t", "dXByb2JlZC10ZXN0cy1rYQ", "-c"]).arg(&properties);
        let printed = format.stdin(Stdio::null()).output().context("start java")?;
        ensure!(printed.status.success(), "format the broker's data: {}", String::from_utf8_lossy(&printed.stderr));
        broker.resume()?;
        Ok(broker)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it as an operator would.
    pub fn pause(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.signal(Signal::TERM)?;
        running.wait(STOP)?;
        Ok(())
    }

    /// Starts it with the data it has, at the same address.
    pub fn resume(&mut self) -> Result<()> {
        let mut server = self.java("kafka.Kafka");
        server.arg(self.directory.join("server.properties")).stdin(Stdio::null()).stderr(Stdio::null());
        let mut running = Running::start(server.stdout(Stdio::piped()))?;
        let printed = Lines::of(running.child().stdout.take().context("the broker has no standard output")?);
        let begun = Instant::now();
        printed.wait_for(START, |line| line.contains("Kafka Server started")).context("wait for the broker")?;
        // It serves now; a moment later it would too.
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            ensure!(begun.elapsed() < START && running.is_running(), "the broker does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        self.running = Some(running);
        Ok(())
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args([
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.logFile=System.out",
        ]);
        // Libraries that it unpacks would stay in /tmp.
        command.arg(format!("-Djava.io.tmpdir={}", self.directory.display()));
        command.arg("-cp").arg(self.libraries.join("*")).arg(class).current_dir(&self.directory);
        command
    }
}

fn configured(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
",
        data.display()
    )
}

/// The broker's jars, fetched once into the cache that the build tools use.
fn libraries() -> Result<PathBuf> {
    let kept = cache()?.join(format!("kafka-{VERSION}"));
    if kept.join("lib").is_dir() {
        return Ok(kept.join("lib"));
    }
    let making = kept.with_extension(std::process::id().to_string());
    fs::create_dir_all(&making).with_context(|| format!("make {}", making.display()))?;
    fs::write(making.join("pom.xml"), pom())?;
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]).current_dir(&making);
    let printed =
        maven.output().context("start mvn; install it with: apt-get install openjdk-17-jre-headless maven")?;
    if !printed.status.success() {
        bail!("fetch Kafka {VERSION} with Maven: {}", String::from_utf8_lossy(&printed.stdout));
    }
    // Another test may have been first.
    if fs::rename(&making, &kept).is_err() {
        ensure!(kept.join("lib").is_dir(), "{} is not there", kept.display());
        fs::remove_dir_all(&making).with_context(|| format!("remove {}", making.display()))?;
    }
    Ok(kept.join("lib"))
}

fn cache() -> Result<PathBuf> {
    Ok(match (env::var_os("UPROBED_CACHE"), env::var_os("XDG_CACHE_HOME")) {
        (Some(path), _) => path.into(),
        (None, Some(path)) => PathBuf::from(path).join("uprobed"),
        (None, None) => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache/uprobed"),
    })
}

fn pom() -> String {
    let dependency = |group: &str, name: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        )
    };
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>uprobed.test</groupId><artifactId>broker</artifactId>\
         <version>1</version><dependencies>{}{}</dependencies></project>",
        dependency("org.apache.kafka", "kafka_2.13", VERSION),
        dependency("org.slf4j", "slf4j-simple", "1.7.36")
    )
}
