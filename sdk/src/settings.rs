//! What an operator set; and lists of names among it, of headers or the like, whose values become attributes.

use crate::{Field, Fragment, Key, Probe, State, Target, capture, more};

/// The value of one of the operator's settings.
pub fn setting<'a>(target: &'a Target, key: &str) -> Option<&'a str> {
    setting_list(target, key).next()
}

/// The items of one of the operator's settings that is a list; none if it was not set.
pub fn setting_list<'a>(target: &'a Target, key: &str) -> impl Iterator<Item = &'a str> {
    target.settings.iter().filter(move |setting| setting.key == key).map(|setting| setting.value.as_str())
}

/// The entries, with their names, of one that is a table.
pub fn setting_table<'a>(target: &'a Target, key: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    target.settings.iter().filter_map(move |setting| {
        let name = setting.key.strip_prefix(key)?.strip_prefix('.')?;
        Some((name, setting.value.as_str()))
    })
}

/// The longest name, in bytes, that a probe can look for in a map or a slice.
const NAME_BYTES: usize = 24;
/// What `uprobed settings` prints as an example of a list that has no default. It stands for nothing.
const EXAMPLE: &str = "…";
/// The most bytes of a value.
const VALUE_BYTES: u32 = 256;

/// Names in a setting, each of which stands for an attribute.
#[derive(Debug, Default)]
pub struct Listed {
    setting: &'static str,
    prefix: &'static str,
    /// In lower case, each once, in the operator's order.
    names: Vec<String>,
    first_key: u32,
}

impl Listed {
    /// What `setting` lists. The attributes are `prefix` and a name each; their keys follow the manifest's first `keys`.
    pub fn read(target: &Target, setting: &'static str, prefix: &'static str, keys: usize) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in setting_list(target, setting).map(str::to_ascii_lowercase) {
            if name != EXAMPLE && !names.contains(&name) {
                names.push(name);
            }
        }
        let first_key = u32::try_from(keys).expect("a plugin has few keys");
        Self { setting, prefix, names, first_key }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Refuses a name that is too long, and one of which `is_name` is not true, which is to say that no `what` can have it.
    pub fn check_names(&self, what: &str, is_name: fn(&str) -> bool) -> Result<(), String> {
        for name in &self.names {
            if !is_name(name) {
                return Err(format!("the setting {}: {name:?} cannot be the name of {what}", self.setting));
            }
            if name.len() > NAME_BYTES {
                let (setting, length) = (self.setting, name.len());
                return Err(format!("the setting {setting}: {name} has {length} bytes, more than {NAME_BYTES}"));
            }
        }
        Ok(())
    }

    /// Refuses more names than `most`.
    pub fn check_number(&self, most: usize) -> Result<(), String> {
        match self.names.get(most) {
            Some(name) => Err(format!("the setting {}: {name} is one too many, {most} names can be", self.setting)),
            None => Ok(()),
        }
    }

    /// The keys of the attributes, for the manifest.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| format!("{}{name}", self.prefix))
    }

    /// Lets a probe copy the values, behind its other captures; `path` says where that of a name is.
    pub fn capture(&self, probe: &mut Probe, path: impl Fn(&str) -> String) {
        let captures = self.names.iter().zip(self.keys());
        probe.captures.extend(captures.map(|(name, key)| capture(&key, &[&path(name)], VALUE_BYTES)));
    }

    /// Writes the values that were copied, each as an array of one; they stand behind the first `before` captures of their event.
    pub fn write(&self, bytes: &[u8], before: usize, fragment: &mut Fragment<'_>) {
        if self.is_empty() {
            return;
        }
        // What is cut off to nothing found no room in the event.
        let is_there = |field: &Field<'_>| field.is_read() && (field.state() == State::Read || field.some().is_some());
        for (key, field) in (self.first_key..).zip(more(bytes, before, self.len())) {
            if is_there(&field) {
                fragment.text_item(Key(key), field.bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{target, with_setting};

    fn listed(names: &[&str]) -> Listed {
        let target = names.iter().fold(target("go1.26.8"), |target, name| with_setting(target, "headers", name));
        Listed::read(&target, "headers", "header.", 7)
    }

    #[test]
    fn takes_each_name_once_whatever_its_case() {
        let listed = listed(&["X-One", EXAMPLE, "two", "x-one"]);
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["header.x-one", "header.two"]);
        let mut probe = Probe::entry("call", &["f"], "");
        listed.capture(&mut probe, |name| format!("headers[{name:?}]"));
        assert_eq!(probe.captures[1], capture("header.two", &["headers[\"two\"]"], VALUE_BYTES));
    }

    #[test]
    fn refuses_what_cannot_be_looked_for() {
        let refused = |names: &[&str]| {
            let listed = listed(names);
            listed.check_names("a header", |name| !name.contains(' ')).and_then(|()| listed.check_number(2)).err()
        };
        assert_eq!(refused(&["a", "b", "A"]), None);
        assert_eq!(refused(&["a", &"x".repeat(24)]), None);
        let long = format!("the setting headers: {} has 25 bytes, more than 24", "x".repeat(25));
        assert_eq!(refused(&["a", &"x".repeat(25)]), Some(long));
        assert_eq!(refused(&["a b"]).unwrap(), "the setting headers: \"a b\" cannot be the name of a header");
        assert_eq!(refused(&["a", "b", "c"]).unwrap(), "the setting headers: c is one too many, 2 names can be");
    }
}
