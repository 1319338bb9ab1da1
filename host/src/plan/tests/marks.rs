//! Probes that only some programs need, and words that marks keep.

use super::*;
use crate::manifest::Correlation;
use expect_test::{Expect, expect};

fn mark(name: &str, keep: &str, paths: &[&str]) -> Probe {
    Probe {
        role: Role::Mark,
        correlation: Correlation::Goroutine,
        bindings: vec![binding(keep, paths)],
        keep: texts(&[keep]),
        ..probe(name, "main.handler.serve", "h main.handler, w interface, r *main.Request", Vec::new())
    }
}

/// What is kept where, and how the end reads it; or what is left out and why.
fn check(probes: Vec<Probe>, expected: Expect) {
    let text = with_binary(|binary| {
        let plan = plan(&manifest(probes), binary, 1, 100);
        let kept = plan.probes.iter().map(|probe| {
            let kept = probe.program.keep.map(|slot| if slot == u8::MAX { '-' } else { 'w' });
            let captures = probe.captures.iter().flat_map(|capture| &capture.paths);
            let paths: Vec<_> =
                captures.map(|path| path.offsets.as_str()).filter(|path| path.contains("kept")).collect();
            let line = format!("{} {} {}", probe.name, kept.iter().collect::<String>(), paths.join(", "));
            line.trim_end().to_owned() + "\n"
        });
        let skipped = plan.skipped.iter().map(|skipped| format!("{}: {}\n", skipped.what, skipped.why));
        kept.chain(skipped).collect::<String>()
    });
    expected.assert_eq(&text);
}

fn start() -> Probe {
    Probe { role: Role::Start, correlation: Correlation::Frame, ..mark("start", "where", &["r.Where"]) }
}

fn end() -> Probe {
    let captures = vec![
        capture("path", &["kept.where.Path"]),
        capture("scheme", &["kept.later.Scheme", "r.Where.Scheme"]),
        capture("tries", &["kept.request.tries"]),
    ];
    Probe { role: Role::End, ..probe("end", "main.finish", "r *main.Request", captures) }
}

#[test]
fn puts_the_words_of_marks_beside_those_of_the_start() {
    check(
        // In any order.
        vec![end(), mark("again", "where", &["r.Where"]), mark("later", "later", &["r.Where"]), start()],
        expect![[r#"
            end ---- kept.where+16, kept.later+0
            again w---
            later -w--
            start w---
        "#]],
    );
}

#[test]
fn leaves_out_what_a_mark_cannot_keep() {
    check(
        vec![start(), mark("other type", "where", &["r"]), end()],
        expect![[r#"
            probe other type: keeps where as a *main.Request, the start of the same span as something else
            group only: the probe other type of its group is left out
        "#]],
    );
    let names = ["a", "b", "c", "d"].map(|name| mark(name, name, &["r"]));
    check(
        [start()].into_iter().chain(names).collect(),
        expect![[r#"
        probe d: more than 4 words to keep
        group only: the probe d of its group is left out
    "#]],
    );
}

#[test]
fn plans_a_probe_only_where_a_function_is_mentioned() {
    let only = |name: &str, functions: &[&str]| {
        let mut probe = mark(name, "later", &["r.Where"]);
        probe.if_mentioned = texts(functions);
        Probe { group: 1, ..probe }
    };
    let with_group = |probe: Probe| {
        let mut manifest = manifest(vec![start(), probe, end()]);
        manifest.groups.push(Group { name: "later".to_owned(), needs: vec![0], ..Group::default() });
        with_binary(|binary| {
            let plan = plan(&manifest, binary, 1, 100);
            let probes = plan.probes.iter().map(|probe| format!("planned {}\n", probe.name));
            let skipped = plan.skipped.iter().map(|skipped| format!("{}: {}\n", skipped.what, skipped.why));
            probes.chain(skipped).collect::<String>()
        })
    };
    expect![[r#"
        planned start
        planned end
        probe absent: none of no.such, main.nor.this is linked, not even inlined into another package
        group later: the probe absent of its group is left out
    "#]]
    .assert_eq(&with_group(only("absent", &["no.such", "main.nor.this"])));
    expect![[r#"
        planned start
        planned present
        planned end
    "#]]
    .assert_eq(&with_group(only("present", &["no.such", "main.finish"])));
}
