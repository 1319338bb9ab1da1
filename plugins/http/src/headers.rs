//! Headers that the operator asks for. None without settings.
//!
//! A server's request is looked at when its handler has returned, because where the handler is called the probe's other headers leave no
//! room.

use uprobed_sdk::{Declaration, Listed, Manifest, SettingKind, Target};

use crate::keys;

const REQUEST: &str = "request-headers";
const RESPONSE: &str = "response-headers";

/// The most names of both lists together. Their values share one event with all else.
const MOST: usize = 8;

/// Where requests have their headers, by the names of probes.
const OF_REQUESTS: [(&str, &str); 3] = [
    ("server response", "w.req.Header"),
    ("server connection end", "kept.response.req.Header"),
    ("client request", "req.Header"),
];

/// Where responses have them. They come behind those of the request.
const OF_RESPONSES: [(&str, &str); 2] = [("server response", "w.handlerHeader"), ("client response", "resp.Header")];

/// The names of the headers whose values are wanted.
#[derive(Debug)]
pub struct Headers {
    pub request: Listed,
    pub response: Listed,
}

impl Headers {
    pub fn read(target: &Target) -> Self {
        let before = keys::KEYS.len();
        let request = Listed::read(target, REQUEST, "http.request.header.", before);
        let response = Listed::read(target, RESPONSE, "http.response.header.", before + request.len());
        Self { request, response }
    }

    /// Adds what is wanted to a manifest; refuses what cannot be had.
    pub fn add_to(&self, manifest: &mut Manifest) -> Result<(), String> {
        for (listed, most) in [(&self.request, MOST), (&self.response, MOST.saturating_sub(self.request.len()))] {
            listed.check_names("a header", is_name)?;
            listed.check_number(most).map_err(|why| format!("{why}, {MOST} in {REQUEST} and {RESPONSE} together"))?;
        }
        for (listed, places) in [(&self.request, &OF_REQUESTS[..]), (&self.response, &OF_RESPONSES)] {
            manifest.keys.extend(listed.keys());
            for (name, path) in places {
                let probe = manifest.probes.iter_mut().find(|probe| probe.name == *name).expect("it is in the table");
                listed.capture(probe, |name| format!("{path}[\"{}\"]", canonical(name)));
            }
        }
        Ok(())
    }
}

pub fn settings() -> [Declaration; 2] {
    let list = |key, about| Declaration::new(key, SettingKind::TextList, "[]", about);
    [
        list(
            REQUEST,
            "Headers of requests that become attributes, http.request.header.NAME, also where they hold secrets.",
        ),
        list(
            RESPONSE,
            "Headers of responses that become attributes, http.response.header.NAME, also where they hold secrets.",
        ),
    ]
}

/// A token (RFC 9110, section 5.6.2): nothing else comes to a handler.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// `x-request-id` as a `http.Header` has it: `X-Request-Id` (net/textproto.CanonicalMIMEHeaderKey).
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let letter = |letter: char| {
        let letter = if is_first { letter.to_ascii_uppercase() } else { letter };
        is_first = letter == '-';
        letter
    };
    name.chars().map(letter).collect()
}
