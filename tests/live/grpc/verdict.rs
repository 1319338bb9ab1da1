//! Compares the spans with what the programs know about themselves: every call, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use uprobed_tests::otlp::{CLIENT, SERVER, STATUS_ERROR, Span};

use crate::shop::{Called, Journal, Served};

/// As the conventions have them, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// A server's own failures.
const SERVER_ERRORS: [i64; 6] = [2, 4, 12, 13, 14, 15];
const CANCELLED: i64 = 1;
const DEADLINE_EXCEEDED: i64 = 4;
/// What a server says of a call whose client is gone.
const GIVEN_UP: [&str; 2] = ["CANCELLED", "DEADLINE_EXCEEDED"];
const UNIMPLEMENTED: i64 = 12;
const UNAVAILABLE: i64 = 14;

pub struct World<'a> {
    pub front: &'a Journal,
    pub server: &'a Journal,
    /// Whether the server's end of a connection says where it is: not behind `net/http`.
    pub is_joined: bool,
}

/// What is wrong with the spans of the gRPC plugin, each in a line.
pub fn problems(world: &World<'_>, spans: &[Span]) -> Vec<String> {
    let mut judge = Judge::new(spans);
    let of_requests: HashMap<&str, &Span> = (spans.iter())
        .filter(|span| span.scope == "uprobed/http" && span.pid() == world.front.pid && span.kind == SERVER)
        .map(|span| (span.path(), span))
        .collect();
    for called in &world.front.called {
        match of_requests.get(called.from.as_str()) {
            Some(request) => judge.client(world.front.pid, called, request),
            None => judge.problems.push(format!("no span for the request {}", called.from)),
        }
    }
    let nobody: Vec<Called> = world.front.called.iter().filter(|called| is_unknown(called)).cloned().collect();
    let unknown = nobody.iter().map(|called| Served {
        id: called.id.clone(),
        method: called.method.clone(),
        code: UNIMPLEMENTED,
    });
    let front_calls = by_key(&world.front.called);
    for served in world.server.served.iter().cloned().chain(unknown).filter(|served| !served.id.ends_with("-nested")) {
        judge.server(world, &served, &front_calls);
    }
    for called in &world.server.called {
        let outer = called.from.trim_start_matches("grpc ");
        let call = judge.calls.get(&key(outer, &called.method));
        let handler = call.and_then(|call| judge.children_of(&call.id).find(|span| span.kind == SERVER));
        match handler {
            Some(handler) => judge.client(world.server.pid, called, handler),
            None => judge.problems.push(format!("no span for the call {outer} that {} was made for", called.id)),
        }
    }
    let server_calls = by_key(&world.server.called);
    for served in world.server.served.iter().filter(|served| served.id.ends_with("-nested")) {
        judge.server(world, served, &server_calls);
    }
    let served: BTreeSet<_> = world.server.served.iter().map(|served| key(&served.id, &served.method)).collect();
    let is_given_up = |called: &&Called| {
        [CANCELLED, DEADLINE_EXCEEDED].contains(&called.code)
            && !called.from.starts_with("/late/")
            && !served.contains(&key(&called.id, &called.method))
    };
    judge.rest(world.front.called.iter().filter(is_given_up).count());
    judge.problems
}

/// Calls by id and method.
type Calls<'a> = HashMap<(String, String), &'a Called>;

fn by_key(calls: &[Called]) -> Calls<'_> {
    calls.iter().map(|called| (key(&called.id, &called.method), called)).collect()
}

struct Judge<'a> {
    spans: &'a [Span],
    /// Those of the gRPC plugin, by their parents.
    children: HashMap<&'a str, Vec<&'a Span>>,
    /// Ids of spans that have their call.
    used: BTreeSet<&'a str>,
    /// The client's span of a call, by id and method.
    calls: HashMap<(String, String), &'a Span>,
    problems: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(spans: &'a [Span]) -> Self {
        let mut children: HashMap<&'a str, Vec<&'a Span>> = HashMap::new();
        for span in spans.iter().filter(|span| span.scope == "uprobed/grpc") {
            children.entry(&span.parent).or_default().push(span);
        }
        Self { spans, children, used: BTreeSet::new(), calls: HashMap::new(), problems: Vec::new() }
    }

    fn children_of(&self, parent: &str) -> impl Iterator<Item = &'a Span> {
        self.children.get(parent).into_iter().flatten().copied()
    }

    fn client(&mut self, pid: u32, called: &Called, parent: &Span) {
        let mine: Vec<&'a Span> = (self.children_of(&parent.id))
            .filter(|span| span.kind == CLIENT && span.pid() == pid && method(span) == called.method)
            .collect();
        let [span] = mine[..] else {
            return self.problems.push(format!("{} spans for {called:?}", mine.len()));
        };
        self.used.insert(&span.id);
        self.calls.insert(key(&called.id, &called.method), span);
        let (host, port) = address(&called.target);
        let mut expected = BTreeMap::from([
            ("rpc.method", Value::from(called.method.as_str())),
            ("rpc.system.name", "grpc".into()),
            ("rpc.response.status_code", code(called.code).into()),
            ("server.address", host.into()),
            ("server.port", port.into()),
        ]);
        // A call that failed so may have had no connection yet.
        let may_be_unsent = [CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE].contains(&called.code);
        if !may_be_unsent || span.attributes.contains_key("network.peer.address") {
            expected.extend([("network.peer.address", host.into()), ("network.peer.port", port.into())]);
        }
        self.compare(span, &called.method, expected, called.code, called.code != 0);
        if span.trace != parent.trace {
            self.problems.push(format!("another trace than its parent's: {}", shown(span)));
        }
    }

    fn server(&mut self, world: &World<'_>, served: &Served, calls: &Calls<'_>) {
        let Some(called) = calls.get(&key(&served.id, &served.method)).copied() else {
            return self.problems.push(format!("nobody called {served:?}"));
        };
        let Some(client) = self.calls.get(&key(&served.id, &served.method)).copied() else {
            return self.problems.push(format!("no client's span for {served:?}"));
        };
        let text = code(served.code);
        let parent = called.traceparent.split('-').nth(2).unwrap_or(&client.id);
        let roots =
            self.children_of("").filter(|span| called.traceparent.is_empty() && may_be_root(world, span, client));
        let span = self.children_of(parent).chain(roots).find(|span| {
            span.kind == SERVER
                && span.pid() == world.server.pid
                && method(span) == served.method
                && span.text("rpc.response.status_code") == text
                && !self.used.contains(span.id.as_str())
        });
        let Some(span) = span else {
            return self.problems.push(format!("no span for {served:?}, whose client is {}", shown(client)));
        };
        self.used.insert(&span.id);
        let (host, port) = address(&called.target);
        let mut expected = BTreeMap::from([
            ("rpc.method", Value::from(served.method.as_str())),
            ("rpc.system.name", "grpc".into()),
            ("rpc.response.status_code", text.as_str().into()),
            ("server.address", host.into()),
            ("server.port", port.into()),
            ("network.peer.address", host.into()),
            // The client's port is its own affair.
            ("network.peer.port", span.integer("network.peer.port").unwrap_or(-1).into()),
        ]);
        let mut name = served.method.as_str();
        if is_unknown(called) {
            name = "grpc";
            expected.extend([("rpc.method", "_OTHER".into()), ("rpc.method_original", served.method.as_str().into())]);
        }
        self.compare(span, name, expected, served.code, SERVER_ERRORS.contains(&served.code));
        let trace = called.traceparent.split('-').nth(1).unwrap_or(&client.trace);
        if !span.parent.is_empty() && span.trace != trace {
            self.problems.push(format!("another trace than its parent's: {}", shown(span)));
        }
    }

    fn compare(&mut self, span: &Span, name: &str, mut expected: BTreeMap<&str, Value>, number: i64, is_error: bool) {
        if is_error {
            expected.insert("error.type", code(number).into());
        }
        let found: BTreeMap<&str, Value> =
            span.attributes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        if found != expected || span.name != name || (span.status == STATUS_ERROR) != is_error || span.end < span.start
        {
            self.problems.push(format!("expected {name} {expected:?} error={is_error}, found {}", shown(span)));
        }
    }

    /// Spans that belong to no call. So many calls were given up before the server's own code saw them, and may have one.
    fn rest(&mut self, given_up: usize) {
        let of_grpc = || self.spans.iter().filter(|span| span.scope == "uprobed/grpc");
        let (late, rest): (Vec<&Span>, Vec<&Span>) = of_grpc()
            .filter(|span| !self.used.contains(span.id.as_str()))
            .partition(|span| span.kind == SERVER && GIVEN_UP.contains(&span.text("rpc.response.status_code")));
        let (spans, calls) = (of_grpc().count() - late.len(), self.used.len());
        if spans > calls || late.len() > given_up {
            let shown = rest.first().or(late.first()).map_or("one of the others, twice".into(), |span| shown(span));
            self.problems
                .push(format!("{spans} spans of {calls} calls, {} of {given_up} given up: {shown}", late.len()));
        }
    }
}

/// Who had given up before the server began cannot be its parent. Behind `net/http` nothing joins the two.
fn may_be_root(world: &World<'_>, span: &Span, client: &Span) -> bool {
    !world.is_joined || span.start > client.end
}

fn shown(span: &Span) -> String {
    format!(
        "{} kind={} id={} parent={} status={} {:?}",
        span.name, span.kind, span.id, span.parent, span.status, span.attributes
    )
}

/// The method that was called, also where nobody has it.
fn method(span: &Span) -> &str {
    match span.text("rpc.method_original") {
        "" => span.text("rpc.method"),
        original => original,
    }
}

fn is_unknown(called: &Called) -> bool {
    called.method.contains("Nothing")
}

fn key(id: &str, method: &str) -> (String, String) {
    (id.to_owned(), method.to_owned())
}

fn code(number: i64) -> String {
    usize::try_from(number)
        .ok()
        .and_then(|number| CODES.get(number))
        .map_or(number.to_string(), |name| (*name).to_owned())
}

/// The loopback address and port at the end of a target.
fn address(target: &str) -> (&str, i64) {
    let address = target.rsplit('/').next().unwrap_or(target);
    let (host, port) = address.split_once(':').unwrap_or((address, ""));
    (host, port.parse().unwrap_or(-1))
}
