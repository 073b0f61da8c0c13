// SPDX-License-Identifier: GPL-2.0-only

//! Zones of block devices: what they look like, and reports of them.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    super::bindings,
    bdev::BlockDevice,
    bio::Bio,
    stacked_on::{self, Drives},
};
use core::{ffi::c_void, marker::PhantomData};
use kernel::{error::to_result, prelude::*};

impl BlockDevice {
    /// Size of a zone in sectors of 512 bytes; 0 without zones.
    pub(crate) fn zone_sectors(&self) -> u32 {
        let limits = self.limits();
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        let features = unsafe { (&raw const (*limits).features).read_volatile() };
        if features & bindings::SHUNT_BLK_FEAT_ZONED == 0 {
            return 0;
        }
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        unsafe { (&raw const (*limits).chunk_sectors).read_volatile() }
    }

    /// How many sectors of a zone can be written.
    pub(crate) fn zone_capacity(&self) -> u32 {
        // SAFETY: By the type invariant the device is live; its disk lives as long.
        let disk = unsafe { (*self.as_raw()).bd_disk };
        // SAFETY: The disk is there as long as the device; an aligned word is read whole.
        unsafe { (&raw const (*disk).zone_capacity).read_volatile() }
    }

    /// Whether `sector` is in a zone that is written from its begin to its end only.
    pub(crate) fn is_sequential(&self, sector: u64) -> bool {
        // SAFETY: By the type invariant the device is live.
        unsafe { bindings::bdev_zone_is_seq(self.as_raw(), sector) }
    }
}

impl Bio {
    /// Whether the block layer knows enough zones of `zone` sectors for `sectors` sectors of the disk that the bio was sent
    /// to; or none at all. It does not look by itself as it ends a bio that emptied them all: it notes that of each zone up to
    /// the size of the disk, in a list that is only as long as the zones that it knows.
    ///
    /// To be asked while the bio is being submitted: the list is replaced while the disk is frozen.
    ///
    /// C: `blk_zone_reset_all_bio_endio()` of [`block/blk-zoned.c`](srctree/block/blk-zoned.c).
    pub(crate) fn has_zones_for(&self, sectors: u64, zone: u64) -> bool {
        // SAFETY: By the type invariant the bio is live.
        let device = unsafe { (*self.as_raw()).bi_bdev };
        // SAFETY: The bio was sent to the device, which stays until the bio has ended; the field is constant.
        let disk = unsafe { (*device).bd_disk };
        // SAFETY: The disk is there as long as the device; an aligned word is read whole.
        let zones = unsafe { (&raw const (*disk).nr_zones).read_volatile() };
        zones == 0 || u64::from(zones).saturating_mul(zone) >= sectors
    }
}

/// A report of zones that somebody has asked a disk for.
///
/// # Invariants
///
/// `disk` and `args` are those of a report that is being made.
pub(crate) struct ZoneReport<'a> {
    disk: *mut bindings::gendisk,
    args: *mut bindings::blk_report_zones_args,
    next: u64,
    reported: c_uint,
    wanted: c_uint,
    _report: PhantomData<&'a mut ()>,
}

impl ZoneReport<'_> {
    /// A sector of the disk in the next zone to report; none if there are enough.
    pub(crate) fn next(&self) -> Option<u64> {
        (self.reported < self.wanted).then_some(self.next)
    }

    /// Reports the next zone and those behind it, as far as they are in the piece of `device` that
    /// begins at `first` there and at `start` on the disk, and has `sectors`. Sleeps.
    pub(crate) fn add(
        &mut self,
        device: &BlockDevice,
        first: u64,
        start: u64,
        sectors: u64,
    ) -> Result {
        let last = start.wrapping_add(sectors).wrapping_sub(self.next) - 1;
        // Zones are powers of two.
        let left = (last >> device.zone_sectors().trailing_zeros()) + 1;
        let before = self.reported;
        let mut piece = Piece {
            next: self.next,
            number: before,
            shift: first.wrapping_sub(start),
            disk: self.disk,
            args: self.args,
        };
        // SAFETY: The device is live; the callback gets what it wants.
        let found = unsafe {
            bindings::blkdev_report_zones(
                device.as_raw(),
                self.next.wrapping_add(piece.shift),
                left.min((self.wanted - before).into()) as c_uint,
                Some(zone_callback),
                (&raw mut piece).cast(),
            )
        };
        self.next = piece.next;
        self.reported = piece.number;
        to_result(found)?;
        // A device that has zones reports some, or else this would go on for ever.
        if self.reported == before {
            Err(EIO)
        } else {
            Ok(())
        }
    }
}

/// The part of a report that one device makes.
struct Piece {
    /// Where the next zone begins on the disk.
    next: u64,
    number: c_uint,
    shift: u64,
    disk: *mut bindings::gendisk,
    args: *mut bindings::blk_report_zones_args,
}

/// Passes a zone on: `report_zones_cb`.
///
/// # Safety
///
/// Called by the block layer with a zone of its own, and with a [`Piece`] as `data`.
unsafe extern "C" fn zone_callback(
    zone: *mut bindings::blk_zone,
    _index: c_uint,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the contract of this function the zone is the caller's, who waits for us to return.
    let zone = unsafe { &mut *zone };
    // SAFETY: By the contract of this function `data` is a `Piece`, whose owner waits for us to return.
    let piece = unsafe { &mut *data.cast::<Piece>() };
    // A write pointer that is none is not in the zone.
    if zone.wp.wrapping_sub(zone.start) <= zone.len {
        zone.wp = zone.wp.wrapping_sub(piece.shift);
    }
    zone.start = zone.start.wrapping_sub(piece.shift);
    piece.next = zone.start + zone.len;
    let number = piece.number;
    piece.number += 1;
    // SAFETY: Disk and arguments are those of a report that is being made.
    unsafe { bindings::disk_report_zone(piece.disk, zone, number, piece.args) }
}

/// Reports zones: `report_zones` of `struct block_device_operations`.
///
/// # Safety
///
/// Called by the block layer, with a disk that stands on drives `D` and has a reference.
pub(super) unsafe extern "C" fn report_zones_callback<D: Drives>(
    disk: *mut bindings::gendisk,
    sector: bindings::sector_t,
    wanted: c_uint,
    args: *mut bindings::blk_report_zones_args,
) -> c_int {
    // INVARIANT: The report ends when this function does.
    let mut report = ZoneReport {
        disk,
        args,
        next: sector,
        reported: 0,
        wanted,
        _report: PhantomData,
    };
    // SAFETY: By the contract of this function.
    let Some(drives) = unsafe { stacked_on::of::<D>(disk) }.drives() else {
        return ENXIO.to_errno();
    };
    match drives.report_zones(&mut report) {
        Ok(()) => report.reported as c_int,
        Err(error) => error.to_errno(),
    }
}
