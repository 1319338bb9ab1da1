//! Reads real programs, built here by several releases of Go, and broken ones.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use expect_test::{Expect, expect};

use super::*;

const VERSIONS: [&str; 4] = ["go1.21.13", "go1.24.9", "go1.26.8", "go1.27.4"];
const PLAIN: &[&str] = &[];
const STRIPPED: &[&str] = &["-ldflags=-s -w"];
const PIE: &[&str] = &["-buildmode=pie"];
const STRIPPED_PIE: &[&str] = &["-buildmode=pie", "-ldflags=-s -w"];
/// By the system's linker, with packed relative relocations.
const RELR: &[&str] = &["-buildmode=pie", "-ldflags=-linkmode=external \"-extldflags=-Wl,-z,pack-relative-relocs\""];

const SOURCE: &str = include_str!("testdata/main.go");
const GO_MOD: &str = "module fixture\n\ngo 1.21\n";

/// The program as that release builds it. Each is built once a run; Go caches what it compiles.
fn program(version: &str, architecture: &str, arguments: &[&str]) -> Arc<Vec<u8>> {
    static PROGRAMS: OnceLock<Mutex<HashMap<String, Arc<Vec<u8>>>>> = OnceLock::new();
    let key = format!("{version} {architecture} {arguments:?}");
    let mut programs = PROGRAMS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    programs.entry(key).or_insert_with(|| Arc::new(build(version, architecture, arguments))).clone()
}

fn build(version: &str, architecture: &str, arguments: &[&str]) -> Vec<u8> {
    let directory = Directory::new();
    std::fs::write(directory.0.join("go.mod"), GO_MOD).unwrap();
    std::fs::write(directory.0.join("main.go"), SOURCE).unwrap();
    let cgo = if arguments == RELR { "1" } else { "0" };
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o", "program"])
        .args(arguments)
        .current_dir(&directory.0)
        .envs([("GOTOOLCHAIN", version), ("GOARCH", architecture), ("CGO_ENABLED", cgo), ("GOFLAGS", "")])
        .output()
        .expect("go builds the programs that this test reads: install Go 1.21 or newer");
    assert!(output.status.success(), "{version} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(directory.0.join("program")).unwrap()
}

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("uprobed-binary-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Types and fields as far as the plugins need them, with the kind and offset of each.
const FIELDS: &[(&str, &str)] = &[
    ("net/http.Request", "Method URL Proto Header Host RemoteAddr RequestURI TLS Pattern ctx pat"),
    ("net/http.response", "conn req status wroteHeader"),
    ("net/http.Response", "StatusCode Header Request"),
    ("net/http.conn", "server rwc remoteAddr tlsState bufr"),
    ("net/http.persistConn", "t conn tlsState br bw"),
    ("net/url.URL", "Scheme User Host Path RawPath RawQuery Fragment"),
    ("bufio.Reader", "buf r w"),
    ("bufio.Writer", "buf n"),
    ("net.TCPConn", "conn"),
    ("net.conn", "fd"),
    ("net.netFD", "laddr raddr"),
    ("net.TCPAddr", "IP Port Zone"),
    ("crypto/tls.Conn", "conn isClient"),
    ("context.valueCtx", "Context key val"),
    ("context.cancelCtx", "Context"),
    ("context.timerCtx", "cancelCtx"),
    ("runtime.g", "stack _panic m goid parentGoid startpc"),
    ("runtime.stack", "lo hi"),
    ("runtime.m", "g0 curg"),
    ("runtime.hmap", "count B buckets oldbuckets"),
    ("internal/runtime/maps.Map", "used dirPtr dirLen"),
    ("internal/runtime/maps.table", "used capacity groups"),
    ("internal/runtime/maps.groupsReference", "data lengthMask"),
];

fn offsets(binary: &Binary) -> String {
    let mut text = String::new();
    for &(name, fields) in FIELDS {
        text += name;
        match binary.type_named(name).unwrap() {
            None => text += " -",
            Some(ty) => {
                for name in fields.split(' ') {
                    let field = binary.field(&ty, name).unwrap();
                    text +=
                        &field.map_or_else(|| format!(" {name} -"), |(field, _)| format!(" {name} {}", field.offset));
                }
            }
        }
        text += "\n";
    }
    text
}

fn check_offsets(version: &str, expected: Expect) {
    let stripped = program(version, "amd64", STRIPPED);
    let found = offsets(&Binary::parse(&stripped).unwrap());
    expected.assert_eq(&found);
    for arguments in [PLAIN, PIE, STRIPPED_PIE] {
        let program = program(version, "amd64", arguments);
        assert_eq!(offsets(&Binary::parse(&program).unwrap()), found, "{arguments:?}");
    }
}

#[test]
fn finds_fields_in_go_1_21() {
    check_offsets(
        "go1.21.13",
        expect![[r#"
        net/http.Request Method 0 URL 16 Proto 24 Header 56 Host 128 RemoteAddr 176 RequestURI 192 TLS 208 Pattern - ctx 232 pat -
        net/http.response conn 0 req 8 status 120 wroteHeader 40
        net/http.Response StatusCode 16 Header 56 Request 128
        net/http.conn server 0 rwc 16 remoteAddr 32 tlsState 48 bufr 80
        net/http.persistConn t 16 conn 80 tlsState 96 br 104 bw 112
        net/url.URL Scheme 0 User 32 Host 40 Path 56 RawPath 72 RawQuery 96 Fragment 112
        bufio.Reader buf 0 r 40 w 48
        bufio.Writer buf 16 n 40
        net.TCPConn conn 0
        net.conn fd 0
        net.netFD laddr 96 raddr 112
        net.TCPAddr IP 0 Port 24 Zone 32
        crypto/tls.Conn conn 0 isClient 16
        context.valueCtx Context 0 key 16 val 32
        context.cancelCtx Context 0
        context.timerCtx cancelCtx 0
        runtime.g stack 0 _panic 32 m 48 goid 152 parentGoid 272 startpc 296
        runtime.stack lo 0 hi 8
        runtime.m g0 0 curg 192
        runtime.hmap count 0 B 9 buckets 16 oldbuckets 24
        internal/runtime/maps.Map -
        internal/runtime/maps.table -
        internal/runtime/maps.groupsReference -
    "#]],
    );
}

#[test]
fn finds_fields_in_go_1_24() {
    check_offsets(
        "go1.24.9",
        expect![[r#"
        net/http.Request Method 0 URL 16 Proto 24 Header 56 Host 128 RemoteAddr 176 RequestURI 192 TLS 208 Pattern 232 ctx 248 pat 264
        net/http.response conn 0 req 8 status 120 wroteHeader 40
        net/http.Response StatusCode 16 Header 56 Request 128
        net/http.conn server 0 rwc 16 remoteAddr 32 tlsState 48 bufr 80
        net/http.persistConn t 16 conn 80 tlsState 96 br 104 bw 112
        net/url.URL Scheme 0 User 32 Host 40 Path 56 RawPath 72 RawQuery 96 Fragment 112
        bufio.Reader buf 0 r 40 w 48
        bufio.Writer buf 16 n 40
        net.TCPConn conn 0
        net.conn fd 0
        net.netFD laddr 96 raddr 112
        net.TCPAddr IP 0 Port 24 Zone 32
        crypto/tls.Conn conn 0 isClient 16
        context.valueCtx Context 0 key 16 val 32
        context.cancelCtx Context 0
        context.timerCtx cancelCtx 0
        runtime.g stack 0 _panic 32 m 48 goid 160 parentGoid 280 startpc 304
        runtime.stack lo 0 hi 8
        runtime.m g0 0 curg 192
        runtime.hmap -
        internal/runtime/maps.Map used 0 dirPtr 16 dirLen 24
        internal/runtime/maps.table used 0 capacity 2 groups 16
        internal/runtime/maps.groupsReference data 0 lengthMask 8
    "#]],
    );
}

#[test]
fn finds_fields_in_go_1_26() {
    check_offsets(
        "go1.26.8",
        expect![[r#"
        net/http.Request Method 0 URL 16 Proto 24 Header 56 Host 128 RemoteAddr 176 RequestURI 192 TLS 208 Pattern 232 ctx 248 pat 264
        net/http.response conn 0 req 8 status 120 wroteHeader 40
        net/http.Response StatusCode 16 Header 56 Request 128
        net/http.conn server 0 rwc 16 remoteAddr 32 tlsState 48 bufr 80
        net/http.persistConn t 16 conn 80 tlsState 96 br 104 bw 112
        net/url.URL Scheme 0 User 32 Host 40 Path 56 RawPath 104 RawQuery 88 Fragment 72
        bufio.Reader buf 0 r 40 w 48
        bufio.Writer buf 16 n 40
        net.TCPConn conn 0
        net.conn fd 0
        net.netFD laddr 96 raddr 112
        net.TCPAddr IP 0 Port 24 Zone 32
        crypto/tls.Conn conn 0 isClient 16
        context.valueCtx Context 0 key 16 val 32
        context.cancelCtx Context 0
        context.timerCtx cancelCtx 0
        runtime.g stack 0 _panic 32 m 48 goid 152 parentGoid 280 startpc 304
        runtime.stack lo 0 hi 8
        runtime.m g0 0 curg 184
        runtime.hmap -
        internal/runtime/maps.Map used 0 dirPtr 16 dirLen 24
        internal/runtime/maps.table used 0 capacity 2 groups 16
        internal/runtime/maps.groupsReference data 0 lengthMask 8
    "#]],
    );
}

#[test]
fn finds_fields_in_go_1_27() {
    check_offsets(
        "go1.27.4",
        expect![[r#"
        net/http.Request Method 0 URL 16 Proto 24 Header 56 Host 128 RemoteAddr 176 RequestURI 192 TLS 208 Pattern 232 ctx 248 pat 264
        net/http.response conn 0 req 8 status 128 wroteHeader 32
        net/http.Response StatusCode 16 Header 56 Request 128
        net/http.conn server 0 rwc 16 remoteAddr 32 tlsState 48 bufr 80
        net/http.persistConn t 16 conn 80 tlsState 96 br 104 bw 112
        net/url.URL Scheme 0 User 32 Host 40 Path 56 RawPath 104 RawQuery 88 Fragment 72
        bufio.Reader buf 0 r 40 w 48
        bufio.Writer buf 16 n 40
        net.TCPConn conn 0
        net.conn fd 0
        net.netFD laddr 96 raddr 112
        net.TCPAddr IP 0 Port 24 Zone 32
        crypto/tls.Conn conn 0 isClient 16
        context.valueCtx Context 0 key 16 val 32
        context.cancelCtx Context 0
        context.timerCtx cancelCtx 0
        runtime.g stack 0 _panic 32 m 48 goid 152 parentGoid 280 startpc 304
        runtime.stack lo 0 hi 8
        runtime.m g0 0 curg 184
        runtime.hmap -
        internal/runtime/maps.Map used 0 dirPtr 16 dirLen 24
        internal/runtime/maps.table used 0 capacity 2 groups 16
        internal/runtime/maps.groupsReference data 0 lengthMask 8
    "#]],
    );
}

#[test]
fn finds_fields_however_it_was_linked() {
    let usual = program("go1.26.8", "amd64", STRIPPED);
    let usual = offsets(&Binary::parse(&usual).unwrap());
    for (architecture, arguments) in [("amd64", RELR), ("arm64", PLAIN), ("arm64", STRIPPED_PIE)] {
        let program = program("go1.26.8", architecture, arguments);
        let binary = Binary::parse(&program).unwrap();
        assert_eq!(offsets(&binary), usual, "{architecture} {arguments:?}");
    }
}

/// Whatever is not made of an interface without a name: its methods' package stands elsewhere.
fn layout(binary: &Binary, ty: &Type) -> String {
    let mut text = format!("{:?} {}", ty.kind, ty.size);
    if ty.kind == Kind::Struct {
        for Field { name, offset, embedded, ty } in binary.fields(ty).unwrap() {
            let ty = binary.resolve(ty).unwrap().name;
            let ty = if ty.contains("interface {") { "interface" } else { &ty };
            text += &format!("; {offset} {name} {embedded} {ty}");
        }
    }
    text
}

#[test]
fn reads_the_same_from_descriptors_and_dwarf() {
    for version in VERSIONS {
        for arguments in [PLAIN, PIE] {
            let program = program(version, "amd64", arguments);
            let binary = Binary::parse(&program).unwrap();
            let mut compared = 0;
            for name in binary.type_names() {
                let own = binary.type_named(&name).unwrap().unwrap();
                assert_eq!((own.source, &own.name), (Source::Descriptor, &name));
                assert_eq!(binary.type_name(own.address.unwrap()).unwrap(), name);
                let Some(dwarf) = binary.dwarf_type_named(&name).unwrap() else { continue };
                assert_eq!((dwarf.source, &dwarf.name), (Source::Dwarf, &name));
                assert_eq!(layout(&binary, &own), layout(&binary, &dwarf), "{version} {arguments:?} {name}");
                compared += 1;
            }
            assert!(compared > 1900, "only {compared} types were there twice in {version}");
        }
    }
}

#[test]
fn follows_a_header_map() {
    for version in VERSIONS {
        let program = program(version, "amd64", STRIPPED_PIE);
        let binary = Binary::parse(&program).unwrap();
        let header = binary.type_named("net/http.Header").unwrap().unwrap();
        let values = binary.element(&header).unwrap();
        let parts = [&header, &binary.key(&header).unwrap(), &values, &binary.element(&values).unwrap()];
        let parts: Vec<_> = parts.iter().map(|ty| format!("{} {:?} {}", ty.name, ty.kind, ty.size)).collect();
        assert_eq!(parts, ["net/http.Header Map 8", "string String 16", "[]string Slice 24", "string String 16"]);
        let group = binary.group(&header).unwrap();
        let fields: Vec<_> = binary.fields(&group).unwrap().into_iter().map(|field| field.name).collect();
        match version {
            "go1.21.13" => assert_eq!(fields, ["topbits", "keys", "elems", "overflow"]),
            _ => assert_eq!(fields, ["ctrl", "slots"]),
        }
        assert_eq!(binary.key(&values), Err(Error::Missing("key of []string".into())));
    }
}

fn sites(binary: &Binary) -> String {
    let mut text = String::new();
    for name in [
        "net/http.serverHandler.ServeHTTP",
        "net/http.(*response).finishRequest",
        "net/http.(*Transport).roundTrip",
        "main.main",
        "runtime.newproc.func1",
        "runtime.cmpstring",
        "crypto/internal/fips140/sha256.(*Digest).Write",
    ] {
        let Some(function) = binary.function(name) else {
            text += &format!("{name} -\n");
            continue;
        };
        let entry = match entry_site(binary, &function) {
            Ok(site) => format!("+{} {} {:?}", site.address - function.address, site.instruction, site.cost),
            Err(refusal) => refusal.to_string(),
        };
        let returns = match return_sites(binary, &function) {
            Ok(sites) => format!("{} returns", sites.len()),
            Err(refusal) => refusal.to_string(),
        };
        text += &format!("{name} {entry}; {returns}\n");
    }
    text
}

#[test]
fn chooses_sites() {
    let old = expect![[r#"
        net/http.serverHandler.ServeHTTP +10 push rbp Emulated; 1 returns
        net/http.(*response).finishRequest +10 push rbp Emulated; 1 returns
        net/http.(*Transport).roundTrip +18 push rbp Emulated; 15 returns
        main.main +15 push rbp Emulated; 2 returns
        runtime.newproc.func1 +6 push rbp Emulated; 1 returns
        runtime.cmpstring +0 mov rsi, rax Stepped; ends in a tail jump to cmpbody
        crypto/internal/fips140/sha256.(*Digest).Write -
    "#]];
    let new = expect![[r#"
        net/http.serverHandler.ServeHTTP +10 push rbp Emulated; 1 returns
        net/http.(*response).finishRequest +10 push rbp Emulated; 1 returns
        net/http.(*Transport).roundTrip +18 push rbp Emulated; 16 returns
        main.main +15 push rbp Emulated; 2 returns
        runtime.newproc.func1 +6 push rbp Emulated; 1 returns
        runtime.cmpstring +0 mov rsi, rax Stepped; ends in a tail jump to cmpbody
        crypto/internal/fips140/sha256.(*Digest).Write in the FIPS module's text, which checks itself; in the FIPS module's text, which checks itself
    "#]];
    for version in VERSIONS {
        let expected = if version == "go1.21.13" { &old } else { &new };
        for arguments in [PLAIN, STRIPPED, PIE] {
            let program = program(version, "amd64", arguments);
            expected.assert_eq(&sites(&Binary::parse(&program).unwrap()));
        }
    }
}

#[test]
fn stands_behind_every_stack_check() {
    // cmp rsp, [r14+0x10], or the same of r12 after lea r12, [rsp-..] or mov r12, rsp.
    let check = |code: &[u8]| match code {
        [0x49, 0x3b, 0x66, 0x10, ..] => true,
        [0x4c, 0x8d, ..] | [0x49, 0x89, 0xe4, ..] => {
            code.windows(4).take(20).any(|bytes| bytes == [0x4d, 0x3b, 0x66, 0x10])
        }
        _ => false,
    };
    for version in VERSIONS {
        let program = program(version, "amd64", PLAIN);
        let binary = Binary::parse(&program).unwrap();
        let mut found = 0;
        for function in binary.functions() {
            let Ok(code) = binary.code(&function) else { continue };
            let Ok(site) = entry_site(&binary, &function) else { continue };
            if check(code) {
                let expected = ("push rbp", Cost::Emulated, false);
                assert_eq!(
                    (&*site.instruction, site.cost, site.ignore_if_below_or_equal),
                    expected,
                    "{}",
                    function.name
                );
                assert_eq!(program[site.file_offset as usize], 0x55, "{}", function.name);
                found += 1;
            }
        }
        assert!(found > 4000, "only {found} functions with a stack check in {version}");
    }
}

#[test]
fn finds_where_goroutines_are_made() {
    for version in VERSIONS {
        for arguments in [PLAIN, STRIPPED_PIE] {
            let program = program(version, "amd64", arguments);
            let binary = Binary::parse(&program).unwrap();
            let function = binary.function("runtime.newproc.func1").unwrap();
            let site = call_site(&binary, &function, "runtime.runqput").unwrap();
            assert_eq!((site.cost, program[site.file_offset as usize]), (Cost::Emulated, 0xe8), "{version}");
            assert_eq!(call_site(&binary, &function, "main.main"), Err(Refusal::NoCall("main.main".into())));
        }
    }
}

#[test]
fn finds_the_same_functions_without_symbols() {
    for version in VERSIONS {
        let (plain, stripped) = (program(version, "amd64", PLAIN), program(version, "amd64", STRIPPED));
        let (plain, stripped) = (Binary::parse(&plain).unwrap(), Binary::parse(&stripped).unwrap());
        let mut found = 0;
        for function in stripped.functions() {
            let Some(symbol) = plain.function(&function.name) else { continue };
            // Two calling conventions, one name: the table does not tell them apart.
            if plain.function(&format!("{}.abi0", function.name)).is_some() {
                continue;
            }
            // The table counts padding.
            let padding = function.size.saturating_sub(symbol.size);
            assert!(symbol.address == function.address && padding < 64, "{version} {symbol:?} {function:?}");
            assert_eq!(stripped.function_at(function.address + function.size - 1).unwrap().address, function.address);
            found += 1;
        }
        assert!(found > 5000, "only {found} functions in {version}");
        assert_eq!(stripped.function("no.such"), None);
        // Written in Go, with a wrapper for assembly.
        for name in ["runtime.newproc", "runtime.newstack"] {
            assert_eq!(stripped.function(name).unwrap().address, plain.function(name).unwrap().address, "{name}");
        }
    }
}

#[test]
fn says_what_it_was_built_from() {
    for version in VERSIONS {
        for (arguments, independent) in [(STRIPPED, false), (STRIPPED_PIE, true)] {
            let program = program(version, "amd64", arguments);
            let binary = Binary::parse(&program).unwrap();
            let go = binary.go().unwrap();
            assert_eq!((go.version.as_str(), go.main.as_deref()), (version, Some("fixture")));
            assert_eq!(go.modules, [Module { path: "fixture".into(), version: "(devel)".into() }]);
            assert_eq!((binary.architecture(), binary.is_position_independent()), (Architecture::Amd64, independent));
            assert_eq!(binary.first_load_address(), 0x40_0000);
            assert!(binary.build_id().is_some_and(|id| !id.is_empty()));
        }
    }
}

#[test]
fn refuses_what_it_cannot_read() {
    let program = program("go1.26.8", "amd64", STRIPPED);
    let patched = |at: usize, byte: u8| {
        let mut bytes = program.to_vec();
        bytes[at] = byte;
        bytes
    };
    for (bytes, expected) in [
        (Vec::new(), "not an ELF file"),
        (b"#!/bin/sh\n".to_vec(), "not an ELF file"),
        (program[..5].to_vec(), "a truncated or corrupt ELF file: it ends within the header"),
        (program[..63].to_vec(), "a truncated or corrupt ELF file: it ends within the header"),
        (program[..program.len() / 2].to_vec(), "a truncated or corrupt ELF file: it ends within a segment"),
        (program[..program.len() - 1].to_vec(), "a truncated or corrupt ELF file: "),
        (patched(4, 1), "an ELF file for 32 bits, not a 64-bit little-endian executable for x86-64 or aarch64"),
        (
            patched(5, 2),
            "an ELF file for big-endian machines, not a 64-bit little-endian executable for x86-64 or aarch64",
        ),
        (patched(18, 0xf3), "an ELF file for machine 243, not a 64-bit little-endian executable for x86-64 or aarch64"),
        (patched(16, 1), "an ELF file of type 1, not a 64-bit little-endian executable for x86-64 or aarch64"),
    ] {
        let error = Binary::parse(&bytes).err().expect("it is broken").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Asks everything; what it answers does not matter.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(binary) = Binary::parse(bytes) else { return false };
    let _ = (binary.go(), binary.build_id(), binary.first_load_address());
    let _ = sites(&binary);
    for function in binary.functions().step_by(97) {
        let _ = (entry_site(&binary, &function), return_sites(&binary, &function));
    }
    for &(name, _) in FIELDS {
        for ty in [binary.type_named(name), binary.dwarf_type_named(name)].into_iter().flatten().flatten() {
            for field in binary.fields(&ty).unwrap_or_default() {
                if let Ok(ty) = binary.resolve(field.ty) {
                    let _ = (binary.element(&ty), binary.key(&ty), binary.group(&ty));
                }
            }
        }
    }
    true
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn survives_truncation() {
    let program = program("go1.26.8", "amd64", PLAIN);
    let ends = (0..512).chain((1..64).map(|part| program.len() * part / 64));
    let readable = ends.filter(|&end| exercise(&program[..end])).count();
    assert_eq!(readable, 0, "a file that ends early was taken for whole");
}

#[test]
fn survives_flipped_bits() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut readable = 0;
    for (version, arguments) in [("go1.21.13", PLAIN), ("go1.26.8", STRIPPED), ("go1.27.4", PIE)] {
        let program = program(version, "amd64", arguments);
        for round in 0..12 {
            let mut bytes = program.to_vec();
            // In the headers, in moduledata and what is near it, or anywhere.
            let start = [0, bytes.len() / 2, 64, 0][round % 4];
            let length = [64, bytes.len() / 2, 1024, bytes.len()][round % 4];
            for _ in 0..[2, 20_000, 6, 5_000][round % 4] {
                bytes[start + numbers.below(length)] ^= 1 << numbers.below(8);
            }
            readable += usize::from(exercise(&bytes));
        }
    }
    assert!(readable > 9, "only {readable} files were looked into");
}
