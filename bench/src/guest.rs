// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's side: its first program, which makes the devices, has fio work on them and tells the host what it measured.

mod command;
mod control;
mod cost;
mod device;
mod drive;
mod fio;
pub(crate) mod init;
mod poised;
mod scale;
mod symbols;
mod throughput;

/// Errors of the guest's side are one line for the user.
type Result<T> = std::result::Result<T, String>;

/// Turns an error into a line that opens with what was being done.
fn because<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |why| format!("{what}: {why}")
}
