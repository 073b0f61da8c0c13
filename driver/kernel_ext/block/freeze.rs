// SPDX-License-Identifier: GPL-2.0-only

//! Freezes: what stands on a disk writes all out and stops, until it is thawed.
//!
//! A file system is frozen through the block device that it holds: the disk itself, a partition, or a disk that is made of
//! one of them, such as those of dm and md. A [`Freeze`] remembers which devices it froze, and thaws those: the block layer
//! counts freezes, and keeps a device from being mounted while there is one.
//!
//! C source: [`block/bdev.c`](srctree/block/bdev.c), [`fs/super.c`](srctree/fs/super.c)

use super::disk_ref::{DeviceName, DeviceRef, DiskRef, Holder};
use kernel::{alloc::AllocError, prelude::*};

/// Why not all is frozen.
pub(crate) enum Unfrozen {
    /// The device is held by somebody who cannot be stopped: swap, or a program.
    Held(DeviceName),
    /// The file system on the device cannot be stopped, or not be let go on.
    FileSystem(DeviceName, Error),
    /// What stands on the disk could not be found out.
    Unknown(Error),
}

impl From<Error> for Unfrozen {
    fn from(error: Error) -> Self {
        Self::Unknown(error)
    }
}

impl From<AllocError> for Unfrozen {
    fn from(_: AllocError) -> Self {
        Self::Unknown(ENOMEM)
    }
}

/// Block devices that are frozen. Dropping it thaws them, as far as they can be.
///
/// # Invariants
///
/// Each device has been frozen once for each time that it is here.
pub(crate) struct Freeze(KVec<Option<DeviceRef>>);

impl Freeze {
    /// Freezes all that stands on `disk`, what is on top first. Sleeps, and waits for I/O of the disk.
    ///
    /// # Errors
    ///
    /// What keeps it from that; nothing is frozen then.
    pub(crate) fn of(disk: DiskRef) -> Result<Self, Unfrozen> {
        let mut found = found_on(disk)?;
        let mut frozen = Self(KVec::with_capacity(found.len(), GFP_KERNEL)?);
        while let Some(device) = found.pop() {
            device
                .freeze()
                .map_err(|error| Unfrozen::FileSystem(device.name(), error))?;
            // INVARIANT: It was frozen for this.
            frozen.0.push(Some(device), GFP_KERNEL)?;
        }
        Ok(frozen)
    }

    /// Thaws it all; what somebody else has thawed meanwhile stays so. Sleeps, and waits for I/O of the disk.
    ///
    /// # Errors
    ///
    /// The last device whose file system is still frozen; it and others that are can be thawed later.
    pub(crate) fn thaw(&mut self) -> Result<(), Unfrozen> {
        let mut ended = Ok(());
        for place in self.0.iter_mut() {
            match place.as_ref().map(|device| (device.name(), device.thaw())) {
                Some((name, Err(error))) => ended = Err(Unfrozen::FileSystem(name, error)),
                // INVARIANT: What has been thawed goes.
                Some((_, Ok(()))) | None => *place = None,
            }
        }
        ended
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        // Whoever wants to know has called it before.
        let _ = self.thaw();
    }
}

/// The devices that stand on `disk`, each once, the lowest first: itself, its partitions, and all that is made of them.
fn found_on(disk: DiskRef) -> Result<KVec<DeviceRef>, Unfrozen> {
    let mut disks = KVec::new();
    let mut found = KVec::new();
    disks.push(disk, GFP_KERNEL)?;
    let mut next = 0;
    while let Some(disk) = disks.get(next) {
        next += 1;
        let mut devices = KVec::new();
        for device in disk.devices() {
            devices.push(device, GFP_KERNEL)?;
        }
        let is_held = |device: &DeviceRef| !device.is_whole() && device.holder() != Holder::None;
        let has_held_partition = devices.iter().any(is_held);
        for device in devices {
            // While a partition is held, the block layer holds the whole for it.
            let is_marked = device.is_whole() && has_held_partition;
            if device.holder() == Holder::Other && !add_made_of(&device, &mut disks)? && !is_marked
            {
                return Err(Unfrozen::Held(device.name()));
            }
            found.push(device, GFP_KERNEL)?;
        }
    }
    Ok(found)
}

/// Adds the disks that are made of `device`, unless they are there. Whether there is any.
fn add_made_of(device: &DeviceRef, disks: &mut KVec<DiskRef>) -> Result<bool> {
    let mut any = false;
    device.each_disk_of_it(|disk| {
        any = true;
        if !disks.iter().any(|known| known.is(&disk)) {
            disks.push(disk, GFP_KERNEL)?;
        }
        Ok(())
    })?;
    Ok(any)
}
