// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of `shunt-csi`.

use std::{fs, io::Write, path::PathBuf, process::ExitCode, sync::Arc, thread};

use clap::{Parser, Subcommand};
use log::LevelFilter;
use nix::sys::signal::{SigSet, Signal};

use shunt::exporter::Address;

use crate::{driver::Driver, init, list, metrics, pool::Pool, rpc};

/// Makes flash drives of a Kubernetes node available as volumes, each behind a shunt device
#[derive(Debug, Parser)]
#[command(name = "shunt-csi", version)]
pub(crate) struct Cli {
    /// Folder for what is known until the next boot
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "/run/shunt-csi",
        global = true
    )]
    state: PathBuf,
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
        /// Name of this node
        #[arg(long, value_name = "NAME")]
        node: String,
        /// Where metrics are served: ADDRESS:PORT, unix:/PATH or off
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9746", value_parser = metrics_at)]
        metrics: Metrics,
        /// What is logged: error, warn, info, debug
        #[arg(long, value_name = "LEVEL", default_value = "info")]
        log_level: LevelFilter,
    },
    /// Give drives to a pool; refuses a drive that has anything on it
    Init {
        /// Drives, such as /dev/nvme1n1
        #[arg(required = true)]
        drives: Vec<PathBuf>,
        /// Name of the pool
        #[arg(long, value_name = "NAME", default_value = "default", value_parser = init::pool_name)]
        pool: String,
    },
    /// Show the drives of the pools and the volumes on them
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where metrics are served.
#[derive(Clone, Debug)]
enum Metrics {
    Off,
    At(Address),
}

fn metrics_at(text: &str) -> Result<Metrics, String> {
    match text {
        "off" => Ok(Metrics::Off),
        text => text.parse().map(Metrics::At),
    }
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
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Who has closed the standard error does not want to know.
            let _ = writeln!(
                std::io::stderr(),
                "shunt-csi: {}",
                shunt::words::visible(&why)
            );
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: Cli) -> Result<(), String> {
    let state = cli.state;
    let words = |why: std::io::Error| why.to_string();
    fs::create_dir_all(&state).map_err(|why| format!("{}: {why}", state.display()))?;
    match cli.command {
        Command::Serve {
            endpoint,
            node,
            metrics,
            log_level,
        } => {
            log_to_stderr(log_level);
            end_on_signals().map_err(words)?;
            let driver = Arc::new(Driver::start(node, &state).map_err(words)?);
            if let Metrics::At(address) = metrics {
                metrics::serve(address, &driver).map_err(words)?;
            }
            rpc::serve(&endpoint, driver).map_err(words)
        }
        Command::Init { drives, pool } => {
            for drive in drives {
                say(&init::init(&state, &drive, &pool)?)?;
            }
            Ok(())
        }
        Command::List { json } => {
            let drives = Pool::new(&state).drives();
            match json {
                true => say(&list::json(&drives).to_string()),
                false => say(list::text(&drives).trim_end()),
            }
        }
    }
}

fn say(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}").map_err(|why| why.to_string())
}

/// Ends the process when it is asked to. It may end at any moment; the first process of a container has to ask for that.
fn end_on_signals() -> std::io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block()?;
    let wait = move || {
        // It fails for signals that there are not.
        let _ = signals.wait();
        log::info!("stopped");
        std::process::exit(0);
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
}

/// One line for each record, as a container's log takes it.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // What the crates below say is for those who look for their bugs.
        metadata.target().starts_with("shunt")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_lowercase();
            let text = record.args().to_string();
            let _ = writeln!(
                std::io::stderr(),
                "{level}: {}",
                shunt::words::visible(&text)
            );
        }
    }

    fn flush(&self) {}
}

fn log_to_stderr(level: LevelFilter) {
    // Only one logger is ever set.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}
