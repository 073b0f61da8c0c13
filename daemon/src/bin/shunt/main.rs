// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `shunt`: asks the kernel and shows what it says. Wiring only: arguments, log,
//! exit status.

mod capabilities;
mod cli;
mod commands;
mod explain;
mod heat;
mod output;
#[cfg(feature = "tui")]
mod top;

use std::{
    io::{self, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use clap::Parser;
use shunt::words::visible;

use cli::Cli;
use explain::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::set_max_level(log::LevelFilter::Warn);
    // It fails only if a logger is set already, and none is.
    let _ = log::set_logger(&Stderr);
    let (stdout, mut writer) = (io::stdout(), io::stdout().lock());
    let mut output = Output::new(&mut writer, stdout.as_fd(), cli.json);
    match commands::run(&cli.command, &mut output) {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Printed) => ExitCode::FAILURE,
        Err(Failure::Explained(why)) => {
            complain(format_args!("{why}"));
            ExitCode::FAILURE
        }
        Err(Failure::Several(lines)) => {
            for line in lines {
                complain(format_args!("{line}"));
            }
            ExitCode::FAILURE
        }
    }
}

/// Puts one line on stderr; if that is closed, nobody is there to tell.
fn complain(why: std::fmt::Arguments<'_>) {
    let why = why.to_string();
    let why = visible(&why).replace('\n', "\\n");
    let _ = writeln!(io::stderr(), "shunt: {why}");
}

/// Warnings of the library.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            complain(*record.args());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests;
