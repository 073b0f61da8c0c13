// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong between a program and the kernel. Every module returns [`Error`]; the
//! programs add what the user can do about it.

use std::{fmt, io};

pub use crate::refusal::{Part, Refusal};
use crate::{model::DriveId, words::shown};

/// Result of a call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The kernel has no family `shunt`.
    NotLoaded,
    /// The module went away while it was followed.
    Unloaded,
    /// The kernel understood the request and refused it.
    Refused(Refusal),
    /// A system call failed.
    System {
        /// What it was for, as in "cannot …".
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A value that no message can carry; the kernel was not asked.
    Unsendable(String),
    /// The kernel sent what this library does not understand.
    Malformed(String),
    /// The devices changed during each of so many attempts to list them.
    Unsettled(u32),
    /// A change was made and is not there any more.
    TakenBack,
    /// A path leads to another drive than when this was planned; nothing was changed.
    LedElsewhere {
        /// The path.
        path: String,
        /// The drive that it led to.
        planned: DriveId,
        /// The drive that it leads to.
        found: DriveId,
    },
}

impl Error {
    /// Whether what was planned does not fit any more: a plan that is made now is one that nobody has seen.
    #[cfg(feature = "config")]
    pub(crate) fn is_too_late(&self) -> bool {
        match self {
            Self::LedElsewhere { .. } => true,
            Self::Refused(refusal) => refusal.is_other_table(),
            _ => false,
        }
    }

    /// Error number of the kernel or of the system call, if there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(refusal) => Some(refusal.errno),
            Self::System { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded => f.write_str(
                "the shunt module is not loaded; load it with: modprobe shunt (or insmod shunt.ko)",
            ),
            Self::Unloaded => f.write_str(
                "the shunt module was unloaded; load it with: modprobe shunt (or insmod shunt.ko)",
            ),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::System { action, source } => write!(f, "cannot {action}: {}", plain(source)),
            Self::Unsendable(what) => f.write_str(what),
            Self::Malformed(what) => write!(
                f,
                "the kernel's answer is not understood: {what}; use a shunt and a shunt.ko of the same release"
            ),
            Self::TakenBack => f.write_str(
                "it was done and is not so any more: somebody else takes it back, such as a shuntd that \
                 keeps to another file",
            ),
            Self::LedElsewhere {
                path,
                planned,
                found,
            } => write!(
                f,
                "{} led to {planned} when this was planned and leads to {found} now",
                shown(path)
            ),
            Self::Unsettled(attempts) => write!(
                f,
                "devices changed during each of {attempts} attempts to list them; try again"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The system's words without the number that Rust puts after them.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_system_error_is_kept() {
        let error = Error::System {
            action: "listen for changes",
            source: io::Error::from_raw_os_error(1),
        };
        assert_eq!(error.errno(), Some(1));
        assert_eq!(
            error.to_string(),
            "cannot listen for changes: Operation not permitted"
        );
    }
}
