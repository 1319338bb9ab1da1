//! Asks every plugin what it wants in one binary, and plans it. Touches no process and no kernel.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use uprobed_ebpf::{
    program::{Program, flags},
    wire::CONTEXT_TYPES,
};

use crate::{
    binary::{self, Binary, TypeNames},
    events::holds_types,
    manifest::Manifest,
    plan::{self, Plan, PlannedProbe, Skip, Skipped, Subject},
    plugin::{Architecture, Plugin, Target},
};

/// What there is to attach in one binary.
#[derive(Clone)]
pub struct Prepared {
    pub parts: Vec<Part>,
    /// What keeps track of which goroutine made which; wanted as soon as any span may be another's child.
    pub spawn: Option<Result<PlannedProbe, Skip>>,
    /// Plugins without a part, and why.
    pub declined: Vec<(String, String)>,
}

/// One plugin's part.
#[derive(Clone)]
pub struct Part {
    pub plugin: Arc<Mutex<Plugin>>,
    /// The plugin's file, for messages.
    pub name: String,
    /// The number that its records carry, and that of the first of its kinds of span.
    pub number: u32,
    first_span: u32,
    pub manifest: Arc<Manifest>,
    pub target: Target,
    pub plan: Plan,
}

/// Hands out what must be unique on this host.
#[derive(Debug, Default)]
pub struct Numbers {
    decoder: u32,
    span: u32,
    pub(super) binary: u32,
}

impl Part {
    /// The capture programs of its probes.
    pub fn programs(&self) -> Vec<&Program> {
        self.plan.probes.iter().map(|probe| &*probe.program).collect()
    }
}

impl Numbers {
    /// Those of a decoder and of the first of its kinds of span.
    fn part(&mut self, spans: usize) -> (u32, u32) {
        self.decoder += 1;
        let first = self.span + 1;
        self.span += spans as u32;
        (self.decoder, first)
    }
}

impl Prepared {
    pub fn new(plugins: &[Arc<Mutex<Plugin>>], binary: &Binary, numbers: &mut Numbers) -> Self {
        let (mut parts, mut declined) = (Vec::new(), Vec::new());
        for plugin in plugins {
            let name = plugin_name(plugin);
            match part(plugin, name.clone(), binary, numbers) {
                Ok(part) if part.plan.probes.is_empty() => declined.push((name, reason(&part.plan.skipped))),
                Ok(part) => parts.push(part),
                Err(error) => declined.push((name, format!("{error:#}"))),
            }
        }
        let inherits = |part: &Part| part.plan.probes.iter().any(|probe| probe.program.flags & flags::INHERITS != 0);
        // Other programs have no goroutines; their threads are told apart by themselves.
        let spawn = (binary.go().is_some() && parts.iter().any(inherits)).then(|| plan::spawn(binary));
        Self { parts, spawn, declined }
    }

    /// The same for another file with this binary in it.
    pub fn renumbered(&self, numbers: &mut Numbers) -> Self {
        let mut prepared = self.clone();
        for part in &mut prepared.parts {
            (part.number, part.first_span) = numbers.part(part.plan.spans.len());
            part.plan.number(part.number, part.first_span);
        }
        prepared
    }

    /// Every probe that can be attached.
    pub fn probes(&self) -> impl Iterator<Item = &PlannedProbe> {
        let planned = self.parts.iter().flat_map(|part| &part.plan.probes);
        planned.chain(self.spawn.as_ref().and_then(|spawn| spawn.as_ref().ok()))
    }

    /// Types through which contexts are followed, of all plugins together.
    pub fn context_types(&self) -> [u64; CONTEXT_TYPES] {
        let mut all: Vec<u64> = self.parts.iter().flat_map(|part| part.plan.context_types.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        if all.len() > CONTEXT_TYPES {
            tracing::warn!(types = all.len(), "contexts are followed through {CONTEXT_TYPES} types only");
        }
        let mut types = [0; CONTEXT_TYPES];
        for (slot, ty) in types.iter_mut().zip(all) {
            *slot = ty;
        }
        types
    }

    /// Names for the types that events hold, if any do.
    pub fn type_names(&self, binary: &Binary) -> Option<Arc<TypeNames>> {
        if !self.parts.iter().any(|part| holds_types(&part.programs())) {
            return None;
        }
        match binary.type_names_apart() {
            Ok(types) => Some(Arc::new(types)),
            Err(error) => {
                tracing::warn!(%error, "types behind interfaces will have no names");
                None
            }
        }
    }

    /// Why there is nothing to attach, one reason a plugin.
    pub fn reasons(&self) -> String {
        if self.declined.is_empty() {
            return "no plugins".into();
        }
        let reasons: Vec<_> = self.declined.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        reasons.join("; ")
    }
}

/// Why no probe of a plugin can be attached, in short: what nobody calls is not linked, and what is left out with it is no reason either.
fn reason(skipped: &[Skipped]) -> String {
    let is_reason = |skipped: &&Skipped| matches!(skipped.what, Subject::Probe(_)) && !skipped.why.is_absence();
    let reasons: Vec<&Skipped> = skipped.iter().filter(is_reason).collect();
    match reasons[..] {
        [] if skipped.is_empty() => "nothing to probe".into(),
        [] => "none of its functions is linked".into(),
        [one] => format!("{}: {}", one.what, one.why),
        [first, ..] => {
            format!("{}: {}, and {} more that `uprobed plan` shows", first.what, first.why, reasons.len() - 1)
        }
    }
}

fn part(plugin: &Arc<Mutex<Plugin>>, name: String, binary: &Binary, numbers: &mut Numbers) -> Result<Part> {
    let mut target = target(binary);
    let manifest = {
        let mut plugin = plugin.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        target.settings = plugin.settings.clone();
        Arc::new(plugin.manifest(&target)?)
    };
    let mut plan = plan::plan(&manifest, binary, 0, 0);
    let (number, first_span) = numbers.part(plan.spans.len());
    plan.number(number, first_span);
    target.modules.retain(|(path, _)| manifest.modules.contains(path));
    Ok(Part { plugin: plugin.clone(), name, number, first_span, manifest, target, plan })
}

fn target(binary: &Binary) -> Target {
    let go = binary.go();
    let mut modules = Vec::new();
    if let Some(go) = go {
        modules.push(("std".to_owned(), go.version.clone()));
        modules.extend(go.modules.iter().map(|module| (module.path.clone(), module.version.clone())));
    }
    Target {
        architecture: match binary.architecture() {
            binary::Architecture::Amd64 => Architecture::Amd64,
            binary::Architecture::Arm64 => Architecture::Arm64,
        },
        go_version: go.map(|go| go.version.clone()),
        modules,
        settings: Vec::new(),
    }
}

fn plugin_name(plugin: &Arc<Mutex<Plugin>>) -> String {
    let plugin = plugin.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    plugin.path.file_name().unwrap_or(Path::new("plugin").as_os_str()).to_string_lossy().into_owned()
}
