// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be typed: the only place that knows of clap. `main` and the completions read it.

use std::{path::PathBuf, time::Duration};

use crate::output::list::Field;
use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use shunt::{QueueMode, StatsMode, TargetSpec, units::Bytes};
use shunt_uapi::TIMEOUT_MAX;

/// Maps and measures shunt block devices, and changes them while they are in use.
///
/// Exit status: 0 done, 1 refused or failed (one line on stderr tells why), 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "shunt", version)]
pub(crate) struct Cli {
    /// Print JSON, one object on each line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Map a new device to one target, or to several, joined end to end or striped
    Map(MapArgs),
    /// Forward the I/O of a device to other targets from now on; copies nothing
    ///
    /// The device stays in use. No I/O is lost, reordered or failed. What is on the new targets is what
    /// users of the device read from then on: copy the data there before.
    Retarget(RetargetArgs),
    /// Pause I/O: wait for the I/O in flight, and hold new I/O until resume
    Suspend(SuspendArgs),
    /// Resume the I/O of a suspended device
    Resume(ChangeArgs),
    /// Grow a device to the present size of its drives
    ///
    /// The last target, or each stripe, grows if it was given without a length.
    Resize(ChangeArgs),
    /// Change what a device measures, or whether it is read-only
    Set(SetArgs),
    /// Remove a device; its data stays on the drives
    Unmap(UnmapArgs),
    /// List the devices
    List(ListArgs),
    /// Show devices and their targets
    Show(DevicesArgs),
    /// Show what needs attention: devices that are lost, suspended, or not as configured
    ///
    /// The exit status is 1 if there are any.
    Status {
        /// Configuration file to compare with [default: /etc/shunt/shunt.toml, if it exists]
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
    /// Show the versions of this program, of the module that is loaded and of the one that is installed
    Version,
    /// Compare what a device supports with what its drives support, and explain the differences
    Caps {
        /// Device: its name, /dev/shuntN, a link to that, or N
        name: String,
    },
    /// Show what was counted since the device was mapped
    Stats(StatsArgs),
    #[cfg(feature = "tui")]
    /// Watch all devices live, on the whole screen
    Top(ListenArgs),
    /// List the devices, then report every change until interrupted
    Events(ListenArgs),
    /// Show what apply would do; change nothing
    ///
    /// See docs/configuration.md for the file. Devices that it does not name are left alone.
    Plan {
        /// Configuration file; the files that it includes and FILE.d/*.toml are read, too
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Make the devices match a configuration file, each whole or not at all
    ///
    /// A device in use is changed without disturbing its users where that is possible, and left as it
    /// is otherwise. Devices that the file does not name are left alone.
    Apply {
        /// Configuration file; the files that it includes and FILE.d/*.toml are read, too
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the present devices as a configuration file
    Export,
    /// Print a completion script for a shell
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Write the manual pages of all commands to a folder
    #[command(hide = true)]
    Manual {
        /// The folder
        folder: PathBuf,
    },
    /// Tell udev of a device: SHUNT_NAME in the encoding of udev, SHUNT_STATE and SHUNT_DEPTH
    #[command(hide = true)]
    UdevName {
        /// Name of the disk or partition, as in /sys/class/block
        disk: String,
    },
}

impl Command {
    /// How long a command that changes a device may have it wait, if that was said.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let wait = match self {
            Self::Map(args) => args.wait,
            Self::Retarget(args) => args.wait,
            Self::Suspend(args) => args.wait,
            Self::Resume(args) | Self::Resize(args) => args.wait,
            Self::Set(args) => args.wait,
            Self::Unmap(args) => args.wait,
            _ => return None,
        };
        wait.timeout
    }

    /// How a command that follows a stream of the kernel listens to it.
    pub(crate) fn listens(&self) -> Option<ListenArgs> {
        match self {
            Self::Stats(args) => Some(args.listen),
            #[cfg(feature = "tui")]
            Self::Top(args) => Some(*args),
            Self::Events(args) => Some(*args),
            _ => None,
        }
    }
}

impl ListenArgs {
    /// Bytes that the kernel is asked to keep.
    pub(crate) fn room(self) -> usize {
        usize::try_from(self.receive_buffer.0).unwrap_or(usize::MAX)
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Columns, in this order
    #[arg(short = 'o', long, value_name = "COLUMNS", value_delimiter = ',',
          default_value = Field::USUAL, value_parser = word(Field::ALL, Field::name))]
    pub(crate) output: Vec<Field>,

    /// Print no headings
    #[arg(long)]
    pub(crate) noheadings: bool,

    /// Print sizes in bytes
    #[arg(long)]
    pub(crate) bytes: bool,
}

/// How long a change may wait.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WaitArgs {
    /// Longest wait for I/O in flight and for other changes of the device [default: 5]
    ///
    /// SECONDS is from 0.01 to 60. When it is over, the command fails and the device is as it was.
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<Duration>,
}

/// Which devices a command is about.
#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Devices, each by its name, /dev/shuntN, a link to that, or N
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(crate) names: Vec<String>,

    /// All devices
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) devices: DevicesArgs,

    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MapArgs {
    /// Name of the new device: 1 to 63 bytes without slash, white space or control characters, not
    /// ending in -part and a number
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) table: TableArgs,

    /// Queue mode
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

    #[command(flatten)]
    wait: WaitArgs,
}

/// Which drives a device forwards to.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// Block device to forward to, and the piece of it; repeat it for several targets
    ///
    /// Without an offset the piece begins at 0, without a length it extends to the end. SIZE is a number
    /// of bytes, or has a unit: B, K, M, G, T (each 1024 of the one before) or s (512-byte sectors).
    /// Several targets are joined in the order given, or striped with --stripe.
    #[arg(
        long,
        required = true,
        value_name = "DEV[,offset=SIZE][,length=SIZE]",
        value_parser = target
    )]
    pub(crate) to: Vec<TargetSpec>,

    /// Stripe the targets, in chunks of this size
    ///
    /// SIZE is a multiple of the logical block size. All targets have the same length; those without
    /// one get that of the shortest.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) stripe: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct RetargetArgs {
    /// Device: its name, /dev/shuntN, a link to that, or N
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) table: TableArgs,

    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    pub(crate) devices: DevicesArgs,

    /// Freeze every file system on the device first, also on partitions, dm and md; fail if one cannot be frozen
    #[arg(long)]
    pub(crate) freeze: bool,

    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("settings").required(true).multiple(true))]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) devices: DevicesArgs,

    /// What the device measures
    #[arg(long, value_name = "MODE", group = "settings",
          value_parser = word(StatsMode::ALL, StatsMode::name))]
    pub(crate) stats: Option<StatsMode>,

    /// Refuse writes
    #[arg(long, group = "settings", conflicts_with = "read_write")]
    pub(crate) read_only: bool,

    /// Accept writes
    #[arg(long, group = "settings")]
    pub(crate) read_write: bool,

    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnmapArgs {
    #[command(flatten)]
    pub(crate) devices: DevicesArgs,

    /// Remove it although it is open; its I/O fails from then on
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Device: its name, /dev/shuntN, a link to that, or N; all devices if omitted
    pub(crate) name: Option<String>,

    /// Keep showing new samples, one every SECONDS
    ///
    /// Tables show rates since the last sample, JSON shows totals. SECONDS, from 0.01 to 30, applies to
    /// all listeners, so setting it takes root. Without it the interval stays as it was set last, one
    /// second if it never was.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) watch: Option<Option<Duration>>,

    /// Record samples and draw a heat map of latency over time
    #[arg(long, value_name = "FILE.svg", conflicts_with = "json")]
    pub(crate) heatmap: Option<PathBuf>,

    /// How long to record for the heat map
    #[arg(long = "for", value_name = "SECONDS", default_value = "60", value_parser = run_seconds,
          requires = "heatmap")]
    pub(crate) run: Duration,

    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

/// How a stream of the kernel is listened to.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ListenArgs {
    /// Size of the socket's receive buffer
    ///
    /// When it overflows, messages are lost; this is reported, and everything is read again. More than
    /// the sysctl net.core.rmem_max takes root.
    #[arg(long, value_name = "SIZE", default_value = "4M")]
    pub(crate) receive_buffer: Bytes,
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
        planned: None,
    })
}

fn size(text: &str) -> Result<u64, String> {
    text.parse()
        .map(|Bytes(bytes)| bytes)
        .map_err(|error: shunt::units::ParseBytesError| error.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    seconds_in(text, 0.01, 30.0)
}

fn timeout(text: &str) -> Result<Duration, String> {
    seconds_in(text, 0.01, f64::from(TIMEOUT_MAX) / 1000.0)
}

fn run_seconds(text: &str) -> Result<Duration, String> {
    seconds_in(text, 0.1, 86_400.0)
}

fn seconds_in(text: &str, least: f64, most: f64) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (least..=most).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("'{text}' is not a number of seconds from {least} to {most}"))
}

#[cfg(test)]
mod tests;
