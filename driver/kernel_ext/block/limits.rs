// SPDX-License-Identifier: GPL-2.0-only

//! What a disk can take in one I/O.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{super::bindings, bdev::BlockDevice};
use crate::logic::promises::{AtomicPromises, Promises, Protection, ZonePromises};
use kernel::{error::to_result, prelude::*};

/// Queue limits of a stacking disk, gathered from the devices below it.
pub(crate) struct QueueLimits {
    raw: bindings::queue_limits,
    /// Whether a device has been taken into account.
    stacked: bool,
}

impl QueueLimits {
    /// Limits that allow all that a stacking driver can pass on; [`Self::stack`] narrows them.
    pub(crate) fn stacking() -> Self {
        let mut limits = pin_init::zeroed();
        // SAFETY: `limits` is a local of the right type.
        unsafe { bindings::blk_set_stacking_limits(&mut limits) };
        // What a stacking driver takes is up to the drives, down to the byte.
        limits.dma_alignment = 0;
        limits.features |= bindings::SHUNT_STACKED_FEATURES;
        // The block layer strips flushes from what is sent to a disk without a cache. It must not do so before the drive is
        // known: the disk may come to stand on one that has a cache while a flush waits.
        limits.features |= bindings::SHUNT_BLK_FEAT_WRITE_CACHE | bindings::SHUNT_BLK_FEAT_FUA;
        Self {
            raw: limits,
            stacked: false,
        }
    }

    /// What `disk` shows at present, but for numbers that the block layer changes by itself: those are of `drives`. What they
    /// cannot do any more, since their drivers switched it off, it does not promise either.
    pub(crate) fn promised(disk: &BlockDevice, drives: &Self) -> Self {
        let mut raw = snapshot(disk);
        raw.max_open_zones = drives.raw.max_open_zones;
        raw.max_active_zones = drives.raw.max_active_zones;
        for (shown, able) in [
            (
                &mut raw.max_hw_discard_sectors,
                drives.raw.max_hw_discard_sectors,
            ),
            (
                &mut raw.max_secure_erase_sectors,
                drives.raw.max_secure_erase_sectors,
            ),
            (
                &mut raw.max_write_zeroes_sectors,
                drives.raw.max_write_zeroes_sectors,
            ),
        ] {
            *shown = (*shown).min(able);
        }
        Self { raw, stacked: true }
    }

    /// Narrows the limits to what `device` takes from `start` (sectors of 512 bytes) on.
    pub(crate) fn stack(&mut self, device: &BlockDevice, start: u64, prefix: &CStr) {
        let before = self.raw;
        // SAFETY: The limits are ours, `device` is open, `prefix` ends with NUL.
        unsafe {
            bindings::queue_limits_stack_bdev(
                &mut self.raw,
                device.as_raw(),
                start,
                prefix.as_char_ptr(),
            )
        };
        // SAFETY: The limits are ours, and by its type invariant `device` is live. Protection information that the
        // devices do not have in common is none.
        unsafe { bindings::shunt_stack_integrity(&mut self.raw, device.as_raw()) };
        self.stack_erasure(device, &before);
        self.stack_zones(device);
        self.stack_streams(device);
    }

    /// What one device does not erase, the disk cannot: the block layer's own stacking takes 0 for no limit, there alone.
    fn stack_erasure(&mut self, device: &BlockDevice, before: &bindings::queue_limits) {
        let raw = &mut self.raw;
        let below = snapshot(device);
        let unable = |before: u32, below: u32| below == 0 || self.stacked && before == 0;
        // What its driver or its user has switched off leaves the limit of the hardware as it was.
        if unable(before.max_hw_discard_sectors, below.max_discard_sectors) {
            raw.max_hw_discard_sectors = 0;
        }
        if unable(
            before.max_secure_erase_sectors,
            below.max_secure_erase_sectors,
        ) {
            raw.max_secure_erase_sectors = 0;
        }
        // A driver that switches writes of zeroes off says nothing of those that free the blocks, too; the block layer takes no
        // such limits.
        if raw.max_hw_wzeroes_unmap_sectors != raw.max_write_zeroes_sectors {
            raw.max_hw_wzeroes_unmap_sectors = 0;
        }
    }

    /// Whether the disk has zones.
    pub(super) fn is_zoned(&self) -> bool {
        self.raw.features & bindings::SHUNT_BLK_FEAT_ZONED != 0
    }

    /// What the block layer's own stacking leaves out of zones. A zone append is passed on, so it is
    /// up to the devices whether to emulate it.
    fn stack_zones(&mut self, device: &BlockDevice) {
        if !self.is_zoned() {
            return;
        }
        let raw = &mut self.raw;
        let below = snapshot(device);
        let append = below.max_zone_append_sectors;
        raw.max_hw_zone_append_sectors = match self.stacked {
            true => raw.max_hw_zone_append_sectors.min(append),
            false => append,
        };
        // 0 is no limit.
        let least = |one: u32, other: u32| match (one, other) {
            (0, limit) | (limit, 0) => limit,
            _ => one.min(other),
        };
        raw.max_open_zones = least(raw.max_open_zones, below.max_open_zones);
        raw.max_active_zones = least(raw.max_active_zones, below.max_active_zones);
    }

    /// Write streams are left out by the block layer's own stacking.
    fn stack_streams(&mut self, device: &BlockDevice) {
        let (streams, granularity) = device.write_streams();
        let raw = &mut self.raw;
        if !core::mem::replace(&mut self.stacked, true) {
            raw.max_write_streams = streams;
            raw.write_stream_granularity = granularity;
        } else {
            raw.max_write_streams = raw.max_write_streams.min(streams);
            raw.write_stream_granularity = raw.write_stream_granularity.max(granularity);
        }
        if raw.max_write_streams == 0 {
            raw.write_stream_granularity = 0;
        }
    }

    /// Makes atomic writes so small that none crosses a multiple of `border` bytes, a power of two; 0 for none.
    pub(crate) fn cut_atomic_writes(&mut self, border: u64) {
        let raw = &mut self.raw;
        let whole = border as u32;
        if whole == 0 || raw.atomic_write_hw_unit_max <= whole {
            return;
        }
        if raw.atomic_write_hw_unit_min > whole {
            raw.atomic_write_hw_unit_min = 0;
            raw.atomic_write_hw_unit_max = 0;
            raw.atomic_write_hw_max = 0;
        } else {
            raw.atomic_write_hw_unit_max = whole;
            raw.atomic_write_hw_max = raw.atomic_write_hw_max.min(whole);
        }
    }

    /// Says that `targets` devices take turns, `chunk` sectors each.
    pub(crate) fn stripe(&mut self, chunk: u64, targets: usize) {
        let bytes = u32::try_from(chunk << 9).unwrap_or(0);
        let row = u32::try_from(targets)
            .ok()
            .and_then(|n| bytes.checked_mul(n));
        self.raw.io_min = self.raw.io_min.max(bytes);
        self.raw.io_opt = row.unwrap_or(0);
    }

    /// Has the block layer make of them what a disk with these limits will show: it writes no more atomically than one I/O
    /// takes, say, whatever the hardware could.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it does not take them.
    pub(crate) fn complete(&mut self) -> Result {
        // SAFETY: The limits are ours, and initialised.
        to_result(unsafe { bindings::blk_validate_limits(&mut self.raw) })
    }

    /// What users of a disk with these limits, which must be complete, rely on.
    pub(crate) fn promises(&self) -> Promises {
        let raw = &self.raw;
        let has = |feature| raw.features & feature != 0;
        Promises {
            logical_block: raw.logical_block_size,
            dma_alignment: raw.dma_alignment,
            zones: self.is_zoned().then_some(ZonePromises {
                size: raw.chunk_sectors,
                granularity: raw.zone_write_granularity,
                append: raw.max_hw_zone_append_sectors,
                open: raw.max_open_zones,
                active: raw.max_active_zones,
            }),
            discard: raw.max_hw_discard_sectors != 0,
            secure_erase: raw.max_secure_erase_sectors != 0,
            write_zeroes: raw.max_write_zeroes_sectors != 0,
            atomic: (raw.atomic_write_unit_max != 0).then_some(AtomicPromises {
                min: raw.atomic_write_unit_min,
                max: raw.atomic_write_unit_max,
                boundary: raw.atomic_write_boundary_sectors << 9,
            }),
            nowait: has(bindings::SHUNT_BLK_FEAT_NOWAIT),
            poll: has(bindings::SHUNT_BLK_FEAT_POLL),
            write_streams: raw.max_write_streams.into(),
            protection: protection(&raw.integrity),
            protection_segments: raw.max_integrity_segments,
            stable_writes: has(bindings::SHUNT_BLK_FEAT_STABLE_WRITES),
        }
    }

    /// Shows what `promised` does where a disk with these limits could do more than that, and never less than it can.
    pub(crate) fn show_as(&mut self, promised: &Self) {
        let (new, old) = (&mut self.raw, &promised.raw);
        new.features |= old.features & bindings::SHUNT_BLK_FEAT_STABLE_WRITES;
        new.logical_block_size = new.logical_block_size.max(old.logical_block_size);
        new.physical_block_size = new.physical_block_size.max(new.logical_block_size);
        new.io_min = new.io_min.max(new.physical_block_size);
    }

    /// Says what a disk with a request queue does by itself: it does not poll, having no queues for that, and I/O that must not
    /// wait fails for want of a tag, whatever the drives can do.
    pub(crate) fn for_requests(&mut self) {
        self.raw.features &= !bindings::SHUNT_BLK_FEAT_POLL;
        self.raw.features |= bindings::SHUNT_BLK_FEAT_NOWAIT;
    }

    /// Takes over what the user set on `present`, in sysfs.
    pub(super) fn keep_user_settings(&mut self, disk: &BlockDevice) {
        let present = snapshot(disk);
        self.raw.max_user_sectors = present.max_user_sectors;
        self.raw.max_user_discard_sectors = present.max_user_discard_sectors;
        self.raw.max_user_wzeroes_unmap_sectors = present.max_user_wzeroes_unmap_sectors;
        let merge = |new: u32, present: u32, user: u32| new & !user | present & user;
        let raw = &mut self.raw;
        raw.flags = merge(raw.flags, present.flags, bindings::SHUNT_BLK_USER_FLAGS);
        let features = bindings::SHUNT_BLK_USER_FEATURES;
        raw.features = merge(raw.features, present.features, features);
        let flags = bindings::SHUNT_INTEGRITY_USER_FLAGS as u8;
        let (new, present) = (&mut raw.integrity.flags, present.integrity.flags);
        *new = *new & !flags | present & flags;
    }

    /// The limits as the C side takes them.
    pub(super) fn as_raw(&mut self) -> *mut bindings::queue_limits {
        &mut self.raw
    }
}

/// The limits of a device, word by word: each is whole, and the block layer may change some while others are read.
fn snapshot(device: &BlockDevice) -> bindings::queue_limits {
    const WORD: usize = size_of::<usize>();
    const { assert!(size_of::<bindings::queue_limits>() % WORD == 0) };
    const { assert!(align_of::<bindings::queue_limits>() >= WORD) };
    let mut copy: bindings::queue_limits = pin_init::zeroed();
    let (from, to) = (
        device.limits().cast::<usize>(),
        (&raw mut copy).cast::<usize>(),
    );
    for word in 0..size_of::<bindings::queue_limits>() / WORD {
        // SAFETY: It points into a live queue, and lies within the limits there; an aligned word is read whole.
        let value = unsafe { from.wrapping_add(word).read_volatile() };
        // SAFETY: It lies within `copy`, for which any bytes will do.
        unsafe { to.wrapping_add(word).write(value) };
    }
    copy
}

fn protection(raw: &bindings::blk_integrity) -> Option<Protection> {
    let flags = bindings::SHUNT_INTEGRITY_FORM_FLAGS as u8;
    (raw.metadata_size != 0).then_some(Protection {
        metadata_size: raw.metadata_size,
        checksum: raw.csum_type,
        interval: raw.interval_exp,
        offset: raw.pi_offset,
        tag_size: raw.tag_size,
        flags: raw.flags & flags,
    })
}
