//! Plugins that misbehave, each a few lines of core WebAssembly made into a component of the contract.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::Duration;

use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;
use crate::fragment::Status;
use crate::settings::Kind;

/// The function `decode` of the core module gets twelve words (target, events, data) and gives the answer's address; memory is
/// zero, which makes an answer or a manifest with nothing in it.
fn core(decode: &str) -> String {
    core_with("(i32.const 1024)", decode)
}

/// The same with a function `settings`, which gives the address of a list.
fn core_with(settings: &str, decode: &str) -> String {
    let words = |count: usize| " i32".repeat(count);
    format!(
        r#"(module
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 3))))
            (func (export "settings") (result i32) {settings})
            (func (export "manifest") (param{}) (result i32) (i32.const 1024))
            (func (export "decode") (param{}) (result i32) {decode}))"#,
        words(8),
        words(12),
    )
}

fn plugin(decode: &str) -> Vec<u8> {
    component(&core(decode), include_str!("../../../wit/uprobed.wit"))
}

fn component(core: &str, contract: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("uprobed.wit", contract).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut module = wat::parse_str(core).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn target() -> Target {
    Target { architecture: Architecture::Arm64, go_version: None, modules: Vec::new(), settings: Vec::new() }
}

/// A directory that can be trusted with one file in it.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    (directory, path)
}

fn load(bytes: &[u8]) -> Result<Plugin, LoadError> {
    let (_directory, path) = file("rogue.wasm", bytes);
    Plugin::load(&Engine::new().unwrap(), &path)
}

/// What a batch of two events gives; `keys` are the manifest's.
fn decode(plugin: &mut Plugin, keys: &[&str]) -> Result<Vec<(usize, Said)>, PluginError> {
    let keys = keys.iter().map(|key| (*key).into()).collect();
    let decoder = Decoder::new(&target(), &Manifest { keys, ..Manifest::default() });
    let event = Event { probe: 0, time: 1, offset: 0, length: 0 };
    plugin.decode(&decoder, &[event, event], &[])
}

fn failure(body: &str) -> String {
    decode(&mut load(&plugin(body)).unwrap(), &["a"]).unwrap_err().to_string()
}

/// Writes 32-bit words at 2048 and gives that address as the answer. Its lists are fragments, attributes, events, links, bytes, each an
/// address and a length.
fn answering(words: &[(u32, u32)]) -> String {
    let store =
        |(offset, word): &(u32, u32)| format!("(i32.store offset={offset} (i32.const 2048) (i32.const {word}))");
    words.iter().map(store).collect::<String>() + "(i32.const 2048)"
}

#[test]
fn refuses_what_is_not_a_plugin_of_this_contract() {
    let old = include_str!("../../../wit/uprobed.wit").replace("plugin@0.5.0", "plugin@0.4.0");
    let rows: [(Vec<u8>, &str); 7] = [
        (Vec::new(), "an empty file, not a webassembly component"),
        (b"\x7fELF".to_vec(), "something else, not a webassembly component"),
        (wat::parse_str("(module)").unwrap(), "a core webassembly module, not a webassembly component"),
        (b"\0asm\x0d\0\x01\0\xff\xff".to_vec(), "compile"),
        (wat::parse_str("(component)").unwrap(), "not a plugin: no export `"),
        (
            wat::parse_str(r#"(component (import "wasi:clocks/monotonic-clock@0.2.0" (instance)))"#).unwrap(),
            "it wants wasi:clocks/monotonic-clock@0.2.0",
        ),
        (
            component(&core("unreachable"), &old),
            "built for version 0.4.0 of the contract uprobed:plugin, this is version 0.5.0",
        ),
    ];
    for (bytes, expected) in rows {
        let error = load(&bytes).err().expect("it is refused").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("rogue.wasm") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn refuses_files_and_directories_that_others_can_write_to() {
    let bytes = plugin("unreachable");
    let engine = Engine::new().unwrap();
    let (folder, path) = file("good.wasm", &bytes);
    fs::write(folder.path().join(".half-written.wasm"), "x").unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let loaded = directory(&engine, folder.path()).unwrap();
    assert!(matches!(&loaded[..], [(found, Ok(_))] if *found == path));

    fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
    assert!(matches!(Plugin::load(&engine, &path), Err(LoadError::Writable { mode: 0o664, .. })));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(directory(&engine, folder.path()), Err(LoadError::Writable { mode: 0o1777, .. })));
    assert!(matches!(Plugin::load(&engine, &path), Err(LoadError::Writable { .. })));
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();

    // A link counts as what it points to.
    let (other, link) = file("link.wasm", &[]);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(Plugin::load(&engine, &link).is_ok());
    if rustix::process::geteuid().is_root() {
        chown(&path, Some(4711), None).unwrap();
        assert!(matches!(Plugin::load(&engine, &link), Err(LoadError::Owner { owner: 4711, .. })));
    }
    drop(other);
    assert!(matches!(directory(&engine, Path::new("/nonexistent")), Err(LoadError::Read { .. })));
}

/// A plugin that declares a choice of nothing as often as it is told: keys, kind 3 (a choice), defaults and texts of "a".
fn declaring(count: u32, kind: u32) -> Vec<u8> {
    let store = |offset: u32, word: u32| format!("(i32.store offset={offset} (i32.const 2048) (i32.const {word}))");
    let mut body = store(0, 4096) + &store(4, count) + "(i32.store8 (i32.const 8192) (i32.const 97))";
    for first in (0..count).map(|index| 2048 + index * 48) {
        body += &store(first + 8, kind);
        for text in [first, first + 32, first + 40] {
            body += &(store(text, 8192) + &store(text + 4, 1));
        }
    }
    let core = core_with(&(body + "(i32.const 2048)"), "unreachable");
    component(&core, include_str!("../../../wit/uprobed.wit"))
}

#[test]
fn asks_once_what_can_be_set() {
    let plugin = load(&declaring(1, 4)).unwrap();
    let [declaration] = &plugin.declarations[..] else { panic!("{:?}", plugin.declarations) };
    assert_eq!((declaration.key.as_str(), &declaration.kind), ("a", &Kind::TextList));
    assert_eq!((plugin.name(), plugin.settings.len()), ("rogue", 0));
}

#[test]
fn refuses_settings_that_are_wrong_themselves() {
    let contract = include_str!("../../../wit/uprobed.wit");
    let rows = [
        (declaring(1, 3), "its settings: a: a choice of nothing"),
        (declaring(2, 0), "its settings: two have the key a"),
        (declaring(1, 6), "its settings: "),
        (component(&core_with("unreachable", "unreachable"), contract), "its settings: wasm trap"),
    ];
    for (bytes, expected) in rows {
        let error = load(&bytes).err().expect("it is refused").to_string();
        assert!(error.contains(expected) && error.contains("rogue.wasm") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn refuses_an_empty_manifest() {
    let error = load(&plugin("unreachable")).unwrap().manifest(&target()).unwrap_err();
    assert_eq!(error.to_string(), "invalid manifest: it has no name");
}

#[test]
fn loses_a_batch_to_a_trap_and_rests_after_three() {
    let mut plugin = load(&plugin("unreachable")).unwrap();
    for _ in 0..3 {
        let error = decode(&mut plugin, &[]).unwrap_err().to_string();
        assert_eq!(error, "failed: wasm trap: wasm `unreachable` instruction executed");
    }
    assert!(matches!(decode(&mut plugin, &[]), Err(PluginError::Quarantined(rest)) if rest <= Duration::from_secs(1)));
}

#[test]
fn makes_the_instance_anew_after_a_trap() {
    // Traps if it ran before in the same instance.
    let body = "(if (i32.load (i32.const 4096)) (then unreachable)) (i32.store (i32.const 4096) (i32.const 1)) (i32.const 2048)";
    let mut plugin = load(&plugin(body)).unwrap();
    let fine: Vec<bool> = (0..4).map(|_| decode(&mut plugin, &[]).is_ok()).collect();
    assert_eq!(fine, [true, false, true, false]);
}

#[test]
fn interrupts_an_endless_loop() {
    assert_eq!(failure("(loop (br 0)) unreachable"), "failed: took longer than 2 s");
}

#[test]
fn limits_memory() {
    let error = failure("(drop (memory.grow (i32.const 2000))) unreachable");
    assert!(error.contains("memory"), "{error}");
}

#[test]
fn refuses_answers_out_of_bounds() {
    // A fragment has 13 words: event, kind and status, three texts, two words for attributes, and whether to drop it.
    let rows = [
        (answering(&[(0, 4096), (4, 3)]), "3 fragments for 2 events"),
        (answering(&[(0, 4096), (4, 1 << 20)]), "failed: "),
        (answering(&[(0, 4096), (4, 1), (2048, 2)]), "a fragment of an event that does not exist"),
        (answering(&[(0, 4096), (4, 1), (2048 + 12, 1)]), "a text out of bounds"),
        (answering(&[(0, 4096), (4, 1), (2048 + 36, 1)]), "attributes out of bounds"),
        (answering(&[(0, 4096), (4, 1), (2048 + 36, 129)]), "129 attributes in one place, at most 128"),
        (
            answering(&[(0, 4096), (4, 1), (8, 8192), (12, 1), (2048 + 36, 1), (6144, 1)]),
            "an attribute with key 1, of 1",
        ),
        (answering(&[(16, 4096), (20, 1)]), "a span event or link of a fragment that does not exist"),
    ];
    for (body, expected) in rows {
        let error = failure(&body);
        assert!(error.contains(expected), "{error}: {expected}");
    }
}

#[test]
fn takes_an_answer_as_it_was_said() {
    let body = answering(&[
        (0, 4096),
        (4, 1),
        (2048, 1),              // the second event
        (2048 + 4, 2 | 2 << 8), // server, error
        (2048 + 12, 4),         // a name of four bytes
        (2048 + 36, 1),         // one attribute: key 0, an integer
        (8, 8192),
        (12, 1),
        (6144 + 4, 1),
        (6144 + 8, 7),
        (32, 12288),
        (36, 4),
        (10240, 0xff_54_45_47),
    ]);
    let mut plugin = load(&plugin(&body)).unwrap();
    let said = decode(&mut plugin, &["a"]).unwrap();
    let [(1, said)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((said.name.as_str(), said.status), ("GET\u{fffd}", Status::Error));
    assert_eq!(said.attributes, [("a".into(), crate::fragment::Value::Integer(7))]);
}
