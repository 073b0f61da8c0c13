// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failures in one line: what could not be done, why, what to do. The commands call it.

use nix::libc::{ENODEV, EPERM};
use shunt::Error;
pub(crate) use shunt::words::shown;

/// Why a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It failed; one line that says what, why and what to do.
    Explained(String),
    /// Several things are wrong; one such line for each.
    Several(Vec<String>),
    /// What is wrong has been printed.
    Printed,
    /// Whoever read the output has gone, which is no failure.
    ReaderGone,
}

impl Failure {
    /// All of these; success if there are none.
    pub(crate) fn all(mut failures: Vec<Self>) -> Result<(), Self> {
        if failures.len() <= 1 {
            return failures.pop().map_or(Ok(()), Err);
        }
        let lines = failures.into_iter().flat_map(|failure| match failure {
            Self::Explained(line) => vec![line],
            Self::Several(lines) => lines,
            Self::Printed | Self::ReaderGone => Vec::new(),
        });
        Err(Self::Several(lines.collect()))
    }
}

/// "cannot WHAT: why", with advice where the error alone tells it.
pub(crate) fn explain(what: &str, error: &Error) -> Failure {
    explain_with(what, error, &[], "")
}

/// As [`explain`], where a device of that name may not be there.
pub(crate) fn no_such_device(what: &str, error: &Error) -> Failure {
    match error.errno() {
        Some(ENODEV) => explain_with(what, error, &[], "shunt list shows the devices"),
        _ => explain(what, error),
    }
}

/// As [`explain`], with what was found out about the cause, and with advice for this command.
pub(crate) fn explain_with(what: &str, error: &Error, causes: &[String], advice: &str) -> Failure {
    if let Error::NotLoaded | Error::Unloaded = error {
        return Failure::Explained(error.to_string());
    }
    let mut line = format!("cannot {what}: {error}");
    if !causes.is_empty() {
        line = format!("{line}: {}", causes.join(", "));
    }
    let advice = match error.errno() {
        Some(EPERM) => "run it as root, for example with sudo (it needs CAP_SYS_ADMIN)",
        _ => advice,
    };
    if !advice.is_empty() {
        line = format!("{line}; {advice}");
    }
    Failure::Explained(line)
}

#[cfg(test)]
mod tests;
