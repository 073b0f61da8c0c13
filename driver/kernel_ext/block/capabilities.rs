// SPDX-License-Identifier: GPL-2.0-only

//! What a block device can do, as plain numbers.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{super::bindings, bdev::BlockDevice};

/// How many numbers there are.
pub(crate) const CAPABILITIES: usize = FIELDS.len() + FEATURES.len() + 1;

/// Where a number is in the limits, how many bytes it has, and how far to shift it.
struct Field(u16, u8, u8);

/// Fields of the limits; those in sectors become bytes.
macro_rules! fields {
    ($($($part:ident).+: $type:ty $(, $shift:literal)?;)*) => {
        [$({
            let _of = |limits: &bindings::queue_limits| -> $type { limits.$($part).+ };
            Field(
                core::mem::offset_of!(bindings::queue_limits, $($part).+) as u16,
                size_of::<$type>() as u8,
                0 $(+ $shift)?,
            )
        }),*]
    };
}

/// The order of the numbers. A loop over a table is a quarter of the code that reads one by one.
static FIELDS: [Field; 27] = fields! {
    logical_block_size: u32;
    physical_block_size: u32;
    alignment_offset: u32;
    io_min: u32;
    io_opt: u32;
    max_hw_sectors: u32, 9;
    max_segments: u16;
    dma_alignment: u32;
    max_hw_discard_sectors: u32, 9;
    discard_granularity: u32;
    max_secure_erase_sectors: u32, 9;
    max_write_zeroes_sectors: u32, 9;
    max_hw_wzeroes_unmap_sectors: u32, 9;
    atomic_write_unit_min: u32;
    atomic_write_unit_max: u32;
    atomic_write_max_sectors: u32, 9;
    atomic_write_boundary_sectors: u32, 9;
    max_write_streams: u16;
    write_stream_granularity: u32;
    integrity.metadata_size: u8;
    integrity.interval_exp: u8;
    integrity.tag_size: u8;
    integrity.csum_type: u8;
    chunk_sectors: u32, 9;
    max_zone_append_sectors: u32, 9;
    max_open_zones: u32;
    max_active_zones: u32;
};

/// Place of the zone size, which is something else without zones.
const ZONE_SIZE: usize = 23;

/// What is there or not, in the order of the last numbers.
static FEATURES: [u32; 8] = [
    bindings::SHUNT_BLK_FEAT_WRITE_CACHE,
    bindings::SHUNT_BLK_FEAT_FUA,
    bindings::SHUNT_BLK_FEAT_ROTATIONAL,
    bindings::SHUNT_BLK_FEAT_STABLE_WRITES,
    bindings::SHUNT_BLK_FEAT_NOWAIT,
    bindings::SHUNT_BLK_FEAT_POLL,
    bindings::SHUNT_BLK_FEAT_DAX,
    bindings::SHUNT_BLK_FEAT_PCI_P2PDMA,
];

impl BlockDevice {
    /// What the device can do, number by number. 0 stands for no, or for none. In this order:
    ///
    /// - logical block, physical block, alignment offset, smallest and preferred I/O, largest I/O,
    ///   most segments, mask of the alignment of memory;
    /// - largest discard and its granularity, largest secure erase, largest write of zeroes, and of
    ///   one that frees blocks;
    /// - smallest, largest and largest merged atomic write, the border that none may cross;
    /// - write streams and their granularity;
    /// - protection information: bytes for an interval, exponent of the interval, bytes of the
    ///   tag, kind of the checksum;
    /// - zone size, largest zone append, most open and most active zones;
    /// - whether there are: a volatile write cache, FUA, rotation, stable writes, I/O that does not
    ///   wait, polling, DAX, peer-to-peer memory, an engine for inline encryption.
    pub(crate) fn capability(&self, number: usize) -> u64 {
        let limits = self.limits();
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        let features = unsafe { (&raw const (*limits).features).read_volatile() };
        if let Some(Field(offset, size, shift)) = FIELDS.get(number) {
            if number == ZONE_SIZE && features & bindings::SHUNT_BLK_FEAT_ZONED == 0 {
                return 0;
            }
            let field = limits.cast::<u8>().wrapping_add((*offset).into());
            let value: u64 = match size {
                // SAFETY: The table has offset and size of a field of the limits, which are in a live queue.
                1 => unsafe { field.read_volatile() }.into(),
                // SAFETY: The table has offset and size of a field of the limits, which are in a live queue.
                2 => unsafe { field.cast::<u16>().read_volatile() }.into(),
                // SAFETY: The table has offset and size of a field of the limits, which are in a live queue.
                _ => unsafe { field.cast::<u32>().read_volatile() }.into(),
            };
            return value << shift;
        }
        let Some(feature) = FEATURES.get(number.wrapping_sub(FIELDS.len())) else {
            // SAFETY: By the type invariant the device is live.
            let engine = unsafe { bindings::shunt_crypto_profile(self.as_raw()) };
            return (!engine.is_null()).into();
        };
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        let flags = unsafe { (&raw const (*limits).flags).read_volatile() };
        // A cache that the user has switched off takes no flushes.
        let off = flags & bindings::SHUNT_BLK_FLAG_WRITE_CACHE_DISABLED != 0;
        let is_off = off && *feature == bindings::SHUNT_BLK_FEAT_WRITE_CACHE;
        (features & feature != 0 && !is_off).into()
    }
}
