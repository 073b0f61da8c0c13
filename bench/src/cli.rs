// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line, as `main` parses it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::host::parts::Choice;

/// Measures what a shunt costs.
#[derive(Parser)]
#[command(name = "shunt-bench")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// What one 4 KiB random read costs, in a minute
    Cost {
        #[command(flatten)]
        what: What,
        /// What has request queues, beside dm-multipath, rather than what takes bios
        #[arg(long)]
        requests: bool,
        /// Operations of one round
        #[arg(long, value_name = "N", default_value_t = 8000)]
        ios: u32,
        /// Rounds of each device
        #[arg(long, value_name = "N", default_value_t = 6)]
        rounds: u32,
    },
    /// In which functions the instructions of one 4 KiB random read are
    Profile {
        #[command(flatten)]
        what: What,
    },
    /// Whether the cost of an I/O rose above the kept one, in two minutes
    Quick {
        #[command(flatten)]
        what: What,
    },
    /// Everything: measures and writes a report into bench/runs, in a quarter of an hour
    Full {
        #[command(flatten)]
        what: What,
    },
    /// Only the steps of `full` whose names hold a text; shows the figures and keeps nothing
    Some {
        #[command(flatten)]
        what: What,
        /// Part of the name of a step, as `full` shows it
        step: String,
    },
    /// Writes the report of a run again, from its figures
    Report {
        /// Folder of the run
        folder: PathBuf,
    },
    /// The guest's side: takes requests on the second serial port
    #[command(hide = true)]
    Guest,
}

/// What is measured.
#[derive(Args)]
pub(crate) struct What {
    /// Kernel release, as in kernels/list of the cache; its last one if absent
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<String>,
    /// The module; out/RELEASE/shunt.ko if absent
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The program that maps devices; out/bin/shunt if absent
    #[arg(long, value_name = "FILE")]
    cli: Option<PathBuf>,
}

impl From<What> for Choice {
    fn from(what: What) -> Self {
        Self {
            kernel: what.kernel,
            module: what.module,
            cli: what.cli,
        }
    }
}
