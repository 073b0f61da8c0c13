// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be typed: the only place that knows of clap. `main` reads it.

use clap::{
    Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};
use log::LevelFilter;

/// Follows the shunt block devices and logs every change.
///
/// No I/O passes through it: the devices work without it, and it may be stopped and started at any
/// time. It waits for the kernel module if that is not loaded, and reads the devices anew whenever
/// changes were missed. The log goes to stderr. SIGTERM and SIGINT end it. It needs CAP_SYS_ADMIN.
#[derive(Debug, Parser)]
#[command(name = "shuntd", version)]
pub(crate) struct Cli {
    /// Log this and what is worse
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level())]
    pub(crate) log_level: LevelFilter,
}

fn level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])
        .try_map(|word| word.parse::<LevelFilter>())
}
