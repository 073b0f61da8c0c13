// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shunt-csi`: a CSI driver for one node. Wiring only.

mod cli;
mod driver;
mod identity;
mod rpc;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
