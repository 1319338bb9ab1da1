//! What a manifest has to keep to before anybody relies on it: indices, limits, unique names, roles.

use std::collections::HashSet;

use uprobed_ebpf::program::{CAPTURE_BYTES, KEPT};

use crate::manifest::{Correlation, Manifest, Probe, Requirement, Role, Site};

const GROUPS: usize = 64;
const PROBES: usize = 256;
const KEYS: usize = 1024;
/// A capture's index is one byte.
const CAPTURES: usize = 255;
const ALTERNATIVES: usize = 16;
/// Bindings, modules, context types.
const ITEMS: usize = 64;
const OFFSETS: usize = 4096;
/// The longest text, in bytes.
const TEXT_BYTES: usize = 1024;
const EVENT_BYTES: u32 = 16 << 10;
const OPEN_SECONDS: u32 = 24 * 60 * 60;

/// Checks a manifest; the error says which rule it breaks, and where.
pub fn check(manifest: &Manifest) -> Result<(), String> {
    texts(manifest)?;
    if let Some(capability) = manifest.capabilities.first() {
        return Err(format!("the capability {capability} is not known"));
    }
    at_most("groups", manifest.groups.len(), GROUPS)?;
    at_most("probes", manifest.probes.len(), PROBES)?;
    at_most("keys", manifest.keys.len(), KEYS)?;
    at_most("modules", manifest.modules.len(), ITEMS)?;
    at_most("offsets", manifest.offsets.len(), OFFSETS)?;
    at_most("context types", manifest.context_types.len(), ITEMS)?;
    within("event-bytes", manifest.limits.event_bytes, EVENT_BYTES)?;
    within("open-seconds", manifest.limits.open_seconds, OPEN_SECONDS)?;
    unique("group", manifest.groups.iter().map(|group| &group.name))?;
    unique("probe", manifest.probes.iter().map(|probe| &probe.name))?;
    unique("key", manifest.keys.iter())?;
    if manifest.groups.iter().flat_map(|group| &group.needs).any(|index| *index >= manifest.groups.len()) {
        return Err("a group needs one that does not exist".into());
    }
    for probe in &manifest.probes {
        check_probe(manifest, probe).map_err(|reason| format!("probe {}: {reason}", probe.name))?;
    }
    Ok(())
}

fn check_probe(manifest: &Manifest, probe: &Probe) -> Result<(), String> {
    if probe.group >= manifest.groups.len() {
        return Err(format!("there is no group {}", probe.group));
    }
    at_least_one("symbols", &probe.symbols)?;
    at_most("functions to be mentioned", probe.if_mentioned.len(), ALTERNATIVES)?;
    at_most("callers", probe.called_by.len(), ALTERNATIVES)?;
    if !probe.called_by.is_empty() && (probe.site != Site::Entry || probe.correlation == Correlation::Frame) {
        return Err("called-by is for an entry that is not correlated by frame".into());
    }
    if probe.span.is_empty() {
        return Err("it names no span".into());
    }
    at_most("required versions", probe.requires.len(), ITEMS)?;
    at_most("bindings", probe.bindings.len(), ITEMS)?;
    at_most("captures", probe.captures.len(), CAPTURES)?;
    at_most("conditions", probe.only_if.len(), ITEMS)?;
    at_most("kept words", probe.keep.len(), KEPT)?;
    unique("binding", probe.bindings.iter().map(|binding| &binding.name))?;
    unique("capture", probe.captures.iter().map(|capture| &capture.name))?;
    for binding in &probe.bindings {
        at_least_one(&binding.name, &binding.paths)?;
    }
    for capture in &probe.captures {
        at_least_one(&capture.name, &capture.paths)?;
        within(&format!("the limit of {}", capture.name), capture.limit, CAPTURE_BYTES)?;
    }
    if let Correlation::Words(words) = &probe.correlation
        && !(1..=2).contains(&words.len())
    {
        return Err("it is correlated by one or two words".into());
    }
    for (item, words) in [("alias", &probe.alias), ("rename", &probe.rename)] {
        at_most(&format!("words of {item}"), words.len(), 2)?;
    }
    if !probe.alias.is_empty() && !probe.rename.is_empty() {
        return Err("it has both alias and rename".into());
    }
    if probe.traceparent.is_some_and(|index| index >= probe.captures.len()) {
        return Err("its traceparent is not one of its captures".into());
    }
    check_role(manifest, probe)
}

fn check_role(manifest: &Manifest, probe: &Probe) -> Result<(), String> {
    if probe.role != Role::Mark
        && let Some((item, _)) = [("alias", &probe.alias), ("rename", &probe.rename)].iter().find(|it| !it.1.is_empty())
    {
        return Err(format!("{item} is for a mark"));
    }
    if probe.role == Role::Start {
        return match probe.correlation {
            Correlation::Goroutine => Err("a start cannot be correlated by goroutine".into()),
            Correlation::Frame | Correlation::Words(_) => Ok(()),
        };
    }
    let only_for_starts = [
        ("keep", !probe.keep.is_empty() && probe.role != Role::Mark),
        ("parent-context", probe.parent_context.is_some()),
        ("own-context", probe.own_context.is_some()),
        ("traceparent", probe.traceparent.is_some()),
        ("current", probe.current),
        ("inherits", probe.inherits && probe.role != Role::Mark),
        ("adopt", probe.adopt.is_some()),
    ];
    if let Some((item, _)) = only_for_starts.iter().find(|(_, present)| *present) {
        return Err(format!("{item} is for a start"));
    }
    if probe.inherits && probe.correlation != Correlation::Goroutine {
        return Err("a mark inherits by its goroutine".into());
    }
    let starts = |other: &&Probe| other.role == Role::Start && other.span == probe.span;
    match manifest.probes.iter().find(starts) {
        None => Err(format!("nothing starts the span {}", probe.span)),
        Some(_) if probe.role == Role::Mark && does_nothing(probe) => {
            Err("a mark is for publish, keep, alias or rename".into())
        }
        Some(_) => Ok(()),
    }
}

fn does_nothing(mark: &Probe) -> bool {
    mark.publish.is_none() && mark.keep.is_empty() && mark.alias.is_empty() && mark.rename.is_empty()
}

/// Every text is bounded; names are visible, because people and tools read them.
fn texts(manifest: &Manifest) -> Result<(), String> {
    let optional = |text: &Option<String>| text.iter().cloned().collect::<Vec<_>>();
    let mut all = vec![manifest.name.clone(), manifest.version.clone()];
    all.extend([manifest.library.clone(), manifest.library_versions.clone()]);
    all.extend(optional(&manifest.schema_url));
    all.extend(
        [&manifest.modules, &manifest.context_types, &manifest.keys, &manifest.capabilities]
            .into_iter()
            .flatten()
            .cloned(),
    );
    all.extend(manifest.groups.iter().map(|group| group.name.clone()));
    let requirement = |requirement: &Requirement| [requirement.module.clone(), requirement.versions.clone()];
    for known in &manifest.offsets {
        all.extend([known.struct_type.clone(), known.field.clone(), known.field_type.clone()]);
        all.extend(requirement(&known.requires));
    }
    for probe in &manifest.probes {
        all.extend(probe.requires.iter().flat_map(requirement));
        all.extend([probe.name.clone(), probe.span.clone(), probe.arguments.clone()]);
        let lists = [
            &probe.symbols,
            &probe.if_mentioned,
            &probe.called_by,
            &probe.only_if,
            &probe.keep,
            &probe.alias,
            &probe.rename,
        ];
        all.extend(lists.into_iter().flatten().cloned());
        if let Correlation::Words(words) = &probe.correlation {
            all.extend(words.iter().cloned());
        }
        for binding in &probe.bindings {
            all.push(binding.name.clone());
            all.extend(binding.paths.iter().cloned());
        }
        for capture in &probe.captures {
            all.push(capture.name.clone());
            all.extend(capture.paths.iter().cloned());
        }
        all.extend(optional(&probe.parent_context));
        all.extend(optional(&probe.own_context));
        for join in [&probe.publish, &probe.adopt].into_iter().flatten() {
            all.push(join.channel.clone());
            for end in [&join.local, &join.remote] {
                all.extend([end.address.clone(), end.port.clone()]);
            }
            all.extend(optional(&join.stream));
        }
    }
    if manifest.name.is_empty() {
        return Err("it has no name".into());
    }
    for text in all {
        if text.len() > TEXT_BYTES || text.chars().any(char::is_control) {
            return Err(format!("a text is too long or not printable: {:.80}", text.escape_debug()));
        }
    }
    Ok(())
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), String> {
    if count > most { Err(format!("{count} {what}, at most {most}")) } else { Ok(()) }
}

fn at_least_one(what: &str, alternatives: &[String]) -> Result<(), String> {
    if alternatives.is_empty() {
        return Err(format!("{what} has no alternatives"));
    }
    at_most(&format!("alternatives of {what}"), alternatives.len(), ALTERNATIVES)
}

fn within(what: &str, value: u32, most: u32) -> Result<(), String> {
    if (1..=most).contains(&value) { Ok(()) } else { Err(format!("{what} is {value}, not 1 to {most}")) }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(format!("a {what} has no name"));
        }
        if !seen.insert(name) {
            return Err(format!("there are two {what}s {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Group, Join, Limits};

    fn probe(name: &str, role: Role) -> Probe {
        let correlation = if role == Role::Mark { Correlation::Goroutine } else { Correlation::Frame };
        let symbols = vec!["main.main".to_owned()];
        Probe { name: name.into(), symbols, span: "work".into(), role, correlation, ..Probe::default() }
    }

    #[test]
    fn says_what_each_role_may_have() {
        let keep = vec!["word".to_owned()];
        let words = Correlation::Words(vec!["word".to_owned()]);
        let publish = Some(Join::default());
        let (alias, rename, texts) = (keep.clone(), keep.clone(), keep.clone());
        for (probe, expected) in [
            (Probe { keep: keep.clone(), ..probe("start", Role::Start) }, "ok"),
            (Probe { keep: keep.clone(), ..probe("mark", Role::Mark) }, "ok"),
            (Probe { publish, ..probe("mark", Role::Mark) }, "ok"),
            (probe("mark", Role::Mark), "probe mark: a mark is for publish, keep, alias or rename"),
            (Probe { keep: keep.clone(), ..probe("end", Role::End) }, "probe end: keep is for a start"),
            (Probe { keep: keep.clone(), inherits: true, ..probe("mark", Role::Mark) }, "ok"),
            (Probe { alias: alias.clone(), ..probe("mark", Role::Mark) }, "ok"),
            (Probe { rename: rename.clone(), ..probe("mark", Role::Mark) }, "ok"),
            (Probe { alias: alias.clone(), ..probe("start", Role::Start) }, "probe start: alias is for a mark"),
            (Probe { rename: rename.clone(), ..probe("end", Role::End) }, "probe end: rename is for a mark"),
            (Probe { alias, rename, ..probe("mark", Role::Mark) }, "probe mark: it has both alias and rename"),
            (
                Probe { alias: vec!["word".to_owned(); 3], ..probe("mark", Role::Mark) },
                "probe mark: 3 words of alias, at most 2",
            ),
            (Probe { inherits: true, ..probe("event", Role::Event) }, "probe event: inherits is for a start"),
            (
                Probe { keep, inherits: true, correlation: words, ..probe("mark", Role::Mark) },
                "probe mark: a mark inherits by its goroutine",
            ),
            (
                Probe { if_mentioned: vec!["main.f".to_owned(); 17], ..probe("start", Role::Start) },
                "probe start: 17 functions to be mentioned, at most 16",
            ),
            (
                Probe { called_by: texts.clone(), ..probe("mark", Role::Mark) },
                "probe mark: a mark is for publish, keep, alias or rename",
            ),
            (
                Probe { called_by: texts, ..probe("start", Role::Start) },
                "probe start: called-by is for an entry that is not correlated by frame",
            ),
        ] {
            let manifest = Manifest {
                name: "test".into(),
                groups: vec![Group { name: "only".into(), ..Group::default() }],
                probes: vec![probe, self::probe("first", Role::Start)],
                limits: Limits { event_bytes: 1, open_seconds: 1 },
                ..Manifest::default()
            };
            let found = check(&manifest).err().unwrap_or_else(|| "ok".to_owned());
            assert_eq!(found, expected);
        }
    }
}
