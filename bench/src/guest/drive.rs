// SPDX-License-Identifier: MIT OR Apache-2.0
//! The null drives below everything: they complete each operation at once, in the submitter's context.

use std::fs;
use std::path::Path;
use std::thread;

use super::{Result, because, command};
use crate::job::Job;

const CONFIG: &str = "/sys/kernel/config";
/// Largest operation that a drive takes, in sectors: 1,280 KiB.
const MAX_SECTORS: u64 = 2560;

const MIB: u64 = 1 << 20;

/// What a null drive is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drive {
    /// Reads and writes, of which nothing is kept.
    Plain,
    /// Flushes and discards: what is written is kept, behind a write cache.
    Memory,
    /// As the plain one, with a queue that is polled.
    Polled,
}

/// A piece of a drive, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) drive: Drive,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Drive {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Memory, Self::Polled];

    /// The one that a job needs.
    pub(super) fn of(job: &Job) -> Self {
        match job {
            job if job.needs_memory() => Self::Memory,
            job if job.is_polled() => Self::Polled,
            _ => Self::Plain,
        }
    }

    /// All of it.
    pub(super) fn whole(self) -> Piece {
        Piece {
            drive: self,
            offset: 0,
            length: self.bytes(),
        }
    }

    /// One of many small pieces of it.
    pub(super) fn piece(self, number: u32) -> Piece {
        Piece {
            drive: self,
            offset: u64::from(number) * MIB,
            length: MIB,
        }
    }

    /// Its size in bytes.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Memory => 256 * MIB,
            Self::Plain | Self::Polled => 64 * 1024 * MIB,
        }
    }

    /// Its device node.
    pub(super) fn path(self) -> String {
        format!("/dev/{}", self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Memory => "memory",
            Self::Polled => "polled",
        }
    }

    /// Makes it, with a queue for each processor.
    fn make(self) -> Result<()> {
        let folder = Path::new(CONFIG).join("nullb").join(self.name());
        fs::create_dir(&folder).map_err(because(folder.display()))?;
        let set = |name: &str, value: u64| {
            let file = folder.join(name);
            fs::write(&file, value.to_string()).map_err(because(file.display()))
        };
        let processors = thread::available_parallelism().map_or(1, |count| count.get() as u64);
        set("irqmode", 0)?;
        set("submit_queues", processors)?;
        set("size", self.bytes() / MIB)?;
        // As most drives have it. Its own default is a sector less than 128 KiB, and what must be split cannot be
        // submitted without waiting: io_uring would leave it to a worker thread.
        set("max_sectors", MAX_SECTORS)?;
        match self {
            Self::Plain => {}
            Self::Memory => {
                set("memory_backed", 1)?;
                set("discard", 1)?;
                set("cache_size", 16)?;
            }
            Self::Polled => set("poll_queues", 1)?,
        }
        set("power", 1)
    }
}

/// Makes all null drives.
pub(super) fn make_all() -> Result<()> {
    command::run(&["modprobe", "null_blk", "nr_devices=0"])?;
    if !Path::new(CONFIG).join("nullb").exists() {
        command::run(&["mount", "-t", "configfs", "configfs", CONFIG])?;
    }
    Drive::ALL.into_iter().try_for_each(Drive::make)
}
