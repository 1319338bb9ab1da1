//! All that can be set, as a file that sets nothing until somebody removes a `#`.

use super::read::is_value;
use super::{Declaration, Declared, Kind, key, quoted};

const HEAD: &str = "\
# What can be set for uprobed's plugins. As it stands this file changes nothing: remove the # before
# what you want to set, and give the file by --settings, or put its tables into the configuration.
";

/// A TOML file with every setting of these plugins, commented out.
pub fn print(plugins: &[Declared<'_>]) -> String {
    let mut text = String::from(HEAD);
    for (plugin, declarations) in plugins {
        text.push_str(&format!("\n[settings.{}]\n", key(plugin)));
        if declarations.is_empty() {
            text.push_str("# There is nothing to set.\n");
        }
        for declaration in *declarations {
            text.push_str(&setting(declaration));
        }
    }
    text
}

fn setting(declaration: &Declaration) -> String {
    let Declaration { key, kind, default, about } = declaration;
    let default = if default.is_empty() { String::new() } else { format!("; default: {default}") };
    format!("\n# {about}\n# {kind}{default}\n#{key} = {}\n", example(declaration))
}

/// The default if it is a value, or else something of the right kind.
fn example(declaration: &Declaration) -> String {
    let default = match declaration.kind {
        Kind::Text | Kind::Choice(_) => quoted(&declaration.default),
        _ => declaration.default.clone(),
    };
    if is_value(&declaration.kind, &default) {
        return default;
    }
    match &declaration.kind {
        Kind::Boolean => "true".into(),
        Kind::Integer { least, .. } => least.to_string(),
        Kind::Text => quoted(""),
        Kind::Choice(choices) => quoted(choices.first().map_or("", String::as_str)),
        Kind::TextList => "[\"…\"]".into(),
        Kind::TextTable => "{ name = \"…\" }".into(),
    }
}
