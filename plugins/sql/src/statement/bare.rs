//! Where a word without quotes may be a value: a password, a setting, an argument, data.
//!
//! Nearly always such words are keywords and names. Where one may be a value, nothing more is shown. Statements that are not known here
//! may hold values anywhere: T-SQL calls a procedure by its name alone.

use crate::statement::dialect::Dialect;
use crate::statement::is_any;
use crate::statement::lexer::Kind;

/// Looks at tokens one after another.
#[derive(Debug)]
pub struct Guard {
    dialect: Dialect,
    state: State,
    statement: Statement,
    after: After,
    /// What comes after `=` or `TO` is a setting's value.
    is_setting: bool,
    /// After `IDENTIFIED` comes `BY` and a password, after `VIRTUAL` comes `USING` and what only a module can read.
    is_value_near: bool,
    has_update: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    /// Words may come first that say how to explain.
    Explained,
    /// What is created or altered comes.
    Object,
    /// Words are keywords and names.
    Names,
    /// Words may be values, but for these, and a name.
    Values(&'static [&'static str], Name),
    /// Only data may come, after a `;`.
    Data,
}

/// The name that a statement begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Wanted,
    /// More comes after a dot.
    Open,
    Done,
}

/// As far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statement {
    /// `SET` in it sets columns.
    Data,
    Insert,
    Set,
    /// `CREATE`, `ALTER`.
    Definition,
    Copy,
    Other,
}

/// What was there just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Other,
    Dot,
    Marker,
    /// `CHARACTER`, of `CHARACTER SET`.
    Character,
    Set,
    Format,
    Default,
    /// What has a value after it.
    Value,
}

const DATA: [&str; 10] =
    ["select", "upsert", "update", "delete", "merge", "replace", "with", "values", "table", "from"];
/// Further statements in which words are keywords and names.
const OF_NAMES: [&str; 48] = [
    "begin",
    "start",
    "commit",
    "rollback",
    "savepoint",
    "release",
    "end",
    "abort",
    "drop",
    "truncate",
    "rename",
    "show",
    "use",
    "grant",
    "revoke",
    "deny",
    "lock",
    "unlock",
    "listen",
    "unlisten",
    "notify",
    "declare",
    "fetch",
    "close",
    "move",
    "prepare",
    "deallocate",
    "discard",
    "reset",
    "analyze",
    "vacuum",
    "reindex",
    "cluster",
    "checkpoint",
    "comment",
    "refresh",
    "optimize",
    "kill",
    "flush",
    "load",
    "do",
    "if",
    "while",
    "print",
    "throw",
    "waitfor",
    "detach",
    "xa",
];
/// Objects that know no passwords, and what may stand before them.
const OBJECTS: [&str; 17] = [
    "table",
    "view",
    "index",
    "schema",
    "sequence",
    "function",
    "procedure",
    "proc",
    "trigger",
    "type",
    "extension",
    "domain",
    "rule",
    "policy",
    "package",
    "event",
    "constraint",
];
const BEFORE_OBJECTS: [&str; 19] = [
    "or",
    "replace",
    "alter",
    "unique",
    "temporary",
    "temp",
    "unlogged",
    "global",
    "local",
    "virtual",
    "materialized",
    "external",
    "foreign",
    "recursive",
    "clustered",
    "nonclustered",
    "fulltext",
    "spatial",
    "transient",
];
/// Keywords of statements about users and the like.
const OF_USERS: [&str; 25] = [
    "user",
    "role",
    "login",
    "group",
    "database",
    "link",
    "public",
    "server",
    "session",
    "system",
    "subscription",
    "credential",
    "mapping",
    "for",
    "if",
    "not",
    "exists",
    "with",
    "identified",
    "by",
    "identity",
    "encrypted",
    "password",
    "connection",
    "set",
];
const OF_ATTACH: [&str; 5] = ["database", "if", "not", "exists", "as"];
const OF_CALLS: [&str; 6] = ["null", "default", "output", "out", "using", "as"];
/// Values that say nothing.
const PLAIN: [&str; 4] = ["null", "default", "on", "off"];
const PLAIN_DEFAULTS: [&str; 4] = ["null", "current_timestamp", "current_date", "current_time"];

impl Guard {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            state: State::Begin,
            statement: Statement::Other,
            after: After::Other,
            is_setting: false,
            is_value_near: false,
            has_update: false,
        }
    }

    /// Whether this token can be shown; if not, nothing that follows can.
    pub fn shows(&mut self, kind: Kind, text: &[u8]) -> bool {
        match kind {
            Kind::Word | Kind::Quoted => {
                let word = if kind == Kind::Word { text } else { b"" };
                let after = std::mem::replace(&mut self.after, After::Other);
                match self.state {
                    State::Begin | State::Explained => self.first(word),
                    State::Object => self.object(word),
                    State::Names => return self.name(word, after),
                    State::Values(words, name) => return self.value(words, name, word, after),
                    State::Data => return false,
                }
                true
            }
            Kind::Sign => self.sign(text[0]),
            _ => self.literal(kind),
        }
    }

    fn first(&mut self, word: &[u8]) {
        let is = |words: &[&str]| is_any(word, words);
        let is_explained = self.state == State::Explained;
        let (statement, state) = match word {
            _ if is(&DATA) => (Statement::Data, State::Names),
            _ if is(&["insert"]) => (Statement::Insert, State::Names),
            _ if is(&["create", "alter"]) => (Statement::Definition, State::Object),
            _ if is(&["exec", "execute", "call"]) => (Statement::Other, State::Values(&OF_CALLS, Name::Wanted)),
            _ if is(&["pragma"]) => (Statement::Other, State::Values(&[], Name::Wanted)),
            _ if is(&["explain", "describe", "desc"]) || is_explained => (Statement::Other, State::Explained),
            _ if is(&["set"]) => (Statement::Set, State::Names),
            _ if is(&["copy"]) => (Statement::Copy, State::Names),
            _ if is(&["attach"]) => (Statement::Other, State::Values(&OF_ATTACH, Name::Done)),
            _ if is(&OF_NAMES) => (Statement::Other, State::Names),
            _ => (Statement::Other, State::Values(&OF_CALLS, Name::Open)),
        };
        self.is_setting = statement == Statement::Set && self.has_settings();
        (self.statement, self.state) = (statement, state);
    }

    fn object(&mut self, word: &[u8]) {
        self.is_value_near |= is_any(word, &["virtual"]);
        if is_any(word, &OBJECTS) {
            self.state = State::Names;
        } else if is_any(word, &OF_USERS) {
            self.state = State::Values(&OF_USERS, Name::Wanted);
        } else if !is_any(word, &BEFORE_OBJECTS) {
            self.state = State::Values(&OF_USERS, Name::Done);
        }
    }

    /// Where words are names, until something says otherwise. A name in quotes is no word.
    fn name(&mut self, word: &[u8], after: After) -> bool {
        match after {
            After::Default if !is_any(word, &PLAIN_DEFAULTS) => return false,
            After::Format if !word.is_empty() => self.state = State::Data,
            // `ON DELETE SET NULL`
            After::Set if is_any(word, &["null", "default"]) => self.is_setting = false,
            After::Dot => return true,
            _ => {}
        }
        let is = |words: &[&str]| is_any(word, words);
        let is_data = matches!(self.statement, Statement::Data | Statement::Insert);
        if is(&["exec", "execute"]) && matches!(self.dialect, Dialect::SqlServer | Dialect::Other) {
            self.state = State::Values(&OF_CALLS, Name::Wanted);
        } else if self.is_setting && is(&["to"]) {
            self.state = State::Values(&PLAIN, Name::Done);
        } else if is_data {
            if self.statement == Statement::Insert && self.dialect == Dialect::Other && is(&["format"]) {
                self.after = After::Format;
            }
        } else if is(&["update"]) {
            self.has_update = true;
        } else if is(&["set"]) && after != After::Character {
            self.is_setting |= self.has_settings() && (self.statement == Statement::Definition || !self.has_update);
            self.after = if self.statement == Statement::Definition { After::Set } else { After::Other };
        } else if is(&["character"]) {
            self.after = After::Character;
        } else if is(&["identified"]) {
            self.is_value_near = true;
        } else if self.is_value_near && is(&["by", "as", "using"]) {
            (self.state, self.after) = (State::Values(&OF_USERS, Name::Done), After::Value);
        } else if self.statement == Statement::Definition && is(&["default"]) {
            // SQLite takes a word for a string here; elsewhere it is a function.
            let is_string = matches!(self.dialect, Dialect::Sqlite | Dialect::Other);
            self.after = if is_string { After::Default } else { After::Other };
        } else if self.statement == Statement::Copy && is(&["stdin", "stdout", "program"]) {
            self.state = State::Data;
        }
        true
    }

    fn value(&mut self, words: &'static [&'static str], name: Name, word: &[u8], after: After) -> bool {
        if after == After::Value {
            return is_any(word, &PLAIN);
        }
        if name == Name::Open && after == After::Dot {
            return true;
        }
        if is_any(word, words) {
            if is_any(word, &["by", "password", "using"]) {
                (self.state, self.after) = (State::Values(words, Name::Done), After::Value);
            }
            return true;
        }
        self.state = State::Values(words, if name == Name::Wanted { Name::Open } else { Name::Done });
        name == Name::Wanted
    }

    fn sign(&mut self, sign: u8) -> bool {
        let after = std::mem::replace(&mut self.after, After::Other);
        if self.state == State::Data {
            return sign == b';' && self.statement == Statement::Copy;
        }
        match (sign, self.state) {
            (b';', _) => *self = Self::new(self.dialect),
            (b'.', _) => self.after = After::Dot,
            // Behind a variable's name comes an expression, in which words are names.
            (b'=', State::Names) if after == After::Marker && self.dialect == Dialect::MySql => {}
            (b'=', State::Names) if self.is_setting => self.state = State::Values(&PLAIN, Name::Done),
            // `EXEC @result = procedure`
            (b'=', State::Values(_, Name::Wanted)) if after == After::Marker => {}
            (_, State::Values(words, _)) => {
                self.state = State::Values(words, Name::Done);
                self.after = if sign == b'=' { After::Value } else { After::Other };
            }
            // Brackets around a name, or not.
            (b'[', _) if after == After::Default => return false,
            // A sign stands before a number.
            (b'+' | b'-', _) if after == After::Default => self.after = After::Default,
            _ => {}
        }
        true
    }

    /// In T-SQL only variables and columns are set with `=`, and to expressions.
    fn has_settings(&self) -> bool {
        self.dialect != Dialect::SqlServer
    }

    fn literal(&mut self, kind: Kind) -> bool {
        let is_marker = kind == Kind::Marker;
        self.after = if is_marker { After::Marker } else { After::Other };
        match self.state {
            State::Data => return false,
            State::Values(words, name) if !is_marker || name != Name::Wanted => {
                self.state = State::Values(words, Name::Done);
            }
            State::Begin if !is_marker => self.state = State::Values(&OF_CALLS, Name::Done),
            State::Names if self.statement == Statement::Copy => self.state = State::Data,
            _ => {}
        }
        true
    }
}
