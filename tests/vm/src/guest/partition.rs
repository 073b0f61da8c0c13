// SPDX-License-Identifier: MIT OR Apache-2.0
//! A partition table with one partition; the kernel reads it anew when it is made and when it is removed.

use std::path::Path;

use super::command::run;
use super::direct::{Buffer, Direct};
use super::wait::wait_until;

/// A partition of a disk; gone on drop.
pub(crate) struct Partition {
    disk: String,
}

impl Partition {
    /// Gives a disk of 512-byte sectors one partition, placed in bytes.
    #[track_caller]
    pub(crate) fn create(disk: &str, offset: u64, length: u64) -> Self {
        let mut table = Buffer::zeroed(512);
        let entry = &mut table[446..462];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&sectors(offset).to_le_bytes());
        entry[12..].copy_from_slice(&sectors(length).to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xaa]);
        let partition = Self {
            disk: disk.to_owned(),
        };
        partition.set(&table);
        wait_until("the partition has a node", || {
            Path::new(&partition.path()).exists()
        });
        partition
    }

    /// Its device node.
    pub(crate) fn path(&self) -> String {
        format!("{}p1", self.disk)
    }

    #[track_caller]
    fn set(&self, table: &Buffer) {
        Direct::open(&self.disk).write(0, table);
        run(&format!("blockdev --rereadpt {}", self.disk));
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // With the disk it has gone already.
        if !Path::new(&self.disk).exists() {
            return;
        }
        self.set(&Buffer::zeroed(512));
    }
}

fn sectors(bytes: u64) -> u32 {
    u32::try_from(bytes / 512).expect("the disks of the guest are small")
}
