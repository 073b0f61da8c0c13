// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the crash test writes, where, and what each block holds. The guest writes it, the host looks for it once QEMU
//! is killed.

/// Bytes of a block, which is what is written at once.
pub(crate) const BLOCK: usize = 4096;

/// Blocks that one writer writes to, in place, again and again.
pub(crate) const BLOCKS: u64 = 64;

/// How long a file gets, in blocks, before it is written to in place.
const LONGEST: u64 = 512;

/// Writers of each load; each has its own blocks, or its own file.
pub(crate) const WRITERS: u64 = 2;

/// Where on the drive the device of a load begins, in bytes.
pub(crate) const OFFSET: u64 = 1 << 20;

/// Bytes of a drive.
pub(crate) const DRIVE: u64 = 16 << 20;

/// Bytes of a stripe, where there are several drives.
pub(crate) const STRIPE: u64 = 16 << 10;

/// Name of the file of a writer, where there is a file system.
pub(crate) fn file_name(writer: u64) -> String {
    format!("writer{writer}")
}

/// How a write is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Some writes to the device, then fsync: a flush.
    Flush,
    /// A write to a file of ext4 with O_DSYNC, in place: FUA, with no flush after it.
    Fua,
    /// Some writes at the end of a file of ext4, then fdatasync: a commit of its journal.
    Commit,
}

/// A device that is written to until the machine is gone.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// How many drives it is striped over.
    pub(crate) drives: usize,
    pub(crate) queue: &'static str,
    pub(crate) by: By,
    /// Whether the drives lose each flush and FUA: what is acknowledged is lost with them, and the test has to see it.
    pub(crate) lossy: bool,
}

/// Every load; all run at the same time, each on drives of its own.
pub(crate) const LOADS: &[Load] = &[
    load("bio, flush", "bio", By::Flush),
    load("mq, flush", "mq", By::Flush),
    Load {
        drives: 2,
        ..load("bio, striped, flush", "bio", By::Flush)
    },
    load("bio, FUA", "bio", By::Fua),
    load("mq, FUA", "mq", By::Fua),
    load("bio, commit", "bio", By::Commit),
    load("mq, commit", "mq", By::Commit),
    Load {
        drives: 2,
        ..load("bio, striped, commit", "bio", By::Commit)
    },
    Load {
        lossy: true,
        ..load("no flush below", "bio", By::Flush)
    },
    Load {
        lossy: true,
        ..load("no FUA below", "bio", By::Fua)
    },
];

const fn load(name: &'static str, queue: &'static str, by: By) -> Load {
    Load {
        name,
        drives: 1,
        queue,
        by,
        lossy: false,
    }
}

impl Load {
    /// Names of the drives of the load with this index: their serial numbers, or the products that they say they are.
    pub(crate) fn drive_names(&self, load: usize) -> Vec<String> {
        (0..self.drives)
            .map(|drive| format!("crash{load}{drive}"))
            .collect()
    }

    /// Whether it writes to a file.
    pub(crate) fn has_file_system(&self) -> bool {
        self.by != By::Flush
    }

    /// The byte of the device, or of the writer's file, that this write of a writer begins at; the first has number 1.
    pub(crate) fn place(&self, writer: u64, number: u64) -> u64 {
        let block = match self.by {
            By::Flush => writer * BLOCKS + mixed(number) % BLOCKS,
            By::Fua => mixed(number) % BLOCKS,
            By::Commit => (number - 1) % LONGEST,
        };
        block * BLOCK as u64
    }
}

/// Fills a block; the bytes say which write of which writer of which load it is.
pub(crate) fn fill(block: &mut [u8], load: usize, writer: u64, number: u64) {
    let mut word = mixed(mixed(((load as u64) << 8) | writer) ^ number);
    for bytes in block.chunks_exact_mut(8) {
        word = mixed(word);
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    block[..8].copy_from_slice(&number.to_le_bytes());
    let (rest, sum) = block.split_at_mut(BLOCK - 4);
    sum.copy_from_slice(&crc32fast::hash(rest).to_le_bytes());
}

/// The number of the write that left this block, if it is a whole block of this writer of this load.
pub(crate) fn number(block: &[u8], load: usize, writer: u64) -> Option<u64> {
    let number = u64::from_le_bytes(block.get(..8)?.try_into().ok()?);
    let mut whole = vec![0; BLOCK];
    fill(&mut whole, load, writer, number);
    (whole == block).then_some(number)
}

/// A number that has little to do with the given one.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_block_is_known_by_its_writer_alone_and_only_whole() {
        let mut block = vec![0; BLOCK];
        fill(&mut block, 3, 1, 77);
        assert_eq!(number(&block, 3, 1), Some(77));
        assert_eq!(number(&block, 3, 0), None);
        assert_eq!(number(&block, 2, 1), None);
        block[BLOCK - 512..].fill(0);
        assert_eq!(number(&block, 3, 1), None);
    }

    #[test]
    fn writers_of_a_device_share_no_block_and_use_all_of_theirs() {
        let places = |writer| -> HashSet<u64> {
            (1..2000)
                .map(|number| LOADS[0].place(writer, number))
                .collect()
        };
        assert!(places(0).is_disjoint(&places(1)));
        assert_eq!(places(0).len() as u64, BLOCKS);
    }
}
