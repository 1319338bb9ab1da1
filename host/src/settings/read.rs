//! From a TOML file's text to what plugins see, with the place of everything that is wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Declaration, Declared, Kind, Problem, Texts, key, quoted};

/// The table of the file that holds the plugins' tables.
const ROOT: &str = "settings";

type Value<'a> = Spanned<DeValue<'a>>;
type Keys = BTreeMap<String, Texts>;

pub fn read(text: &str, beside: &[&str], plugins: &[Declared<'_>]) -> Result<BTreeMap<String, Keys>, Vec<Problem>> {
    let mut reader = Reader::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut values = BTreeMap::new();
    if errors.is_empty() {
        values = reader.root(root.get_ref(), beside, plugins);
    }
    for error in errors {
        reader.problems.push((error.span().map_or(0, |span| span.start), error.message().replace('\n', ", ")));
    }
    if reader.problems.is_empty() {
        return Ok(values);
    }
    reader.problems.sort_by_key(|(offset, _)| *offset);
    Err(reader.problems.into_iter().map(|(offset, what)| placed(text, offset, what)).collect())
}

/// Whether a value written like this is of the kind.
pub fn is_value(kind: &Kind, text: &str) -> bool {
    let Ok(value) = DeValue::parse(text) else { return false };
    let mut reader = Reader::default();
    reader.texts("", "", kind, &value);
    reader.problems.is_empty()
}

#[derive(Default)]
struct Reader {
    /// Where in the text, in bytes, and what.
    problems: Vec<(usize, String)>,
}

impl Reader {
    fn root(&mut self, root: &DeTable<'_>, beside: &[&str], plugins: &[Declared<'_>]) -> BTreeMap<String, Keys> {
        let mut all = BTreeMap::new();
        for (name, value) in root {
            let found = name.get_ref().as_ref();
            if found == ROOT {
                for (name, value) in self.table(ROOT, value).into_iter().flatten() {
                    self.plugin(name, value, plugins, &mut all);
                }
            } else if !beside.contains(&found) {
                self.wrong(&name.span(), &key(found), &format!("there is nothing but {ROOT} here"));
            }
        }
        all
    }

    fn plugin(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Value<'_>,
        plugins: &[Declared<'_>],
        all: &mut BTreeMap<String, Keys>,
    ) {
        let found = name.get_ref().as_ref();
        let path = format!("{ROOT}.{}", key(found));
        let Some((_, declarations)) = plugins.iter().find(|(plugin, _)| *plugin == found) else {
            let there = choice_of(found, plugins.iter().map(|(plugin, _)| *plugin));
            return self.wrong(&name.span(), &path, &format!("no such plugin; {there}"));
        };
        let mut keys = Keys::new();
        for (name, value) in self.table(&path, value).into_iter().flatten() {
            let found = name.get_ref().as_ref();
            let path = format!("{path}.{}", key(found));
            match declarations.iter().find(|declaration| declaration.key == found) {
                Some(Declaration { key, kind, .. }) => {
                    _ = keys.insert(key.clone(), self.texts(key, &path, kind, value))
                }
                None => {
                    let there = choice_of(found, declarations.iter().map(|declaration| declaration.key.as_str()));
                    self.wrong(&name.span(), &path, &format!("no such setting; {there}"));
                }
            }
        }
        all.insert(found.into(), keys);
    }

    /// A setting's value as texts.
    fn texts(&mut self, key: &str, path: &str, kind: &Kind, value: &Value<'_>) -> Texts {
        let text = match (kind, value.get_ref()) {
            (Kind::Boolean, DeValue::Boolean(value)) => Ok(value.to_string()),
            (Kind::Integer { least, most }, DeValue::Integer(number)) => {
                let found = i64::from_str_radix(number.as_str(), number.radix()).ok();
                let found = found.filter(|found| (least..=most).contains(&found));
                found
                    .map(|found| found.to_string())
                    .ok_or_else(|| format!("{number} is not between {least} and {most}"))
            }
            (Kind::Text, DeValue::String(text)) => Ok(text.to_string()),
            (Kind::Choice(choices), DeValue::String(text)) if choices.iter().any(|choice| choice == text) => {
                Ok(text.to_string())
            }
            (Kind::Choice(choices), DeValue::String(text)) => {
                let choices = nearest(text, choices.iter().map(String::as_str));
                let choices: Vec<String> = choices.into_iter().map(quoted).collect();
                Err(format!("{} is none of {}", quoted(text), choices.join(", ")))
            }
            // The plugin cannot tell them apart.
            (Kind::TextList, DeValue::Array(items)) if items.is_empty() => {
                Err("an empty array says as much as none: leave it out".into())
            }
            (Kind::TextList, DeValue::Array(items)) => {
                let items = items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item));
                return items.filter_map(|(path, item)| Some((key.into(), self.item(&path, item)?))).collect();
            }
            (Kind::TextTable, DeValue::Table(entries)) => {
                let mut texts = Texts::new();
                for (name, item) in entries {
                    let name = name.get_ref();
                    if let Some(text) = self.item(&format!("{path}.{}", super::key(name)), item) {
                        texts.push((format!("{key}.{name}"), text));
                    }
                }
                return texts;
            }
            (kind, found) => Err(format!("{} where {kind} is wanted", named(found))),
        };
        match text {
            Ok(text) => vec![(key.into(), text)],
            Err(why) => {
                self.wrong(&value.span(), path, &why);
                Vec::new()
            }
        }
    }

    fn item(&mut self, path: &str, value: &Value<'_>) -> Option<String> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(&value.span(), path, &format!("{} where a string is wanted", named(value.get_ref())));
            return None;
        };
        Some(text.to_string())
    }

    fn table<'v, 't>(&mut self, path: &str, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(&value.span(), path, &format!("{} where a table is wanted", named(value.get_ref())));
        }
        table
    }

    fn wrong(&mut self, at: &Range<usize>, path: &str, why: &str) {
        self.problems.push((at.start, format!("{path}: {why}")));
    }
}

fn placed(text: &str, offset: usize, what: String) -> Problem {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Problem { line: before.matches('\n').count() + 1, column: line.chars().count() + 1, what }
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// `there are these, and those`, the nearest to what was written first.
fn choice_of<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    match &nearest(wanted, names)[..] {
        [] => "there is none".into(),
        [only] => format!("there is {only}"),
        names => format!("there are {}", names.join(", ")),
    }
}

fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_by_cached_key(|name| distance(wanted, name));
    names
}

/// How many letters have to be added, taken away or replaced to make one of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
