//! Turns the contract's manifest and target into the host's own types and back. Checks nothing.

use super::bindings::uprobed::plugin::{facts, manifest_types as wit};
use super::{Architecture, Target};
use crate::manifest::{
    Binding, Capture, Correlation, Endpoint, Group, Join, KnownOffset, Limits, Manifest, Probe, Requirement, Role, Site,
};

/// What the WIT's limit of 0 stands for, in bytes.
const DEFAULT_LIMIT: u32 = 128;

pub fn target(target: &Target) -> facts::Target {
    let module = |(path, version): &(String, String)| facts::Module { path: path.clone(), version: version.clone() };
    let setting = |(key, value): &(String, String)| facts::Setting { key: key.clone(), value: value.clone() };
    facts::Target {
        architecture: match target.architecture {
            Architecture::Amd64 => facts::Architecture::Amd64,
            Architecture::Arm64 => facts::Architecture::Arm64,
        },
        go_version: target.go_version.clone(),
        modules: target.modules.iter().map(module).collect(),
        settings: target.settings.iter().map(setting).collect(),
    }
}

pub fn convert(said: wit::Manifest) -> Manifest {
    Manifest {
        name: said.name,
        version: said.version,
        schema_url: said.schema_url,
        library: said.library,
        library_versions: said.library_versions,
        modules: said.modules,
        context_types: said.context_types,
        groups: said.groups.into_iter().map(group).collect(),
        probes: said.probes.into_iter().map(probe).collect(),
        offsets: said.offsets.into_iter().map(offset).collect(),
        keys: said.keys,
        limits: Limits { event_bytes: said.limits.event_bytes, open_seconds: said.limits.open_seconds },
        capabilities: said.capabilities,
    }
}

fn group(said: wit::Group) -> Group {
    Group { name: said.name, required: said.required, needs: said.needs.into_iter().map(index).collect() }
}

fn probe(said: wit::Probe) -> Probe {
    let binding = |binding: wit::Binding| Binding { name: binding.name, paths: binding.paths };
    Probe {
        name: said.name,
        group: index(said.group),
        symbols: said.symbols,
        if_mentioned: said.if_mentioned,
        requires: said.requires.into_iter().map(requirement).collect(),
        site: match said.site {
            wit::Site::Entry => Site::Entry,
            wit::Site::Return => Site::Return,
        },
        called_by: said.called_by,
        role: match said.role {
            wit::Role::Start => Role::Start,
            wit::Role::End => Role::End,
            wit::Role::Event => Role::Event,
            wit::Role::Mark => Role::Mark,
        },
        span: said.span,
        correlation: match said.correlation {
            wit::Correlation::Frame => Correlation::Frame,
            wit::Correlation::Words(words) => Correlation::Words(words),
            wit::Correlation::Goroutine => Correlation::Goroutine,
        },
        arguments: said.arguments,
        bindings: said.bindings.into_iter().map(binding).collect(),
        only_if: said.only_if,
        captures: said.captures.into_iter().map(capture).collect(),
        keep: said.keep,
        alias: said.alias,
        rename: said.rename,
        parent_context: said.parent_context,
        own_context: said.own_context,
        traceparent: said.traceparent.map(index),
        current: said.current,
        inherits: said.inherits,
        publish: said.publish.map(join),
        adopt: said.adopt.map(join),
    }
}

fn offset(said: wit::KnownOffset) -> KnownOffset {
    KnownOffset {
        struct_type: said.struct_type,
        field: said.field,
        field_type: said.field_type,
        offset: said.offset,
        requires: requirement(said.requires),
    }
}

fn requirement(said: wit::Requirement) -> Requirement {
    Requirement { module: said.module, versions: said.versions }
}

fn capture(said: wit::Capture) -> Capture {
    let limit = if said.limit == 0 { DEFAULT_LIMIT } else { said.limit };
    Capture { name: said.name, paths: said.paths, limit }
}

fn join(said: wit::Join) -> Join {
    let endpoint = |end: wit::Endpoint| Endpoint { address: end.address, port: end.port };
    Join { channel: said.channel, local: endpoint(said.local), remote: endpoint(said.remote), stream: said.stream }
}

/// An index that is too large for this machine is one that the check refuses.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
