//! Runs plugins: WebAssembly components that say where to look (a manifest) and what was found there (fragments).
//!
//! A plugin reaches nothing but the contract's own `log`. Each call has limits on time, memory and output. A trap or an answer
//! that breaks the contract loses that one call; the instance is made anew, and a plugin that keeps failing rests for a while.
//! Knows neither processes nor the kernel, and compiles every plugin when it is loaded.

mod answer;
mod bindings;
mod check;
mod engine;
mod instance;
mod load;
mod manifest;
mod quarantine;
mod settings;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fragment::Said;
use crate::manifest::Manifest;
use crate::settings::{Declaration, Declared, Texts};

pub use answer::Decoder;
pub use engine::Engine;
pub use load::{LoadError, Loaded, directory};

use instance::Instance;
use quarantine::Quarantine;

/// The program at hand, as a plugin sees it; `facts.target` in the WIT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub architecture: Architecture,
    /// `go1.26.8`; none if this is not a Go program.
    pub go_version: Option<String>,
    /// Path and version.
    pub modules: Vec<(String, String)>,
    /// Key and value.
    pub settings: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

/// One hit of one probe; `decode-types.event` in the WIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Index into the manifest's probes.
    pub probe: u32,
    /// Nanoseconds since boot.
    pub time: u64,
    /// Its captures within the batch's data, in bytes.
    pub offset: u32,
    pub length: u32,
}

/// A loaded plugin.
pub struct Plugin {
    pub path: PathBuf,
    /// Never used twice in the life of its engine.
    pub number: u32,
    /// What can be set, and what was.
    pub declarations: Vec<Declaration>,
    pub settings: Texts,
    code: load::Code,
    /// None after a failure.
    instance: Option<Instance>,
    quarantine: Quarantine,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The plugin's own words: it is left out for this program.
    #[error("{0}")]
    Declined(String),
    #[error("invalid manifest: {0}")]
    Manifest(String),
    #[error("invalid answer: {0}")]
    Answer(String),
    /// It trapped, took too long, or wanted too much memory.
    #[error("failed: {0}")]
    Failed(String),
    #[error("rests for {} s after repeated failures", .0.as_secs().max(1))]
    Quarantined(Duration),
}

impl Plugin {
    /// Loads one plugin's file, and asks it what can be set. Nothing is set.
    ///
    /// # Errors
    /// If the file cannot be trusted, or is not a plugin of this contract.
    pub fn load(engine: &Engine, path: &Path) -> Result<Self, LoadError> {
        let code = load::Code::load(engine, path)?;
        let wrong = |reason| LoadError::Settings { path: path.to_owned(), reason };
        let mut instance = Instance::new(&code).map_err(wrong)?;
        let declarations = settings::convert(instance.settings().map_err(wrong)?);
        crate::settings::check(&declarations).map_err(|reason| wrong(instance::one_line(&reason)))?;
        Ok(Self {
            path: path.to_owned(),
            number: engine.next_number(),
            declarations,
            settings: Texts::new(),
            code,
            instance: Some(instance),
            quarantine: Quarantine::default(),
        })
    }

    /// Its file's, without the ending.
    pub fn name(&self) -> &str {
        self.code.name()
    }

    pub fn declared(&self) -> Declared<'_> {
        (self.name(), &self.declarations)
    }

    /// Asks where to look in this program.
    ///
    /// # Errors
    /// [`PluginError::Declined`] if the plugin is not for this program.
    pub fn manifest(&mut self, target: &Target) -> Result<Manifest, PluginError> {
        let target = manifest::target(target);
        self.call(|instance| match instance.manifest(&target).map_err(PluginError::Failed)? {
            Err(reason) => Ok(Err(PluginError::Declined(instance::one_line(&reason)))),
            Ok(said) => {
                let manifest = manifest::convert(said);
                check::check(&manifest).map_err(PluginError::Manifest)?;
                Ok(Ok(manifest))
            }
        })?
    }

    /// Asks what a batch of events means: for each fragment the event's index and what was said.
    ///
    /// # Errors
    /// Whatever the error, the batch is lost.
    pub fn decode(
        &mut self,
        decoder: &Decoder,
        events: &[Event],
        data: &[u8],
    ) -> Result<Vec<(usize, Said)>, PluginError> {
        let events = answer::events(events);
        self.call(|instance| {
            let said = instance.decode(decoder.target(), &events, data).map_err(PluginError::Failed)?;
            decoder.said(&said, events.len()).map_err(PluginError::Answer)
        })
    }

    /// Calls into the instance, made anew if there is none. After a failure it is dead, or not to be trusted.
    fn call<T>(&mut self, call: impl FnOnce(&mut Instance) -> Result<T, PluginError>) -> Result<T, PluginError> {
        let now = Instant::now();
        if let Some(rest) = self.quarantine.rest(now) {
            return Err(PluginError::Quarantined(rest));
        }
        let instance = self.instance.take().map_or_else(|| Instance::new(&self.code), Ok);
        let result = instance.map_err(PluginError::Failed).and_then(|mut instance| {
            let result = call(&mut instance)?;
            self.instance = Some(instance);
            Ok(result)
        });
        match result {
            Ok(_) => self.quarantine.succeeded(),
            Err(_) => self.quarantine.failed(now),
        }
        result
    }
}
