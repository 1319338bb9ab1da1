//! Turns what a plugin says of its settings into the host's own types. Checks nothing.

use super::bindings::uprobed::plugin::settings_types as wit;
use crate::settings::{Declaration, Kind};

pub fn convert(said: Vec<wit::Declaration>) -> Vec<Declaration> {
    said.into_iter().map(declaration).collect()
}

fn declaration(said: wit::Declaration) -> Declaration {
    let kind = match said.kind {
        wit::SettingKind::Boolean => Kind::Boolean,
        wit::SettingKind::Integer((least, most)) => Kind::Integer { least, most },
        wit::SettingKind::Text => Kind::Text,
        wit::SettingKind::Choice(choices) => Kind::Choice(choices),
        wit::SettingKind::TextList => Kind::TextList,
        wit::SettingKind::TextTable => Kind::TextTable,
    };
    Declaration { key: said.key, kind, default: said.default, about: said.about }
}
