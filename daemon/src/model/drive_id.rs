// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which drive a block device is, as long as the machine runs.

use std::fmt;

/// The numbers of a block device, which another one may have later, and what tells the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveId {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Sequence number of its disk: no other disk gets it before the next boot. None if the system does
    /// not tell it.
    pub diskseq: Option<u64>,
}

impl DriveId {
    /// Whether a drive that is there now is this one, as far as this tells.
    pub fn is(&self, found: &Self) -> bool {
        let numbers = (self.major, self.minor) == (found.major, found.minor);
        numbers && (self.diskseq.is_none() || self.diskseq == found.diskseq)
    }
}

/// `8:16 (diskseq 7)`
impl fmt::Display for DriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)?;
        match self.diskseq {
            Some(diskseq) => write!(f, " (diskseq {diskseq})"),
            None => Ok(()),
        }
    }
}
