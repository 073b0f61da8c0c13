// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be typed: the only place that knows of clap. `main` reads it.

use std::{fmt, io, path::PathBuf, str::FromStr};

use clap::{
    CommandFactory, Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_mangen::Man;
use log::LevelFilter;
use shunt::{
    exporter::{self, Address},
    units::Bytes,
};

/// Keeps the shunt block devices as a file wants them, and logs every change.
///
/// No I/O passes through it: the devices work without it, and it may be stopped, killed and started
/// at any time. It waits for the kernel module and for drives that are missing, and reads the devices
/// anew whenever changes were missed. The log goes to stderr. SIGHUP has it read the file again.
/// SIGTERM and SIGINT end it; the devices stay. It needs CAP_SYS_ADMIN.
#[derive(Debug, Parser)]
#[command(name = "shuntd", version)]
pub(crate) struct Cli {
    /// The devices that are wanted; what it includes and FILE.d/*.toml belong to it
    ///
    /// Without the option the usual file may be absent. See docs/configuration.md.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Log this and what is worse
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level())]
    pub(crate) log_level: LevelFilter,

    /// Where to serve metrics for Prometheus: ADDRESS:PORT, unix:/PATH, or off
    ///
    /// Whoever reaches the address can read them; the usual one can be reached from this machine
    /// only. They tell names and figures of the devices, and no path of a drive.
    #[arg(long, value_name = "ADDRESS", default_value_t = Metrics::At(exporter::DEFAULT))]
    pub(crate) metrics: Metrics,

    /// How much the kernel keeps of changes that were not read yet
    ///
    /// If it is full, something is lost, which is counted, and all devices are read anew.
    #[arg(long, value_name = "SIZE", default_value = "4M")]
    pub(crate) receive_buffer: Bytes,

    /// Print the manual page
    #[arg(long, hide = true)]
    pub(crate) manual: bool,
}

/// The manual page.
pub(crate) fn manual() -> io::Result<()> {
    let page = Man::new(Cli::command()).section("8");
    page.render(&mut io::stdout().lock())
}

/// Whether and where metrics are served.
#[derive(Clone, Debug)]
pub(crate) enum Metrics {
    Off,
    At(Address),
}

impl FromStr for Metrics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At),
        }
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(Address::Tcp(address)) => address.fmt(f),
            Self::At(unix) => unix.fmt(f),
        }
    }
}

fn level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])
        .try_map(|word| word.parse::<LevelFilter>())
}
