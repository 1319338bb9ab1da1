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
