// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shuntd`: keeps the devices as configured and logs what happens to them. Wiring only:
//! arguments, log, and what the loop of the library waits for.

mod cli;
mod manager;
mod signals;
mod stderr;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Parser;
use log::Level;
use shunt::{
    Change, Error, Reason, Update, absent, config, exporter,
    machine::ThisMachine,
    prometheus::Snapshot,
    service::{self, Drives, Keeper, Presence, Report, Wants},
    transport::{Kernel, netlink::RunningKernel},
};

use cli::{Cli, Metrics};
use manager::Manager;
use signals::Signals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.manual {
        // Nobody is there to be told of an error.
        return match cli::manual() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    stderr::log_to_stderr(cli.log_level);
    match run(cli) {
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

fn run(cli: Cli) -> shunt::Result<()> {
    let presence = Presence::take()?;
    let mut signals = Signals::take()?;
    let mut drives = Drives::listen()?;
    log::info!("following the devices");
    let kernel = RunningKernel {
        event_room: usize::try_from(cli.receive_buffer.0).unwrap_or(usize::MAX),
    };
    let overruns = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&overruns);
    let mut keeper = Keeper::start(kernel, move |report| {
        if report == Report::Update(Update::Overrun) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        write_report(report);
    })?;
    keeper.keep_to(wants(cli.config).seen_in(presence));
    serve_metrics(cli.metrics, overruns)?;
    // The last of the sources, so that ready means that each of the others had its turn.
    let mut manager = Manager::of_environment();
    service::run(&mut keeper, &mut [&mut signals, &mut drives, &mut manager])?;
    manager::stopping();
    Ok(())
}

/// What is wanted by the file that was named, or by the usual one if that is there.
fn wants(named: Option<PathBuf>) -> Wants {
    let optional = named.is_none();
    let file = named.unwrap_or_else(|| config::FILE.into());
    Wants::of_file(file, optional, || Box::new(ThisMachine::now()))
}

fn serve_metrics(metrics: Metrics, overruns: Arc<AtomicU64>) -> shunt::Result<()> {
    let Metrics::At(address) = metrics else {
        return Ok(());
    };
    exporter::start(address, exporter::Limits::default(), move || {
        // A module that somebody unloaded stays so.
        let client = RunningKernel::default().connect_if_loaded();
        let snapshot = Snapshot::take(client, overruns.load(Ordering::Relaxed));
        snapshot.map(|snapshot| snapshot.text())
    })
    .map_err(|source| Error::System {
        action: "start a thread for metrics",
        source,
    })
}

fn write_report(report: Report) {
    match report {
        Report::Waiting => {
            let why = absent::obstacle();
            let why = why.as_deref().unwrap_or("load it with: modprobe shunt");
            log::warn!("the shunt module is not loaded; waiting for it ({why})");
        }
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
