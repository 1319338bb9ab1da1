//! What a statement does, and with which tables: `INSERT shipping_details SELECT orders`.

use crate::statement::is_any;
use crate::statement::lexer::Kind;

/// The longest summary, in bytes, as the conventions want it.
const LONGEST: usize = 255;
/// Further than this, nobody counts parentheses.
const DEEPEST: usize = 64;

/// As the statement has them; whatever is empty is not known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub text: Vec<u8>,
    /// If there is a single one.
    pub operation: Vec<u8>,
    pub collection: Vec<u8>,
    pub procedure: Vec<u8>,
}

/// What a name that comes next would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Nothing,
    /// The statement's first word.
    Operation,
    /// What is created, dropped or altered.
    Object,
    Table,
    Procedure,
}

/// Looks at tokens one after another.
#[derive(Debug)]
pub struct Builder {
    expected: Expected,
    /// The name that is being read, of which more may come after a dot.
    name: Vec<u8>,
    is_open: bool,
    /// Whether a comma leads to a further table.
    is_list: bool,
    last: Vec<u8>,
    last_sign: u8,
    /// For each open parenthesis, and the whole, whether an operation stands in it.
    levels: Vec<bool>,
    text: Vec<u8>,
    is_full: bool,
    operations: usize,
    operation: Vec<u8>,
    tables: usize,
    table: Vec<u8>,
    procedure: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            expected: Expected::Operation,
            name: Vec::new(),
            is_open: false,
            is_list: false,
            last: Vec::new(),
            last_sign: 0,
            levels: vec![false],
            text: Vec::new(),
            is_full: false,
            operations: 0,
            operation: Vec::new(),
            tables: 0,
            table: Vec::new(),
            procedure: Vec::new(),
        }
    }
}

impl Builder {
    pub fn read(&mut self, kind: Kind, text: &[u8]) {
        match kind {
            Kind::Word | Kind::Quoted => {
                if self.is_open && self.last_sign == b'.' {
                    self.name.extend_from_slice(text);
                } else {
                    self.end_name();
                    if kind == Kind::Word { self.word(text) } else { self.quoted(text) }
                }
                self.last.clear();
                self.last.extend_from_slice(text);
                self.last_sign = 0;
            }
            Kind::Sign => self.sign(text),
            _ => {
                self.end_name();
                // A name would have to come right away.
                self.expected = Expected::Nothing;
                self.last.clear();
                self.last_sign = b'?';
            }
        }
    }

    pub fn end(mut self, is_cut: bool) -> Summary {
        // Of what was cut off nobody knows whether a dot follows.
        if !is_cut {
            self.end_name();
        }
        let is_single = self.operations == 1 && !is_cut;
        let only = |is_only: bool, text: Vec<u8>| if is_only { text } else { Vec::new() };
        Summary {
            text: self.text,
            operation: only(is_single, self.operation),
            collection: only(is_single && self.tables == 1, self.table),
            procedure: only(is_single, self.procedure),
        }
    }

    fn word(&mut self, word: &[u8]) {
        let expected = std::mem::take(&mut self.expected);
        match expected {
            Expected::Operation => return self.first(word),
            Expected::Object => return self.object(word),
            // What may stand before a table's name.
            Expected::Table
                if is_any(word, &["only", "if", "not", "exists", "table", "or", "ignore", "low_priority"]) =>
            {
                self.expected = Expected::Table;
                return;
            }
            Expected::Table if is_any(word, &["lateral", "stdin", "stdout", "outfile", "dumpfile"]) => return,
            Expected::Table if !is_any(word, &["select", "values", "set"]) => return self.begin(expected, word),
            Expected::Procedure => return self.begin(expected, word),
            _ => {}
        }
        let is_inside = self.levels.last() == Some(&true);
        if is_any(word, &["select"]) {
            self.operation(word);
        } else if is_any(word, &["insert", "update", "delete", "merge", "replace"]) && self.may_begin() {
            self.operation(word);
            self.expected = if is_any(word, &["update"]) { Expected::Table } else { Expected::Nothing };
        } else if is_inside && (is_any(word, &["join", "into"]) || self.is_from(word)) {
            self.expected = Expected::Table;
            self.is_list = is_any(word, &["from"]);
        } else if is_any(
            word,
            &["where", "group", "order", "having", "limit", "union", "set", "on", "values", "window"],
        ) {
            self.is_list = false;
        }
    }

    /// `FROM`, but that of `IS DISTINCT FROM`; `DELETE FROM a USING b`.
    fn is_from(&self, word: &[u8]) -> bool {
        is_any(word, &["from"]) && !is_any(&self.last, &["distinct"])
            || is_any(word, &["using"]) && is_any(&self.operation, &["delete", "merge"])
    }

    /// Whether a further operation can stand here, and not the `UPDATE` of `FOR UPDATE`.
    fn may_begin(&self) -> bool {
        matches!(self.last_sign, b'(' | b')' | b';') || is_any(&self.last, &["as", "explain", "analyze"])
    }

    fn first(&mut self, word: &[u8]) {
        // What common table expressions are for follows, and so does what is to be explained.
        if is_any(word, &["with"]) {
            return;
        }
        self.operation(word);
        self.expected = match word {
            word if is_any(word, &["create", "drop", "alter"]) => Expected::Object,
            word if is_any(word, &["update", "truncate", "copy"]) => Expected::Table,
            word if is_any(word, &["explain"]) => Expected::Operation,
            word if is_any(word, &["call", "exec", "execute"]) => Expected::Procedure,
            _ => Expected::Nothing,
        };
    }

    /// `CREATE UNIQUE INDEX`, `DROP TABLE`, `ALTER USER`.
    fn object(&mut self, word: &[u8]) {
        if is_any(word, &["or", "replace", "unique", "temporary", "temp", "unlogged", "global", "local", "virtual"]) {
            self.expected = Expected::Object;
            return;
        }
        if !is_any(word, &["table", "view", "index", "database", "schema", "sequence", "materialized", "function"])
            && !is_any(word, &["procedure", "trigger", "type", "user", "role", "extension"])
        {
            return;
        }
        if !self.is_full {
            self.text.push(b' ');
            self.text.extend_from_slice(word);
        }
        self.operation.push(b' ');
        self.operation.extend_from_slice(word);
        self.expected = if is_any(word, &["table", "view"]) { Expected::Table } else { Expected::Nothing };
    }

    fn quoted(&mut self, name: &[u8]) {
        if let expected @ (Expected::Table | Expected::Procedure) = std::mem::take(&mut self.expected) {
            self.begin(expected, name);
        }
    }

    fn sign(&mut self, text: &[u8]) {
        let sign = text[0];
        match sign {
            b'.' if self.is_open => self.name.push(b'.'),
            _ => self.end_name(),
        }
        match sign {
            b'(' => {
                self.expected = Expected::Nothing;
                if self.levels.len() < DEEPEST {
                    self.levels.push(false);
                }
            }
            b')' if self.levels.len() > 1 => {
                self.levels.pop();
            }
            b',' if self.is_list && self.levels.last() == Some(&true) => self.expected = Expected::Table,
            b';' => {
                self.levels = vec![false];
                self.is_list = false;
                self.expected = Expected::Operation;
            }
            _ => {}
        }
        self.last.clear();
        self.last_sign = sign;
    }

    fn operation(&mut self, word: &[u8]) {
        self.operations += 1;
        self.is_list = false;
        if let Some(level) = self.levels.last_mut() {
            *level = true;
        }
        self.operation = word.to_vec();
        self.push(word);
    }

    fn begin(&mut self, expected: Expected, name: &[u8]) {
        self.name = name.to_vec();
        self.is_open = true;
        if expected == Expected::Procedure {
            self.procedure = vec![b' '];
        }
    }

    /// Nothing more comes of a name.
    fn end_name(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let name = std::mem::take(&mut self.name);
        self.push(&name);
        if self.procedure == b" " {
            self.procedure = name;
        } else {
            self.tables += 1;
            self.table = name;
        }
    }

    /// Adds a word, unless it would be too long with it: half a word would say something else.
    fn push(&mut self, word: &[u8]) {
        self.is_full |= self.text.len() + 1 + word.len() > LONGEST;
        if self.is_full {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(word);
    }
}
