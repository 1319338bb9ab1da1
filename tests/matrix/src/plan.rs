//! What `uprobed plan` prints of a program: what plugins ask for and what becomes of it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Planned, though not for every plugin.
const NOTHING_TO_ATTACH: i32 = 5;

#[derive(Debug, Deserialize)]
pub struct Plans {
    /// The host's own among them, which has no manifest.
    pub plugins: Vec<Plan>,
    pub manifests: Vec<Manifest>,
    pub declined: Vec<Declined>,
}

#[derive(Debug, Deserialize)]
pub struct Plan {
    pub plugin: String,
    pub probes: Vec<PlannedProbe>,
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Deserialize)]
pub struct PlannedProbe {
    pub name: String,
    /// `net/http.send`, or `net/http.send by net/http.(*Client).do` at the calls of one by the other.
    pub symbol: String,
    /// Is there where callers have copies of the function.
    pub bypass: Option<serde::de::IgnoredAny>,
    pub captures: Vec<CaptureSource>,
    pub dropped: Vec<Dropped>,
    /// Every field that it goes through.
    pub fields: Vec<PlannedField>,
}

#[derive(Debug, Deserialize)]
pub struct CaptureSource {
    pub name: String,
    pub paths: Vec<PathSource>,
}

#[derive(Debug, Deserialize)]
pub struct PathSource {
    pub path: String,
}

/// An alternative that is not in this program.
#[derive(Debug, Deserialize)]
pub struct Dropped {
    /// `capture status`, `binding tcp`, `adopt`
    pub what: String,
    pub path: String,
    /// For people.
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct PlannedField {
    pub struct_type: String,
    pub field: String,
    pub offset: u64,
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Descriptor,
    Dwarf,
    /// The plugin knows it itself.
    Table,
    /// The host knows it of this version of Go.
    Abi,
}

#[derive(Debug, Deserialize)]
pub struct Skipped {
    /// `probe serve`, `group http2`, `context type *context.valueCtx`
    pub what: String,
    /// For people.
    pub why: String,
}

#[derive(Debug, Deserialize)]
pub struct Declined {
    /// Its file.
    pub plugin: String,
    pub reason: String,
}

/// Of it only what is checked; `wit/uprobed.wit` documents the whole.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    pub name: String,
    pub context_types: Vec<String>,
    pub groups: Vec<Group>,
    pub probes: Vec<Probe>,
}

#[derive(Debug, Deserialize)]
pub struct Group {
    pub name: String,
    pub required: bool,
    pub needs: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub struct Probe {
    pub name: String,
    pub group: usize,
    pub symbols: Vec<String>,
    pub if_mentioned: Vec<String>,
    pub requires: Vec<Requirement>,
    pub called_by: Vec<String>,
    pub span: String,
    pub bindings: Vec<Alternatives>,
    pub captures: Vec<Alternatives>,
    pub keep: Vec<String>,
}

/// A binding or a capture.
#[derive(Debug, Deserialize)]
pub struct Alternatives {
    pub name: String,
    pub paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Requirement {
    pub module: String,
    pub versions: String,
}

impl Plans {
    /// `uprobed` is the program, `plugins` a directory.
    pub fn ask(uprobed: &Path, plugins: &Path, binary: &Path) -> Result<Self> {
        let mut command = Command::new(uprobed);
        command.args(["plan", "--format", "json", "--exe"]).arg(binary).arg("--plugins").arg(plugins);
        let output = command.output().with_context(|| format!("start {}; make build builds it", uprobed.display()))?;
        if !output.status.success() && output.status.code() != Some(NOTHING_TO_ATTACH) {
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::bail!("plan {}: {}", binary.display(), said.trim());
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("read the plan of {}", binary.display()))
    }

    pub fn manifest(&self, plugin: &str) -> Option<&Manifest> {
        self.manifests.iter().find(|manifest| manifest.name == plugin)
    }
}

impl Plan {
    pub fn probe(&self, name: &str) -> Option<&PlannedProbe> {
        self.probes.iter().find(|probe| probe.name == name)
    }

    pub fn skipped(&self, what: &str) -> Option<&Skipped> {
        self.skipped.iter().find(|skipped| skipped.what == what)
    }
}

impl Manifest {
    /// Every function of which something is asked.
    pub fn functions<'m>(&'m self) -> Vec<&'m str> {
        let of = |probe: &'m Probe| probe.symbols.iter().chain(&probe.if_mentioned).chain(&probe.called_by);
        let named = self.probes.iter().flat_map(of);
        let mut names: Vec<&str> = named.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
