// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked of a stack, and the answers.

use std::fmt;

use shunt::{QueueMode, State, StatsMode};

/// A command, or something that is done to a drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order {
    /// Number of the device in its stack, from the drives up; 0 for what is done to a drive.
    pub(crate) level: usize,
    pub(crate) verb: Verb,
    /// Whether it is given no time, rather than the usual.
    pub(crate) hasty: bool,
}

impl Order {
    /// One that has the usual time.
    pub(crate) fn plain(level: usize, verb: Verb) -> Self {
        Self {
            level,
            verb,
            hasty: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verb {
    /// Where the data are, or to the device below.
    Map {
        queue: QueueMode,
        stats: StatsMode,
        read_only: bool,
    },
    Unmap,
    Force,
    Suspend {
        freeze: bool,
    },
    Resume,
    /// To the place with this number; above other devices, to what is on this side of the same data.
    Retarget(usize),
    Resize,
    Stats(StatsMode),
    ReadOnly(bool),
    Show,
    Statistics,
    /// The drive that is late answers no more.
    Stall,
    /// It answers again.
    Answer,
    /// The drive that can be torn out goes.
    Tear,
    /// It is there again.
    Return,
    /// The drive that grows has grown.
    Grow,
}

impl fmt::Display for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level;
        match self.verb {
            Verb::Map {
                queue,
                stats,
                read_only,
            } => write!(
                out,
                "map {level} --queue {} --stats {}{}",
                queue.name(),
                stats.name(),
                if read_only { " --read-only" } else { "" }
            ),
            Verb::Unmap => write!(out, "unmap {level}"),
            Verb::Force => write!(out, "unmap {level} --force"),
            Verb::Suspend { freeze: false } => write!(out, "suspend {level}"),
            Verb::Suspend { freeze: true } => write!(out, "suspend {level} --freeze"),
            Verb::Resume => write!(out, "resume {level}"),
            Verb::Retarget(place) => write!(out, "retarget {level} to place {place}"),
            Verb::Resize => write!(out, "resize {level}"),
            Verb::Stats(mode) => write!(out, "set {level} --stats {}", mode.name()),
            Verb::ReadOnly(true) => write!(out, "set {level} --read-only"),
            Verb::ReadOnly(false) => write!(out, "set {level} --read-write"),
            Verb::Show => write!(out, "show {level}"),
            Verb::Statistics => write!(out, "stats {level}"),
            Verb::Stall => out.write_str("(a drive answers no more)"),
            Verb::Answer => out.write_str("(it answers again)"),
            Verb::Tear => out.write_str("(a drive is torn out)"),
            Verb::Return => out.write_str("(it is back)"),
            Verb::Grow => out.write_str("(a drive has grown)"),
        }?;
        match self.hasty {
            true => out.write_str(" --timeout 0.01"),
            false => Ok(()),
        }
    }
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    /// With the device as it is then.
    Device(Shown),
    /// With this error number.
    Refused(i32),
}

/// What an answer shows of a device. As an expectation, `None` is anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) state: Option<State>,
    pub(crate) queue: QueueMode,
    pub(crate) stats: StatsMode,
    pub(crate) read_only: Option<bool>,
    pub(crate) place: Option<usize>,
}

impl Answer {
    /// Whether it is as expected.
    pub(crate) fn fits(&self, expected: &Self) -> bool {
        let (Self::Device(is), Self::Device(expected)) = (self, expected) else {
            return self == expected;
        };
        is.queue == expected.queue
            && is.stats == expected.stats
            && (expected.state.is_none() || is.state == expected.state)
            && (expected.read_only.is_none() || is.read_only == expected.read_only)
            && (expected.place.is_none() || is.place == expected.place)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => out.write_str("done"),
            Self::Device(shown) => {
                let state = shown.state.map_or("any state", State::name);
                let (queue, stats) = (shown.queue.name(), shown.stats.name());
                write!(out, "{state} {queue} {stats}")?;
                match shown.read_only {
                    Some(true) => out.write_str(" read-only")?,
                    Some(false) => {}
                    None => out.write_str(" read-only or not")?,
                }
                match shown.place {
                    Some(place) => write!(out, " on place {place}"),
                    None => out.write_str(" anywhere"),
                }
            }
            Self::Refused(errno) => write!(out, "{}", nix::errno::Errno::from_raw(*errno)),
        }
    }
}
