//! uprobed watches programs that were never changed for it and turns what they do into OpenTelemetry spans. The modules stand in the
//! order in which the data passes them; ARCHITECTURE.md tells the whole.

pub mod discovery;

pub use uprobed_binary as binary;
pub mod executable;
pub mod inspect;
pub mod manifest;
pub mod plan;
pub mod probes;
pub mod settings;

pub mod events;
pub mod export;
pub mod fragment;
pub mod plugin;
pub mod resource;
pub mod spans;

pub mod session;
