// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's side: boots a guest, asks it to measure, and makes tables and pictures of what it tells.

mod budget;
mod chart;
pub(crate) mod cost;
mod csv;
mod flame;
pub(crate) mod full;
pub(crate) mod gate;
mod machine;
mod modules;
mod monitor;
pub(crate) mod parts;
mod payload;
mod plan;
pub(crate) mod profile;
pub(crate) mod report;
mod run;
mod svg;
mod table;

/// Errors of the host's side are one line for the user: what, why, what to do.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Turns an error into a line that opens with what was being done.
fn because<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |why| format!("{what}: {why}")
}
