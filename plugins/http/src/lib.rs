//! Traces Go's `net/http`, server and client, HTTP/1.x in the clear and over TLS, Go 1.18 and later.
//!
//! Follows OpenTelemetry's stable HTTP conventions, with these deviations, all because a probe cannot know better:
//! - `http.route` is the pattern that the first `http.ServeMux` found, from its first slash on: Go 1.22 and later. Where one mux is
//!   behind another, as with `http.StripPrefix`, that is the outer one's prefix. A prefix that was stripped before the first mux
//!   is not in it.
//! - Where middleware handed the mux a copy of the request, it is not said for a 301 or 307 of a route that ends in a slash, because
//!   that may be the mux's own redirect; nor where the copy was made by hand (`c := *r`) in a program that uses nothing of
//!   `net/http` that copies.
//! - A server's `server.port` is said only if the `Host` (or what a proxy forwarded) has it.
//! - A client's `server.address` is the URL's host, also where the program sets another `Host`, as OpenTelemetry's own Go
//!   instrumentation has it.
//! - A client's span ends when the response's headers were read. A resend is a span of its own, without a count.
//! - What the server answers by itself, without a handler (400 for a malformed request), is no span.
//!
//! `error.type` is the status code, `panic`, or the dynamic type of the error that the round trip returned (`*net.OpError`).
//!
//! Settings: `known-methods`, a list, replaces the methods that are not `_OTHER`; `request-headers` and `response-headers` name headers
//! that become attributes.

mod client;
mod forwarded;
mod headers;
mod keys;
mod message;
mod server;
mod url;

#[cfg(test)]
mod tests;

use headers::Headers;
use uprobed_sdk::{
    Declaration, Group, Level, Manifest, Plugin, Probe, Row, SettingKind, Target, log, need_go, setting_list,
};

/// The connection that carries one HTTP/1.x request at a time: where client and server meet.
const CHANNEL: &str = "http/1";

/// The setting that replaces the methods.
const KNOWN_METHODS: &str = "known-methods";

/// Indices of the groups.
mod group {
    pub const SERVER: u32 = 0;
    pub const CLIENT: u32 = 1;
    pub const ROUTE: u32 = 2;
}

struct Http;

uprobed_sdk::export!(Http with_types_in uprobed_sdk::bindings);

impl Plugin for Http {
    type Facts = Facts;

    const PROBES: &'static [Row<Facts>] = &[
        Row { probe: server::request, decode: server::decode_request },
        Row { probe: server::response, decode: server::decode_response },
        Row { probe: server::connection_end, decode: server::decode_connection_end },
        // A mark: nothing is recorded.
        Row { probe: server::route, decode: |_, _, _, _| {} },
        Row { probe: client::request, decode: client::decode_request },
        Row { probe: client::connection, decode: client::decode_connection },
        Row { probe: client::response, decode: client::decode_response },
    ];

    fn settings() -> Vec<Declaration> {
        let about = "Methods that are told by their names, in place of these; every other one is _OTHER.";
        let methods = Declaration::new(KNOWN_METHODS, SettingKind::TextList, &message::methods(), about);
        [methods].into_iter().chain(headers::settings()).collect()
    }

    fn facts(target: &Target) -> Facts {
        let known_methods = setting_list(target, KNOWN_METHODS).map(Into::into).collect();
        Facts { known_methods, headers: Headers::read(target) }
    }

    fn manifest(target: &Target, probes: Vec<Probe>) -> Result<Manifest, String> {
        need_go(target, 18)?;
        let mut manifest = Manifest::for_go("uprobed/http", env!("CARGO_PKG_VERSION"), probes, keys::KEYS);
        // The host says why a plugin is left out only where nothing else is attached.
        Headers::read(target).add_to(&mut manifest).inspect_err(|why| log(Level::Warn, why))?;
        Ok(Manifest {
            library: "net/http".into(),
            library_versions: "1.18 and later".into(),
            groups: vec![
                Group::optional("server"),
                Group::optional("client"),
                Group::optional("route").needs(&[group::SERVER]),
            ],
            ..manifest
        })
    }
}

/// What the decoders know of the target.
struct Facts {
    /// None stand for those of the conventions.
    known_methods: Vec<String>,
    headers: Headers,
}
