//! What a statement does, and with which tables: `INSERT shipping_details SELECT orders`.

use crate::statement::is_any;
use crate::statement::lexer::Kind;

/// The longest summary, in bytes, as the conventions want it.
const LONGEST: usize = 255;
/// Further than this, nobody counts parentheses.
const DEEPEST: usize = 64;
/// What may stand before a table's name.
const BEFORE_TABLES: [&str; 8] = ["only", "if", "not", "exists", "table", "or", "ignore", "low_priority"];
/// What may stand there instead.
const NO_TABLES: [&str; 5] = ["lateral", "stdin", "stdout", "outfile", "dumpfile"];
/// What ends a list of tables. `ON` does not: `FROM a JOIN b ON …, c`.
const AFTER_TABLES: [&str; 19] = [
    "where",
    "group",
    "order",
    "having",
    "limit",
    "union",
    "set",
    "values",
    "window",
    "returning",
    "output",
    "duplicate",
    "conflict",
    "intersect",
    "except",
    "qualify",
    "connect",
    "for",
    "option",
];
/// Where a further operation can begin without a sign.
const BEFORE_OPERATIONS: [&str; 9] =
    ["as", "explain", "analyze", "begin", "try", "catch", "tran", "transaction", "else"];
const HINTS: [&str; 12] = [
    "nolock",
    "readuncommitted",
    "readcommitted",
    "readpast",
    "holdlock",
    "updlock",
    "xlock",
    "rowlock",
    "paglock",
    "tablock",
    "tablockx",
    "index",
];

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
    /// A table, or a function that gives one.
    Source,
    Procedure,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// An operation stands in it, or tables.
    is_inside: bool,
    /// A comma leads to a further table.
    is_list: bool,
}

/// Looks at tokens one after another.
#[derive(Debug)]
pub struct Builder {
    expected: Expected,
    /// The name that is being read, of which more may come after a dot.
    name: Vec<u8>,
    is_open: bool,
    /// Whether it may be a function's.
    is_source: bool,
    /// What would be a function, if no hint follows its parenthesis.
    function: Vec<u8>,
    last: Vec<u8>,
    last_sign: u8,
    /// One for each open parenthesis, and for the whole.
    levels: Vec<Level>,
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
            is_source: false,
            function: Vec::new(),
            last: Vec::new(),
            last_sign: 0,
            levels: vec![Level::default()],
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

    /// Whether a name that comes next would be a table's.
    pub fn is_table_next(&self) -> bool {
        matches!(self.expected, Expected::Table | Expected::Source)
    }

    fn word(&mut self, word: &[u8]) {
        self.hint(word);
        let expected = std::mem::take(&mut self.expected);
        match expected {
            Expected::Operation => return self.first(word),
            Expected::Object => return self.object(word),
            Expected::Table | Expected::Source if is_any(word, &BEFORE_TABLES) => {
                self.expected = expected;
                return;
            }
            Expected::Table | Expected::Source if is_any(word, &NO_TABLES) => return,
            Expected::Table | Expected::Source if !is_any(word, &["select", "values", "set", "with"]) => {
                return self.begin(expected, word);
            }
            Expected::Procedure => return self.begin(expected, word),
            _ => {}
        }
        let is_inside = self.level().is_inside;
        if is_any(word, &["select"]) {
            self.operation(word);
        } else if is_any(word, &["insert", "update", "delete", "merge", "replace"]) && self.may_begin() {
            self.operation(word);
            self.expect_first(word);
        } else if is_inside && is_any(word, &["join", "straight_join"]) {
            self.expected = Expected::Source;
        } else if is_inside && is_any(word, &["into"]) {
            self.expected = Expected::Table;
            self.level().is_list = false;
        } else if is_inside && self.is_from(word) {
            self.expected = Expected::Source;
            self.level().is_list = true;
        } else if is_any(word, &AFTER_TABLES) {
            self.level().is_list = false;
        }
    }

    /// `FROM`, but that of `IS DISTINCT FROM`; `DELETE FROM a USING b`.
    fn is_from(&self, word: &[u8]) -> bool {
        is_any(word, &["from"]) && !is_any(&self.last, &["distinct"])
            || is_any(word, &["using"]) && is_any(&self.operation, &["delete", "merge"])
    }

    /// Whether a further operation can stand here, and not the `UPDATE` of `FOR UPDATE`.
    fn may_begin(&self) -> bool {
        matches!(self.last_sign, b'(' | b')' | b';') || is_any(&self.last, &BEFORE_OPERATIONS)
    }

    fn first(&mut self, word: &[u8]) {
        // What common table expressions are for follows, and so does what is to be explained.
        if is_any(word, &["with"]) {
            return;
        }
        self.operation(word);
        self.expect_first(word);
    }

    /// What an operation begins with.
    fn expect_first(&mut self, operation: &[u8]) {
        self.expected = match operation {
            word if is_any(word, &["create", "drop", "alter"]) => Expected::Object,
            word if is_any(word, &["update", "truncate", "copy"]) => Expected::Table,
            word if is_any(word, &["explain"]) => Expected::Operation,
            word if is_any(word, &["call", "exec", "execute"]) => Expected::Procedure,
            _ => Expected::Nothing,
        };
        self.level().is_list = is_any(operation, &["update", "truncate"]);
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
        let is_table = is_any(word, &["table", "view"]);
        self.level().is_list = is_table && is_any(&self.operation, &["drop"]);
        self.operation.push(b' ');
        self.operation.extend_from_slice(word);
        self.expected = if is_table { Expected::Table } else { Expected::Nothing };
    }

    fn quoted(&mut self, name: &[u8]) {
        match std::mem::take(&mut self.expected) {
            Expected::Nothing | Expected::Operation | Expected::Object => {}
            expected => self.begin(expected, name),
        }
    }

    fn sign(&mut self, text: &[u8]) {
        let sign = text[0];
        self.function.clear();
        match sign {
            b'.' if self.is_open => self.name.push(b'.'),
            b'(' if self.is_open && self.is_source => {
                self.is_open = false;
                self.function = std::mem::take(&mut self.name);
            }
            _ => self.end_name(),
        }
        match sign {
            b'(' => self.open(),
            b')' => {
                self.expected = Expected::Nothing;
                if self.levels.len() > 1 {
                    self.levels.pop();
                }
            }
            b',' if self.level().is_list => self.expected = Expected::Source,
            b';' => {
                self.levels = vec![Level::default()];
                self.expected = Expected::Operation;
            }
            _ => {}
        }
        self.last.clear();
        self.last_sign = sign;
    }

    /// Tables may be joined in parentheses: `FROM (a JOIN b …)`; those of `DELETE … JOIN b USING (column)` hold none.
    fn open(&mut self) {
        let holds_tables = self.is_table_next() && !is_any(&self.last, &["using"]);
        if !holds_tables {
            self.expected = Expected::Nothing;
        }
        if self.levels.len() < DEEPEST {
            self.levels.push(Level { is_inside: holds_tables, is_list: holds_tables });
        }
    }

    /// What looked like a function is a table with a hint: SQL Server's `FROM items (NOLOCK)`.
    fn hint(&mut self, word: &[u8]) {
        if self.function.is_empty() {
            return;
        }
        let name = std::mem::take(&mut self.function);
        if is_any(word, &HINTS) {
            self.table(name);
        }
    }

    fn level(&mut self) -> &mut Level {
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn operation(&mut self, word: &[u8]) {
        self.operations += 1;
        *self.level() = Level { is_inside: true, is_list: false };
        self.operation = word.to_vec();
        self.push(word);
    }

    fn begin(&mut self, expected: Expected, name: &[u8]) {
        self.name = name.to_vec();
        self.is_open = true;
        self.is_source = expected == Expected::Source;
        if expected == Expected::Procedure {
            self.procedure = vec![b' '];
        }
    }

    /// Nothing more comes of a name.
    pub fn end_name(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let name = std::mem::take(&mut self.name);
        if self.procedure == b" " {
            self.push(&name);
            self.procedure = name;
        } else {
            self.table(name);
        }
    }

    fn table(&mut self, name: Vec<u8>) {
        self.push(&name);
        self.tables += 1;
        self.table = name;
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
