//! What is planned and what is left out, and how that is shown.

use super::*;
use expect_test::expect;

#[test]
fn says_what_is_left_out_and_why() {
    let arguments = "h main.handler, w interface, r *main.Request";
    let serve = |name: &str| probe(name, "main.handler.serve", arguments, Vec::new());
    let probes = vec![
        Probe { symbols: texts(&["main.absent", "main.gone"]), group: 1, ..serve("no symbol") },
        Probe { only_if: texts(&["r.Gone"]), group: 2, ..serve("no field") },
        Probe { only_if: texts(&["request.Gone"]), group: 2, ..serve("no argument") },
        Probe { only_if: texts(&["r..Gone"]), group: 2, ..serve("no path") },
        Probe { arguments: "r *main.Absent".to_owned(), only_if: texts(&["r.x"]), group: 2, ..serve("no type") },
        Probe { captures: vec![capture("key", &[r#"r.Header["a key that is far too long"]"#])], ..serve("long key") },
        Probe {
            captures: (0..40).map(|_| capture("code", &["r.Err.(*main.failure).code"])).collect(),
            ..serve("long")
        },
        Probe { keep: texts(&["w"]), ..serve("keep") },
        Probe { parent_context: Some("r".to_owned()), ..serve("context") },
        Probe {
            bindings: vec![binding("a", &["b.x"]), binding("b", &["a.x"])],
            only_if: texts(&["a"]),
            ..serve("loop")
        },
        Probe { group: 3, ..serve("fine, but") },
        Probe { group: 5, ..serve("all fine") },
    ];
    let group = |name: &str, needs: &[usize]| Group { name: name.to_owned(), needs: needs.to_vec(), required: false };
    let groups = ["zero", "one", "two", "needs four", "needs one", "five"];
    let needs: [&[usize]; 6] = [&[], &[], &[], &[4], &[1], &[]];
    let mut manifest = manifest(probes);
    manifest.groups = groups.iter().zip(needs).map(|(name, needs)| group(name, needs)).collect();
    manifest.context_types = texts(&["*context.valueCtx", "*main.Request", "*main.absent"]);
    let report = |manifest: &Manifest| {
        with_binary(|binary| {
            let plan = plan(manifest, binary, 1, 100);
            let probes = plan.probes.iter().map(|probe| format!("planned {}\n", probe.name));
            let skipped = plan.skipped.iter().map(|skipped| format!("{}: {}\n", skipped.what, skipped.why));
            format!("{}{} context types\n", probes.chain(skipped).collect::<String>(), plan.context_types.len())
        })
    };
    expect![[r#"
        planned all fine
        probe no symbol: no symbol main.absent, main.gone
        probe no field: no field Gone in main.Request
        probe no argument: `request.Gone` begins with request, which is neither an argument nor an earlier binding
        probe no path: path `r..Gone`, column 3: expected a name, found `.`
        probe no type: no type main.Absent in the binary
        probe long key: the key of `r.Header["a key that is far too long"]` has to have 1 to 24 bytes
        probe long: more than 192 operations
        probe keep: w is in registers and has no address
        probe context: the parent's context would have to be an interface, not *main.Request
        probe loop: `b.x` begins with b, which is neither an argument nor an earlier binding
        group zero: the probe long key of its group is left out
        group one: the probe no symbol of its group is left out
        group two: the probe no field of its group is left out
        group needs four: the group needs one, which it needs, is left out
        group needs one: the group one, which it needs, is left out
        context type *main.Request: does not begin with its parent
        context type *main.absent: no type *main.absent in the binary
        1 context types
    "#]]
    .assert_eq(&report(&manifest));
    // With a required group among those left out, nothing remains.
    manifest.groups[2].required = true;
    assert!(report(&manifest).contains("group five: the group two, which is required, is left out"));
    assert!(!report(&manifest).contains("planned"));
}

#[test]
fn numbers_spans_and_keeps_the_header() {
    let arguments = "h main.handler, w interface, r *main.Request";
    let start =
        Probe { current: true, traceparent: Some(0), ..probe("serve", "main.handler.serve", arguments, Vec::new()) };
    let other = Probe { span: "other".to_owned(), ..probe("send", "main.(*plain).Send", "", Vec::new()) };
    let plan = with_binary(|binary| plan(&manifest(vec![start, other, finish()]), binary, 7, 100));
    let headers: Vec<_> = plan
        .probes
        .iter()
        .map(|probe| {
            let program = &probe.program;
            (
                program.plugin,
                program.probe,
                program.span,
                program.role,
                program.traceparent,
                program.flags & flags::CURRENT,
            )
        })
        .collect();
    assert_eq!(headers, [(7, 0, 100, 0, 0, 1), (7, 1, 101, 0, 0xff, 0), (7, 2, 100, 1, 0xff, 0)]);
    assert_eq!(plan.spans, ["work", "other"]);
}

#[test]
fn leaves_out_probes_with_events_beyond_the_limit() {
    let start = probe(
        "serve",
        "main.handler.serve",
        "h main.handler, w interface, r *main.Request",
        vec![capture("method", &["r.Method"])],
    );
    let limited = |event_bytes| {
        let limits = Limits { event_bytes, open_seconds: 1 };
        with_binary(|binary| plan(&Manifest { limits, ..manifest(vec![start.clone()]) }, binary, 1, 100))
    };
    let most = limited(4096).probes[0].bytes;
    assert_eq!(limited(most).probes.len(), 1);
    let refused = limited(most - 1);
    assert!(refused.probes.is_empty());
    assert_eq!(refused.skipped[0].why.to_string(), format!("more than {} bytes an event", most - 1));
}

#[test]
fn finds_names_and_a_parents_context_in_registers() {
    let arguments = "h main.handler, w interface, r *main.Request";
    let start = probe("serve", "main.handler.serve", arguments, Vec::new());
    let start = Probe { parent_context: Some("w".to_owned()), ..start };
    let mark = probe("mark", "main.handler.serve", arguments, Vec::new());
    let mark = Probe { role: Role::Mark, rename: texts(&["r"]), ..mark };
    let plan = with_binary(|binary| plan(&manifest(vec![start, mark]), binary, 1, 100));
    assert!(plan.skipped.is_empty(), "{:?}", plan.skipped);
    let texts: Vec<_> = plan.probes.iter().map(|probe| (probe.program.flags, disassemble(&probe.program))).collect();
    expect![[r#"
        flags 0
        0   w31 = bx
        1   w30 = cx
            parent context: w31, w30
        flags 128
        0   w31 = di
            name: w31
    "#]]
    .assert_eq(&texts.iter().map(|(flags, text)| format!("flags {flags}\n{text}")).collect::<String>());
}

#[test]
fn finds_the_calls_of_one_function_by_another() {
    let called = |name, callers: &[&str]| Probe {
        called_by: texts(callers),
        captures: vec![capture("method", &["r.Method"])],
        ..probe(name, "main.handler.serve", "h main.handler, w interface, r *main.Request", Vec::new())
    };
    let text = |name, callers: &[&str]| {
        let plan = with_binary(|binary| plan(&manifest(vec![called(name, callers)]), binary, 1, 100));
        let planned =
            plan.probes.iter().map(|probe| format!("{}: {} at {:?}\n", probe.name, probe.symbol, probe.sites[0].cost));
        let skipped = plan.skipped.iter().take(1).map(|skipped| format!("{}: {}\n", skipped.what, skipped.why));
        planned.chain(skipped).collect::<String>()
    };
    let all = [
        text("the first that is there", &["main.nobody", "main.main"]),
        text("nobody", &["main.nobody"]),
        text("no call", &["main.finish"]),
    ];
    expect![[r#"
        the first that is there: main.handler.serve by main.main at Emulated
        probe nobody: no symbol main.nobody
        probe no call: main.finish: does not call main.handler.serve
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn finds_where_goroutines_are_made() {
    let (symbol, text, sites) = with_binary(|binary| {
        let spawn = spawn(binary).unwrap();
        (spawn.symbol, disassemble(&spawn.program), spawn.sites.len())
    });
    assert_eq!((symbol.as_str(), sites), ("runtime.newproc.func1", 1));
    assert!(text.starts_with("0   w0 = bx\n1   w1 = r14\n2   w2 = u64 [w1+48]"), "{text}");
}

#[test]
fn shows_a_plan_in_120_columns() {
    let text = with_binary(|binary| {
        let arguments = "e error";
        let end = Probe {
            site: manifest::Site::Return,
            role: Role::End,
            symbols: texts(&["main.finish"]),
            ..probe("finished", "", arguments, vec![capture("error", &["e"])])
        };
        let absent = probe("absent", "main.absent", "", Vec::new());
        let mut manifest = manifest(vec![serve(), end, Probe { group: 1, ..absent }]);
        manifest.groups.push(Group { name: "extra".to_owned(), ..Group::default() });
        manifest.context_types = texts(&["*context.valueCtx"]);
        let plan = plan(&manifest, binary, 1, 100);
        assert!(table(&plan, true, false).contains("keep: w29, w2"));
        assert!(table(&plan, false, true).contains("\u{1b}[1m"));
        assert!(serde_json::to_string(&plan).unwrap().contains(r#""offsets":"r+16 -> +16""#));
        table(&plan, false, false)
    });
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    expect![[r#"
        test/plan 1.2.3  2 probes, 2 sites

        serve                    start work          main.handler.serve  at most 692 bytes
          0x_  push rbp                            emulated
            method  r.Method                                          r+0  descriptor
            path    r.Where.Path                                      r+16 -> +16  descriptor
            scheme  r.Where.Scheme                                    r+16 -> +0  descriptor
            short   r.Header["Short"]                                 r+24["Short"]  descriptor
            long    r.Header["A-Longer-Header-Name"]                  r+24["A-Longer-Header-Name"]  descriptor
            label   r.Labels["label-17"]                              r+32["label-17"]  descriptor
            error   r.Err                                             r+112  descriptor
            any     r.Any                                             r+128  descriptor
            tries   r.tries                                           r+104  descriptor
            length  r.length                                          r+96  descriptor
            body    r.body                                            r+56  descriptor
            family  inner.fd.family                                   w.(main.tagged)+16.(*main.plain)+0 -> +2  descriptor
            tag     r.Any.(main.tagged).tag                           r+128.(main.tagged)+0  descriptor
            or      w.(main.tagged).tag                               w.(main.tagged)+0  descriptor
            code    r.Err.(*main.failure).code                        r+112.(*main.failure) -> +0  descriptor
            gone    absent from this program
            - capture tag: r.Wire.(*main.plain).nothing: no field nothing in main.plain
            - capture gone: r.Gone: no field Gone in main.Request

        finished                 end work            main.finish  at most 84 bytes
          0x_  ret                                 single-stepped
            error  e                                                  e

        follows contexts through 1 type

        left out
          probe absent  no symbol main.absent
          group extra   the probe absent of its group is left out
    "#]].assert_eq(&masked(&text));
}
