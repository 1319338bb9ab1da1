//! What a hit copied: declared once with `captures!`, read without copying, every length checked.

use crate::Capture;

/// What became of a capture. The numbers are the contract's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    Read,
    /// Not in this program, or behind a nil pointer.
    #[default]
    Absent,
    /// Behind an interface of another dynamic type.
    OtherType,
    Unreadable,
    /// Read, up to the capture's limit.
    Cut,
}

/// One capture of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field<'a> {
    state: State,
    bytes: &'a [u8],
}

impl<'a> Field<'a> {
    pub fn new(state: State, bytes: &'a [u8]) -> Self {
        Self { state, bytes }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it was read, maybe cut off, maybe empty.
    pub fn is_read(&self) -> bool {
        matches!(self.state, State::Read | State::Cut)
    }

    /// The bytes that were read, maybe cut off; none if it could not be read.
    pub fn bytes(&self) -> &'a [u8] {
        if self.is_read() { self.bytes } else { &[] }
    }

    /// The bytes, unless there are none.
    pub fn some(&self) -> Option<&'a [u8]> {
        Some(self.bytes()).filter(|bytes| !bytes.is_empty())
    }

    /// An integer, boolean or pointer.
    pub fn word(&self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes().try_into().ok()?))
    }

    /// An integer of a signed type.
    pub fn integer(&self) -> Option<i64> {
        self.word().map(u64::cast_signed)
    }

    /// The dynamic type of an error, as `error.type` has it; none if there is no error.
    pub fn error_type(&self) -> Option<&'a [u8]> {
        // There is an error, and its type could not be found out.
        if self.state == State::Unreadable || self.bytes() == b"?" { Some(b"_OTHER") } else { self.some() }
    }

    /// Whether it is a true boolean, a pointer that is not nil, or a number other than 0.
    pub fn is_set(&self) -> bool {
        self.word().is_some_and(|word| word != 0)
    }
}

/// Takes an event's bytes apart into the `N` captures of its probe. What is missing or out of bounds stays absent.
pub fn read<const N: usize>(bytes: &[u8]) -> [Field<'_>; N] {
    let mut fields = [Field::default(); N];
    read_into(bytes, 0, &mut fields);
    fields
}

/// The `count` captures behind the first `before`: those that a manifest has added to what `captures!` declared.
pub fn more(bytes: &[u8], before: usize, count: usize) -> Vec<Field<'_>> {
    let mut fields = vec![Field::default(); count];
    read_into(bytes, before, &mut fields);
    fields
}

/// What `captures!` declares, as far as it goes without the names of its fields.
pub trait Captures {
    /// How many there are.
    const COUNT: usize;
}

fn read_into<'a>(mut bytes: &'a [u8], before: usize, fields: &mut [Field<'a>]) {
    while let [index, state, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let Some(value) = rest.get(..length) else { break };
        if let Some(field) = usize::from(*index).checked_sub(before).and_then(|index| fields.get_mut(index)) {
            *field = Field::new(state_of(*state), value);
        }
        bytes = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn state_of(number: u8) -> State {
    match number {
        0 => State::Read,
        1 => State::Absent,
        2 => State::OtherType,
        4 => State::Cut,
        _ => State::Unreadable,
    }
}

/// One capture for a manifest; `captures!` calls it.
pub fn capture(name: &str, paths: &[&str], limit: u32) -> Capture {
    Capture { name: name.into(), paths: paths.iter().map(|path| (*path).into()).collect(), limit }
}

/// Declares what a probe copies, and the view through which its decoder reads it. Each field has its alternative paths and, after a
/// semicolon, the most bytes.
///
/// ```
/// uprobed_sdk::captures! {
///     /// What stands in a request.
///     pub struct Request {
///         method: ["req.Method"; 32],
///         route: ["req.Pattern", "req.pat.str"; 256],
///         tls: ["req.TLS"],
///     }
/// }
/// assert_eq!(Request::captures().len(), 3);
/// assert!(Request::read(&[]).method().some().is_none());
/// ```
#[macro_export]
macro_rules! captures {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($field:ident: [$($path:expr),+ $(; $limit:expr)?]),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $visibility struct $name<'a>([$crate::Field<'a>; [$(stringify!($field)),*].len()]);

        impl $crate::Captures for $name<'_> {
            const COUNT: usize = [$(stringify!($field)),*].len();
        }

        impl<'a> $name<'a> {
            $visibility fn captures() -> Vec<$crate::Capture> {
                vec![$($crate::capture(stringify!($field), &[$($path),+], 0 $(+ $limit)?)),*]
            }

            $visibility fn read(bytes: &'a [u8]) -> Self {
                Self($crate::read(bytes))
            }

            $crate::captures!(@fields $visibility, 0usize; $($field)*);
        }
    };
    (@fields $visibility:vis, $index:expr; $field:ident $($rest:ident)*) => {
        $visibility fn $field(&self) -> $crate::Field<'a> {
            self.0[$index]
        }
        $crate::captures!(@fields $visibility, $index + 1usize; $($rest)*);
    };
    (@fields $visibility:vis, $index:expr;) => {};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_captures_in_any_order_and_skips_unknown_ones() {
        let bytes = [1, 0, 3, 0, b'a', b'b', b'c', 0, 7, 0, 0, 0, 0, 4, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        let [first, second, third] = read::<3>(&bytes);
        assert_eq!((first.state(), first.word()), (State::Cut, Some(5)));
        assert_eq!(second.some(), Some(&b"abc"[..]));
        assert_eq!((third.state(), third.word()), (State::Absent, None));
    }

    #[test]
    fn reads_the_captures_behind_the_first_ones() {
        let bytes = [2, 0, 1, 0, b'c', 0, 0, 0, 0, 0, 1, 0, b'a', 0, 0, 0, 1, 0, 1, 0, b'b', 0, 0, 0];
        let fields = more(&bytes, 1, 3);
        assert_eq!(fields.iter().map(Field::bytes).collect::<Vec<_>>(), [b"b".as_slice(), b"c", b""]);
        assert_eq!(fields[2].state(), State::Absent);
    }

    #[test]
    fn stops_at_a_length_out_of_bounds() {
        let [field] = read::<1>(&[0, 0, 255, 255, 1, 2]);
        assert_eq!(field.state(), State::Absent);
        let [field] = read::<1>(&[0, 0, 1]);
        assert_eq!(field.state(), State::Absent);
        let [field] = read::<1>(&[0, 0, 1, 0, 9]);
        assert_eq!(field.bytes(), [9]);
    }

    #[test]
    fn hands_out_no_bytes_of_what_was_not_read() {
        let [field] = read::<1>(&[0, 3, 1, 0, 9, 0, 0, 0]);
        assert_eq!((field.state(), field.some()), (State::Unreadable, None));
    }
}
