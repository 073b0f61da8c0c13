// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shunt-csi`: a CSI driver for one node. Wiring only.

mod claim;
mod cli;
mod controller;
mod device;
mod driver;
mod filesystem;
mod identity;
mod init;
mod keeper;
mod list;
mod metrics;
mod mount;
mod node;
mod pool;
mod program;
mod rpc;
mod volume;
mod wanted;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
