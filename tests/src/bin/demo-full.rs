//! A small shop of ordinary Go services, all traced at once: HTTP, gRPC, PostgreSQL, and Kafka with a producer and a consumer. Shows a trace
//! of each shape and checks all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use uprobed_tests::broker::Broker;
use uprobed_tests::databases::{DATABASE, Database};
use uprobed_tests::demo::{self, Printing};
use uprobed_tests::journal::Sent;
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::scratch;
use uprobed_tests::tree::Tree;

/// There are as many shapes.
const SHOWN: usize = 8;
const ORDERS: &str = "400";
const AT_ONCE: &str = "16";
/// Tea and rice can be had, there are ten of honey, and salt has no price.
const ITEMS: [&str; 10] = ["tea", "rice", "tea", "rice", "honey", "tea", "rice", "tea", "rice", "salt"];
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    uprobed_tests::exit_code(run())
}

fn run() -> Result<()> {
    let directory = scratch().join("demo-full");
    let remove = || fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()));
    if directory.exists() {
        // An interrupted run left it.
        remove()?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let result = trace_shop(&directory);
    let removed = remove();
    result.and(removed)
}

fn trace_shop(directory: &Path) -> Result<()> {
    eprintln!("==> building the shop (the first time fetches what it imports)");
    let build = |path| demo::build(path, directory);
    let (shop, stock, shipping) =
        (build("../demo/full/shop")?, build("../demo/full/stock")?, build("../demo/full/shipping")?);
    eprintln!("==> starting PostgreSQL and Kafka (the first time fetches Kafka)");
    let database = Database::postgresql(&directory.join("postgresql"))?;
    let database_url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", database.port);
    let broker = Broker::start(directory)?;
    let (stock, stock_address) = demo::serve(&stock, &[&database_url])?;
    let (shop, shop_address) = demo::serve(&shop, &[&stock_address, &broker.address()])?;
    let (shipping, shipped) = consume(&shipping, &[&broker.address(), &database_url])?;

    let order = |name: &str, items: &[&str], count: &str| {
        let paths: Vec<String> = items.iter().map(|item| format!("/orders/{name}-{{i}}/{item}")).collect();
        let arguments = ["--paths", &paths.join(","), "--n", count, "--c", AT_ONCE];
        let sent = demo::load(&format!("http://{shop_address}"), &directory.join("load.journal"), &arguments)?;
        wait_shipped(&sent, &shipped)?;
        anyhow::Ok(sent)
    };
    // What is shown then has its connections already, as most requests have.
    order("first", &["tea"], AT_ONCE)?;
    let tracer = Printing::attach(&[&shop, &stock, &shipping])?;
    eprintln!("==> {ORDERS} orders, {AT_ONCE} at once");
    let sent = order(&demo::nonce()?, &ITEMS, ORDERS)?;
    let mut trees = tracer.end()?;
    drop((shop, stock, shipping));

    // Orders first, and those that went well before others.
    trees.sort_by_key(|tree| (path(tree).is_empty(), tree.lines.first().and_then(|line| line.status)));
    demo::show(&trees, SHOWN, |tree| tree.outline().replace(path(tree), ""));
    check(&trees, &sent)
}

/// Starts the consumer. It prints what it has shipped.
fn consume(binary: &Path, arguments: &[&str]) -> Result<(Running, Lines)> {
    let mut running = Running::start(Command::new(binary).args(arguments).stdout(Stdio::piped()))?;
    let printed = Lines::of(running.child().stdout.take().context("the consumer has no standard output")?);
    printed.wait_for(PATIENCE, |line| line == "waiting for orders")?;
    Ok((running, printed))
}

fn wait_shipped(sent: &[Sent], shipped: &Lines) -> Result<()> {
    for order in sent.iter().filter(|order| order.status == 200) {
        let line = format!("shipped {}", id(order)?);
        shipped.wait_for(PATIENCE, |printed| printed == line)?;
    }
    Ok(())
}

/// `7f3a-12` of `/orders/7f3a-12/tea`.
fn id(order: &Sent) -> Result<&str> {
    order.path.split('/').nth(2).with_context(|| format!("no order in {}", order.path))
}

/// That of the request that the trace began with; empty if it did not begin with one.
fn path(tree: &Tree) -> &str {
    tree.lines.first().map_or("", |line| &line.path)
}

/// Every order has its trace, everything that shipping did has one, and there is no other.
fn check(trees: &[Tree], sent: &[Sent]) -> Result<()> {
    let (requests, others): (Vec<&Tree>, Vec<&Tree>) = trees.iter().partition(|tree| !path(tree).is_empty());
    let by_path: BTreeMap<&str, &Tree> = requests.iter().map(|tree| (path(tree), *tree)).collect();
    ensure!(requests.len() == sent.len(), "{} traces of {} orders", requests.len(), sent.len());
    let mut answered: BTreeMap<i64, usize> = BTreeMap::new();
    for order in sent {
        let tree = by_path.get(&*order.path).with_context(|| format!("no trace of {}", order.path))?;
        let expected = expected(order)?;
        ensure!(tree.outline() == expected, "not\n{expected}but\n{}", tree.text);
        *answered.entry(order.status).or_default() += 1;
    }
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for tree in others {
        *counted.entry(tree.outline()).or_default() += 1;
    }
    let [shipped, sold_out, failed] = [200, 409, 502].map(|status| answered.get(&status).copied().unwrap_or(0));
    ensure!(shipped > 0 && sold_out > 0 && failed > 0, "not all kinds of answers: {answered:?}");
    // A batch has the messages of one order or of several.
    let batches = counted.remove("shop client produce orders\n").unwrap_or(0);
    ensure!((1..=shipped).contains(&batches), "{batches} batches of {shipped} messages");
    let each = [
        // The first message came to a call that had begun before.
        ("shipping client poll orders\n", shipped - 1),
        ("shipping client INSERT parcels\n", shipped),
        ("shipping client commit orders\n", shipped),
        // The request that the reader makes for it.
        ("shipping client offset_commit orders\n", shipped),
    ];
    let each: BTreeMap<String, usize> = each.map(|(outline, count)| (outline.to_owned(), count)).into();
    ensure!(counted == each, "{shipped} were shipped, traced as {counted:#?}");
    println!(
        "{} orders, each with its whole trace: {shipped} sent on in {batches} batches, {sold_out} sold out, {failed} failed\n\
         {shipped} parcels, each with its poll (the first was under way already), statement and commit: traces of their own,\n\
         because no message says which trace it belongs to",
        sent.len()
    );
    Ok(())
}

/// What an order that was answered so leads to.
fn expected(order: &Sent) -> Result<String> {
    let path = &order.path;
    Ok(match order.status {
        200 => format!(
            "\
shop server GET /orders/{{id}}/{{item}} 200 {path}
  shop client shop.Stock/Reserve OK
    stock server shop.Stock/Reserve OK
      stock client SELECT items
      stock client BEGIN shop
      stock client UPDATE items
      stock client INSERT reservations
      stock client COMMIT shop
  shop producer send orders
"
        ),
        409 => format!(
            "\
shop server GET /orders/{{id}}/{{item}} 409 {path}
  shop client ✗ shop.Stock/Reserve FAILED_PRECONDITION
    stock server shop.Stock/Reserve FAILED_PRECONDITION
      stock client SELECT items
      stock client BEGIN shop
      stock client ✗ UPDATE items 23514
      stock client ROLLBACK shop
"
        ),
        502 => format!(
            "\
shop server ✗ GET /orders/{{id}}/{{item}} 502 {path}
  shop client ✗ shop.Stock/Reserve UNKNOWN
    stock server ✗ shop.Stock/Reserve UNKNOWN
      stock client SELECT items
      stock client BEGIN shop
      stock client UPDATE items
      stock client ✗ INSERT reservations 23502
      stock client ROLLBACK shop
"
        ),
        status => bail!("{path} was answered with {status} {}", order.error),
    })
}
