//! Traces `tests/c/orders.c`: a program that is not Go, whose types are in its DWARF and whose frames are told apart by thread and stack
//! pointer.

use uprobed_sdk::{Correlation, Fragment, Group, Kind, Limits, Manifest, Plugin, Probe, Row, Status, Target};

uprobed_sdk::keys! {
    NUMBER = "order.number",
    URGENT = "order.urgent",
    NAME = "shop.name",
    PORT = "shop.port",
    ITEMS = "shop.items",
    RESULT = "order.result",
}

uprobed_sdk::captures! {
    /// An order, when it is placed.
    struct Order {
        number: ["number"],
        urgent: ["urgent"],
        name: ["shop.name.first"],
        port: ["shop.where.port"],
        items: ["shop.items"],
    }
}

uprobed_sdk::captures! {
    /// What came of it.
    struct Outcome {
        result: ["result"],
    }
}

struct Native;

uprobed_sdk::export!(Native with_types_in uprobed_sdk::bindings);

const ARGUMENTS: &str = "shop *shop, number int32, urgent bool";

fn place() -> Probe {
    Probe::entry("place", &["place"], ARGUMENTS)
        .starts("place", Correlation::Frame)
        .captures(Order::captures())
        .current()
        .inherits()
}

fn placed() -> Probe {
    Probe::returns("placed", &["place"], "result int64").ends("place", Correlation::Frame).captures(Outcome::captures())
}

fn pack() -> Probe {
    Probe::entry("pack", &["pack"], ARGUMENTS)
        .starts("pack", Correlation::Frame)
        .captures(Order::captures())
        .current()
        .inherits()
}

fn packed() -> Probe {
    Probe::returns("packed", &["pack"], "result int64").ends("pack", Correlation::Frame).captures(Outcome::captures())
}

fn begin(name: &str, bytes: &[u8], fragment: &mut Fragment<'_>) {
    let order = Order::read(bytes);
    fragment.kind(Kind::Internal);
    fragment.name(&[name.as_bytes()]);
    let numbers = [
        (NUMBER, order.number()),
        (URGENT, order.urgent()),
        (NAME, order.name()),
        (PORT, order.port()),
        (ITEMS, order.items()),
    ];
    for (key, field) in numbers {
        if let Some(number) = field.integer() {
            fragment.integer(key, number);
        }
    }
}

fn end(bytes: &[u8], fragment: &mut Fragment<'_>) {
    let Some(result) = Outcome::read(bytes).result().integer() else { return };
    fragment.integer(RESULT, result);
    if result < 0 {
        fragment.status(Status::Error);
    }
}

impl Plugin for Native {
    type Facts = ();

    const PROBES: &'static [Row<()>] = &[
        Row { probe: place, decode: |(), _, bytes, fragment| begin("place", bytes, fragment) },
        Row { probe: placed, decode: |(), _, bytes, fragment| end(bytes, fragment) },
        Row { probe: pack, decode: |(), _, bytes, fragment| begin("pack", bytes, fragment) },
        Row { probe: packed, decode: |(), _, bytes, fragment| end(bytes, fragment) },
    ];

    fn facts(_: &Target) {}

    fn manifest(target: &Target, probes: Vec<Probe>) -> Result<Manifest, String> {
        if target.go_version.is_some() {
            return Err("a Go program".into());
        }
        Ok(Manifest {
            name: "uprobed/native".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            schema_url: None,
            library: "tests/c/orders.c".into(),
            library_versions: "all".into(),
            modules: Vec::new(),
            context_types: Vec::new(),
            groups: vec![Group::optional("orders")],
            probes,
            offsets: Vec::new(),
            keys: KEYS.iter().map(|key| (*key).into()).collect(),
            limits: Limits { event_bytes: 512, open_seconds: 60 },
            capabilities: Vec::new(),
        })
    }
}
