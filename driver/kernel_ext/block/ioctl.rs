// SPDX-License-Identifier: GPL-2.0-only

//! What a disk passes on of `ioctl`: commands of the drive below, for a disk that is all of one, and
//! its geometry. The block layer does the rest, with bios.
//!
//! A disk that is read-only passes no command at all: nothing but the drive's driver knows which of its commands change
//! the drive, and it lets root give all of them (`nvme_cmd_allowed()`, `scsi_cmd_allowed()`), whatever the mode.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    super::bindings,
    bdev,
    stacked_on::{self, Drives},
};
use kernel::{error::to_result, prelude::*};

/// Passes a command on: `ioctl` of `struct block_device_operations`. Who may do what is up to the
/// drive's driver, which gets the mode in which the disk was opened. `EROFS` if the disk or its drive is read-only.
///
/// # Safety
///
/// Called by the block layer with an open device of a disk that stands on drives `D`.
pub(super) unsafe extern "C" fn ioctl_callback<D: Drives>(
    device: *mut bindings::block_device,
    mode: bindings::blk_mode_t,
    command: c_uint,
    argument: c_ulong,
) -> c_int {
    // SAFETY: By the contract of this function `device` is open; the field is constant.
    let disk = unsafe { (*device).bd_disk };
    // A command of the drive knows nothing of a partition of the disk.
    // SAFETY: The disk is there while `device` is open; the field is constant.
    let is_whole = unsafe { (*disk).part0 } == device;
    // SAFETY: By the contract of this function the disk stands on drives `D`, and its open `device` has a reference to
    // it.
    let drives = unsafe { stacked_on::of::<D>(disk) }.drives();
    let drive = drives.as_ref().and_then(|drives| drives.first(true));
    let Some(drive) = drive.filter(|_| is_whole) else {
        return ENOTTY.to_errno();
    };
    // SAFETY: The block layer passes a live device.
    if unsafe { bdev::is_read_only(device) } || drive.is_read_only() {
        return EROFS.to_errno();
    }
    let below = drive.as_raw();
    // SAFETY: The drive, and with it its disk, is there while `drives` are; both fields are constant.
    let table = unsafe { (*(*below).bd_disk).fops };
    // SAFETY: The table of a driver is constant, and is there while its drive is open.
    match unsafe { (*table).ioctl } {
        // SAFETY: The drive is open while `drives` are there, and the other arguments are what `blkdev_ioctl()` would
        // give it.
        Some(ioctl) => unsafe { ioctl(below, mode, command, argument) },
        None => ENOTTY.to_errno(),
    }
}

/// Makes a geometry up as the drive of the first target does: `getgeo` of
/// `struct block_device_operations`.
///
/// # Safety
///
/// Called by the block layer with a disk that is open and stands on drives `D`.
pub(super) unsafe extern "C" fn getgeo_callback<D: Drives>(
    disk: *mut bindings::gendisk,
    geometry: *mut bindings::hd_geometry,
) -> c_int {
    // SAFETY: By the contract of this function.
    let drives = unsafe { stacked_on::of::<D>(disk) }.drives();
    let Some(drive) = drives.as_ref().and_then(|drives| drives.first(false)) else {
        return ENOTTY.to_errno();
    };
    // SAFETY: The drive is open while `drives` are there; the field is constant.
    let below = unsafe { (*drive.as_raw()).bd_disk };
    // SAFETY: The disk is there while its drive is open, and the table of its driver is constant.
    let Some(getgeo) = (unsafe { (*(*below).fops).getgeo }) else {
        return ENOTTY.to_errno();
    };
    // SAFETY: The disk is there while its drive is open, and `geometry` is the caller's, for a `getgeo` to fill in.
    if let Err(error) = to_result(unsafe { getgeo(below, geometry) }) {
        return error.to_errno();
    }
    // SAFETY: The block layer passes a geometry of its own, as `blkdev_getgeo()` does, which nobody else uses
    // meanwhile.
    let geometry = unsafe { &mut *geometry };
    // SAFETY: By the contract of this function the disk is open; the field is constant.
    let whole = unsafe { (*disk).part0 };
    // SAFETY: The whole device is there as long as its disk; an aligned word, which others may write, is read whole.
    let sectors = unsafe { (&raw const (*whole).bd_nr_sectors).read_volatile() };
    let track = u64::from(geometry.heads) * u64::from(geometry.sectors);
    // The field is as narrow as disks once were small.
    geometry.cylinders = sectors.checked_div(track).unwrap_or(0) as u16;
    0
}
