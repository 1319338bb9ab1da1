//! Traces google.golang.org/grpc, server and client, unary calls and streams.

mod client;
mod connection;
mod keys;
mod metadata;
mod method;
mod server;
mod status;
mod target;

#[cfg(test)]
mod tests;

use uprobed_sdk::{
    Declaration, Fragment, Group, Level, Listed, Manifest, Plugin, Probe, Row, SettingKind, Target, log, setting,
};

const MODULE: &str = "google.golang.org/grpc";
/// The oldest minor version: before, errors were of another type.
const OLDEST: u32 = 35;

/// Indices of the groups. What differs between versions is a group for each: the others lack their functions.
mod group {
    pub const SERVER: u32 = 0;
    pub const OLDER_SERVER: u32 = 1;
    pub const BEHIND_HTTP: u32 = 2;
    pub const OLDER_BEHIND_HTTP: u32 = 3;
    pub const CLIENT: u32 = 4;
    pub const FAILURE: u32 = 5;
    pub const OLDER_FAILURE: u32 = 6;
    pub const HEADER: u32 = 7;
    pub const JOIN: u32 = 8;
    pub const OLDER_JOIN: u32 = 9;
    pub const OLDEST_JOIN: u32 = 10;
}

/// Of a mark, of which nothing is recorded.
const NOTHING: fn(&Facts, u64, &[u8], &mut Fragment<'_>) = |_, _, _, _| {};

struct Grpc;

uprobed_sdk::export!(Grpc with_types_in uprobed_sdk::bindings);

impl Plugin for Grpc {
    type Facts = Facts;

    const PROBES: &'static [Row<Facts>] = &[
        Row { probe: server::call, decode: server::decode_call },
        Row { probe: server::older_call, decode: server::decode_call },
        Row { probe: server::end, decode: server::decode_end },
        Row { probe: server::older_end, decode: server::decode_end },
        Row { probe: server::end_behind_http, decode: server::decode_end },
        Row { probe: server::older_end_behind_http, decode: server::decode_end },
        Row { probe: client::call, decode: client::decode_call },
        Row { probe: client::stream, decode: NOTHING },
        Row { probe: client::attempt, decode: NOTHING },
        Row { probe: client::header, decode: NOTHING },
        Row { probe: client::written, decode: metadata::decode_written },
        Row { probe: client::older_written, decode: metadata::decode_written },
        Row { probe: client::oldest_written, decode: metadata::decode_written },
        Row { probe: client::end, decode: client::decode_end },
        Row { probe: client::retry, decode: NOTHING },
        Row { probe: client::failure, decode: client::decode_failure },
        Row { probe: client::attempt_failure, decode: client::decode_failure },
        Row { probe: client::older_failure, decode: client::decode_failure },
        Row { probe: client::older_attempt_failure, decode: client::decode_failure },
    ];

    fn settings() -> Vec<Declaration> {
        let about = "Whether a failed span's description is the message of its status, which is whatever the server's code wrote.";
        vec![Declaration::new(STATUS_MESSAGES, SettingKind::Boolean, "false", about), metadata::declaration()]
    }

    fn facts(target: &Target) -> Facts {
        let status_messages = setting(target, STATUS_MESSAGES) == Some("true");
        Facts { status_messages, metadata: metadata::read(target) }
    }

    fn manifest(target: &Target, probes: Vec<Probe>) -> Result<Manifest, String> {
        let Some(module) = target.modules.iter().find(|module| module.path == MODULE) else {
            return Err(format!("{MODULE} is not linked"));
        };
        if minor(&module.version).is_some_and(|minor| minor < OLDEST) {
            return Err(format!("{MODULE} {} is too old, v1.{OLDEST} is needed", module.version));
        }
        let mut manifest = Manifest::for_go("uprobed/grpc", env!("CARGO_PKG_VERSION"), probes, keys::KEYS);
        // The host says why a plugin is left out only where nothing else is attached.
        metadata::add_to(&mut manifest, &metadata::read(target)).inspect_err(|why| log(Level::Warn, why))?;
        Ok(Manifest {
            library: MODULE.into(),
            library_versions: format!("1.{OLDEST} and later"),
            modules: vec![MODULE.into()],
            groups: groups(),
            ..manifest
        })
    }
}

/// 85 of `v1.85.0`; none of `(devel)`.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("v1.")?.split('.').next()?.parse().ok()
}

fn groups() -> Vec<Group> {
    let of = |group, name| Group::optional(name).needs(&[group]);
    vec![
        Group::optional("server"),
        Group::optional("server, older"),
        of(group::SERVER, "behind net/http"),
        of(group::OLDER_SERVER, "behind net/http, older"),
        Group::optional("client"),
        of(group::CLIENT, "failure"),
        of(group::CLIENT, "failure, older"),
        of(group::CLIENT, "header"),
        of(group::HEADER, "join"),
        of(group::HEADER, "join, older"),
        of(group::HEADER, "join, oldest"),
    ]
}

const STATUS_MESSAGES: &str = "status-messages";

/// What the decoders know of the target.
struct Facts {
    status_messages: bool,
    metadata: Listed,
}
