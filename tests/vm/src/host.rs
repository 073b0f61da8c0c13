// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's side: boots QEMU, sends requests to the guest, shows what comes back. Called by `main` alone.

pub(crate) mod crash;
pub(crate) mod demo;
mod drives;
mod installed;
mod machine;
mod nbd;
mod parts;
mod qmp;
pub(crate) mod random;
pub(crate) mod shell;
pub(crate) mod test;
mod tool;

/// Errors of the host's side are one line for the user: what, why, what to do.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Turns an error into a line that opens with what was being done.
fn because<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |why| format!("{what}: {why}")
}

/// Lines of a log, set apart from what is said of them.
fn indented<S: AsRef<str>>(lines: &[S]) -> String {
    let indent = |text: String, line: &S| text + "    " + line.as_ref() + "\n";
    lines.iter().fold(String::new(), indent)
}
