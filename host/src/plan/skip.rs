//! Why something is left out of a plan.

use std::fmt;

use super::{Bypass, Origin, arguments::ArgumentsError, path::PathError};
use crate::binary::{self, Refusal};

/// What is found of a module that is not in the program.
pub const NOT_LINKED: &str = "not linked";

/// What is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Probe(String),
    Group(String),
    ContextType(String),
    /// Of the plugin's table.
    Offset {
        ty: String,
        field: String,
    },
    /// The host's own probe.
    Goroutines,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(name) => write!(f, "probe {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::ContextType(name) => write!(f, "context type {name}"),
            Self::Offset { ty, field } => write!(f, "offset {ty}.{field}"),
            Self::Goroutines => f.write_str("goroutines that are made"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    #[error("not a Go program")]
    NotGo,
    #[error("built with {0}; Go 1.18 is the oldest that can be probed")]
    OldGo(String),
    #[error("no symbol {}", .0.join(", "))]
    NoSymbol(Vec<String>),
    #[error("{0}")]
    NotFound(String),
    #[error("{symbol} has no code of its own: inlined into {into}")]
    Inlined { symbol: String, into: Bypass },
    #[error("{module} is {found}, not {versions}")]
    Version { module: String, versions: String, found: String },
    #[error("versions `{versions}`: {message}")]
    BadVersions { versions: String, message: String },
    #[error("the field type `{ty}`: {message}")]
    FieldType { ty: String, message: String },
    #[error("{field} is at {} by {} and {} by {}", .one.1, .one.0, place(&.other.1), .other.0)]
    Disagreement { field: String, one: (Origin, u64), other: (Origin, Option<u64>) },
    #[error("the table has it at {0} and at {1} for this program")]
    TwoOffsets(u64, u64),
    #[error("nothing in the program says where {0} is, and Go 1.{1} is newer than what is known here")]
    Unknown(String, u32),
    #[error("none of {} is linked, not even inlined into another package", .0.join(", "))]
    NotMentioned(Vec<String>),
    #[error("{symbol}: {refusal}")]
    Site { symbol: String, refusal: Refusal },
    #[error("no type {0} in the binary")]
    NoType(String),
    #[error("the type {0} has no descriptor, so no interface holds it")]
    NoDescriptor(String),
    #[error("no field {field} in {ty}")]
    NoField { ty: String, field: String },
    #[error("several fields {field} at one depth of {ty}")]
    Ambiguous { ty: String, field: String },
    #[error("{what} cannot be found in a {ty}")]
    NotFollowed { what: String, ty: String },
    #[error("a {0} cannot be captured")]
    NotCaptured(String),
    #[error("{what} would have to be {wanted}, not {ty}")]
    OtherKind { what: String, wanted: &'static str, ty: String },
    #[error("{0} is in a floating-point register, which probes do not see")]
    Float(String),
    #[error("{0} is narrower than its register, whose other bits mean nothing")]
    Narrow(String),
    #[error("{0} is in registers and has no address")]
    NotAddressable(String),
    #[error("the result {0} is on the stack, behind arguments that are not stated")]
    StackResult(String),
    #[error("{0} is gone when the function returns")]
    Gone(String),
    #[error("{0} is a result, which is not there when the function begins")]
    NotYet(String),
    #[error("no goroutine is known {0}")]
    NoGoroutine(&'static str),
    #[error("{0} has another size in Go than in C: say int32, int64, uint32 or uint64")]
    GoSize(String),
    #[error("{0} is not a type of native code")]
    NotNative(String),
    #[error("how a {0} is passed is not known")]
    NotPassed(String),
    #[error("the binding {name} has no value in this program: {why}")]
    NoBinding { name: String, why: String },
    #[error("{0} is not kept for this span, or not yet known where it is needed")]
    NotKept(String),
    #[error("keeps {name} as a {ty}, the start of the same span as something else")]
    KeptOtherwise { name: String, ty: String },
    #[error("keeps other words than the start {0} of the same span")]
    KeepsDiffer(String),
    #[error("more than {most} {what}")]
    TooLong { what: &'static str, most: usize },
    #[error("publishes and adopts at once")]
    TwoJoins,
    #[error("the group {0}, which it needs, is left out")]
    NeedsGroup(String),
    #[error("the probe {0} of its group is left out")]
    Incomplete(String),
    #[error("the group {0}, which is required, is left out")]
    Required(String),
    #[error("maps lie in memory in a way that is not known")]
    MapLayout,
    #[error("does not begin with its parent")]
    NotAContext,
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    #[error("`{path}` begins with {name}, which is neither an argument nor an earlier binding")]
    UnknownName { path: String, name: String },
    #[error("the key of `{path}` {why}")]
    Key { path: String, why: &'static str },
    #[error(transparent)]
    Binary(#[from] binary::Error),
}

impl Skip {
    /// Something is not in the program, or is left out because of something else.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::NoSymbol(_) | Self::Incomplete(_) | Self::NeedsGroup(_) | Self::Required(_) => true,
            Self::Version { found, .. } => found == NOT_LINKED,
            _ => false,
        }
    }

    /// The manifest is wrong, whatever the program: no alternative mends that.
    pub fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::Path(_)
                | Self::Arguments(_)
                | Self::UnknownName { .. }
                | Self::Key { .. }
                | Self::BadVersions { .. }
                | Self::FieldType { .. }
                | Self::TooLong { .. }
                | Self::TwoJoins
        )
    }
}

fn place(offset: &Option<u64>) -> String {
    offset.map_or_else(|| "not there".to_owned(), |offset| format!("at {offset}"))
}
