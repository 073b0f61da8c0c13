// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shunt-csi`: a CSI driver for one node. Wiring only.

#![allow(dead_code, reason = "the RPCs that use it come next")]

mod cli;
mod device;
mod driver;
mod identity;
mod init;
mod keeper;
mod list;
mod pool;
mod program;
mod rpc;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
