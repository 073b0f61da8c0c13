// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drives of a stack, of every kind that `crate::random::place` knows.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::direct::{Buffer, Direct};
use super::super::dm::Dm;
use super::super::flash::flash;
use super::super::loop_device::Loop;
use super::super::null_blk::NullDrive;
use crate::crash::{BLOCK, fill};
use crate::random::place::{BLOCKS, DRIVES, Drive, PLACES, ROOM, SIZE, find, pieces};

/// Blocks that are copied at once, which is a stripe.
const AT_ONCE: u64 = 4;

/// Sectors by which a drive grows.
const GROWTH: u64 = AT_ONCE * BLOCK as u64 / 512;

/// What is on a piece that holds no data any more.
const STALE: u64 = u64::MAX;

/// The drives of a stack; gone on drop.
pub(super) struct Drives {
    /// Of which stack.
    pub(super) stack: usize,
    nvme: String,
    null: NullDrive,
    late: Dm,
    looped: Loop,
    /// What the loop device is on, which goes after it.
    _below: NullDrive,
    growing: Dm,
    /// What the growing one is on, and how many sectors of it.
    grows_on: (String, u64),
    grown: AtomicU64,
}

impl Drives {
    /// Makes those of the stack with this number.
    #[track_caller]
    pub(super) fn make(stack: usize) -> Self {
        let room = ROOM.next_multiple_of(1 << 20);
        let (nvme, under) = (flash(stack as u32).path, flash(2).path);
        let below = NullDrive::make_named(&format!("below{stack}"), (room >> 20) as u32);
        let piece = |number: u64| (2 * stack as u64 + number) * 2 * room / 512;
        let late = format!("0 {} linear {under} {}\n", room / 512, piece(0));
        let grows_on = (under, piece(1));
        Self {
            stack,
            nvme,
            null: NullDrive::make_named(&format!("null{stack}"), (room >> 20) as u32),
            late: Dm::create(&format!("late{stack}"), &late),
            looped: Loop::bind(below.path(), ""),
            _below: below,
            growing: Dm::create(&format!("growing{stack}"), &growing(&grows_on, 0)),
            grows_on,
            grown: AtomicU64::new(0),
        }
    }

    /// The device node of a drive.
    pub(super) fn path(&self, drive: Drive) -> String {
        match drive {
            Drive::Nvme => self.nvme.clone(),
            Drive::Null => self.null.path().to_owned(),
            Drive::Late => self.late.path(),
            Drive::Loop => self.looped.path().to_owned(),
            Drive::Growing => self.growing.path(),
        }
    }

    /// Has the late one answer no more.
    pub(super) fn stall(&self) {
        self.late.suspend();
    }

    /// Has it answer again.
    pub(super) fn answer(&self) {
        self.late.resume();
    }

    /// Takes out the one that can be.
    pub(super) fn tear(&self) {
        self.null.take_out();
    }

    /// Brings it back, with what was on it.
    pub(super) fn bring_back(&self) {
        self.null.bring_back();
    }

    /// Lets the growing one grow.
    pub(super) fn grow(&self) {
        let by = GROWTH + self.grown.fetch_add(GROWTH, Ordering::Relaxed);
        self.growing.reload(&growing(&self.grows_on, by));
    }

    /// Has it as long as its piece again.
    pub(super) fn shrink(&self) {
        self.grown.store(0, Ordering::Relaxed);
        self.growing.reload(&growing(&self.grows_on, 0));
    }

    /// Makes the first place that of the data, all in their first generation; nothing uses the drives.
    #[track_caller]
    pub(super) fn begin(&self) {
        self.shrink();
        for place in 1..PLACES.len() {
            self.spoil(place).expect("the drives take writes");
        }
        let file = self.open(Drive::Loop).expect("it is there");
        let mut block = Buffer::zeroed(BLOCK);
        for number in 0..BLOCKS {
            fill(&mut block, self.stack, 0, super::lane::stamp(1, number));
            let (_, offset) = find(0, number);
            file.write(offset, &block);
        }
    }

    /// Copies the data of a place to another.
    pub(super) fn copy(&self, from: usize, to: usize) -> io::Result<()> {
        let (sources, targets) = (self.open_all(from)?, self.open_all(to)?);
        for block in (0..BLOCKS).step_by(AT_ONCE as usize) {
            let (drive, offset) = find(from, block);
            let bytes = of(&sources, drive).try_read(offset, AT_ONCE as usize * BLOCK)?;
            let (drive, offset) = find(to, block);
            of(&targets, drive).try_write(offset, &bytes)?;
        }
        Ok(())
    }

    /// Writes over what is left at a place, so that whoever reads it there is found out.
    pub(super) fn spoil(&self, place: usize) -> io::Result<()> {
        let files = self.open_all(place)?;
        let mut block = Buffer::zeroed(BLOCK);
        fill(&mut block, self.stack, 1, STALE);
        let mut stripe = Buffer::zeroed(AT_ONCE as usize * BLOCK);
        for part in stripe.chunks_exact_mut(BLOCK) {
            part.copy_from_slice(&block);
        }
        for block in (0..BLOCKS).step_by(AT_ONCE as usize) {
            let (drive, offset) = find(place, block);
            of(&files, drive).try_write(offset, &stripe)?;
        }
        Ok(())
    }

    /// The bytes of a block at a place.
    #[track_caller]
    pub(super) fn read(&self, place: usize, block: u64) -> Buffer {
        let (drive, offset) = find(place, block);
        let file = self.open(drive).expect("all drives are there");
        file.read(offset, BLOCK)
    }

    fn open(&self, drive: Drive) -> io::Result<Direct> {
        Direct::try_open(&self.path(drive))
    }

    fn open_all(&self, place: usize) -> io::Result<Vec<Option<Direct>>> {
        let mut files: Vec<Option<Direct>> = DRIVES.iter().map(|_| None).collect();
        for piece in pieces(place) {
            files[piece.drive as usize] = Some(self.open(piece.drive)?);
        }
        Ok(files)
    }
}

fn of(files: &[Option<Direct>], drive: Drive) -> &Direct {
    files[drive as usize]
        .as_ref()
        .expect("a piece's drive is open")
}

fn growing((path, first): &(String, u64), by: u64) -> String {
    format!("0 {} linear {path} {first}\n", SIZE / 2 / 512 + by)
}
