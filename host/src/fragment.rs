//! What one event says about its span, after the host has checked a plugin's answer: plain owned data.

use uprobed_ebpf::wire::{ParentSource, SpanContext};

/// A checked fragment with the facts that the kernel gave its event.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Which process it happened in: the host's number for that process's life.
    pub process: u32,
    pub stage: Stage,
    /// Nanoseconds since boot.
    pub time: u64,
    pub span: SpanContext,
    /// 0: a root, or not a start.
    pub parent: u64,
    pub parent_source: ParentSource,
    /// The plugin's scope, shared.
    pub scope: std::sync::Arc<Scope>,
    pub said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Start,
    End,
    Event,
    /// The end was never seen; `time` is the latest that it can have been.
    Abandoned,
}

/// The instrumentation scope: a plugin's name, version and schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub name: String,
    pub version: String,
    pub schema_url: Option<String>,
    /// How long a span may be open, in seconds.
    pub open_seconds: u32,
}

/// What the plugin said. All default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub kind: Kind,
    pub status: Status,
    pub name: String,
    pub status_message: String,
    pub trace_state: String,
    /// Keys are shared with the manifest.
    pub attributes: Vec<(std::sync::Arc<str>, Value)>,
    pub events: Vec<SpanEvent>,
    pub links: Vec<Link>,
    pub drop: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Unset,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Unset,
    Ok,
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Texts(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct SpanEvent {
    pub time: u64,
    pub name: String,
    pub attributes: Vec<(std::sync::Arc<str>, Value)>,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub trace: u128,
    pub span: u64,
    pub attributes: Vec<(std::sync::Arc<str>, Value)>,
}
