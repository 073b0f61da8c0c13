// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device that is read from while the host watches each instruction: nothing else happens in between.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use nix::libc::{O_DIRECT, O_NOATIME};

use super::device::Device;
use super::drive::Drive;
use super::{Result, because};
use crate::subject::Subject;

const BLOCK: usize = 4096;

/// Reads until caches and per-CPU lists are as they are in the middle of a run.
const WARM: u32 = 500;

/// An open device.
pub(super) struct Poised {
    memory: Vec<u8>,
    // Closed before the device goes.
    file: File,
    _device: Device,
    blocks: u64,
    place: u64,
}

impl Poised {
    /// Makes the device over a drive that does what it needs, and reads from it.
    pub(super) fn make(subject: Subject) -> Result<Self> {
        let drive = match subject {
            Subject::Parted { .. } => Drive::Memory,
            _ => Drive::Plain,
        };
        let device = Device::over(subject, drive)?;
        let mut file = OpenOptions::new()
            .read(true)
            // Whether the time of access is due differs from device to device.
            .custom_flags(O_DIRECT | O_NOATIME)
            .open(device.path())
            .map_err(because(device.path()))?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(because("seek"))?;
        let mut poised = Self {
            blocks: bytes / BLOCK as u64,
            memory: vec![0; 2 * BLOCK],
            file,
            _device: device,
            place: 1,
        };
        poised.read(WARM)?;
        Ok(poised)
    }

    /// Reads blocks at random places.
    pub(super) fn read(&mut self, ios: u32) -> Result<()> {
        let start = self.memory.as_ptr().align_offset(BLOCK);
        for _ in 0..ios {
            // A full-period generator modulo 2^64, of which the upper bits are used.
            self.place = self
                .place
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let block = (self.place >> 20) % self.blocks;
            self.file
                .read_exact_at(&mut self.memory[start..start + BLOCK], block * BLOCK as u64)
                .map_err(because("read"))?;
        }
        Ok(())
    }
}
