//! A running instance of a plugin, its limits, and what it says to the operator.

use std::time::{Duration, Instant};

use wasmtime::{Store, StoreLimits, StoreLimitsBuilder};

use super::bindings::uprobed::plugin::decode_types::{Event, Fragments};
use super::bindings::uprobed::plugin::facts::Target;
use super::bindings::uprobed::plugin::log::{Host, Level};
use super::bindings::uprobed::plugin::manifest_types::Manifest;
use super::bindings::uprobed::plugin::settings_types::Declaration;
use super::bindings::uprobed::plugin::{decode_types, facts, manifest_types, settings_types};
use super::engine::TICK;
use super::{bindings, load};

/// The most memory of an instance, in bytes.
const MEMORY_BYTES: usize = 64 << 20;
const TABLE_ELEMENTS: usize = 1 << 16;
/// How long one call may take. A batch takes some tens of microseconds.
const CALL: Duration = Duration::from_secs(2);
/// How much a call may hand to the host, in bytes.
const OUTPUT_BYTES: usize = 16 << 20;
/// How many messages a plugin may say in [`MESSAGE_PERIOD`], and how long each.
const MESSAGES: u32 = 10;
const MESSAGE_PERIOD: Duration = Duration::from_secs(60);
const MESSAGE_CHARACTERS: usize = 500;

pub struct Instance {
    store: Store<State>,
    plugin: bindings::Plugin,
}

impl Instance {
    /// Makes an instance; the error is one line.
    pub fn new(code: &load::Code) -> Result<Self, String> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(MEMORY_BYTES)
            .table_elements(TABLE_ELEMENTS)
            .trap_on_grow_failure(true)
            .build();
        let state = State { name: code.name().into(), limits, messages: Messages::default(), last_error: None };
        let mut store = Store::new(code.ready().engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(OUTPUT_BYTES);
        limit_time(&mut store);
        let plugin = code.ready().instantiate(&mut store).map_err(|error| reason(&error, &mut store))?;
        Ok(Self { store, plugin })
    }

    pub fn settings(&mut self) -> Result<Vec<Declaration>, String> {
        limit_time(&mut self.store);
        let result = self.plugin.call_settings(&mut self.store);
        result.map_err(|error| reason(&error, &mut self.store))
    }

    /// The inner error is the plugin's own, the outer one a failure.
    pub fn manifest(&mut self, target: &Target) -> Result<Result<Manifest, String>, String> {
        limit_time(&mut self.store);
        let result = self.plugin.call_manifest(&mut self.store, target);
        result.map_err(|error| reason(&error, &mut self.store))
    }

    pub fn decode(&mut self, target: &Target, events: &[Event], data: &[u8]) -> Result<Fragments, String> {
        limit_time(&mut self.store);
        let result = self.plugin.call_decode(&mut self.store, target, events, data);
        result.map_err(|error| reason(&error, &mut self.store))
    }
}

fn limit_time(store: &mut Store<State>) {
    // One tick more, because the running one may be nearly over.
    store.set_epoch_deadline((CALL.as_millis() / TICK.as_millis()) as u64 + 1);
}

/// Why a call failed. What a panic said comes by the log, before the trap.
fn reason(error: &wasmtime::Error, store: &mut Store<State>) -> String {
    let cause = match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => format!("took longer than {} s", CALL.as_secs()),
        _ => one_line(&error.root_cause().to_string()),
    };
    match store.data_mut().last_error.take() {
        Some(said) => format!("{said} ({cause})"),
        None => cause,
    }
}

/// A plugin's text as one line of bounded length, without control characters.
pub fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    spaced.take(MESSAGE_CHARACTERS).collect::<String>().trim().to_owned()
}

/// What the contract's imports work on.
pub struct State {
    name: String,
    limits: StoreLimits,
    messages: Messages,
    /// The latest message of level error in the running call.
    last_error: Option<String>,
}

impl Host for State {
    fn log(&mut self, level: Level, message: String) {
        let message = one_line(&message);
        if self.messages.admit(Instant::now()) {
            let plugin = &self.name;
            match level {
                Level::Error => tracing::error!(%plugin, "{message}"),
                Level::Warn => tracing::warn!(%plugin, "{message}"),
                Level::Info => tracing::info!(%plugin, "{message}"),
                Level::Debug => tracing::debug!(%plugin, "{message}"),
            }
        }
        if level == Level::Error {
            self.last_error = Some(message);
        }
    }
}

impl facts::Host for State {}
impl settings_types::Host for State {}
impl manifest_types::Host for State {}
impl decode_types::Host for State {}

/// Keeps a plugin's messages few.
#[derive(Debug, Default)]
struct Messages {
    said: u32,
    since: Option<Instant>,
}

impl Messages {
    fn admit(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= MESSAGE_PERIOD) {
            *self = Self { said: 0, since: Some(now) };
        }
        self.said = self.said.saturating_add(1);
        self.said <= MESSAGES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_messages_few() {
        let (now, mut messages) = (Instant::now(), Messages::default());
        assert_eq!((0..100).filter(|_| messages.admit(now)).count(), 10);
        assert!(messages.admit(now + MESSAGE_PERIOD));
    }

    #[test]
    fn makes_a_text_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[31m "), "a b [31m");
        assert_eq!(one_line(&"é".repeat(1000)).chars().count(), MESSAGE_CHARACTERS);
    }
}
