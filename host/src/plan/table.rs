//! A plan for people, in 120 columns. For programs, a plan is serialized as it is.

use super::{CaptureSource, Plan, PlannedProbe, disassemble};
use crate::binary::{Cost, Site};
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

const WIDTH: usize = 120;

/// `verbose` adds the capture programs.
pub fn table(plan: &Plan, verbose: bool, colour: bool) -> String {
    let mut table = Table { text: String::new(), colour };
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let warn = AnsiColor::Yellow.on_default();
    let title = format!("{} {}", plan.plugin, plan.version);
    let sites: usize = plan.probes.iter().map(|probe| probe.sites.len()).sum();
    let counts = format!("  {}, {}", count(plan.probes.len(), "probe"), count(sites, "site"));
    table.line(&[(bold, &title), (dim, &counts)]);
    for probe in &plan.probes {
        table.probe(probe, verbose);
    }
    if !plan.context_types.is_empty() {
        let text = format!("follows contexts through {}", count(plan.context_types.len(), "type"));
        table.line(&[]);
        table.line(&[(dim, &text)]);
    }
    if !plan.skipped.is_empty() {
        table.line(&[]);
        table.line(&[(warn.bold(), "left out")]);
        let width =
            plan.skipped.iter().map(|skipped| skipped.what.to_string().chars().count()).max().unwrap_or(0).min(40);
        for skipped in &plan.skipped {
            table.wrapped(warn, &format!("  {:<width$}  ", skipped.what.to_string()), &skipped.why.to_string());
        }
    }
    table.text
}

/// A text of one thought, in as many lines as it takes.
pub fn wrapped(left: &str, text: &str) -> String {
    let mut table = Table { text: String::new(), colour: false };
    table.wrapped(Style::new(), left, text);
    table.text.trim_end().to_owned()
}

struct Table {
    text: String,
    colour: bool,
}

impl Table {
    fn probe(&mut self, probe: &PlannedProbe, verbose: bool) {
        let (bold, dim, plain) = (Style::new().bold(), Style::new().dimmed(), Style::new());
        let role = match probe.role {
            Some(role) => format!("{role:?} {}", probe.span).to_lowercase(),
            None => "runtime".to_owned(),
        };
        self.line(&[]);
        let bytes = if probe.bytes == 0 { String::new() } else { format!("  at most {} bytes", probe.bytes) };
        let head = [(bold, format!("{:<24}", probe.name)), (plain, format!(" {role:<20}"))];
        self.line(&[(head[0].0, &head[0].1), (head[1].0, &head[1].1), (plain, &probe.symbol), (dim, &bytes)]);
        for site in &probe.sites {
            let (style, cost) = cost(site);
            let at = format!("  {:#x}  {:<36}", site.address, site.instruction);
            self.line(&[(plain, &at), (style, cost)]);
        }
        if let Some(bypass) = &probe.bypass {
            let calls = format!("also inlined: calls in {bypass} are not seen");
            self.wrapped(AnsiColor::Yellow.on_default(), "    ! ", &calls);
        }
        let name = probe.captures.iter().map(|capture| capture.name.chars().count()).max().unwrap_or(0).min(28);
        for capture in &probe.captures {
            self.capture(capture, name);
        }
        for dropped in &probe.dropped {
            self.wrapped(dim, &format!("    - {}: {}: ", dropped.what, dropped.path), &dropped.why);
        }
        if verbose {
            for line in disassemble(&probe.program).lines() {
                self.line(&[(dim, &format!("    {line}"))]);
            }
        }
    }

    fn capture(&mut self, capture: &CaptureSource, width: usize) {
        let (plain, dim, warn) = (Style::new(), Style::new().dimmed(), AnsiColor::Yellow.on_default());
        if capture.paths.is_empty() {
            self.line(&[(plain, &format!("    {:<width$}  ", capture.name)), (warn, "absent from this program")]);
        }
        for (index, source) in capture.paths.iter().enumerate() {
            let name = if index == 0 { capture.name.as_str() } else { "or" };
            let origins: Vec<String> = source.origins.iter().map(ToString::to_string).collect();
            let left = format!("    {name:<width$}  {}", source.path);
            let offsets = format!("  {}", source.offsets);
            let pad = if offsets.chars().count() + 64 > WIDTH { 0 } else { 60 };
            self.line(&[(plain, &format!("{left:<pad$}")), (dim, &format!("{offsets}  {}", origins.join(", ")))]);
        }
    }

    /// A text that goes on under itself where it would be too wide.
    fn wrapped(&mut self, style: Style, left: &str, text: &str) {
        let indent = left.chars().count().min(WIDTH / 2);
        let mut line = left.to_owned();
        let mut is_empty = true;
        for word in text.split(' ') {
            if !is_empty && line.chars().count() + word.chars().count() >= WIDTH {
                self.line(&[(style, line.trim_end())]);
                line = " ".repeat(indent);
            }
            line.push_str(word);
            line.push(' ');
            is_empty = false;
        }
        self.line(&[(style, line.trim_end())]);
    }

    fn line(&mut self, parts: &[(Style, &str)]) {
        let last = parts.len().saturating_sub(1);
        for (index, (style, text)) in parts.iter().enumerate() {
            let text = if index == last { text.trim_end() } else { text };
            // Writing to a String cannot fail.
            let _ = if self.colour { write!(self.text, "{style}{text}{style:#}") } else { write!(self.text, "{text}") };
        }
        self.text.push('\n');
    }
}

/// On x86-64 a hit of an emulated instruction was measured at 0.5 us, of a single-stepped one at 3 us; in a virtual machine whose
/// hypervisor is told of each debug exception (KVM), at 15 us.
fn cost(site: &Site) -> (Style, &'static str) {
    match site.cost {
        Cost::Emulated => (AnsiColor::Green.on_default(), "emulated"),
        Cost::Stepped => (AnsiColor::Yellow.on_default(), "single-stepped"),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
