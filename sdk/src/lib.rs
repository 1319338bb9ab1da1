//! For plugins of uprobed that are written in Rust: a plugin is a table of probes, each with the function that says what
//! its hits mean. The contract itself, with the meaning of every item, is `wit/uprobed.wit`.
//!
//! ```
//! use uprobed_sdk::{Correlation, Fragment, Group, Kind, Limits, Manifest, Plugin, Probe, Row, Target};
//!
//! uprobed_sdk::keys! {
//!     NUMBER = "order.number",
//! }
//!
//! uprobed_sdk::captures! {
//!     /// An order, when it is placed.
//!     struct Order {
//!         number: ["order.Number"],
//!     }
//! }
//!
//! fn place() -> Probe {
//!     Probe::entry("place", &["example.com/shop.Place"], "order *example.com/shop.Order")
//!         .starts("place", Correlation::Frame)
//!         .captures(Order::captures())
//!         .current()
//!         .inherits()
//! }
//!
//! fn placed() -> Probe {
//!     Probe::returns("placed", &["example.com/shop.Place"], "").ends("place", Correlation::Frame)
//! }
//!
//! fn begin(bytes: &[u8], fragment: &mut Fragment<'_>) {
//!     fragment.kind(Kind::Internal);
//!     fragment.name(&[b"place"]);
//!     if let Some(number) = Order::read(bytes).number().integer() {
//!         fragment.integer(NUMBER, number);
//!     }
//! }
//!
//! struct Shop;
//!
//! impl Plugin for Shop {
//!     type Facts = ();
//!
//!     const PROBES: &'static [Row<()>] = &[
//!         Row { probe: place, decode: |(), _, bytes, fragment| begin(bytes, fragment) },
//!         Row { probe: placed, decode: |(), _, _, _| {} },
//!     ];
//!
//!     fn facts(_: &Target) {}
//!
//!     fn manifest(_: &Target, probes: Vec<Probe>) -> Result<Manifest, String> {
//!         Ok(Manifest {
//!             name: "example.com/shop".into(),
//!             version: env!("CARGO_PKG_VERSION").into(),
//!             schema_url: None,
//!             library: "example.com/shop".into(),
//!             library_versions: "all".into(),
//!             modules: vec!["example.com/shop".into()],
//!             context_types: Vec::new(),
//!             groups: vec![Group::optional("orders")],
//!             probes,
//!             offsets: Vec::new(),
//!             keys: KEYS.iter().map(|key| (*key).into()).collect(),
//!             limits: Limits { event_bytes: 512, open_seconds: 60 },
//!             capabilities: Vec::new(),
//!         })
//!     }
//! }
//!
//! uprobed_sdk::export!(Shop with_types_in uprobed_sdk::bindings);
//! # fn main() {}
//! ```
//!
//! A plugin built on this holds no state. Its functions can be tested natively, because nothing here needs WebAssembly but the
//! `log` import, which does nothing elsewhere.

mod answer;
mod capture;
mod manifest;
mod plugin;
mod settings;

pub mod errors;
pub mod names;
pub mod net;
pub mod testing;
pub mod w3c;

pub use answer::{Answer, Attributes, Fragment, Key};
pub use bindings::export;
pub use bindings::uprobed::plugin::decode_types::{Event, Fragments, Kind, Status, ValueKind};
pub use bindings::uprobed::plugin::facts::{Architecture, Module, Setting, Target};
pub use bindings::uprobed::plugin::log::Level;
pub use bindings::uprobed::plugin::manifest_types::{
    Binding, Capture, Correlation, Endpoint, Group, Join, KnownOffset, Limits, Manifest, Probe, Requirement, Role, Site,
};
pub use bindings::uprobed::plugin::settings_types::{Declaration, SettingKind};
pub use capture::{Captures, Field, State, capture, more, read};
pub use plugin::{Plugin, Row, decode, go_minor, log, manifest as whole_manifest, need_go};
pub use settings::{Listed, setting, setting_list, setting_table};

/// What `wit-bindgen` makes of the contract.
#[expect(clippy::too_many_arguments, reason = "mirrors the contract's flattened parameters")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        pub_export_macro: true,
        default_bindings_module: "uprobed_sdk::bindings",
        additional_derives: [PartialEq],
    });
}
