//! A C program on several threads: its arguments by the platform's calling convention, its structs by DWARF, in the program or apart from
//! it, its frames by thread and stack pointer.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uprobed_tests::otlp::Span;
use uprobed_tests::process::{Lines, Running};
use uprobed_tests::programs;
use uprobed_tests::root;
use uprobed_tests::scene::Scene;
use uprobed_tests::tracer::Tracer;

const ORDERS: usize = 500;
const THREADS: usize = 4;
const WAIT: Duration = Duration::from_secs(60);

#[test]
fn traces_a_c_program() -> Result<()> {
    let scene = Scene::new("native")?;
    let program = scene.file("orders");
    programs::orders(&program)?;
    let (spans, printed) = traced(&scene, &program)?;
    verify(&spans, &printed)?;
    // The comparison notices what is missing, and what belongs to another.
    let mut fewer = spans.clone();
    fewer.pop();
    ensure!(verify(&fewer, &printed).is_err(), "a missing span was not noticed");
    let mut swapped = spans;
    let nested = swapped.iter().position(|span| span.name == "pack").context("no pack")?;
    swapped[nested].parent = swapped[nested].id.clone();
    ensure!(verify(&swapped, &printed).is_err(), "another parent was not noticed");
    Ok(())
}

#[test]
fn traces_a_stripped_c_program_by_its_debug_file() -> Result<()> {
    let scene = Scene::new("native-stripped")?;
    let program = scene.file("orders");
    programs::orders(&program)?;
    let debug = program.with_extension("debug");
    let objcopy = |arguments: &[&Path]| run(Command::new("objcopy").args(arguments));
    objcopy(&["--only-keep-debug".as_ref(), &program, &debug])?;
    objcopy(&["--strip-all".as_ref(), &program])?;
    let link = PathBuf::from(format!("--add-gnu-debuglink={}", debug.display()));
    objcopy(&[&link, &program])?;
    let (spans, printed) = traced(&scene, &program)?;
    verify(&spans, &printed)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {}", command.get_program().display()))?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}

/// The spans, and what each order came to, as the program says.
fn traced(scene: &Scene, program: &Path) -> Result<(Vec<Span>, Vec<String>)> {
    let mut command = Command::new(program);
    let mut running = Running::start(command.arg(ORDERS.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let stdout = Lines::of(running.child().stdout.take().context("the program has no standard output")?);
    stdout.wait_for(WAIT, |line| line == "ready")?;
    let plugins = root().join("target/test-plugins");
    let plugins = plugins.to_str().context("the checkout's path is not UTF-8")?;
    let tracer = Tracer::attach(&scene.file("spans.jsonl"), &[running.pid()], &["--plugins", plugins])?;
    running.child().stdin.take().context("the program has no standard input")?.write_all(b"\n")?;
    let status = running.wait(WAIT)?;
    ensure!(status.success(), "the program ended with {status}");
    let trace = tracer.stop_if_running()?;
    ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
    Ok((trace.spans, stdout.all().into_iter().filter(|line| line != "ready").collect()))
}

fn verify(spans: &[Span], printed: &[String]) -> Result<()> {
    ensure!(printed.len() == ORDERS * THREADS, "the program printed {} orders", printed.len());
    let number = |span: &Span| span.integer("order.number").context("a span without a number");
    let by_id: HashMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let mut places: HashMap<i64, &Span> = HashMap::new();
    for span in spans {
        ensure!(span.integer("shop.name") == Some(-7), "{:?} is not the shop's name", span.integer("shop.name"));
        ensure!(span.integer("shop.port") == Some(65000), "{:?} is not the port", span.integer("shop.port"));
        ensure!(span.integer("order.result").is_some(), "{} has no result", span.name);
        let parent = by_id.get(span.parent.as_str());
        if span.name == "place" {
            ensure!(span.parent.is_empty(), "an order has a parent");
            ensure!(places.insert(number(span)?, span).is_none(), "order {} is there twice", number(span)?);
            continue;
        }
        let parent = parent.with_context(|| format!("pack {:?} has no parent", span.integer("order.number")))?;
        let expected = if parent.name == "place" { number(parent)? } else { number(parent)? + 1 };
        ensure!(number(span)? == expected, "pack {} is in {} {}", number(span)?, parent.name, number(parent)?);
        ensure!(parent.start <= span.start && span.end <= parent.end, "pack {expected} is not within its parent");
        let flipped = parent.integer("order.urgent").map(|urgent| 1 - urgent);
        let urgent = if parent.name == "place" { parent.integer("order.urgent") } else { flipped };
        ensure!(span.integer("order.urgent") == urgent, "pack {expected} has another's urgency");
    }
    let mut packs = 0;
    for line in printed {
        let (order, result) = line.split_once(' ').context("no result in what the program printed")?;
        let (order, result): (i64, i64) = (order.parse()?, result.parse()?);
        let span = places.get(&order).with_context(|| format!("order {order} has no span"))?;
        ensure!(span.integer("order.result") == Some(result), "order {order} came to {result}");
        // As many as the program makes: until the number's remainder is 3.
        packs += (order..).position(|number| number % 8 >= 3).map_or(0, |depth| depth + 1);
    }
    ensure!(spans.len() == printed.len() + packs, "{} spans, not {}", spans.len(), printed.len() + packs);
    Ok(())
}
