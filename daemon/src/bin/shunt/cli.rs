// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be typed: the only place that knows of clap. `main` and the completions read it.

use std::time::Duration;

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use shunt::{QueueMode, StatsMode, TargetSpec, units::Bytes};

/// Maps, measures and watches shunt block devices.
///
/// Exit status: 0 done, 1 refused or failed (one line on stderr tells why), 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "shunt", version)]
pub(crate) struct Cli {
    /// Print JSON, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Map a new device over one target, or over several joined end to end
    Map(MapArgs),
    /// Unmap a device
    Unmap(UnmapArgs),
    /// List the devices
    List,
    /// Show one device with its targets
    Show {
        /// Name of the device
        name: String,
    },
    /// Show statistics: what was counted since the device was mapped
    Stats(StatsArgs),
    /// Show the devices that are there, then every change, until interrupted
    Events,
    /// Print a script that completes arguments in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MapArgs {
    /// Name of the new device: 1 to 63 bytes without slash, white space or control characters
    pub(crate) name: String,

    /// Block device to forward to, and which part of it; give it again to join several
    ///
    /// Without offset the part begins at 0, without length it goes to the end. SIZE is a number of
    /// bytes, or one with B, K, M, G, T (each 1024 of the one before) or s (512-byte sectors).
    /// Several targets are joined in their order.
    #[arg(
        long,
        required = true,
        value_name = "DEV[,offset=SIZE][,length=SIZE]",
        value_parser = target
    )]
    pub(crate) to: Vec<TargetSpec>,

    /// How the device takes I/O
    ///
    /// bio forwards each bio directly, at the lowest cost; mq has a request queue with merging and
    /// I/O schedulers.
    #[arg(long, value_name = "MODE", default_value = "bio",
          value_parser = word(QueueMode::ALL, QueueMode::name))]
    pub(crate) queue: QueueMode,

    /// What the device measures
    ///
    /// off: nothing. counters: operations and bytes. full: also errors, operations in flight,
    /// latency histograms and /proc/diskstats.
    #[arg(long, value_name = "MODE", default_value = "full",
          value_parser = word(StatsMode::ALL, StatsMode::name))]
    pub(crate) stats: StatsMode,

    /// Refuse writes
    #[arg(long)]
    pub(crate) read_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnmapArgs {
    /// Name of the device
    pub(crate) name: String,

    /// Unmap it while it is open (not supported yet)
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Name of the device; all devices if left out
    pub(crate) name: Option<String>,

    /// Go on, once in so many seconds, 1 if left out
    ///
    /// Tables show the rates since the one before; JSON goes on showing what was counted in all.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
          value_parser = seconds)]
    pub(crate) watch: Option<Duration>,
}

/// One of the words of an enum.
fn word<T, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name)).try_map(move |word| {
        let found = all.into_iter().find(|value| name(*value) == word);
        found.ok_or("not one of the words")
    })
}

/// `DEV[,offset=SIZE][,length=SIZE]`. The options are looked for from the end, so that commas in
/// the path do no harm.
fn target(text: &str) -> Result<TargetSpec, String> {
    let (mut path, mut offset, mut length) = (text, None, None);
    while let Some((rest, option)) = path.rsplit_once(',') {
        let Some((key, value)) = option.split_once('=') else {
            break;
        };
        let place = match key {
            "offset" => &mut offset,
            "length" => &mut length,
            _ => return Err(format!("'{key}' is not known; offset and length are")),
        };
        let Bytes(bytes) = value.parse().map_err(|error| format!("{key}: {error}"))?;
        if place.replace(bytes).is_some() {
            return Err(format!("'{key}' is given twice; give it once"));
        }
        path = rest;
    }
    if path.is_empty() {
        return Err("the path is empty; begin with that of a block device".into());
    }
    // The kernel keeps the path as it is; a relative one would mean nothing later.
    let absolute = std::path::absolute(path)
        .map_err(|error| format!("'{path}' cannot be made absolute: {error}"))?;
    let Some(absolute) = absolute.to_str() else {
        return Err(format!(
            "'{path}' is in a folder whose name is not UTF-8; give its full path"
        ));
    };
    Ok(TargetSpec {
        path: absolute.to_owned(),
        offset: offset.unwrap_or(0),
        length,
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.001..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("'{text}' is not a number of seconds from 0.001 to 86400"))
}

#[cfg(test)]
mod tests;
