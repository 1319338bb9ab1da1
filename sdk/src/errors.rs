//! What an error of a Go program is called, for `error.type`.
//!
//! Many errors of the standard library are variables whose type says nothing, or is nobody's business: these are called by the variable's
//! name, the others by their type. An error's text is only compared here, and never shown.

use crate::Field;

/// The name of an error, by two captures: its dynamic type (an interface), and its text if it is an `*errors.errorString`. None if there is
/// no error, `_OTHER` if its type could not be found out.
pub fn name<'a>(ty: Field<'a>, text: Field<'_>) -> Option<&'a [u8]> {
    let ty = ty.error_type()?;
    let (table, key) = if ty == PLAIN { (&BY_TEXT[..], text.bytes()) } else { (&BY_TYPE[..], ty) };
    Some(table.iter().find(|(each, _)| *each == key).map_or(ty, |(_, name)| name.as_bytes()))
}

/// What `errors.New` makes. The text then tells which variable it is; a program's own error of the same text is taken for it.
const PLAIN: &[u8] = b"*errors.errorString";

const BY_TEXT: [(&[u8], &str); 12] = [
    (b"context canceled", "context.Canceled"),
    (b"EOF", "io.EOF"),
    (b"unexpected EOF", "io.ErrUnexpectedEOF"),
    (b"io: read/write on closed pipe", "io.ErrClosedPipe"),
    (b"short buffer", "io.ErrShortBuffer"),
    (b"short write", "io.ErrShortWrite"),
    (b"multiple Read calls return no data or error", "io.ErrNoProgress"),
    (b"file already closed", "os.ErrClosed"),
    (b"sql: no rows in result set", "database/sql.ErrNoRows"),
    (b"sql: connection is already closed", "database/sql.ErrConnDone"),
    (b"sql: transaction has already been committed or rolled back", "database/sql.ErrTxDone"),
    (b"driver: bad connection", "database/sql/driver.ErrBadConn"),
];

/// Variables that are the only ones of their type.
const BY_TYPE: [(&[u8], &str); 3] = [
    (b"context.deadlineExceededError", "context.DeadlineExceeded"),
    (b"*internal/poll.DeadlineExceededError", "os.ErrDeadlineExceeded"),
    (b"internal/poll.errNetClosing", "net.ErrClosed"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    #[test]
    fn knows_variables_of_the_standard_library_and_else_the_type() {
        let rows = [
            ("*errors.errorString", "context canceled", "context.Canceled"),
            ("*errors.errorString", "driver: bad connection", "database/sql/driver.ErrBadConn"),
            ("*errors.errorString", "dial tcp 10.0.0.7: secret", "*errors.errorString"),
            ("*errors.errorString", "", "*errors.errorString"),
            ("context.deadlineExceededError", "", "context.DeadlineExceeded"),
            ("internal/poll.errNetClosing", "", "net.ErrClosed"),
            ("*net.OpError", "", "*net.OpError"),
            // No text of a type, and no type of a text.
            ("*net.OpError", "EOF", "*net.OpError"),
            ("*errors.errorString", "context.deadlineExceededError", "*errors.errorString"),
            ("?", "EOF", "_OTHER"),
        ];
        for (ty, text, expected) in rows {
            let field = |text: &'static str| Field::new(State::Read, text.as_bytes());
            assert_eq!(name(field(ty), field(text)), Some(expected.as_bytes()), "{ty}, {text}");
        }
    }

    #[test]
    fn tells_no_error_from_one_that_cannot_be_read() {
        let nil = Field::new(State::Read, b"");
        assert_eq!(name(nil, Field::default()), None);
        assert_eq!(name(Field::default(), Field::default()), None);
        assert_eq!(name(Field::new(State::Unreadable, b""), Field::default()), Some(&b"_OTHER"[..]));
    }

    #[test]
    fn has_each_error_once() {
        let all = || BY_TEXT.iter().chain(&BY_TYPE);
        for (key, variable) in all() {
            let same = all().filter(|(other, name)| other == key || name == variable);
            assert_eq!(same.count(), 1, "{variable}");
        }
    }
}
