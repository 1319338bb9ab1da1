//! Elements of slices, lengths and searches: their programs, and what is refused.

use super::{slices::write, *};
use crate::manifest::Correlation;
use expect_test::{Expect, expect};

fn check_program(probe: Probe, expected: Expect) {
    let plan = with_binary(|binary| plan(&manifest(vec![probe]), binary, 1, 100));
    expected.assert_eq(&disassemble(&plan.probes[0].program));
}

#[test]
fn compiles_elements_and_lengths() {
    let paths =
        ["msgs[1].Topic", "msgs.len()", "b.msgs[1].Topic", "b.msgs[0].Partition", "b.msgs.len()", "table.len()"];
    check_program(
        write(&paths),
        expect![[r#"
            0   w31 = cx
            1   w30 = di
            2   w29 = ax
            3   w28 = r10
            4   window 0: v0..v2 = [w29+24]
            5   w0 = u64 v0+0 of window 0                    else 0
            6   w1 = u64 v1+0 of window 0                    else 0
            7   1 below w30                                  else 11
            8   w2 = w31+56
            9   #0 string [w2+0] limit 64                    else 11
            10  jump 12
            11  #0 failed
            12  #1 word w30
            13  1 below w1                                   else 17
            14  w2 = w0+56
            15  #2 string [w2+0] limit 64                    else 17
            16  jump 18
            17  #2 failed
            18  0 below w1                                   else 22
            19  w2 = u64 [w0+16]                             else 22
            20  #3 word w2
            21  jump 23
            22  #3 failed
            23  #4 word w1
            24  w2 = count of map [w28+0]                    else 27
            25  #5 word w2
            26  jump 28
            27  #5 failed
        "#]],
    );
}

/// What lies behind a slice's end may not be mapped, and would take along what is read with it.
#[test]
fn reads_no_elements_at_once() {
    let paths = ["b.msgs[0].Topic", "b.msgs[0].Partition", "b.msgs[1].Topic", "b.msgs[1].Partition"];
    let plan = with_binary(|binary| plan(&manifest(vec![write(&paths)]), binary, 1, 100));
    let text = disassemble(&plan.probes[0].program);
    let windows: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("window ")?.1.strip_prefix(|c: char| c.is_ascii_digit()))
        .filter(|line| line.starts_with(':'))
        .collect();
    expect![[r#"
        : v3..v5 = [w31+24]
        : v0..v3 = [w0+0]"#]]
    .assert_eq(&windows.join("\n"));
}

#[test]
fn compiles_searches() {
    let paths = [
        r#"b.msgs[0].Headers[Key="traceparent"].Value"#,
        r#"b.labels[Name="kind"].Text"#,
        r#"b.labels[Name="other"].Text"#,
        r#"b.labels[Text="other"].Name"#,
    ];
    check_program(
        write(&paths),
        expect![[r#"
        0   w31 = ax
        1   window 0: v0..v23 = [w31+24]
        2   w0 = u64 v21+0 of window 0                   else 0
        3   w1 = u64 v22+0 of window 0                   else 0
        4   w2 = u64 v0+0 of window 0                    else 14
        5   window 1: v23..v25 = [w2+24]
        6   w3 = u64 v1+0 of window 0                    else 14
        7   0 below w3                                   else 14
        8   w4 = u64 v23+0 of window 1                   else 14
        9   w5 = u64 v24+0 of window 1                   else 14
        10  slice w4, w5 of 48 bytes, key +8, value +24
        11  #0 element "tracepar", 11 bytes, limit 64
        12     key "ent"
        13  jump 15
        14  #0 failed
        15  slice w0, w1 of 32 bytes, key +16, value +0
        16  #1 element "kind", 4 bytes, limit 64
        17  #2 element "other", 5 bytes, limit 64
        18  slice w0, w1 of 32 bytes, key +0, value +16
        19  #3 element "other", 5 bytes, limit 64
    "#]],
    );
    let arguments = "headers []main.Header, labels []main.Label, last []string";
    let captures = vec![capture("found", &[r#"headers[Key="a"].Value"#]), capture("last", &["last[2]"])];
    check_program(
        probe("search", "main.search", arguments, captures),
        expect![[r#"
            0   w31 = ax
            1   w30 = bx
            2   w29 = r9
            3   w28 = r10
            4   slice w31, w30 of 48 bytes, key +8, value +24
            5   #0 element "a", 1 bytes, limit 64
            6   2 below w28                                  else 10
            7   w0 = w29+32
            8   #1 string [w0+0] limit 64                    else 10
            9   jump 11
            10  #1 failed
        "#]],
    );
}

#[test]
fn says_how_elements_are_reached() {
    let paths = [
        "msgs[1].Partition",
        "b.pointers[1].Topic",
        "b.msgs[1].Headers.len()",
        "b.table.len()",
        r#"b.msgs[1].Headers[Key="a"].Value"#,
    ];
    let plan = with_binary(|binary| plan(&manifest(vec![write(&paths)]), binary, 1, 100));
    let sources = plan.probes[0].captures.iter().flat_map(|capture| &capture.paths);
    let text: String = sources.map(|path| format!("{}: {} {:?}\n", path.path, path.offsets, path.origins)).collect();
    expect![[r#"
        msgs[1].Partition: msgs[1]+16 [Descriptor]
        b.pointers[1].Topic: b+48[1] -> +0 [Descriptor]
        b.msgs[1].Headers.len(): b+24[1]+24.len() [Descriptor]
        b.table.len(): b+240.len() [Descriptor]
        b.msgs[1].Headers[Key="a"].Value: b+24[1]+24[+8="a"]+24 [Descriptor]
    "#]]
    .assert_eq(&text);
}

#[test]
fn says_what_is_wrong_with_a_path() {
    let why = |path: &str| {
        let plan = with_binary(|binary| plan(&manifest(vec![write(&[path])]), binary, 1, 100));
        let dropped = plan.probes.iter().flat_map(|probe| &probe.dropped).map(|dropped| dropped.why.clone());
        dropped.chain(plan.skipped.first().map(|skipped| skipped.why.to_string())).next().unwrap_or_default()
    };
    let paths = [
        "title[0]",
        "b.wide[0]",
        "kind.len()",
        "b.wide.len()",
        "b.msgs[0].len()",
        "b.msgs[0].Gone",
        r#"b.texts[Key="a"].Value"#,
        r#"b.pointers[Topic="a"].Topic"#,
        r#"title[Key="a"].Value"#,
        r#"b.msgs[0].Headers[Gone="a"].Value"#,
        r#"b.msgs[0].Headers[Key="a"].Gone"#,
        r#"b.msgs[0].Headers[id="a"].Value"#,
        r#"b.msgs[0].Headers[Key="a"].id"#,
        r#"b.linked[Key="a"].Value"#,
        r#"b.labels[Name=""].Text"#,
        r#"b.labels[Name="a-key-of-25-bytes-length!"].Text"#,
        "b.msgs[65536].Topic",
        "b.msgs.len().x",
    ];
    let text: String = paths.iter().map(|path| format!("{path}: {}\n", why(path))).collect();
    expect![[r#"
        title[0]: title would have to be a slice, not string
        b.wide[0]: b.wide would have to be a slice, not [3]int64
        kind.len(): kind would have to be a slice, a string or a map, not int
        b.wide.len(): b.wide would have to be a slice, a string or a map, not [3]int64
        b.msgs[0].len(): b.msgs[0] would have to be a slice, a string or a map, not main.Message
        b.msgs[0].Gone: no field Gone in main.Message
        b.texts[Key="a"].Value: b.texts would have to be a slice of structs, not []string
        b.pointers[Topic="a"].Topic: b.pointers would have to be a slice of structs, not []*main.Message
        title[Key="a"].Value: title would have to be a slice of structs, not string
        b.msgs[0].Headers[Gone="a"].Value: no field Gone in main.Header
        b.msgs[0].Headers[Key="a"].Gone: no field Gone in main.Header
        b.msgs[0].Headers[id="a"].Value: b.msgs[0].Headers[].id would have to be a string, not int32
        b.msgs[0].Headers[Key="a"].id: b.msgs[0].Headers[].id would have to be a string or a slice of bytes, not int32
        b.linked[Key="a"].Value: Key, behind a pointer, cannot be found in a main.linked
        b.labels[Name=""].Text: the key of `b.labels[Name=""].Text` has to have 1 to 24 bytes
        b.labels[Name="a-key-of-25-bytes-length!"].Text: the key of `b.labels[Name="a-key-of-25-bytes-length!"].Text` has to have 1 to 24 bytes
        b.msgs[65536].Topic: path `b.msgs[65536].Topic`, column 8: the index 65536 is larger than 65535
        b.msgs.len().x: path `b.msgs.len().x`, column 13: a length ends a path
    "#]].assert_eq(&text);
    let key = Correlation::Words(texts(&[r#"b.labels[Name="kind"].Text"#]));
    let skipped = |probe: Probe| {
        let plan = with_binary(|binary| plan(&manifest(vec![probe]), binary, 1, 100));
        plan.skipped[0].why.to_string()
    };
    expect![[r#"the key of `b.labels[Name="kind"].Text` can only end a capture"#]]
        .assert_eq(&skipped(Probe { correlation: key, ..write(&[]) }));
    let keys: Vec<String> = (0..17).map(|key| format!(r#"b.labels[Name="{key}"].Text"#)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    expect!["more than 16 keys of maps and slices"].assert_eq(&skipped(write(&keys)));
}
