//! A plugin as a table of probes, and how the contract's two functions come out of it.

use crate::bindings::{Guest, uprobed};
use crate::{Answer, Declaration, Event, Fragment, Fragments, Level, Manifest, Probe, Target};

/// A probe, and what its hits mean. `decode` gets what the plugin made of the target, the event's time and the bytes of its captures.
pub struct Row<F> {
    pub probe: fn() -> Probe,
    pub decode: fn(&F, u64, &[u8], &mut Fragment<'_>),
}

/// What a plugin's crate implements; `export!` makes a component of it.
pub trait Plugin {
    /// What the decoders want to know of the target, worked out once a batch.
    type Facts: 'static;

    /// The probes, in the order of their numbers. A program in which some do not exist, or are not wanted, has them all the same:
    /// the host leaves out what cannot be attached, and `manifest` may turn the groups that are not wanted off.
    const PROBES: &'static [Row<Self::Facts>];

    /// What an operator can set.
    fn settings() -> Vec<Declaration> {
        Vec::new()
    }

    fn facts(target: &Target) -> Self::Facts;

    /// The manifest; `probes` come from the table.
    fn manifest(target: &Target, probes: Vec<Probe>) -> Result<Manifest, String>;
}

impl<P: Plugin> Guest for P {
    fn settings() -> Vec<Declaration> {
        report_panics();
        P::settings()
    }

    fn manifest(target: Target) -> Result<Manifest, String> {
        report_panics();
        manifest::<P>(&target)
    }

    fn decode(target: Target, events: Vec<Event>, data: Vec<u8>) -> Fragments {
        report_panics();
        decode::<P>(&target, &events, &data)
    }
}

/// What the component's `manifest` does, for tests.
pub fn manifest<P: Plugin>(target: &Target) -> Result<Manifest, String> {
    P::manifest(target, P::PROBES.iter().map(|row| (row.probe)()).collect())
}

/// What the component's `decode` does, for tests.
pub fn decode<P: Plugin>(target: &Target, events: &[Event], data: &[u8]) -> Fragments {
    let facts = P::facts(target);
    let mut answer = Answer::new(events.len(), data.len());
    for (index, event) in (0..).zip(events) {
        let Some(row) = usize::try_from(event.probe).ok().and_then(|probe| P::PROBES.get(probe)) else { continue };
        let captures = piece(data, event.offset, event.length);
        (row.decode)(&facts, event.time, captures, &mut answer.fragment(index));
    }
    answer.finish()
}

/// The minor number of the target's Go version: 26 for `go1.26.8`; none if it is not a Go program.
pub fn go_minor(target: &Target) -> Option<u32> {
    let version = target.go_version.as_deref()?.strip_prefix("go1.")?;
    let digits = version.find(|letter: char| !letter.is_ascii_digit()).map_or(version, |end| &version[..end]);
    digits.parse().ok()
}

/// Refuses what is no Go program, and one built with a Go before 1.`oldest`.
pub fn need_go(target: &Target, oldest: u32) -> Result<(), String> {
    match go_minor(target) {
        Some(minor) if minor >= oldest => Ok(()),
        Some(minor) => Err(format!("go 1.{minor} is too old, 1.{oldest} is needed")),
        None => Err("not a Go program".into()),
    }
}

/// Says something to the operator. The host keeps few messages.
pub fn log(level: Level, message: &str) {
    if cfg!(target_arch = "wasm32") {
        uprobed::plugin::log::log(level, message);
    }
}

fn piece(data: &[u8], offset: u32, length: u32) -> &[u8] {
    let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
    range.and_then(|(offset, length)| data.get(offset..)?.get(..length)).unwrap_or_default()
}

/// A panic's text is lost in WebAssembly unless it is handed to somebody.
fn report_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if cfg!(target_arch = "wasm32") {
        ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string()))));
    }
}
