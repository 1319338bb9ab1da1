//! Compares spans with what the programs know about themselves. Pure; every difference is one line of text.

use std::collections::HashMap;

use crate::journal::{Called, Handled, Sent, ServiceJournal};
use crate::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};

/// Starts of parent and child are measured by one clock, but turned into wall time one by one.
const CLOCK_SLACK: u64 = 1_000_000;
const LONGEST: u64 = 120_000_000_000;

/// What really happened. Paths are unique within a service and a kind of span.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The traced services; the load went to the first.
    pub services: Vec<ServiceJournal>,
    pub sent: Vec<Sent>,
}

/// Every difference between the two; empty if each request and each call is one span with the right status and parent.
pub fn problems(world: &World, spans: &[Span]) -> Vec<String> {
    let mut verdict = Verdict::new(spans);
    verdict.sent(world);
    let callers = callers(world);
    let sent: HashMap<&str, &Sent> = world.sent.iter().map(|sent| (sent.path.as_str(), sent)).collect();
    for service in &world.services {
        for handled in &service.handled {
            verdict.handled(service.pid, handled, callers.get(handled.path.as_str()), sent.get(handled.path.as_str()));
        }
        for called in &service.called {
            verdict.called(service.pid, called);
        }
    }
    verdict.rest(spans);
    verdict.problems
}

/// Which service called a path.
fn callers(world: &World) -> HashMap<&str, u32> {
    world
        .services
        .iter()
        .flat_map(|service| service.called.iter().map(|called| (called.path.as_str(), service.pid)))
        .collect()
}

struct Verdict<'s> {
    by_path: HashMap<(u32, u64, &'s str), Vec<&'s Span>>,
    expected: HashMap<(u32, u64, String), ()>,
    problems: Vec<String>,
}

impl<'s> Verdict<'s> {
    fn new(spans: &'s [Span]) -> Self {
        let mut by_path: HashMap<_, Vec<&Span>> = HashMap::new();
        for span in spans {
            by_path.entry((span.pid(), span.kind, span.path())).or_default().push(span);
        }
        Self { by_path, expected: HashMap::new(), problems: Vec::new() }
    }

    /// The programs must agree among themselves, or nothing can be expected of anybody.
    fn sent(&mut self, world: &World) {
        let Some(entry) = world.services.first() else { return };
        let statuses: HashMap<&str, i64> = entry.handled.iter().map(|line| (line.path.as_str(), line.status)).collect();
        for sent in &world.sent {
            match statuses.get(sent.path.as_str()) {
                Some(0) => {}
                Some(status) if *status == sent.status => {}
                None if !sent.error.is_empty() => {}
                other => self.say(format!("{} was answered {} and the service says {other:?}", sent.path, sent.status)),
            }
        }
    }

    fn handled(&mut self, pid: u32, handled: &Handled, caller: Option<&u32>, sent: Option<&&Sent>) {
        let Some(span) = self.one(pid, SERVER, &handled.path) else { return };
        let what = format!("server {}", handled.path);
        if handled.status != 0 {
            self.equal(&what, "status", span.integer("http.response.status_code"), Some(handled.status));
            self.equal(&what, "error", span.status == STATUS_ERROR, handled.status >= 500);
        }
        self.equal(&what, "method", span.text("http.request.method"), handled.method.as_str());
        self.times(&what, span);
        match (caller, sent.map(|sent| sent.traceparent.as_str()).unwrap_or_default()) {
            (Some(caller), _) => {
                if let Some(parent) = self.find(*caller, CLIENT, &handled.path) {
                    self.child_of(&what, span, parent);
                }
            }
            (None, "") => self.equal(&what, "parent", span.parent.as_str(), ""),
            (None, traceparent) => {
                let ids: Vec<&str> = traceparent.split('-').collect();
                self.equal(&what, "trace", Some(&span.trace.as_str()), ids.get(1));
                self.equal(&what, "parent", Some(&span.parent.as_str()), ids.get(2));
            }
        }
    }

    fn called(&mut self, pid: u32, called: &Called) {
        let Some(span) = self.one(pid, CLIENT, &called.path) else { return };
        let what = format!("client {}", called.path);
        self.equal(&what, "method", span.text("http.request.method"), called.method.as_str());
        if called.status == 0 {
            self.equal(&what, "status", span.integer("http.response.status_code"), None);
            self.equal(&what, "error", span.status, STATUS_ERROR);
            self.equal(&what, "error.type given", !span.text("error.type").is_empty(), true);
        } else {
            self.equal(&what, "status", span.integer("http.response.status_code"), Some(called.status));
            self.equal(&what, "error", span.status == STATUS_ERROR, called.status >= 400);
        }
        self.times(&what, span);
        if span.parent.is_empty() && (called.or_root || called.from.is_empty()) {
            return;
        }
        match self.find(pid, SERVER, &called.from) {
            Some(parent) if !called.from.is_empty() => self.child_of(&what, span, parent),
            _ => self.equal(&what, "parent", span.parent.as_str(), ""),
        }
    }

    fn child_of(&mut self, what: &str, span: &Span, parent: &Span) {
        self.equal(what, "parent", span.parent.as_str(), parent.id.as_str());
        self.equal(what, "trace", span.trace.as_str(), parent.trace.as_str());
        if span.start + CLOCK_SLACK < parent.start {
            self.say(format!("{what}: began {} ns before its parent", parent.start - span.start));
        }
    }

    fn times(&mut self, what: &str, span: &Span) {
        if span.end < span.start || span.end - span.start > LONGEST {
            self.say(format!("{what}: from {} to {}", span.start, span.end));
        }
    }

    /// The span of a path: there must be exactly one.
    fn one(&mut self, pid: u32, kind: u64, path: &str) -> Option<&'s Span> {
        let name = if kind == SERVER { "server" } else { "client" };
        if self.expected.insert((pid, kind, path.to_owned()), ()).is_some() {
            self.say(format!("{name} {path}: the programs used it twice, nothing can be told"));
        }
        let count = self.by_path.get(&(pid, kind, path)).map_or(0, Vec::len);
        if count != 1 {
            self.say(format!("{name} {path}: {count} spans"));
        }
        self.find(pid, kind, path)
    }

    fn find(&self, pid: u32, kind: u64, path: &str) -> Option<&'s Span> {
        self.by_path.get(&(pid, kind, path)).and_then(|spans| spans.first().copied())
    }

    /// Spans that nothing in the journals explains, and ids that are used twice.
    fn rest(&mut self, spans: &[Span]) {
        let mut ids = HashMap::new();
        for span in spans {
            if !self.expected.contains_key(&(span.pid(), span.kind, span.path().to_owned())) {
                self.say(format!("pid {} kind {} {}: nobody made this request", span.pid(), span.kind, span.path()));
            }
            if span.id.len() != 16 || span.trace.len() != 32 || ids.insert(&span.id, ()).is_some() {
                self.say(format!("{}: id {} in trace {} is malformed or used twice", span.path(), span.id, span.trace));
            }
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, field: &str, found: T, expected: T) {
        if found != expected {
            self.say(format!("{what}: {field} is {found:?}, not {expected:?}"));
        }
    }

    fn say(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;

    /// Two requests, each with one call to a second service.
    fn scene() -> (World, Vec<Span>) {
        let mut world = World::default();
        let mut spans = Vec::new();
        let (mut front, mut back) =
            (ServiceJournal { pid: 1, ..Default::default() }, ServiceJournal { pid: 2, ..Default::default() });
        for i in 0..2 {
            let (outer, inner) = (format!("/call/{i}"), format!("/plain/{i}"));
            world.sent.push(Sent {
                path: outer.clone(),
                status: 200,
                error: String::new(),
                traceparent: String::new(),
            });
            front.handled.push(Handled { method: "GET".into(), path: outer.clone(), status: 200 });
            back.handled.push(Handled { method: "GET".into(), path: inner.clone(), status: 200 });
            front.called.push(Called {
                method: "GET".into(),
                path: inner.clone(),
                status: 200,
                error: String::new(),
                from: outer.clone(),
                or_root: false,
            });
            spans.push(span(i, 1, SERVER, ("url.path", &outer), 0));
            spans.push(span(i, 2, CLIENT, ("url.full", &format!("http://127.0.0.1:1{inner}")), 1));
            spans.push(span(i, 3, SERVER, ("url.path", &inner), 2));
        }
        world.services = vec![front, back];
        (world, spans)
    }

    fn span(request: u64, number: u64, kind: u64, (key, path): (&str, &str), parent: u64) -> Span {
        let id = |number: u64| if number == 0 { String::new() } else { format!("{:016x}", request * 16 + number) };
        let attributes = [
            (key.to_owned(), path.into()),
            ("http.request.method".to_owned(), "GET".into()),
            ("http.response.status_code".to_owned(), 200.into()),
        ];
        Span {
            trace: format!("{:032x}", request + 1),
            id: id(number),
            parent: id(parent),
            kind,
            start: 10 + number,
            end: 20,
            attributes: attributes.into(),
            resource: [("process.pid".to_owned(), (if number == 3 { 2 } else { 1 }).into())].into(),
            ..Default::default()
        }
    }

    #[test]
    fn finds_nothing_where_all_is_right() {
        let (world, spans) = scene();
        assert_eq!(problems(&world, &spans), Vec::<String>::new());
    }

    #[test]
    fn notices_every_seeded_fault() {
        let (world, spans) = scene();
        let faults = faults::seeded(&spans);
        assert_eq!(faults.len(), faults::KINDS);
        for (name, faulty) in faults {
            assert!(!problems(&world, &faulty).is_empty(), "{name} went unnoticed");
        }
    }

    #[test]
    fn accepts_a_root_only_where_nothing_is_certain() {
        let (mut world, mut spans) = scene();
        spans[1].parent = String::new();
        spans[1].trace = format!("{:032x}", 77);
        spans[2].trace = format!("{:032x}", 77);
        assert_eq!(problems(&world, &spans).len(), 2);
        world.services[0].called[0].or_root = true;
        assert_eq!(problems(&world, &spans), Vec::<String>::new());
    }
}
