//! Builders for the manifest's records: what is left out is empty.

use crate::{
    Binding, Capture, Correlation, Declaration, Endpoint, Group, Join, KnownOffset, Limits, Manifest, Probe,
    Requirement, Role, SettingKind, Site, names::SCHEMA_URL,
};

impl Probe {
    /// At every call of a function. `symbols` are alternatives; `arguments` are its parameters, receiver first.
    pub fn entry(name: &str, symbols: &[&str], arguments: &str) -> Self {
        Self {
            name: name.into(),
            group: 0,
            symbols: owned(symbols),
            if_mentioned: Vec::new(),
            requires: Vec::new(),
            site: Site::Entry,
            called_by: Vec::new(),
            role: Role::Mark,
            span: String::new(),
            correlation: Correlation::Goroutine,
            arguments: arguments.into(),
            bindings: Vec::new(),
            only_if: Vec::new(),
            captures: Vec::new(),
            keep: Vec::new(),
            alias: Vec::new(),
            rename: Vec::new(),
            parent_context: None,
            own_context: None,
            traceparent: None,
            current: false,
            inherits: false,
            publish: None,
            adopt: None,
        }
    }

    /// At every return of a function; `results` are what it returns.
    pub fn returns(name: &str, symbols: &[&str], results: &str) -> Self {
        Self { site: Site::Return, ..Self::entry(name, symbols, results) }
    }

    /// Not in the function, but at its direct calls by the first of these that exists.
    pub fn called_by(mut self, callers: &[&str]) -> Self {
        self.called_by = owned(callers);
        self
    }

    /// Only in a program that has one of these functions, be it inlined into another package's.
    pub fn if_mentioned(mut self, functions: &[&str]) -> Self {
        self.if_mentioned = owned(functions);
        self
    }

    /// Only where the module has one of these versions: `requires("std", ">=1.22")`. All that are said have to hold.
    pub fn requires(mut self, module: &str, versions: &str) -> Self {
        self.requires.push(Requirement { module: module.into(), versions: versions.into() });
        self
    }

    /// Puts it into a group, by the group's index.
    pub fn group(mut self, group: u32) -> Self {
        self.group = group;
        self
    }

    /// A span of this kind begins.
    pub fn starts(self, span: &str, correlation: Correlation) -> Self {
        self.means(Role::Start, span, correlation)
    }

    /// The open span of this kind that the correlation finds ends.
    pub fn ends(self, span: &str, correlation: Correlation) -> Self {
        self.means(Role::End, span, correlation)
    }

    /// Something happened within the open span of this kind that the correlation finds.
    pub fn within(self, span: &str, correlation: Correlation) -> Self {
        self.means(Role::Event, span, correlation)
    }

    /// Nothing is recorded; for `publish`, `keep`, `alias` and `rename`.
    pub fn marks(self, span: &str, correlation: Correlation) -> Self {
        self.means(Role::Mark, span, correlation)
    }

    fn means(self, role: Role, span: &str, correlation: Correlation) -> Self {
        Self { role, span: span.into(), correlation, ..self }
    }

    /// Names a value that other paths can begin with; the paths are alternatives.
    pub fn bind(mut self, name: &str, paths: &[&str]) -> Self {
        self.bindings.push(Binding { name: name.into(), paths: owned(paths) });
        self
    }

    /// Names the TCP connection behind a `net.Conn`, itself or below TLS, `tcp`, and its ends as [`ends_of_tcp`](Self::ends_of_tcp)
    /// does; the paths are alternatives.
    pub fn tcp(self, connections: &[&str]) -> Self {
        let below =
            |path: &&str| [format!("{path}.(*net.TCPConn)"), format!("{path}.(*crypto/tls.Conn).conn.(*net.TCPConn)")];
        let paths: Vec<String> = connections.iter().flat_map(below).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        self.bind("tcp", &paths).ends_of_tcp()
    }

    /// Names the ends of the connection `tcp`: `local` and `remote`, each with `IP` and `Port`.
    pub fn ends_of_tcp(self) -> Self {
        self.bind("local", &["tcp.conn.fd.laddr.(*net.TCPAddr)"]).bind("remote", &["tcp.conn.fd.raddr.(*net.TCPAddr)"])
    }

    pub fn only_if(mut self, paths: &[&str]) -> Self {
        self.only_if = owned(paths);
        self
    }

    /// What `captures!` declared.
    pub fn captures(mut self, captures: Vec<Capture>) -> Self {
        self.captures = captures;
        self
    }

    pub fn keep(mut self, names: &[&str]) -> Self {
        self.keep = owned(names);
        self
    }

    /// One or two words by which the span is found from now on, too.
    pub fn alias(mut self, paths: &[&str]) -> Self {
        self.alias = owned(paths);
        self
    }

    /// One or two words by which alone the span is found from now on; it is then current nowhere.
    pub fn rename(mut self, paths: &[&str]) -> Self {
        self.rename = owned(paths);
        self
    }

    pub fn parent_context(mut self, path: &str) -> Self {
        self.parent_context = Some(path.into());
        self
    }

    pub fn own_context(mut self, path: &str) -> Self {
        self.own_context = Some(path.into());
        self
    }

    /// The capture of this name holds a `traceparent`. Comes after `captures`.
    pub fn traceparent(mut self, name: &str) -> Self {
        let index = self.captures.iter().position(|capture| capture.name == name);
        self.traceparent =
            Some(index.and_then(|index| index.try_into().ok()).expect("a capture of that name comes before"));
        self
    }

    /// Later starts on the goroutine are children of this span.
    pub fn current(mut self) -> Self {
        self.current = true;
        self
    }

    /// The span may be the child of an open span of its own process; a mark may find the span that was open where its goroutine was
    /// made.
    pub fn inherits(mut self) -> Self {
        self.inherits = true;
        self
    }

    pub fn publish(mut self, join: Join) -> Self {
        self.publish = Some(join);
        self
    }

    pub fn adopt(mut self, join: Join) -> Self {
        self.adopt = Some(join);
        self
    }
}

/// The standard library's contexts whose parent is their first field. That are all of them since Go 1.21, before all but 1.20's `timerCtx`;
/// `stopCtx` stands between a context and a foreign parent with `AfterFunc`.
const CONTEXT_TYPES: [&str; 5] =
    ["*context.cancelCtx", "*context.valueCtx", "*context.timerCtx", "context.withoutCancelCtx", "context.stopCtx"];

impl Manifest {
    /// Of a plugin for a Go library: contexts of the standard library are followed, and spans are given up after an hour. What it is for,
    /// and its groups, are the plugin's to add.
    pub fn for_go(name: &str, version: &str, probes: Vec<Probe>, keys: &[&str]) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            schema_url: Some(SCHEMA_URL.into()),
            library: String::new(),
            library_versions: String::new(),
            modules: Vec::new(),
            context_types: owned(&CONTEXT_TYPES),
            groups: Vec::new(),
            probes,
            offsets: Vec::new(),
            keys: owned(keys),
            limits: Limits { event_bytes: 4096, open_seconds: 3600 },
            capabilities: Vec::new(),
        }
    }
}

impl Join {
    /// Both ends of a connection, as paths to values with the fields `IP` and `Port`.
    pub fn tcp(channel: &str, local: &str, remote: &str) -> Self {
        let endpoint = |end: &str| Endpoint { address: format!("{end}.IP"), port: format!("{end}.Port") };
        Self { channel: channel.into(), local: endpoint(local), remote: endpoint(remote), stream: None }
    }

    /// One of the connection's streams, by a path to its number.
    pub fn stream(self, path: &str) -> Self {
        Self { stream: Some(path.into()), ..self }
    }
}

impl Group {
    /// Left out alone if it cannot be attached.
    pub fn optional(name: &str) -> Self {
        Self { name: name.into(), required: false, needs: Vec::new() }
    }

    /// Left out without any of these groups, by their indices.
    pub fn needs(mut self, groups: &[u32]) -> Self {
        self.needs = groups.into();
        self
    }
}

impl KnownOffset {
    /// Where `field` of `struct_type` is, in bytes, in these versions of a module; `field_type` as in a parameter list.
    pub fn new(struct_type: &str, field: &str, field_type: &str, offset: u32, module: &str, versions: &str) -> Self {
        Self {
            struct_type: struct_type.into(),
            field: field.into(),
            field_type: field_type.into(),
            offset,
            requires: Requirement { module: module.into(), versions: versions.into() },
        }
    }
}

impl Correlation {
    /// By one or two paths to words.
    pub fn words(paths: &[&str]) -> Self {
        Self::Words(owned(paths))
    }
}

impl Declaration {
    /// `default` is what holds where it is not set, `about` what it does, both for people.
    pub fn new(key: &str, kind: SettingKind, default: &str, about: &str) -> Self {
        Self { key: key.into(), kind, default: default.into(), about: about.into() }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).into()).collect()
}
