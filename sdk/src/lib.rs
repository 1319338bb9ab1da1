//! For plugins of uprobed that are written in Rust: a plugin is a table of probes, each with the function that says what
//! its hits mean. The contract itself, with the meaning of every item, is `wit/uprobed.wit`.
//!
//! ```ignore
//! uprobed_sdk::export!(Http with_types_in uprobed_sdk::bindings);
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
