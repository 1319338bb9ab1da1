//! Plans and manifests as `uprobed plan` prints them, each with one thing that is not right.

use super::*;
use serde_json::{Value, json};

/// One group of two probes, of which the first reads one field by two ways.
fn plans(change: impl FnOnce(&mut Value)) -> Plans {
    let asked = |name: &str, symbol: &str, captures: Value| {
        json!({
            "name": name, "group": 0, "symbols": [symbol], "if_mentioned": [], "requires": [], "called_by": [], "span": "call",
            "bindings": [{"name": "conn", "paths": ["c.(*example.com/driver.Conn)"]}], "captures": captures, "keep": [],
        })
    };
    let planned = |name: &str, symbol: &str| {
        json!({
            "name": name, "symbol": symbol, "bypass": null, "captures": [], "dropped": [],
            "fields": [{"struct_type": "lib.T", "field": "name", "offset": 8, "origin": "descriptor"}],
        })
    };
    let mut all = json!({
        "declined": [],
        "manifests": [{
            "name": "uprobed/lib", "context_types": ["*lib.ctx"],
            "groups": [{"name": "calls", "required": true, "needs": []}],
            "probes": [
                asked("start", "lib.F", json!([{"name": "name", "paths": ["t.name", "conn.name"]}])),
                asked("end", "lib.G", json!([])),
            ],
        }],
        "plugins": [
            {"plugin": "uprobed/lib", "skipped": [], "probes": [planned("start", "lib.F"), planned("end", "lib.G")]},
        ],
    });
    let start = &mut all["plugins"][0]["probes"][0];
    start["captures"] = json!([{"name": "name", "paths": [{"path": "t.name"}]}]);
    start["dropped"] = json!([
        {"what": "binding conn", "path": "c.(*example.com/driver.Conn)", "why": "no type"},
        {"what": "capture name", "path": "conn.name", "why": "no value"},
    ]);
    change(&mut all);
    serde_json::from_value(all).unwrap()
}

fn mismatches(plans: &Plans) -> String {
    let mut witness = Witness::default();
    witness.functions.extend([("lib.F".to_owned(), vec![1]), ("lib.G".to_owned(), vec![2])]);
    witness.described.insert("*lib.ctx".to_owned());
    let name = crate::witness::Field { name: "name".to_owned(), offset: 8, ty: "string".to_owned() };
    witness.structs.insert("lib.T".to_owned(), vec![crate::witness::Struct { size: 24, fields: vec![name] }]);
    let go = GoInfo { version: "go1.27.4".into(), main: None, modules: Vec::new(), settings: Vec::new() };
    let without = Without::parse("[[without]]\npaths = [\"t.old\"]").unwrap();
    let planned = Planned { plans, go: &go, witness: &witness, without: &without, stripped: false };
    let mut outcome = Outcome::default();
    planned.check("lib", &mut outcome).unwrap();
    outcome.mismatches.join("\n")
}

#[test]
fn agrees_with_what_was_seen() {
    assert_eq!(mismatches(&plans(|_| {})), "");
}

#[test]
fn tells_whatever_is_missing_without_a_known_reason() {
    type Change = fn(&mut Value);
    let rows: [(Change, &str); 9] = [
        (|all| all["plugins"] = json!([]), "uprobed/lib is left out: it was not loaded"),
        (
            |all| {
                all["plugins"][0]["probes"].as_array_mut().unwrap().clear();
                all["plugins"][0]["skipped"] = json!([{"what": "probe end", "why": "no field"}]);
            },
            "the group calls is left out, although its functions were seen: probe end: no field",
        ),
        (
            |all| all["manifests"][0]["probes"][1]["symbols"] = json!(["lib.H"]),
            "the group calls is planned, although lib.H was not seen\nthe probe end is at lib.G, not at \"\"",
        ),
        (
            |all| all["plugins"][0]["skipped"] = json!([{"what": "context type *lib.ctx", "why": "no type"}]),
            "the context type *lib.ctx is left out, although it was seen: no type",
        ),
        (
            |all| {
                all["manifests"][0]["probes"][0]["captures"][0]["paths"] = json!(["t.name", "t.old", "t.new"]);
                all["plugins"][0]["probes"][0]["dropped"] = json!([
                    {"what": "capture name", "path": "t.old", "why": "no field"},
                    {"what": "capture name", "path": "t.new", "why": "no field"},
                ]);
            },
            "start: capture name is without t.new: no field",
        ),
        (
            |all| all["plugins"][0]["probes"][0]["captures"] = json!([]),
            "start: t.name of name is neither read nor left out",
        ),
        (
            |all| {
                all["manifests"][0]["probes"][0]["captures"][0]["paths"] = json!(["t.old", "conn.name"]);
                all["plugins"][0]["probes"][0]["captures"][0]["paths"] = json!([{"path": "t.old"}]);
            },
            "start: t.old of name is read, which was not expected",
        ),
        (
            |all| all["plugins"][0]["probes"][1]["fields"][0]["offset"] = json!(16),
            "end: lib.T.name is not at 16 (Descriptor)",
        ),
        (
            |all| all["plugins"][0]["probes"][0]["bypass"] = json!({"callers": ["main.main"], "count": 1}),
            "copies of lib.F in callers were seen: false",
        ),
    ];
    for (change, expected) in rows {
        assert_eq!(mismatches(&plans(change)), expected);
    }
}
