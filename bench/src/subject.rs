// SPDX-License-Identifier: MIT OR Apache-2.0
//! The block devices that are compared. The host says which, the guest makes them (`guest/setup.rs`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A way from the submitter to the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// The null drive itself.
    Raw,
    /// dm-linear, or dm-stripe.
    Dm { statistics: bool, table: Table },
    /// dm-multipath with one path, which takes requests and hands clones of them to the drive.
    Multipath,
    /// A loop device over the drive, with direct I/O.
    Loop,
    /// A ublk device whose server completes everything at once, without the drive.
    Ublk,
    /// Ours.
    Shunt {
        queue: Queue,
        stats: Stats,
        table: Table,
    },
    /// Ours in bio mode, with a table of partitions: the whole of it, or its only partition.
    Parted { stats: Stats, whole: bool },
}

/// How the targets of a device lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Table {
    /// So many, end to end.
    Joined(u32),
    /// So many, in stripes of 64 KiB.
    Striped(u32),
}

/// How a shunt takes I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Queue {
    Bio,
    Mq,
}

/// What a shunt measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Stats {
    Off,
    Counters,
    Full,
    /// As `Full`, while somebody listens to the statistics every 100 ms.
    Heard,
}

impl Table {
    /// One target, which is the whole drive.
    pub(crate) const ONE: Self = Self::Joined(1);

    /// How many targets there are.
    pub(crate) fn targets(self) -> u32 {
        match self {
            Self::Joined(count) | Self::Striped(count) => count,
        }
    }
}

impl Subject {
    /// dm-linear with one target.
    pub(crate) const DM_LINEAR: Self = Self::Dm {
        statistics: false,
        table: Table::ONE,
    };

    /// dm-linear with one target, and dm-stats with a histogram.
    pub(crate) const DM_STATS: Self = Self::Dm {
        statistics: true,
        table: Table::ONE,
    };

    /// A shunt in bio mode with one target.
    pub(crate) const fn bio(stats: Stats) -> Self {
        Self::shunt(Queue::Bio, stats)
    }

    /// A shunt with one target.
    pub(crate) const fn shunt(queue: Queue, stats: Stats) -> Self {
        Self::Shunt {
            queue,
            stats,
            table: Table::ONE,
        }
    }

    /// Ours with a table of partitions, and its only partition.
    pub(crate) const fn parted(stats: Stats) -> [Self; 2] {
        [
            Self::Parted { stats, whole: true },
            Self::Parted {
                stats,
                whole: false,
            },
        ]
    }
}

impl Queue {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bio => "bio",
            Self::Mq => "mq",
        }
    }
}

impl Stats {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Counters => "counters",
            Self::Full | Self::Heard => "full",
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())?;
        match self {
            Self::Heard => out.write_str(" + listener"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ONE => Ok(()),
            Self::Joined(count) => write!(out, " {count} targets"),
            Self::Striped(count) => write!(out, " {count} stripes"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => out.pad("raw"),
            Self::Multipath => out.pad("dm-multipath rq"),
            Self::Loop => out.pad("loop"),
            Self::Ublk => out.pad("ublk null"),
            Self::Dm { statistics, table } => {
                let name = match table {
                    Table::Joined(_) => "dm-linear",
                    Table::Striped(_) => "dm-stripe",
                };
                let statistics = if *statistics { " + dm-stats" } else { "" };
                out.pad(&format!("{name}{statistics}{table}"))
            }
            Self::Shunt {
                queue,
                stats,
                table,
            } => out.pad(&format!("shunt {} {stats}{table}", queue.word())),
            Self::Parted { stats, whole } => {
                let part = if *whole { "with" } else { "in" };
                out.pad(&format!("shunt bio {stats}, {part} a partition"))
            }
        }
    }
}
