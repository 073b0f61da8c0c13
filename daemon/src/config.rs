// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices that are wanted, as configuration files name them. `shunt plan` and `apply` and the
//! daemon read them; [`plan`](crate::plan) compares them with what there is.
//!
//! ```
//! use shunt::config;
//!
//! let text = r#"
//!     [device.vol0]
//!     to = "/dev/disk/by-id/nvme-flash_1"
//! "#;
//! let devices = config::parse("shunt.toml", text).unwrap();
//! assert_eq!(devices[0].name, "vol0");
//! ```

use std::{fmt, path::PathBuf, sync::Arc};

use crate::model::{QueueMode, StatsMode};

mod check;
mod export;
mod files;
mod read;
mod value;

pub use check::check;
pub use export::{export, wanted};
pub use files::{load, load_if_there};
pub use read::parse;

/// Where the configuration is unless it is said otherwise.
pub const FILE: &str = "/etc/shunt/shunt.toml";

/// All that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The devices, in the order of the files and in them.
    pub devices: Vec<Wanted>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// A device that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Unique name.
    pub name: String,
    /// Its table, in the order of its sectors.
    pub targets: Vec<WantedTarget>,
    /// Length of a chunk in bytes if the targets take turns; none to join them end to end.
    pub stripe: Option<u64>,
    /// How it takes I/O.
    pub queue: QueueMode,
    /// What it measures.
    pub stats: StatsMode,
    /// Whether writes are refused.
    pub read_only: bool,
    /// What to do while a drive is missing.
    pub missing: Missing,
    /// What to do when it was changed by somebody else.
    pub policy: Policy,
    /// Where it is written.
    pub place: Place,
}

impl Wanted {
    /// Whether a device that is made as this one wants it is as the other wants it, too.
    pub fn is_made_like(&self, other: &Self) -> bool {
        let made = |wanted: &Self| {
            let settings = (wanted.queue, wanted.stats, wanted.read_only);
            (wanted.targets.clone(), wanted.stripe, settings)
        };
        made(self) == made(other)
    }
}

/// One piece of the table of a device that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTarget {
    /// The backing device.
    pub drive: DriveName,
    /// Where the target begins in the backing device, in bytes.
    pub offset: u64,
    /// Length in bytes; none for all from `offset` to the end of the backing device.
    pub length: Option<u64>,
    /// Where it is written.
    pub place: Place,
}

/// How a file names a backing device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriveName {
    /// By an absolute path.
    Path(String),
    /// By the identifier in its partition table, in lower case.
    PartUuid(String),
    /// By the number that the kernel gave it when it came; not the same after a boot.
    DiskSeq(u64),
}

impl fmt::Display for DriveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::PartUuid(uuid) => write!(f, "PARTUUID={uuid}"),
            Self::DiskSeq(number) => write!(f, "diskseq={number}"),
        }
    }
}

/// What to do while a drive of a device is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// The device is mapped when the drive comes.
    #[default]
    Wait,
    /// The device is left out until the files are read again.
    Skip,
}

impl Missing {
    /// Every word.
    pub const ALL: [Self; 2] = [Self::Wait, Self::Skip];

    /// The word in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Skip => "skip",
        }
    }
}

/// What the daemon does when a device was changed by somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It leaves the device as it is.
    #[default]
    Adopt,
    /// It makes the device as configured.
    Restore,
}

impl Policy {
    /// Every word.
    pub const ALL: [Self; 2] = [Self::Adopt, Self::Restore];

    /// The word in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Restore => "restore",
        }
    }
}

/// A place in a file. All places are equal: where something is written changes nothing about it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: Arc<str>,
    /// Line and column, counted from 1; none for the file as a whole.
    pub at: Option<(usize, usize)>,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Place {
    /// A file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            at: None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.at {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// What is wrong in a file, in one line: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and how to mend it.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests;
