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

/// Keeps the shunt block devices as a configuration file describes them, and logs every change.
///
/// No I/O passes through it: the devices work without it, and it can be stopped, killed and started
/// at any time. It waits for the kernel module and for missing drives. The log goes to stderr. SIGHUP
/// makes it read the file again; SIGTERM and SIGINT end it, and the devices stay. It needs
/// CAP_SYS_ADMIN.
#[derive(Debug, Parser)]
#[command(name = "shuntd", version)]
pub(crate) struct Cli {
    /// Configuration file; the files that it includes and FILE.d/*.toml are read, too
    ///
    /// [default: /etc/shunt/shunt.toml, if it exists]. See docs/configuration.md.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Least severe level that is logged
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level())]
    pub(crate) log_level: LevelFilter,

    /// Where to serve metrics for Prometheus: ADDRESS:PORT, unix:/PATH, or off
    ///
    /// There is no authentication; the default address can be reached from this machine only. Metrics
    /// contain names and figures of the devices, and no path of a drive.
    #[arg(long, value_name = "ADDRESS", default_value_t = Metrics::At(exporter::DEFAULT))]
    pub(crate) metrics: Metrics,

    /// Size of the socket's receive buffer
    ///
    /// When it overflows, changes are missed; this is counted, and all devices are read again.
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
