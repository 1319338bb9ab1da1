//! Metadata of requests that the operator asks for. None without a setting.
//!
//! A server has what came in in its stream's context. What a client sends is in a context, too, but in pieces; it is looked for in the header
//! that is about to be written, among the fields of HTTP/2.

use uprobed_sdk::{Declaration, Fragment, Listed, Manifest, Role, SettingKind, Target};

use crate::{Facts, keys};

const SETTING: &str = "request-metadata";

/// The most names. One probe of a server looks for all of them, and has room for so many beside what it always looks for.
const MOST: usize = 4;

const SERVER: [&str; 2] = ["server call", "server call, older"];
const CLIENT: [&str; 3] = ["client header written", "client header written, older", "client header written, oldest"];

pub fn read(target: &Target) -> Listed {
    Listed::read(target, SETTING, "rpc.request.metadata.", keys::KEYS.len())
}

/// Adds what is wanted to a manifest; refuses what cannot be had.
pub fn add_to(manifest: &mut Manifest, listed: &Listed) -> Result<(), String> {
    listed.check_names("a text in metadata", is_name)?;
    listed.check_number(MOST)?;
    if listed.is_empty() {
        return Ok(());
    }
    manifest.keys.extend(listed.keys());
    for probe in &mut manifest.probes {
        if SERVER.contains(&probe.name.as_str()) {
            listed.capture(probe, |name| format!("metadata[\"{name}\"]"));
        } else if CLIENT.contains(&probe.name.as_str()) {
            // As a mark it would record nothing.
            probe.role = Role::Event;
            listed.capture(probe, |name| format!("header.hf[Name=\"{name}\"].Value"));
        }
    }
    Ok(())
}

pub fn declaration() -> Declaration {
    let about = "Metadata of requests that becomes attributes, rpc.request.metadata.NAME, also where it holds secrets.";
    Declaration::new(SETTING, SettingKind::TextList, "[]", about)
}

/// A client's header is about to be written.
pub fn decode_written(facts: &Facts, _: u64, bytes: &[u8], fragment: &mut Fragment<'_>) {
    facts.metadata.write(bytes, 0, fragment);
}

/// What gRPC allows in a key. A value whose key ends in `-bin` is no text.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed) && !name.ends_with("-bin")
}
