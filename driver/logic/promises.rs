// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! What a device has promised to who uses it, and a new table must be able to do, too.
//!
//! A file system, and each layer above, asks a device once what it can do. Nobody asks again when the table changes.

/// What a device can do, as far as its users rely on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promises {
    /// Smallest I/O in bytes.
    pub logical_block: u32,
    /// Bits of a buffer's address that must be 0.
    pub dma_alignment: u32,
    /// Zones; none if all of it can be written in any order.
    pub zones: Option<ZonePromises>,
    /// Whether it discards.
    pub discard: bool,
    /// Whether it erases so that nothing can be read again.
    pub secure_erase: bool,
    /// Whether it writes zeroes without being sent them.
    pub write_zeroes: bool,
    /// Writes that happen whole or not at all, in bytes; none if it has none.
    pub atomic: Option<AtomicPromises>,
    /// Whether I/O that must not wait is taken.
    pub nowait: bool,
    /// Whether the end of I/O can be polled for.
    pub poll: bool,
    /// Number of write streams.
    pub write_streams: u32,
    /// The form of protection information; none without any.
    pub protection: Option<Protection>,
    /// Pieces of memory that protection information of one I/O may be in; 0 is no limit.
    pub protection_segments: u16,
    /// Whether a page must not change while it is written.
    pub stable_writes: bool,
}

/// What a device with zones has promised of them. Of the numbers of zones, 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZonePromises {
    /// Size in sectors.
    pub size: u32,
    /// Smallest write in bytes.
    pub granularity: u32,
    /// Largest zone append in sectors.
    pub append: u32,
    /// Zones that may be open at once.
    pub open: u32,
    /// Zones that may be partly written at once.
    pub active: u32,
}

/// A form of protection information, as `struct blk_integrity` has it. Data that comes with one form does for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Bytes for each interval.
    pub metadata_size: u8,
    /// What sums are made by.
    pub checksum: u8,
    /// Length of an interval, as a power of two of bytes.
    pub interval: u8,
    /// Where the sum is in the metadata.
    pub offset: u8,
    /// Bytes of it that the user may fill.
    pub tag_size: u8,
    /// What else the form has.
    pub flags: u8,
}

/// What a device has promised of atomic writes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomicPromises {
    /// The smallest.
    pub min: u32,
    /// The largest.
    pub max: u32,
    /// What none may cross; 0 is nothing.
    pub boundary: u32,
}

impl Promises {
    /// What a device with `self` cannot do that it had promised in `old`, in words that follow "has promised".
    pub fn lacks(&self, old: &Self) -> Option<&'static str> {
        match (self.zones, old.zones) {
            (Some(_), None) => return Some("writes in any order"),
            (None, Some(_)) => return Some("zones"),
            (Some(new), Some(old)) => {
                if let Some(what) = new.lacks(&old) {
                    return Some(what);
                }
            }
            (None, None) => {}
        }
        let lost = |old: bool, new: bool| old && !new;
        let broken = [
            (
                self.logical_block > old.logical_block,
                "a smaller logical block",
            ),
            (
                self.dma_alignment > old.dma_alignment,
                "a smaller DMA alignment",
            ),
            (lost(old.discard, self.discard), "discard"),
            (lost(old.secure_erase, self.secure_erase), "secure erase"),
            (lost(old.write_zeroes, self.write_zeroes), "write zeroes"),
        ];
        if let Some((_, what)) = broken.into_iter().find(|(broken, _)| *broken) {
            return Some(what);
        }
        if let Some(what) = lacks_atomic(self.atomic, old.atomic) {
            return Some(what);
        }
        let broken = [
            (lost(old.nowait, self.nowait), "I/O that does not wait"),
            (lost(old.poll, self.poll), "polled I/O"),
            (self.write_streams < old.write_streams, "more write streams"),
            (
                self.protection != old.protection,
                "other protection information",
            ),
            (
                old.protection.is_some()
                    && is_fewer(
                        self.protection_segments.into(),
                        old.protection_segments.into(),
                    ),
                "more pieces of protection information",
            ),
            // A file system asks when it is mounted, and a page that changes under a drive that sums it up twice is lost.
            (
                lost(self.stable_writes, old.stable_writes),
                "writes without stable pages",
            ),
        ];
        let broken = broken.into_iter().find(|(broken, _)| *broken);
        broken.map(|(_, what)| what)
    }
}

impl ZonePromises {
    fn lacks(&self, old: &Self) -> Option<&'static str> {
        if self.size != old.size {
            Some("zones of another size")
        } else if self.granularity > old.granularity {
            Some("smaller writes of zones")
        } else if self.append < old.append {
            Some("larger zone appends")
        } else if is_fewer(self.open, old.open) || is_fewer(self.active, old.active) {
            Some("more open or active zones")
        } else {
            None
        }
    }
}

/// Whether a limit became narrower, of those of which 0 is none.
fn is_fewer(new: u32, old: u32) -> bool {
    new != 0 && (old == 0 || new < old)
}

fn lacks_atomic(new: Option<AtomicPromises>, old: Option<AtomicPromises>) -> Option<&'static str> {
    let old = old?;
    let Some(new) = new.filter(|new| new.max >= old.max) else {
        return Some("larger atomic writes");
    };
    // 0 is no boundary.
    let first = |boundary: u32| boundary.wrapping_sub(1);
    if new.min > old.min {
        Some("smaller atomic writes")
    } else if first(new.boundary) < first(old.boundary) {
        Some("atomic writes across that boundary")
    } else {
        None
    }
}
