//! Two ordinary Go services under load, traced. Shows some of the traces and checks all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use uprobed_tests::demo::{self, Printing};
use uprobed_tests::journal::Sent;
use uprobed_tests::scratch;
use uprobed_tests::tree::Tree;

const SHOWN: usize = 5;
const REQUESTS: &str = "400";
const RATE: &str = "100";

fn main() -> ExitCode {
    uprobed_tests::exit_code(run())
}

fn run() -> Result<()> {
    let nonce = demo::nonce()?;
    let directory = scratch().join("demo");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let url = |address: &str| format!("http://{address}");
    let (stock, stock_address) = demo::serve(&demo::build("../demo/stock", &directory)?, &[])?;
    let (shop, shop_address) = demo::serve(&demo::build("../demo/shop", &directory)?, &[&url(&stock_address)])?;

    let tracer = Printing::attach(&[&shop, &stock])?;
    eprintln!("==> {REQUESTS} orders, {RATE} a second");
    let paths = format!("/orders/{nonce}/{{i}}");
    let arguments = ["--paths", &paths, "--n", REQUESTS, "--rate", RATE, "--c", "8"];
    let sent = demo::load(&url(&shop_address), &directory.join("load.journal"), &arguments)?;
    let trees = tracer.end()?;
    drop((shop, stock));

    // One with an error of each kind, then those where all went well.
    demo::show(&trees, SHOWN, |tree| tree.lines.iter().filter_map(|line| line.status).collect::<BTreeSet<_>>());
    check(&trees, &sent, &nonce)?;
    println!(
        "{} orders, {} traces, every call under its order and every answer under its call",
        sent.len(),
        trees.len()
    );
    Ok(())
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
