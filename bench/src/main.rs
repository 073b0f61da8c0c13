// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-bench` measures what a shunt costs, in instructions of a guest that QEMU counts, beside dm-linear, loop and the raw drive.
//! One static binary is both ends: it boots the guest on the host, and from the payload drive it measures in the guest.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a binary: it owns its output"
)]

mod cli;
mod estimate;
mod figure;
mod guest;
mod host;
mod job;
mod record;
mod subject;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::record::Effort;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Cost {
            what,
            requests,
            ios,
            rounds,
        } => {
            let effort = Effort {
                ios,
                least: rounds,
                most: rounds,
            };
            host::cost::run(&what.into(), requests, effort)
        }
        Command::Profile { what } => host::profile::run(&what.into()),
        Command::Quick { what } => host::gate::run(&what.into()),
        Command::Full { what } => host::full::run(&what.into()),
        Command::Some { what, step } => host::full::some(&what.into(), &step),
        Command::Report { folder } => host::report::again(&folder),
        Command::Guest => guest::init::serve().map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("shunt-bench: {why}");
            ExitCode::FAILURE
        }
    }
}
