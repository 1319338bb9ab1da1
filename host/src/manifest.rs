//! What a plugin asks for, as plain data: the manifest of `wit/uprobed.wit`, after the host has checked its indices and limits.
//! The WIT documents every item; here stands only what the host adds.

use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub schema_url: Option<String>,
    pub library: String,
    pub library_versions: String,
    pub modules: Vec<String>,
    pub context_types: Vec<String>,
    pub groups: Vec<Group>,
    pub probes: Vec<Probe>,
    pub offsets: Vec<KnownOffset>,
    pub keys: Vec<String>,
    pub limits: Limits,
    pub capabilities: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    pub name: String,
    pub required: bool,
    /// Indices into the manifest's groups.
    pub needs: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Limits {
    pub event_bytes: u32,
    pub open_seconds: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    #[default]
    Entry,
    Return,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    #[default]
    Start,
    End,
    Event,
    Mark,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Correlation {
    #[default]
    Frame,
    /// One or two paths.
    Words(Vec<String>),
    Goroutine,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Probe {
    pub name: String,
    pub group: usize,
    pub symbols: Vec<String>,
    pub if_mentioned: Vec<String>,
    pub requires: Vec<Requirement>,
    pub site: Site,
    pub called_by: Vec<String>,
    pub role: Role,
    pub span: String,
    pub correlation: Correlation,
    pub arguments: String,
    pub bindings: Vec<Binding>,
    pub only_if: Vec<String>,
    pub captures: Vec<Capture>,
    pub keep: Vec<String>,
    pub alias: Vec<String>,
    pub rename: Vec<String>,
    pub parent_context: Option<String>,
    pub own_context: Option<String>,
    pub traceparent: Option<usize>,
    pub current: bool,
    pub inherits: bool,
    pub publish: Option<Join>,
    pub adopt: Option<Join>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Requirement {
    pub module: String,
    pub versions: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct KnownOffset {
    pub struct_type: String,
    pub field: String,
    pub field_type: String,
    pub offset: u32,
    pub requires: Requirement,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Binding {
    pub name: String,
    pub paths: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Capture {
    pub name: String,
    pub paths: Vec<String>,
    /// Bytes, 1 to 1024; the WIT's 0 is resolved.
    pub limit: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Join {
    pub channel: String,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub stream: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Endpoint {
    pub address: String,
    pub port: String,
}
