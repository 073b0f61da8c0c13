// SPDX-License-Identifier: GPL-2.0-only

//! Persistent reservations (`IOC_PR_*`): each order is handed to the drive below, for a disk that is all of one. A disk
//! that is read-only hands down those alone that read.
//!
//! C header: [`include/linux/pr.h`](srctree/include/linux/pr.h)

use super::{
    super::{bindings, errno::not_supported},
    bdev,
    stacked_on::{self, Drives},
};
use kernel::prelude::*;

/// What an order does to the drive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Changes,
}

/// Makes the callbacks of `struct pr_ops` that have these names, and these arguments after the device.
macro_rules! hand_down {
    ($($effect:ident $name:ident($($argument:ident: $kind:ty),*);)*) => {
        /// The table of a disk that stands on drives `D`.
        pub(super) const fn operations<D: Drives>() -> bindings::pr_ops {
            bindings::pr_ops { $($name: Some($name::<D>)),* }
        }
        $(
            /// An order of `struct pr_ops`.
            ///
            /// # Safety
            ///
            /// Called by the block layer with an open device of a disk that stands on drives `D`; the arguments are
            /// what the drive would have got.
            unsafe extern "C" fn $name<D: Drives>(
                device: *mut bindings::block_device,
                $($argument: $kind),*
            ) -> c_int {
                // SAFETY: The block layer passes an open device of such a disk.
                let found = unsafe { drive_of::<D>(device, Effect::$effect) };
                let (_open, drive, table) = match found {
                    Ok(found) => found,
                    Err(error) => return error.to_errno(),
                };
                // SAFETY: The drive is open, and its table constant.
                match unsafe { (*table).$name } {
                    // SAFETY: The drive is open while `_open` is there, and by the contract of this function its driver
                    // would have got the same arguments.
                    Some(order) => unsafe { order(drive, $($argument),*) },
                    None => not_supported().to_errno(),
                }
            }
        )*
    };
}

hand_down! {
    Changes pr_register(old: u64, new: u64, flags: u32);
    Changes pr_reserve(key: u64, kind: bindings::pr_type, flags: u32);
    Changes pr_release(key: u64, kind: bindings::pr_type);
    Changes pr_preempt(old: u64, new: u64, kind: bindings::pr_type, abort: bool);
    Changes pr_clear(key: u64);
    Reads pr_read_keys(keys: *mut bindings::pr_keys);
    Reads pr_read_reservation(held: *mut bindings::pr_held_reservation);
}

/// The drive that all of a disk is, and what it does with reservations; it is open as long as the first of the three
/// is there.
///
/// # Errors
///
/// `EOPNOTSUPP` for a drive that is a partition, which has no reservations of its own. `EROFS` if the disk or the drive is
/// read-only and the order is one that changes.
///
/// # Safety
///
/// `device` must be an open device of a disk that stands on drives `D`.
#[inline(never)]
unsafe fn drive_of<D: Drives>(
    device: *mut bindings::block_device,
    effect: Effect,
) -> Result<(D, *mut bindings::block_device, *const bindings::pr_ops)> {
    // SAFETY: By the contract of this function `device` is open; the field is constant.
    let disk = unsafe { (*device).bd_disk };
    // SAFETY: By the contract of this function the disk stands on drives `D`, and its open `device` has a reference to
    // it.
    let drives = unsafe { stacked_on::of::<D>(disk) }.drives();
    let drives = drives.ok_or(not_supported())?;
    let drive = drives.first(true).ok_or(not_supported())?;
    // SAFETY: By the contract of this function the device is open.
    let is_read_only = unsafe { bdev::is_read_only(device) } || drive.is_read_only();
    if is_read_only && effect == Effect::Changes {
        return Err(EROFS);
    }
    let drive = drive.as_raw();
    // SAFETY: The drive is open while `drives` are there; the field is constant.
    let disk = unsafe { (*drive).bd_disk };
    // SAFETY: The disk is there while the drive is open; the field is constant.
    let is_whole = unsafe { (*disk).part0 } == drive;
    // SAFETY: The disk is there while the drive is open, and the table of its driver is constant.
    let table = unsafe { (*(*disk).fops).pr_ops };
    if !is_whole || table.is_null() {
        return Err(not_supported());
    }
    Ok((drives, drive, table))
}
