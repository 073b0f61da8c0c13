// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of `shunt-csi`.

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use log::LevelFilter;

use crate::{driver::Driver, rpc};

/// Makes flash drives of a Kubernetes node available as volumes, each behind a shunt device
#[derive(Debug, Parser)]
#[command(name = "shunt-csi", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the calls of Kubernetes on this node
    Serve {
        /// Socket to listen on
        #[arg(long, value_name = "unix:///PATH", default_value = "unix:///csi/csi.sock", value_parser = socket)]
        endpoint: PathBuf,
        /// What is logged: error, warn, info, debug
        #[arg(long, value_name = "LEVEL", default_value = "info")]
        log_level: LevelFilter,
    },
}

/// The path of a socket that is given as kubelet and the sidecars have it.
fn socket(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix://").or(text.strip_prefix("unix:"));
    let path = PathBuf::from(path.unwrap_or(text));
    match path.is_absolute() {
        true => Ok(path),
        false => Err(format!(
            "'{text}' is not a full path; give one, as in unix:///csi/csi.sock"
        )),
    }
}

/// Does what was asked for.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve {
            endpoint,
            log_level,
        } => {
            log_to_stderr(log_level);
            rpc::serve(&endpoint, Arc::new(Driver {})).map_err(|why| why.to_string())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Who has closed the standard error does not want to know.
            let _ = writeln!(std::io::stderr(), "shunt-csi: {why}");
            ExitCode::FAILURE
        }
    }
}

/// One line for each record, as a container's log takes it.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = record.level().as_str().to_lowercase();
        let text = record.args().to_string();
        let _ = writeln!(
            std::io::stderr(),
            "{level}: {}",
            shunt::words::visible(&text)
        );
    }

    fn flush(&self) {}
}

fn log_to_stderr(level: LevelFilter) {
    // Only one logger is ever set.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}
