//! Types, their fields and offsets: the same however a program was linked, and in descriptors as in DWARF.

use expect_test::{Expect, expect};

use super::*;

/// Types and fields as far as the plugins need them, with the kind and offset of each.
pub(super) const FIELDS: &[(&str, &str)] = &[
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

fn layout(binary: &Binary, ty: &Type) -> String {
    let mut text = format!("{:?} {}", ty.kind, ty.size);
    if ty.kind == Kind::Struct {
        for Field { name, offset, embedded, ty } in binary.fields(ty).unwrap() {
            let ty = binary.resolve(ty).unwrap().name;
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

#[test]
fn names_types_without_the_file() {
    for (version, arguments) in [("go1.21.13", STRIPPED_PIE), ("go1.26.8", RELR), ("go1.27.4", PIE)] {
        let program = program(version, "amd64", arguments);
        let binary = Binary::parse(&program).unwrap();
        let apart = binary.type_names_apart().unwrap();
        for name in ["net/http.Request", "map[string][]string", "func(net/http.ResponseWriter, *net/http.Request)"] {
            let address = binary.type_named(name).unwrap().unwrap().address.unwrap();
            assert_eq!(apart.name(address).unwrap(), name, "{version} {arguments:?}");
        }
        assert!(apart.name(0x10).unwrap_err().to_string().contains("0x10"));
    }
}
