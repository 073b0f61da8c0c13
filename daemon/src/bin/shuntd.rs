// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shuntd`: follows the kernel and logs what happens to the devices. Arguments, log
//! and signals are here; the loop is in the library.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    process::ExitCode,
};

use clap::{
    Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};
use log::{Level, LevelFilter};
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use shunt::{
    Change, Client, Error, Reason, Update,
    service::{self, Report},
};

/// Follows the shunt block devices and logs every change.
///
/// No I/O passes through it: the devices work without it, and it may be stopped and started at any
/// time. It waits for the kernel module if that is not loaded, and reads the devices anew whenever
/// changes were missed. The log goes to stderr. SIGTERM and SIGINT end it. It needs CAP_SYS_ADMIN.
#[derive(Debug, Parser)]
#[command(name = "shuntd", version)]
struct Cli {
    /// Log this and what is worse
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level())]
    log_level: LevelFilter,
}

fn level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])
        .try_map(|word| word.parse::<LevelFilter>())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::set_max_level(cli.log_level);
    let journal = stderr_is_journal();
    // It fails only if a logger is set already, and none is.
    let _ = log::set_boxed_logger(Box::new(Stderr { journal }));
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

/// Whether stderr is the stream of the journal that systemd tells of (see systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let stream = env::var("JOURNAL_STREAM");
    let stderr = fs::metadata("/proc/self/fd/2");
    matches!((stream, stderr), (Ok(stream), Ok(stderr))
        if stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

fn run() -> shunt::Result<()> {
    let signals = signals().map_err(|errno| Error::System {
        action: "take signals",
        source: errno.into(),
    })?;
    log::info!("following the devices");
    service::follow(Client::connect, &signals, service::RETRY, write_report)
}

/// A descriptor that becomes readable when the program is told to end.
fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.add(Signal::SIGINT);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
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

/// Lines on stderr; for the journal each begins with its priority (see sd-daemon(3)).
struct Stderr {
    journal: bool,
}

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (priority, word) = match record.level() {
            Level::Error => (3, "error"),
            Level::Warn => (4, "warning"),
            Level::Info => (6, "info"),
            Level::Debug => (7, "debug"),
            Level::Trace => (7, "trace"),
        };
        // If stderr is closed, nobody is there to tell.
        let _ = if self.journal {
            writeln!(io::stderr(), "<{priority}>{}", record.args())
        } else {
            writeln!(io::stderr(), "shuntd: {word}: {}", record.args())
        };
    }

    fn flush(&self) {}
}
