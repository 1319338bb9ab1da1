//! Exit codes.

use thiserror::Error;

use uprobed::{binary, plugin::LoadError, probes::Surroundings, session::Unattachable};

pub const HELP: &str = "\
Exit codes:
  0  all went well
  1  uprobed itself failed
  2  the command line is wrong
  3  privileges are missing, or it runs in a pid namespace of its own
  4  the kernel is too old
  5  nothing could be attached; with inspect: something that was asked for is not there
  6  the process does not exist or has ended
  7  the executable cannot be read: not ELF, truncated or corrupt
  8  a plugin was refused
  9  the configuration is wrong
 10  spans were lost on their way out
With `trace -- COMMAND`, the command's own exit code is passed on (128 and the number of the signal that ended it).";

/// Failures that have a code of their own and no other type.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Nothing(String),
    #[error("{0}")]
    Configuration(String),
    #[error("{0}")]
    Output(String),
}

impl Failure {
    /// The code for an error, by the first of its causes that has one.
    pub fn code_of(error: &anyhow::Error) -> u8 {
        error.chain().find_map(code).unwrap_or(1)
    }
}

fn code(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(match failure {
            Failure::Usage(_) => 2,
            Failure::Nothing(_) => 5,
            Failure::Configuration(_) => 9,
            Failure::Output(_) => 10,
        });
    }
    if let Some(surroundings) = cause.downcast_ref::<Surroundings>() {
        return Some(match surroundings {
            Surroundings::Privileges(_) | Surroundings::PidNamespace => 3,
            Surroundings::Kernel { .. } => 4,
        });
    }
    if let Some(unattachable) = cause.downcast_ref::<Unattachable>() {
        return match unattachable {
            Unattachable::Ended(_) => Some(6),
            Unattachable::Unreadable { .. } | Unattachable::Binary { .. } => Some(7),
            Unattachable::Nothing { .. } => Some(5),
            Unattachable::Kernel(_) => Some(1),
        };
    }
    if cause.is::<LoadError>() {
        return Some(8);
    }
    cause.is::<binary::Error>().then_some(7)
}
