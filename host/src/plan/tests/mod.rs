//! Plans of a real Go program (`fixture/main.go`), as text; and their programs run over its memory.

mod live;
mod marks;
mod plans;
mod programs;
mod slices;
mod slices_plans;
mod sources;
mod tightening;

use super::*;
use crate::manifest::{Binding, Capture, Endpoint, Group, Join, Limits};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The fixture, built once.
fn fixture() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/tests/fixture");
        let binary = std::env::current_exe().unwrap().with_file_name("plan-fixture");
        let status = Command::new("go").arg("build").arg("-o").arg(&binary).arg(".").current_dir(source).status();
        assert!(status.expect("go is needed to build the fixture").success());
        binary
    })
}

fn with_binary<T>(look: impl FnOnce(&Binary) -> T) -> T {
    let bytes = std::fs::read(fixture()).unwrap();
    look(&Binary::parse(&bytes).unwrap())
}

/// Addresses and map layouts differ between Go versions.
fn masked(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("0x_");
        masked.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    masked
}

fn texts(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn binding(name: &str, paths: &[&str]) -> Binding {
    Binding { name: name.to_owned(), paths: texts(paths) }
}

fn capture(name: &str, paths: &[&str]) -> Capture {
    Capture { name: name.to_owned(), paths: texts(paths), limit: 64 }
}

fn probe(name: &str, symbol: &str, arguments: &str, captures: Vec<Capture>) -> Probe {
    Probe {
        name: name.to_owned(),
        symbols: texts(&[symbol]),
        span: "work".to_owned(),
        arguments: arguments.to_owned(),
        captures,
        ..Probe::default()
    }
}

fn manifest(probes: Vec<Probe>) -> Manifest {
    let groups = vec![Group { name: "only".to_owned(), ..Group::default() }];
    let limits = Limits { event_bytes: 4096, open_seconds: 1 };
    Manifest {
        name: "test/plan".to_owned(),
        version: "1.2.3".to_owned(),
        groups,
        probes,
        limits,
        ..Manifest::default()
    }
}

fn serve() -> Probe {
    let captures = vec![
        capture("method", &["r.Method"]),
        capture("path", &["r.Where.Path"]),
        capture("scheme", &["r.Where.Scheme"]),
        capture("short", &[r#"r.Header["Short"]"#]),
        capture("long", &[r#"r.Header["A-Longer-Header-Name"]"#]),
        capture("label", &[r#"r.Labels["label-17"]"#]),
        capture("error", &["r.Err"]),
        capture("any", &["r.Any"]),
        capture("tries", &["r.tries"]),
        capture("length", &["r.length"]),
        capture("body", &["r.body"]),
        capture("family", &["inner.fd.family"]),
        capture("tag", &["r.Wire.(*main.plain).nothing", "r.Any.(main.tagged).tag", "w.(main.tagged).tag"]),
        capture("code", &["r.Err.(*main.failure).code"]),
        capture("gone", &["r.Gone"]),
    ];
    Probe {
        bindings: vec![
            binding("outer", &["w.(main.tagged)"]),
            binding("inner", &["outer.wire.(*main.plain)"]),
            binding("local", &["inner.fd.local.(*main.addressTCP)"]),
            binding("remote", &["inner.fd.remote.(*main.addressTCP)"]),
        ],
        only_if: texts(&["inner"]),
        keep: texts(&["r", "remote"]),
        parent_context: Some("r.ctx".to_owned()),
        adopt: Some(Join {
            channel: "test/1".to_owned(),
            local: Endpoint { address: "local.IP".to_owned(), port: "local.Port".to_owned() },
            remote: Endpoint { address: "remote.IP".to_owned(), port: "remote.Port".to_owned() },
            stream: None,
        }),
        ..probe("serve", "main.handler.serve", "h main.handler, w interface, r *main.Request", captures)
    }
}

fn finish() -> Probe {
    let arguments = "r *main.Request, note string, code int, ok bool, share float64, pair [2]int, last string";
    let captures = vec![
        capture("note", &["note"]),
        capture("code", &["code"]),
        capture("method", &["kept.r.Method"]),
        capture("port", &["kept.remote.Port"]),
        capture("last", &["last"]),
        capture("ok", &["ok"]),
        capture("share", &["share"]),
        capture("pair", &["pair"]),
        capture("unknown", &["kept.nothing"]),
    ];
    Probe { role: Role::End, ..probe("finish", "main.finish", arguments, captures) }
}
