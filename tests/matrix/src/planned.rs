//! Compares what `uprobed plan` makes of a plugin's manifest with what the witness saw and with what the plugin is known to do without.
//! Why uprobed left something out is only repeated, never relied on.

use std::collections::BTreeSet;

use anyhow::Result;
use uprobed_binary::GoInfo;
use uprobed_matrix::plan::{Alternatives, Dropped, Manifest, Origin, Plan, PlannedProbe, Plans, Probe};
use uprobed_matrix::wanted::{Without, is_met};

use crate::check::Outcome;
use crate::witness::Witness;

#[cfg(test)]
mod tests;

/// The plan of what the host attaches itself, and the function whose call it looks for.
const HOST: &str = "uprobed";
const CALLED_BY_HOST_PROBE: &str = "runtime.runqput";

/// Of one binary.
pub struct Planned<'a> {
    pub plans: &'a Plans,
    pub go: &'a GoInfo,
    pub witness: &'a Witness,
    pub without: &'a Without,
    /// The linker kept no DWARF of this binary.
    pub stripped: bool,
}

/// What the witness says of a probe, or of all probes of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    There,
    /// A function that shows what the program uses, or whose calls are looked for, is copied somewhere; the witness does not say where.
    Unclear,
    Missing(String),
}

impl Planned<'_> {
    /// Only the library's own plugin is to be planned.
    pub fn check(&self, program: &str, outcome: &mut Outcome) -> Result<()> {
        let name = format!("uprobed/{program}");
        let mut seen = Seen::default();
        for plan in &self.plans.plugins {
            match self.plans.manifest(&plan.plugin) {
                Some(manifest) if manifest.name == name => self.plugin(plan, manifest, &mut seen, outcome)?,
                None if plan.plugin == HOST => self.host(plan, &mut seen, outcome),
                _ => outcome.mismatches.push(format!("{} has a plan, although nothing uses its library", plan.plugin)),
            }
        }
        if !self.plans.plugins.iter().any(|plan| plan.plugin == name) {
            let file = format!("{program}.wasm");
            let declined = self.plans.declined.iter().find(|declined| declined.plugin == file);
            let reason = declined.map_or("it was not loaded", |declined| &declined.reason);
            outcome.mismatches.push(format!("{name} is left out: {reason}"));
        }
        outcome.absent.extend(seen.absent);
        outcome.pruned.extend(seen.pruned);
        outcome.fields.extend(seen.fields);
        Ok(())
    }

    /// A profile may have had the call inlined at which the host's probe is.
    fn host(&self, plan: &Plan, seen: &mut Seen, outcome: &mut Outcome) {
        let may_be_left_out = self.witness.inlined.contains_key(CALLED_BY_HOST_PROBE);
        for skipped in plan.skipped.iter().filter(|_| !may_be_left_out) {
            outcome.mismatches.push(format!("the host's own {} is left out: {}", skipped.what, skipped.why));
        }
        for probe in &plan.probes {
            self.fields(probe, seen, outcome);
        }
    }

    fn plugin(&self, plan: &Plan, manifest: &Manifest, seen: &mut Seen, outcome: &mut Outcome) -> Result<()> {
        self.groups(plan, manifest, outcome)?;
        self.context_types(plan, manifest, outcome);
        for skipped in plan.skipped.iter().filter(|skipped| !is_of(manifest, &skipped.what)) {
            outcome.mismatches.push(format!("{}: {}", skipped.what, skipped.why));
        }
        for asked in &manifest.probes {
            let Some(probe) = plan.probe(&asked.name) else { continue };
            self.probe(probe, asked, outcome);
            self.captures(probe, asked, outcome);
            self.dropped(probe, asked, (plan, manifest), seen, outcome);
            self.fields(probe, seen, outcome);
        }
        Ok(())
    }

    /// A group is planned if the witness saw all of it, or else has to be one that the plugin is known to do without.
    fn groups(&self, plan: &Plan, manifest: &Manifest, outcome: &mut Outcome) -> Result<()> {
        for (index, (group, verdict)) in manifest.groups.iter().zip(self.verdicts(manifest)?).enumerate() {
            let probes: Vec<&Probe> = manifest.probes.iter().filter(|probe| probe.group == index).collect();
            let planned = probes.iter().filter(|probe| plan.probe(&probe.name).is_some()).count();
            let is_planned = planned == probes.len();
            let said = || {
                let names = probes.iter().map(|probe| format!("probe {}", probe.name));
                let skipped = names.chain([format!("group {}", group.name)]).filter_map(|what| plan.skipped(&what));
                skipped.map(|skipped| format!("{}: {}", skipped.what, skipped.why)).collect::<Vec<_>>().join("; ")
            };
            let problem = match (verdict, is_planned, self.without.group(&group.name, self.go)) {
                _ if planned > 0 && !is_planned => format!("is planned in part: {}", said()),
                (Verdict::Missing(why), true, _) => format!("is planned, although {why}"),
                (_, true, true) => "is planned, which was not expected".to_owned(),
                (Verdict::There, false, _) => format!("is left out, although its functions were seen: {}", said()),
                (_, false, false) => format!("is left out, which was not expected: {}", said()),
                _ => continue,
            };
            outcome.mismatches.push(format!("the group {} {problem}", group.name));
        }
        Ok(())
    }

    /// Of each group, with what hangs on those that it needs and on those that are required.
    fn verdicts(&self, manifest: &Manifest) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::There; manifest.groups.len()];
        for probe in &manifest.probes {
            let verdict = self.verdict(probe)?;
            verdicts[probe.group] = worse(&verdicts[probe.group], verdict);
        }
        for _ in 0..manifest.groups.len() {
            for (index, group) in manifest.groups.iter().enumerate() {
                for &needed in &group.needs {
                    verdicts[index] = worse(&verdicts[index], verdicts[needed].clone());
                }
            }
        }
        let required = manifest.groups.iter().zip(&verdicts).filter(|(group, _)| group.required);
        let all = required.fold(Verdict::There, |all, (_, verdict)| worse(&all, verdict.clone()));
        Ok(verdicts.into_iter().map(|verdict| worse(&verdict, all.clone())).collect())
    }

    fn verdict(&self, probe: &Probe) -> Result<Verdict> {
        for requirement in &probe.requires {
            if !is_met(&requirement.module, &requirement.versions, self.go)? {
                return Ok(Verdict::Missing(format!("{} is not {}", requirement.module, requirement.versions)));
            }
        }
        for names in [&probe.symbols, &probe.called_by] {
            if !names.is_empty() && self.first_seen(names).is_none() {
                return Ok(Verdict::Missing(format!("{} was not seen", names.join(", "))));
            }
        }
        let is_copied = |name: &String| self.witness.inlined.contains_key(name);
        if self.first_seen(&probe.called_by).is_some() && self.first_seen(&probe.symbols).is_some_and(is_copied) {
            return Ok(Verdict::Unclear);
        }
        if probe.if_mentioned.is_empty() || self.first_seen(&probe.if_mentioned).is_some() {
            return Ok(Verdict::There);
        }
        if probe.if_mentioned.iter().any(is_copied) {
            return Ok(Verdict::Unclear);
        }
        Ok(Verdict::Missing(format!("none of {} was seen", probe.if_mentioned.join(", "))))
    }

    /// The first of these functions that has code.
    fn first_seen<'n>(&self, names: &'n [String]) -> Option<&'n String> {
        names.iter().find(|name| self.witness.functions.contains_key(*name))
    }

    /// Left out are those without a descriptor, and those that the plugin is known to do without. The witness does not know all that have
    /// one: Go's linker writes no DWARF of some.
    fn context_types(&self, plan: &Plan, manifest: &Manifest, outcome: &mut Outcome) {
        for name in &manifest.context_types {
            let is_described = self.witness.described.contains(name);
            let problem =
                match (plan.skipped(&format!("context type {name}")), self.without.context_type(name, self.go)) {
                    (Some(skipped), false) if is_described => {
                        format!("is left out, although it was seen: {}", skipped.why)
                    }
                    (None, true) => "is followed, which was not expected".to_owned(),
                    _ => continue,
                };
            outcome.mismatches.push(format!("the context type {name} {problem}"));
        }
    }

    /// The function that is probed is the first that was seen, or its calls by another; and copies in callers were seen if there are said
    /// to be, of the one that has the site.
    fn probe(&self, probe: &PlannedProbe, asked: &Probe, outcome: &mut Outcome) {
        let (function, caller) = (self.first_seen(&asked.symbols), self.first_seen(&asked.called_by));
        let expected = match (function, caller) {
            (Some(function), Some(caller)) => format!("{function} by {caller}"),
            _ => function.cloned().unwrap_or_default(),
        };
        if probe.symbol != expected {
            outcome.mismatches.push(format!("the probe {} is at {}, not at {expected:?}", probe.name, probe.symbol));
        }
        let has_copies = caller.or(function).is_some_and(|name| self.witness.inlined.contains_key(name));
        if probe.bypass.is_some() != has_copies {
            outcome.mismatches.push(format!("copies of {} in callers were seen: {has_copies}", probe.symbol));
        }
    }

    /// Nothing that is asked for is lost without a word, and what the plugin is known to do without is not read.
    fn captures(&self, probe: &PlannedProbe, asked: &Probe, outcome: &mut Outcome) {
        for Alternatives { name, paths } in &asked.captures {
            let source = probe.captures.iter().find(|source| source.name == *name);
            for path in paths {
                let is_read = source.is_some_and(|source| source.paths.iter().any(|read| read.path == *path));
                let problem = match (is_read, is_dropped(probe, &format!("capture {name}"), path)) {
                    (true, false) if self.without.path(path, self.go) => "is read, which was not expected",
                    (true, false) | (false, true) => continue,
                    (false, false) => "is neither read nor left out",
                    (true, true) => "is read and left out",
                };
                outcome.mismatches.push(format!("{}: {path} of {name} {problem}", probe.name));
            }
        }
    }

    /// Every alternative that is not in this program is to be explained.
    fn dropped(
        &self,
        probe: &PlannedProbe,
        asked: &Probe,
        of: (&Plan, &Manifest),
        seen: &mut Seen,
        outcome: &mut Outcome,
    ) {
        for dropped in &probe.dropped {
            let Dropped { what, path, why } = dropped;
            if self.without.path(path, self.go)
                || self.is_of_another_module(path)
                || hangs_on_a_binding(path, probe, asked)
                || is_kept_nowhere(path, asked, of)
            {
                seen.absent.insert(path.clone());
            } else {
                outcome.mismatches.push(format!("{}: {what} is without {path}: {why}", probe.name));
            }
        }
    }

    /// Whether a type on the way is of a module that is not linked.
    fn is_of_another_module(&self, path: &str) -> bool {
        let types = path.split(".(").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.trim_start_matches('*')));
        let packages = types.filter_map(|ty| Some(ty.rsplit_once('.')?.0));
        let is_standard = |package: &str| !package.split('/').next().is_some_and(|first| first.contains('.'));
        let is_linked = |package: &str| {
            let mut modules = self.go.modules.iter().filter_map(|module| package.strip_prefix(&module.path));
            modules.any(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        packages.into_iter().any(|package| !is_standard(package) && !is_linked(package))
    }

    fn fields(&self, probe: &PlannedProbe, seen: &mut Seen, outcome: &mut Outcome) {
        for planned in &probe.fields {
            let path = format!("{}.{}", planned.struct_type, planned.field);
            let known = self.witness.structs.get(&planned.struct_type).into_iter().flatten();
            let mut fields = known.flat_map(|known| &known.fields);
            if !fields.any(|field| field.name == planned.field && field.offset == planned.offset) {
                let (offset, origin) = (planned.offset, planned.origin);
                outcome.mismatches.push(format!("{}: {path} is not at {offset} ({origin:?})", probe.name));
                continue;
            }
            let has_descriptor = self.witness.described.contains(&planned.struct_type);
            if planned.origin == Origin::Table && self.stripped && !has_descriptor {
                seen.pruned.insert(path);
            } else {
                seen.fields.insert(path);
            }
        }
    }
}

/// What several probes may go through.
#[derive(Default)]
struct Seen {
    fields: BTreeSet<String>,
    pruned: BTreeSet<String>,
    absent: BTreeSet<String>,
}

fn worse(one: &Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Missing(_), _) => one.clone(),
        (Verdict::Unclear, Verdict::There) => Verdict::Unclear,
        (_, other) => other,
    }
}

/// Whether it is spoken of elsewhere: a probe, a group or a context type.
fn is_of(manifest: &Manifest, what: &str) -> bool {
    let is_named = |kind: &str, name: &str| what.strip_prefix(kind) == Some(name);
    manifest.probes.iter().any(|probe| is_named("probe ", &probe.name))
        || manifest.groups.iter().any(|group| is_named("group ", &group.name))
        || manifest.context_types.iter().any(|name| is_named("context type ", name))
}

fn is_dropped(probe: &PlannedProbe, what: &str, path: &str) -> bool {
    probe.dropped.iter().any(|dropped| dropped.what == what && dropped.path == path)
}

/// Whether it begins with a binding of which no alternative is left; these have to be explained themselves.
fn hangs_on_a_binding(path: &str, probe: &PlannedProbe, asked: &Probe) -> bool {
    let root = path.split(['.', '[']).next().unwrap_or(path);
    let binding = asked.bindings.iter().rfind(|binding| binding.name == root);
    binding.is_some_and(|Alternatives { name, paths }| {
        paths.iter().all(|path| is_dropped(probe, &format!("binding {name}"), path))
    })
}

/// Whether it begins with what no planned probe of the span keeps.
fn is_kept_nowhere(path: &str, asked: &Probe, (plan, manifest): (&Plan, &Manifest)) -> bool {
    let Some(rest) = path.strip_prefix("kept.") else { return false };
    let name = rest.split(['.', '[']).next().unwrap_or(rest);
    let mut planned = manifest.probes.iter().filter(|probe| plan.probe(&probe.name).is_some());
    !planned.any(|probe| probe.span == asked.span && probe.keep.iter().any(|kept| kept == name))
}
