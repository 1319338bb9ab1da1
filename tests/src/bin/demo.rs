//! Two ordinary Go services under load, traced. Shows some of the traces and checks all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use uprobed_tests::journal::{Sent, read_sent};
use uprobed_tests::process::{Lines, Running, free_port};
use uprobed_tests::programs::{LOAD, Program};
use uprobed_tests::tracer::uprobed;
use uprobed_tests::tree::{self, Tree};
use uprobed_tests::{root, scratch};

const SHOWN: usize = 5;
const ATTACH: Duration = Duration::from_secs(60);
const REQUESTS: &str = "400";
const RATE: &str = "100";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // Short, so that lines stay short; it only has to differ from the last run's.
    let nonce = format!("{:04x}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() & 0xffff);
    let directory = scratch().join("demo");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let (stock, stock_url) = service("../demo/stock", directory.join("stock"), None)?;
    let (shop, shop_url) = service("../demo/shop", directory.join("shop"), Some(&stock_url))?;

    let (mut tracer, printed, said) = trace(&[&shop, &stock])?;
    for service in [&shop, &stock] {
        let prefix = format!("attached pid={} ", service.pid());
        eprintln!("{}", said.wait_for(ATTACH, |line| line.starts_with(&prefix))?);
    }
    eprintln!("==> {REQUESTS} orders, {RATE} a second");
    let sent = load(&shop_url, &directory.join("load.journal"), &nonce)?;
    tracer_end(&mut tracer, &said)?;
    drop((shop, stock));

    let trees = tree::read(&printed.all().join("\n"));
    show(&trees);
    check(&trees, &sent, &nonce)?;
    println!(
        "{} orders, {} traces, every call under its order and every answer under its call",
        sent.len(),
        trees.len()
    );
    Ok(())
}

fn service(path: &'static str, binary: PathBuf, upstream: Option<&str>) -> Result<(Running, String)> {
    Program::new(path).go("auto").build_to(&binary)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(&binary);
    command.arg(&address).args(upstream).current_dir(root());
    let mut running = Running::start(&mut command)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&address).is_err() {
        ensure!(running.is_running() && Instant::now() < deadline, "{} does not listen on {address}", binary.display());
        thread::sleep(Duration::from_millis(10));
    }
    Ok((running, format!("http://{address}")))
}

fn trace(services: &[&Running]) -> Result<(Running, Lines, Lines)> {
    let mut command = Command::new(uprobed()?);
    command.arg("trace");
    let shown: Vec<String> = services.iter().map(|service| format!("--pid {}", service.pid())).collect();
    eprintln!("==> uprobed trace {}", shown.join(" "));
    command.args(services.iter().flat_map(|service| ["--pid".to_owned(), service.pid().to_string()]));
    command.env("COLUMNS", std::env::var_os("COLUMNS").unwrap_or_else(|| "120".into()));
    if std::io::stdout().is_terminal() {
        command.env("CLICOLOR_FORCE", "1");
    }
    let mut tracer = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let printed = Lines::of(tracer.child().stdout.take().context("uprobed has no standard output")?);
    let said = Lines::of(tracer.child().stderr.take().context("uprobed has no standard error")?);
    Ok((tracer, printed, said))
}

fn load(url: &str, journal: &PathBuf, nonce: &str) -> Result<Vec<Sent>> {
    let paths = format!("/orders/{nonce}/{{i}}");
    let mut command = Command::new(LOAD.build()?);
    command.args(["--url", url, "--paths", &paths, "--n", REQUESTS, "--rate", RATE, "--c", "8", "--log"]).arg(journal);
    let status = command.stdout(Stdio::null()).status().context("start the load")?;
    ensure!(status.success(), "the load ended with {status}");
    read_sent(journal)
}

fn tracer_end(tracer: &mut Running, said: &Lines) -> Result<()> {
    tracer.signal(Signal::TERM)?;
    let status = tracer.wait(ATTACH)?;
    let said = said.all();
    ensure!(status.success(), "uprobed ended with {status}:\n{}", said.join("\n"));
    if let Some(closing) = said.last() {
        eprintln!("{closing}");
    }
    Ok(())
}

/// One of each shape first: with an error of each kind, then those where all went well.
fn show(trees: &[Tree]) {
    let shape = |tree: &Tree| tree.lines.iter().filter_map(|line| line.status).collect::<BTreeSet<_>>();
    let mut shapes = BTreeMap::new();
    for (index, tree) in trees.iter().enumerate() {
        shapes.entry(shape(tree)).or_insert(index);
    }
    let first: BTreeSet<usize> = shapes.into_values().collect();
    let more = (0..trees.len()).filter(|index| !first.contains(index));
    let mut chosen: Vec<usize> = first.iter().copied().chain(more).take(SHOWN).collect();
    chosen.sort_unstable();
    println!();
    for index in chosen {
        print!("{}", trees[index].text);
    }
    if trees.len() > SHOWN {
        println!("… and {} more\n", trees.len() - SHOWN);
    }
}

fn check(trees: &[Tree], sent: &[Sent], nonce: &str) -> Result<()> {
    let mut by_path = BTreeMap::new();
    for tree in trees {
        let path = tree.lines.first().map_or("", |line| &line.path);
        if by_path.insert(path.to_owned(), tree).is_some() || !path.contains(nonce) {
            bail!("a trace that nobody asked for:\n{}", tree.text);
        }
    }
    for sent in sent {
        let tree = by_path.get(&sent.path).with_context(|| format!("no trace of {}", sent.path))?;
        let id = sent.path.trim_start_matches("/orders/");
        let expected = expected_edges(id);
        ensure!(tree.edges() == expected && tree.lines.len() == expected.len(), "not {expected:#?}:\n{}", tree.text);
        let status = tree.lines.first().and_then(|line| line.status);
        ensure!(status == Some(sent.status), "answered {} and traced as:\n{}", sent.status, tree.text);
    }
    ensure!(sent.len() == trees.len(), "{} traces of {} orders", trees.len(), sent.len());
    Ok(())
}

fn expected_edges(id: &str) -> BTreeSet<String> {
    let order = format!("shop server /orders/{id}");
    let mut edges = BTreeSet::from([format!(" > {order}")]);
    for call in ["items", "prices"] {
        edges.insert(format!("{order} > shop client /{call}/{id}"));
        edges.insert(format!("shop client /{call}/{id} > stock server /{call}/{id}"));
    }
    edges
}
