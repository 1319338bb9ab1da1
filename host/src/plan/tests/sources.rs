//! What is believed, and what is not: versions, the plugin's own table, and sources that say different things.

use super::*;
use crate::manifest::{KnownOffset, Requirement};
use expect_test::expect;

fn requirement(module: &str, versions: &str) -> Requirement {
    Requirement { module: module.to_owned(), versions: versions.to_owned() }
}

fn offset(struct_type: &str, field: &str, field_type: &str, offset: u32) -> KnownOffset {
    let requires = requirement("std", ">=1.18");
    let [struct_type, field, field_type] = [struct_type, field, field_type].map(str::to_owned);
    KnownOffset { struct_type, field, field_type, offset, requires }
}

/// Each probe with the offsets of its captures, and what was left out.
fn outcome(manifest: &Manifest) -> Vec<String> {
    let plan = with_binary(|binary| plan(manifest, binary, 1, 100));
    let captures = |probe: &PlannedProbe| {
        let sources = probe.captures.iter().flat_map(|capture| &capture.paths);
        sources.map(|source| format!("{} {:?}", source.offsets, source.origins)).collect::<Vec<_>>().join(", ")
    };
    let planned = plan.probes.iter().map(|probe| format!("{}: {}", probe.name, captures(probe)));
    let skipped = plan.skipped.iter().filter(|skipped| !matches!(skipped.what, Subject::Group(_)));
    planned.chain(skipped.map(|skipped| format!("{}: {}", skipped.what, skipped.why))).collect()
}

fn send(captures: Vec<Capture>) -> Probe {
    probe("send", "main.(*plain).Send", "p *main.plain, q *main.pruned", captures)
}

#[test]
fn takes_a_pruned_structs_offsets_from_the_table() {
    let known = vec![
        offset("main.pruned", "inner", "*main.Location", 24),
        offset("main.pruned", "name", "string", 8),
        KnownOffset { requires: requirement("std", "<1.18"), ..offset("main.pruned", "old", "string", 0) },
    ];
    let captures = vec![capture("name", &["q.name"]), capture("path", &["q.inner.Path"]), capture("old", &["q.old"])];
    let manifest = Manifest { offsets: known, ..manifest(vec![send(captures)]) };
    assert_eq!(outcome(&manifest), ["send: q+8 [Table], q+24 -> +16 [Descriptor, Table]"]);
}

#[test]
fn does_not_take_from_the_table_what_the_program_says_otherwise() {
    let captures = vec![capture("descriptor", &["p.fd"])];
    for (known, expected) in [
        (offset("main.base", "fd", "*main.descriptor", 0), "send: p+0 [Descriptor]"),
        (
            offset("main.base", "fd", "*main.descriptor", 8),
            "probe send: main.base.fd is at 0 by descriptor and at 8 by table",
        ),
    ] {
        let manifest = Manifest { offsets: vec![known], ..manifest(vec![send(captures.clone())]) };
        assert_eq!(outcome(&manifest)[0], expected);
    }
    // A field that the program's struct does not have.
    let known = vec![offset("main.base", "gone", "string", 8)];
    let manifest = Manifest { offsets: known, ..manifest(vec![send(vec![capture("gone", &["p.gone"])])]) };
    assert_eq!(outcome(&manifest), ["send: "]);
}

#[test]
fn says_what_is_wrong_with_the_table() {
    let known = vec![
        offset("main.pruned", "name", "string", 8),
        offset("main.pruned", "name", "string", 16),
        offset("main.pruned", "bad", "[", 16),
        KnownOffset { requires: requirement("std", "new"), ..offset("main.pruned", "worse", "string", 16) },
    ];
    let manifest = Manifest { offsets: known, ..manifest(vec![send(vec![capture("name", &["q.name"])])]) };
    expect![[r#"
        send: q+8 [Table]
        offset main.pruned.name: the table has it at 8 and at 16 for this program
        offset main.pruned.bad: the field type `[`: `]` is missing
        offset main.pruned.worse: versions `new`: "new" in "new" is not a comparison such as >=1.40.0"#]]
    .assert_eq(&outcome(&manifest).join("\n"));
}

#[test]
fn leaves_out_what_is_for_other_versions() {
    let with = |module: &str, versions: &str| {
        let probe = Probe { requires: vec![requirement(module, versions)], ..send(Vec::new()) };
        outcome(&manifest(vec![probe])).remove(0)
    };
    assert_eq!(with("std", ">=1.18"), "send: ");
    assert!(with("std", "<1.18").ends_with(", not <1.18"), "{}", with("std", "<1.18"));
    assert_eq!(with("example.com/other", "*"), "probe send: example.com/other is not linked, not *");
    assert!(with("std", "new").starts_with("probe send: versions `new`: "));
}

/// Descriptors of one build, DWARF of another in which two fields have changed places.
#[test]
fn attaches_nothing_where_descriptors_and_dwarf_disagree() {
    let plain = std::fs::read(fixture()).unwrap();
    let binary = Binary::parse(&plain).unwrap();
    let layout = binary.dwarf_layouts(&["main.Location"]).unwrap().remove("main.Location").unwrap();
    assert_eq!(layout.fields, [("Scheme".to_owned(), 0), ("Path".to_owned(), 16)]);
    let location = binary.type_named("main.Location").unwrap().unwrap();
    let mut changed = plain.clone();
    // The second field's offset is the last word of its three in the descriptor (`abi.StructField`).
    let address = location.address.unwrap();
    let word = |at: u64| {
        let at = file_offset(&binary, at);
        u64::from_le_bytes(plain[at..at + 8].try_into().unwrap())
    };
    let fields = word(address + 48 + 8);
    let second = file_offset(&binary, fields + 24 + 16);
    changed[second..second + 8].copy_from_slice(&8u64.to_le_bytes());
    let changed = Binary::parse(&changed).unwrap();
    let probe = probe(
        "serve",
        "main.handler.serve",
        "h main.handler, w interface, r *main.Request",
        vec![capture("path", &["r.Where.Path"])],
    );
    let plan = plan(&manifest(vec![probe]), &changed, 1, 100);
    let why = plan.skipped.iter().map(|skipped| skipped.why.to_string()).next().unwrap();
    assert!(plan.probes.is_empty());
    assert_eq!(why, "main.Location.Path is at 8 by descriptor and at 16 by dwarf");
}

fn file_offset(binary: &Binary, address: u64) -> usize {
    binary.file_offset(address).and_then(|offset| usize::try_from(offset).ok()).unwrap()
}
