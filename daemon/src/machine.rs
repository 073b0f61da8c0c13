// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a machine has besides the devices of shunt: drives, what they stand on, who uses them. The
//! plan looks drives up here, the programs explain refusals with it.

use crate::{
    config::DriveName,
    model::{DriveId, Target},
};

mod drives;
mod identity;
mod links;
mod mounts;
mod stacking;
mod udev;
mod users;

pub use drives::ThisMachine;
pub use identity::Identity;
pub use stacking::Stacking;
pub use users::{Use, Users};

/// A machine, as it is when it is asked.
pub trait Machine {
    /// The drive with that name.
    fn find(&self, name: &DriveName) -> Found;

    /// The disks from a drive down to the disk with that name, both included. None if it does not
    /// stand on it, or if that cannot be seen.
    fn way_down(&self, drive: &Drive, disk: &str) -> Option<Vec<String>>;

    /// Lasting uses of a disk, as in "mounted at /mnt".
    fn users(&self, disk: &str) -> Vec<String>;

    /// The name of a backing device that holds for longest and leads to it now.
    fn lasting_name(&self, target: &Target) -> DriveName;

    /// Whether all drives that there are have their names: at a boot they come one after the other.
    fn is_settled(&self) -> bool;
}

/// What [`Machine::find`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The drive.
    Drive(Drive),
    /// It is not there, or has no medium.
    Missing,
    /// Something else; says what, and what to do.
    Wrong(String),
}

/// A block device that may back a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// A path that the kernel can open it by; one that lasts, if there is one.
    pub path: String,
    /// Its name in `/sys/class/block`.
    pub disk: String,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Size in bytes.
    pub size: u64,
    /// Smallest I/O that it takes, in bytes.
    pub logical_block_size: u32,
    /// What tells it from others.
    pub identity: Identity,
}

impl Drive {
    /// Its numbers.
    pub fn number(&self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// Which drive it is, as long as the machine runs.
    pub fn id(&self) -> DriveId {
        DriveId {
            major: self.major,
            minor: self.minor,
            diskseq: self.identity.sequence,
        }
    }
}
