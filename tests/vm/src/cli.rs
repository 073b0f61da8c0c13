// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line, as `main` parses it.

use clap::{Parser, Subcommand};

/// Boots the stock kernel in QEMU with emulated NVMe flash drives.
#[derive(Parser)]
#[command(name = "shunt-vm")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the cases in the guest
    Test {
        /// Kernel release, as in kernels/list of the cache; its first one if absent; several, given again, run side by side
        #[arg(long, value_name = "RELEASE")]
        kernel: Vec<String>,
        /// Only cases whose name holds this text; may be given again
        #[arg(long, value_name = "NAME")]
        case: Vec<String>,
        /// Share the cases of a stock kernel between two guests, as those of the debug kernel always are
        #[arg(long)]
        share: bool,
        /// Print the names of the cases and run none
        #[arg(long)]
        list: bool,
    },
    /// Kill the guest in the middle of writes, and look below the devices for all that was acknowledged as durable
    Crash {
        /// Kernel release, as in kernels/list of the cache; its first one if absent; may be given again
        #[arg(long, value_name = "RELEASE")]
        kernel: Vec<String>,
        /// How many times, on each kernel
        #[arg(long, value_name = "N", default_value_t = 1)]
        rounds: u32,
    },
    /// Give random commands to stacks of devices under verified I/O, and compare what comes with what may
    Random {
        /// Kernel release, as in kernels/list of the cache; its first one if absent
        release: Option<String>,
        /// Seed of the first round, as a failure says it; the next round has the next one. By chance if absent
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// How long to begin new rounds; 0 for one round
        #[arg(long, value_name = "S", default_value_t = 60)]
        seconds: u64,
    },
    /// Do the main job in the guest, step by step, and show it
    Demo {
        /// Kernel release, as in kernels/list of the cache; its first one if absent
        #[arg(long, value_name = "RELEASE")]
        kernel: Option<String>,
    },
    /// Open a shell in the guest, with the module loaded and four flash drives
    Shell {
        /// Kernel release, as in kernels/list of the cache; its first one if absent
        #[arg(long, value_name = "RELEASE")]
        kernel: Option<String>,
    },
    /// The first program of the guest: takes requests on the second serial port
    #[command(hide = true)]
    Guest {
        #[command(subcommand)]
        command: Option<GuestCommand>,
    },
}

/// What the first program of the guest starts as children.
#[derive(Subcommand)]
pub(crate) enum GuestCommand {
    /// One case
    Case { name: String },
    /// The demo
    Demo {
        #[arg(long)]
        colour: bool,
    },
    /// The loads of the crash test
    Crash,
    /// The rounds of the random test
    Random { seed: u64, seconds: u64 },
}
