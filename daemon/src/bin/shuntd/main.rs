// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shuntd`: follows the kernel and logs what happens to the devices. Wiring only:
//! arguments, log, and what the loop of the library waits for.

mod cli;
mod signals;
mod stderr;

use std::process::ExitCode;

use clap::Parser;
use log::Level;
use shunt::{
    Change, Reason, Update,
    service::{self, Keeper, Report},
    transport::netlink::RunningKernel,
};

use cli::Cli;
use signals::Signals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    stderr::log_to_stderr(cli.log_level);
    match run() {
        Ok(()) => {
            log::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            match error.errno() {
                Some(nix::libc::EPERM) => {
                    log::error!("{error}; run it as root (it needs CAP_SYS_ADMIN)");
                }
                _ => log::error!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> shunt::Result<()> {
    let mut signals = Signals::take()?;
    log::info!("following the devices");
    let mut keeper = Keeper::start(RunningKernel, write_report)?;
    service::run(&mut keeper, &mut [&mut signals])
}

fn write_report(report: Report) {
    match report {
        Report::Waiting => log::warn!(
            "the shunt module is not loaded; waiting for it (load it with: modprobe shunt)"
        ),
        Report::Update(Update::Exists(device)) => log::debug!("exists: {device}"),
        Report::Update(Update::Ready(changes)) => changes.iter().for_each(write_change),
        Report::Update(Update::Changed(change)) => write_change(&change),
        Report::Update(Update::Overrun) => {
            log::warn!("changes were missed; reading the devices anew");
        }
    }
}

fn write_change(change: &Change) {
    let level = match change.reason {
        Reason::Lost => Level::Warn,
        Reason::Created | Reason::Changed | Reason::Destroyed => Level::Info,
    };
    log::log!(level, "{}: {}", change.reason.name(), change.device);
}
