//! Compares what the program noted with what uprobed saw of it, call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use uprobed_tests::broker::Broker;
use uprobed_tests::otlp::SERVER;
use uprobed_tests::scene::{Scene, Service};
use uprobed_tests::tracer::Tracer;

use crate::lines::{Done, Seen, journal, links, told};
use crate::{JOURNAL, SHOWN};

/// What the comparison saw besides.
#[derive(Default)]
pub struct Verdict {
    pub requests: usize,
    /// Batches of several messages from a writer whose calls have one each.
    pub shared: usize,
    pub linked: usize,
    pub failed: BTreeSet<String>,
}

/// Ends all and compares the spans with the journal.
pub fn verify(scene: Scene, tracer: Tracer, service: Service, broker: &Broker) -> Result<Verdict> {
    let trace = tracer.stop()?;
    ensure!(trace.status.success(), "uprobed ended with {}:\n{}", trace.status, trace.stderr.join("\n"));
    service.stop()?;
    let journal = journal(&scene.file(JOURNAL))?;
    let links = links(&scene.file("spans.jsonl"))?;
    let seen = Seen::new(&trace, &links, &broker.address());
    let problems = problems(&journal, &seen);
    ensure!(
        problems.is_empty(),
        "{} problems (kept in {}):\n  {}\n{}",
        problems.len(),
        scene.directory.display(),
        problems[..problems.len().min(SHOWN)].join("\n  "),
        trace.stderr.join("\n")
    );
    ensure!(trace.lost()? == 0, "spans were lost: {}", trace.stderr.join("\n"));
    for (fault, faulty) in faults(&seen) {
        ensure!(!self::problems(&journal, &faulty).is_empty(), "the comparison did not notice {fault}");
    }
    let shared = |line: &&Done| line.what == "produce" && line.count > 1 && line.topic.ends_with("later");
    let verdict = Verdict {
        requests: trace.spans.iter().filter(|span| span.kind == SERVER).count(),
        shared: seen.lines.iter().filter(shared).count(),
        linked: seen.lines.iter().filter(|line| !line.links.is_empty()).count(),
        failed: seen.lines.iter().map(|line| line.error.clone()).collect(),
    };
    fs::remove_dir_all(&scene.directory).with_context(|| format!("remove {}", scene.directory.display()))?;
    Ok(verdict)
}

/// What the journal and the spans do not agree on.
fn problems(journal: &[Done], seen: &Seen) -> Vec<String> {
    let calls = ["send", "poll", "commit"];
    let wanted = journal.iter().filter(|line| calls.contains(&line.what.as_str())).map(told);
    let got = seen.lines.iter().filter(|line| !["produce", "offset_commit"].contains(&line.what.as_str())).map(told);
    let mut problems = differences(wanted, got);

    // A writer tells of each attempt before it, and of a batch's end whether and where it was written.
    let attempt =
        |line: &Done| told(&Done { offset: None, error: String::new(), what: "produce".into(), ..line.clone() });
    let of = |lines: &[Done], what: &str| lines.iter().filter(|line| line.what == what).cloned().collect::<Vec<_>>();
    let produced = of(&seen.lines, "produce");
    problems.extend(differences(of(journal, "produce").iter().map(attempt), produced.iter().map(attempt)));
    let written = |line: &&Done| line.error.is_empty();
    let batch = |line: &Done| told(&Done { what: "batch".into(), ..line.clone() });
    let batches = of(journal, "batch");
    problems.extend(differences(batches.iter().filter(written).map(batch), produced.iter().filter(written).map(batch)));

    // A reader tells of each commit that the coordinator accepted.
    let settled = of(&seen.lines, "offset_commit");
    problems
        .extend(differences(of(journal, "offset_commit").iter().map(told), settled.iter().filter(written).map(told)));
    problems
}

/// Compares two heaps of lines.
fn differences(wanted: impl Iterator<Item = String>, got: impl Iterator<Item = String>) -> Vec<String> {
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    wanted.for_each(|line| *balance.entry(line).or_default() += 1);
    got.for_each(|line| *balance.entry(line).or_default() -= 1);
    let difference = |(line, count): (String, i64)| match count {
        0 => None,
        1.. => Some(format!("{count} missing: {line}")),
        _ => Some(format!("{} too many: {line}", -count)),
    };
    balance.into_iter().filter_map(difference).collect()
}

/// The same spans with one thing wrong.
fn faults(seen: &Seen) -> Vec<(&'static str, Seen)> {
    let with = |what: &str, change: &dyn Fn(&mut Vec<Done>, usize)| {
        let mut faulty = seen.clone();
        let place = faulty.lines.iter().position(|line| line.what == what && line.error.is_empty());
        if let Some(place) = place {
            change(&mut faulty.lines, place);
        }
        faulty
    };
    vec![
        ("a call that is missing", with("send", &|lines, at| drop(lines.remove(at)))),
        ("a call that is there twice", with("send", &|lines, at| lines.push(lines[at].clone()))),
        ("another parent", with("send", &|lines, at| lines[at].from.push('7'))),
        ("another partition", with("produce", &|lines, at| lines[at].partition = Some(99))),
        ("another offset", with("produce", &|lines, at| lines[at].offset = Some(-7))),
        ("an error that was none", with("send", &|lines, at| lines[at].error.push('x'))),
        ("an odd name", with("send", &|lines, at| lines[at].oddity.push('x'))),
        ("another link", with("send", &|lines, at| lines[at].links.push("0/0".into()))),
    ]
}
