// SPDX-License-Identifier: GPL-2.0-only

//! What a disk can take in one I/O.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{super::bindings, bdev::BlockDevice};
use kernel::prelude::*;

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

    /// What `disk` shows at present, but for numbers that the block layer changes by itself: those are of `drives`.
    pub(crate) fn promised(disk: &BlockDevice, drives: &Self) -> Self {
        let mut raw = snapshot(disk);
        raw.max_open_zones = drives.raw.max_open_zones;
        raw.max_active_zones = drives.raw.max_active_zones;
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

    /// What one device cannot erase, the disk cannot: the block layer's own stacking takes 0 for no limit, there alone.
    fn stack_erasure(&mut self, device: &BlockDevice, before: &bindings::queue_limits) {
        let raw = &mut self.raw;
        let below = snapshot(device);
        let unable = |before: u32, below: u32| below == 0 || self.stacked && before == 0;
        if unable(before.max_hw_discard_sectors, below.max_hw_discard_sectors) {
            raw.max_hw_discard_sectors = 0;
        }
        if unable(
            before.max_secure_erase_sectors,
            below.max_secure_erase_sectors,
        ) {
            raw.max_secure_erase_sectors = 0;
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

    /// Sees to it that a disk with these limits can do what one with `promised` can, at the cost of
    /// a larger logical block if need be.
    ///
    /// # Errors
    ///
    /// What it cannot do.
    pub(crate) fn keep_promises(&mut self, promised: &Self) -> Result<(), &'static str> {
        let zoned = self.is_zoned();
        let (new, old) = (&mut self.raw, &promised.raw);
        let lost = |old: u32, new: u32| old != 0 && new == 0;
        if zoned != promised.is_zoned() {
            return Err(if zoned {
                "writes in any order"
            } else {
                "zones"
            });
        }
        if zoned {
            // 0 is no limit.
            let fewer = |old: u32, new: u32| new != 0 && (old == 0 || new < old);
            if new.chunk_sectors != old.chunk_sectors {
                return Err("zones of another size");
            }
            if new.zone_write_granularity > old.zone_write_granularity {
                return Err("smaller writes of zones");
            }
            if new.max_hw_zone_append_sectors < old.max_hw_zone_append_sectors {
                return Err("larger zone appends");
            }
            if fewer(old.max_open_zones, new.max_open_zones)
                || fewer(old.max_active_zones, new.max_active_zones)
            {
                return Err("more open or active zones");
            }
        }
        if new.logical_block_size > old.logical_block_size {
            return Err("a smaller logical block");
        }
        if new.dma_alignment > old.dma_alignment {
            return Err("a smaller DMA alignment");
        }
        if lost(old.max_hw_discard_sectors, new.max_hw_discard_sectors) {
            return Err("discard");
        }
        if lost(old.max_secure_erase_sectors, new.max_secure_erase_sectors) {
            return Err("secure erase");
        }
        if lost(old.max_write_zeroes_sectors, new.max_write_zeroes_sectors) {
            return Err("write zeroes");
        }
        if old.atomic_write_hw_unit_max > new.atomic_write_hw_unit_max {
            return Err("larger atomic writes");
        }
        if old.atomic_write_hw_unit_max != 0 {
            // 0 is no boundary.
            let first = |boundary: u32| boundary.wrapping_sub(1);
            if new.atomic_write_hw_unit_min > old.atomic_write_hw_unit_min {
                return Err("smaller atomic writes");
            }
            if first(new.atomic_write_hw_boundary) < first(old.atomic_write_hw_boundary) {
                return Err("atomic writes across that boundary");
            }
        }
        for (feature, what) in [
            (bindings::SHUNT_BLK_FEAT_NOWAIT, "I/O that does not wait"),
            (bindings::SHUNT_BLK_FEAT_POLL, "polled I/O"),
        ] {
            if old.features & !new.features & feature != 0 {
                return Err(what);
            }
        }
        if old.max_write_streams > new.max_write_streams {
            return Err("more write streams");
        }
        if !is_same_protection(&old.integrity, &new.integrity) {
            return Err("other protection information");
        }
        let segments = new.max_integrity_segments;
        if old.integrity.metadata_size != 0 && (1..old.max_integrity_segments).contains(&segments) {
            return Err("more pieces of protection information");
        }
        // A file system asks when it is mounted, and a page that changes under a drive that sums it up twice is lost.
        let still = bindings::SHUNT_BLK_FEAT_STABLE_WRITES;
        if new.features & still > old.features & still {
            return Err("that pages may change while they are written");
        }
        new.features |= old.features & still;
        new.logical_block_size = old.logical_block_size;
        new.physical_block_size = new.physical_block_size.max(old.logical_block_size);
        new.io_min = new.io_min.max(new.physical_block_size);
        Ok(())
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

/// Whether data that comes with protection information of one form will do for the other.
fn is_same_protection(one: &bindings::blk_integrity, other: &bindings::blk_integrity) -> bool {
    let flags = bindings::SHUNT_INTEGRITY_FORM_FLAGS as u8;
    if one.metadata_size == 0 {
        return other.metadata_size == 0;
    }
    one.metadata_size == other.metadata_size
        && one.csum_type == other.csum_type
        && one.interval_exp == other.interval_exp
        && one.pi_offset == other.pi_offset
        && one.tag_size == other.tag_size
        && one.flags & flags == other.flags & flags
}
