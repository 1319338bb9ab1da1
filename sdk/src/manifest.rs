//! Builders for the manifest's records: what is left out is empty.

use crate::{
    Binding, Capture, Correlation, Declaration, Endpoint, Group, Join, KnownOffset, Probe, Requirement, Role,
    SettingKind, Site,
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

impl Join {
    /// Both ends of a connection, as paths to values with the fields `IP` and `Port`.
    pub fn tcp(channel: &str, local: &str, remote: &str) -> Self {
        let endpoint = |end: &str| Endpoint { address: format!("{end}.IP"), port: format!("{end}.Port") };
        Self { channel: channel.into(), local: endpoint(local), remote: endpoint(remote), stream: None }
    }
}

impl Join {
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
