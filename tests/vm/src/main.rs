// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-vm` boots the stock kernel in QEMU, with emulated NVMe flash drives, and runs cases, the demo or a shell in it.
//! One static binary is both ends: the harness on the host, and from the payload drive the first program of the guest.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a binary: it owns its output"
)]

mod cases;
mod cli;
mod complaint;
mod crash;
mod guest;
mod host;
mod protocol;
mod random;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, GuestCommand};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Test {
            list: true, case, ..
        } => host::test::list(&case),
        Command::Test {
            kernel,
            case,
            share,
            ..
        } => host::test::run(&kernel, &case, share),
        Command::Demo { kernel } => host::demo::run(kernel.as_deref()),
        Command::Shell { kernel } => host::shell::run(kernel.as_deref()),
        Command::Crash { kernel, rounds } => host::crash::run(&kernel, rounds),
        Command::Random {
            release,
            seed,
            seconds,
        } => host::random::run(release.as_deref(), seed, seconds),
        Command::Guest { command: None } => guest::init::run(),
        Command::Guest {
            command: Some(GuestCommand::Case { name }),
        } => return guest::case::run(&name),
        Command::Guest {
            command: Some(GuestCommand::Demo { colour }),
        } => return guest::demo::run(colour),
        Command::Guest {
            command: Some(GuestCommand::Crash),
        } => return guest::crash::run_loads(),
        Command::Guest {
            command: Some(GuestCommand::Random { seed, seconds }),
        } => return guest::random::run(seed, seconds),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("shunt-vm: {why}");
            ExitCode::FAILURE
        }
    }
}
