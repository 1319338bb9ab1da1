//! Go's types from DWARF alone.

use super::*;

const OLD_AND_NEW: [&str; 4] = ["go1.18.10", "go1.21.13", "go1.26.8", "go1.27.4"];

#[test]
fn finds_the_same_structs_in_one_pass() {
    for version in OLD_AND_NEW {
        let program = program(version, "amd64", PLAIN);
        let binary = Binary::parse(&program).unwrap();
        let names: Vec<String> = binary.type_names().filter(|name| !name.starts_with(['*', '[', '('])).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).chain(["no/such.Type"]).collect();
        let found = binary.dwarf_layouts(&names).unwrap();
        let mut structs = 0;
        for name in names {
            let full = binary.dwarf_type_named(name).unwrap().filter(|ty| ty.kind == Kind::Struct);
            let fields = full.as_ref().map(|ty| binary.fields(ty).unwrap());
            let fields =
                fields.map(|fields| fields.into_iter().map(|field| (field.name, field.offset)).collect::<Vec<_>>());
            let own = found.get(name);
            assert_eq!(own.map(|own| own.size), full.map(|full| full.size), "{version} {name}");
            assert_eq!(own.map(|own| own.fields.clone()), fields, "{version} {name}");
            structs += usize::from(own.is_some());
        }
        assert!(structs > 500, "only {structs} structs in {version}");
    }
}

#[test]
fn finds_the_same_groups_as_descriptors() {
    for version in OLD_AND_NEW {
        let program = program(version, "amd64", PLAIN);
        let binary = Binary::parse(&program).unwrap();
        let mut compared = 0;
        for name in binary.type_names().filter(|name| name.starts_with("map[")) {
            let own = binary.type_named(&name).unwrap().unwrap();
            let Some(dwarf) = binary.dwarf_type_named(&name).unwrap() else { continue };
            let groups = [own, dwarf].map(|map| {
                let group = binary.group(&map).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
                let fields = binary.fields(&group).unwrap().into_iter();
                let fields = fields.map(|field| (field.name, field.offset, binary.resolve(field.ty).unwrap().size));
                (group.size, fields.collect::<Vec<_>>())
            });
            assert_eq!(groups[0], groups[1], "{version} {name}");
            compared += 1;
        }
        assert!(compared > 20, "only {compared} maps in {version}");
    }
}

const DOTTED: &str = "package semconv\n\ntype source struct{ Name string; Line int }\n\ntype Box[T any] struct{ Value T; Count int }\n\n\
    func Make() (any, any) { return new(source), new(Box[source]) }\n";
const OF_DOTTED: &str = "package main\n\nimport semconv \"fixture/v1.0.0\"\n\nvar kept, boxed any\n\n\
    func main() { kept, boxed = semconv.Make(); println(kept != boxed) }\n";

#[test]
fn finds_types_of_a_path_with_dots_in_every_source() {
    for version in ["go1.18.10", "go1.26.8", "go1.27.4"] {
        let program = build_with(version, "amd64", PLAIN, OF_DOTTED, &[("v1.0.0/semconv.go", DOTTED)]);
        let binary = Binary::parse(&program).unwrap();
        let escaped = |name: &str| name.replace("1.0.0", "1%2e0%2e0");
        let names = [
            ("fixture/v1.0.0.source", 24),
            ("*fixture/v1.0.0.source", 8),
            ("fixture/v1.0.0.Box[fixture/v1.0.0.source]", 32),
            ("*fixture/v1.0.0.Box[fixture/v1.0.0.source]", 8),
        ];
        for (name, size) in names {
            let expected = Some((name.to_owned(), size));
            for asked in [name.to_owned(), escaped(name)] {
                let brief = |ty: Option<Type>| ty.map(|ty| (ty.name, ty.size));
                assert_eq!(brief(binary.dwarf_type_named(&asked).unwrap()), expected, "{version} {asked}");
                let found = binary.type_named(&asked).unwrap();
                assert_eq!(found.as_ref().map(|ty| ty.source), Some(Source::Descriptor), "{version} {asked}");
                assert_eq!(brief(found), expected, "{version} {asked}");
                let layouts = binary.dwarf_layouts(&[&asked]).unwrap();
                let of_struct = expected.as_ref().filter(|_| !name.starts_with('*'));
                assert_eq!(
                    layouts.get(&asked).map(|layout| layout.size),
                    of_struct.map(|of| of.1),
                    "{version} {asked}"
                );
            }
        }
    }
}

#[test]
fn knows_what_is_nowhere() {
    for (version, arguments) in [("go1.21.13", PLAIN), ("go1.26.8", PIE), ("go1.27.4", PLAIN)] {
        let program = program(version, "amd64", arguments);
        let binary = Binary::parse(&program).unwrap();
        for name in ["example.com/no.Such", "net/http.NoSuch", "*net/http.NoSuch", "map[string]net/http.NoSuch"] {
            assert_eq!(binary.type_named(name), Ok(None), "{version} {name}");
        }
        // What has DWARF and no descriptor is still found.
        let only_there = binary.type_named("runtime.mheap").unwrap().unwrap();
        assert_eq!((only_there.kind, only_there.source), (Kind::Struct, Source::Dwarf), "{version}");
    }
}
