//! How databases differ in what they take for a literal.

/// How a statement is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    PostgreSql,
    MySql,
    Sqlite,
    SqlServer,
    Other,
}

/// What `"…"` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    Name,
    String,
    /// A name, unless there is none: SQLite. Or a mode says: SQL Server.
    Unsure,
}

impl Dialect {
    /// By the value of `db.system.name`.
    pub fn of(system: &str) -> Self {
        match system {
            "postgresql" | "cockroachdb" | "aws.redshift" => Self::PostgreSql,
            "mysql" | "mariadb" => Self::MySql,
            "sqlite" => Self::Sqlite,
            "microsoft.sql_server" => Self::SqlServer,
            _ => Self::Other,
        }
    }

    pub fn double_quotes(self) -> Quotes {
        match self {
            Self::PostgreSql => Quotes::Name,
            Self::MySql => Quotes::String,
            Self::Sqlite | Self::SqlServer | Self::Other => Quotes::Unsure,
        }
    }

    pub fn has_backticks(self) -> bool {
        matches!(self, Self::MySql | Self::Sqlite | Self::Other)
    }

    pub fn nests_comments(self) -> bool {
        matches!(self, Self::PostgreSql | Self::SqlServer)
    }

    /// Whether `/*! … */` is no comment, or may be none.
    pub fn runs_comments(self) -> bool {
        matches!(self, Self::MySql | Self::Other)
    }

    /// Whether `--` begins a comment where this follows; none if nobody knows.
    pub fn is_dash_comment(self, after: Option<u8>) -> Option<bool> {
        let is_spaced = after.is_none_or(|byte| byte <= b' ');
        match self {
            Self::PostgreSql | Self::Sqlite | Self::SqlServer => Some(true),
            Self::MySql => Some(is_spaced),
            Self::Other => is_spaced.then_some(true),
        }
    }

    /// What names may hold beside letters, digits and underscores.
    pub fn word_signs(self) -> &'static [u8] {
        match self {
            Self::PostgreSql | Self::MySql | Self::Sqlite => b"$",
            Self::SqlServer => b"$#@",
            Self::Other => b"",
        }
    }

    /// Whether a backslash in a string may take the next character along; that depends on the session's modes.
    pub fn may_escape(self) -> bool {
        !matches!(self, Self::Sqlite | Self::SqlServer)
    }
}
