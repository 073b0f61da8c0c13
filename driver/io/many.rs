// SPDX-License-Identifier: GPL-2.0-only

//! Bios of a device with more than one target.
//!
//! Most lie in one target and go there, as with one target. The others:
//! - data that spans targets is cut at their borders;
//! - on zoned drives, with one target, too, bios end with their sector in terms of the device;
//! - what carries no data goes to each target that has a share of it, as a child;
//! - a flush goes to every drive;
//! - data that must not be written before a flush waits in [`FlushFirst`] until every drive has
//!   been flushed, since a drive's own flush would not cover what was written to another; on zoned
//!   drives all writes behind it wait, too, since zones are written in order.

use super::bio_path::Io;
use crate::{
    kernel_ext::{
        block::{
            bio::{Op, OwnedBio, Parent, Status},
            bio_list::BioList,
            bio_set::BioSet,
        },
        work::Run,
    },
    logic::extent::SECTOR,
    table::Table,
    target::Target,
    uapi::StatsMode,
};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{Arc, SpinLock},
};

/// Forwards a bio, which is `kept` as it came until it ends if its end has to be looked at. Called in process context, by
/// the task that submits it.
pub(super) fn forward(io: &Io, mode: StatsMode, table: &Table, bio: OwnedBio, kept: bool) {
    let Some(bios) = table.bios() else {
        return bio.end(Status::IOERR);
    };
    let zoned = table.zone() != 0;
    let here = match zoned {
        true => in_turn(io, table, bio),
        false => Some(bio),
    };
    let Some(mut bio) = here else { return };
    let waits = bio.is_preflush() && bio.bytes() != 0
        || zoned && bio.op().is_write() && io.flush_first.is_busy();
    let waits = waits && table.drives().nth(1).is_some();
    // Children come from the table, so it must not go before they have ended.
    if let Err(status) = io.track(mode, &mut bio, kept || zoned) {
        return bio.end(status);
    }
    match waits {
        false => send(table, bios, bio),
        true if io.flush_first.has_queue() => {
            io.flush_first.push(bio);
            io.flush_first.queue(0);
        }
        true => bio.end(Status::IOERR),
    }
}

/// A bio of a device with zones, if it may go on now: it is kept for later, or refused, otherwise.
fn in_turn(io: &Io, table: &Table, bio: OwnedBio) -> Option<OwnedBio> {
    let bio = io.held.push_behind(bio)?;
    if bio.op() == Op::ZONE_RESET_ALL && !bio.has_zones_for(table.sectors(), table.zone()) {
        // The device has grown, and the block layer has yet to look at the new zones.
        bio.end(Status::AGAIN);
        return None;
    }
    Some(bio)
}

/// Sends a bio to the targets that it belongs to.
fn send(table: &Table, bios: &BioSet, mut bio: OwnedBio) {
    if bio.op() == Op::ZONE_RESET_ALL {
        return reset_all(table, bios, bio);
    }
    if bio.bytes() == 0 && !bio.op().is_zone_management() {
        return leave_to_children(bio, |parent| {
            for drive in table.drives() {
                bios.child(parent, drive.device(), 0, 0).submit();
            }
        });
    }
    loop {
        let sectors = u64::from(bio.bytes()) / SECTOR;
        let Some((target, place)) = table.find(bio.sector()) else {
            return bio.end(Status::IOERR);
        };
        if is_refused(&bio, target) {
            return bio.end(Status::IOERR);
        }
        let sector = target.extent().map(place.sector);
        if sectors <= place.room {
            return bio.send(target.device(), sector);
        }
        if !bio.has_data() {
            let mut shares = table.shares(bio.sector(), sectors);
            if shares.any(|(target, ..)| is_refused(&bio, target)) {
                return bio.end(Status::IOERR);
            }
            return leave_to_children(bio, |parent| {
                for (target, first, length) in table.shares(parent.sector(), sectors) {
                    let child = bios.child(parent, target.device(), first, length);
                    child.submit();
                }
            });
        }
        bio.clear_polled();
        match bios.split(&mut bio, place.room as u32) {
            Ok(front) => front.send(target.device(), sector),
            Err(status) => return bio.end(status),
        }
    }
}

/// Ends a bio without data when the children that `submit` sends have ended.
fn leave_to_children(bio: OwnedBio, submit: impl FnOnce(&Parent)) {
    match bio.into_parent() {
        Ok(parent) => {
            submit(&parent);
            parent.leave_to_children();
        }
        Err(bio) => bio.end(Status::IOERR),
    }
}

/// Whether a bio may not go to a target, whose drive has become read-only.
fn is_refused(bio: &OwnedBio, target: &Target) -> bool {
    bio.op().is_write() && target.device().is_read_only()
}

/// Empties every zone: a drive at once only if all of it is a target.
#[cold]
fn reset_all(table: &Table, bios: &BioSet, bio: OwnedBio) {
    if table.drives().any(|drive| is_refused(&bio, drive)) {
        return bio.end(Status::IOERR);
    }
    leave_to_children(bio, |parent| {
        for target in table.targets() {
            let (device, extent) = (target.device(), target.extent());
            if target.is_whole() {
                bios.child(parent, device, 0, 0).submit();
                continue;
            }
            let mut sector = 0;
            while sector < extent.sectors() {
                let zone = extent.map(sector);
                if device.is_sequential(zone) {
                    bios.zone_reset(parent, device, zone).submit();
                }
                sector = sector.wrapping_add(table.zone());
            }
        }
    });
}

/// Bios that wait for a flush of every drive.
pub(super) struct FlushFirst {
    waiting: Pin<KBox<SpinLock<Waiting>>>,
    /// Bios that wait, or are just being sent.
    count: AtomicUsize,
}

/// Bios, and the table that they were sent to: it is only replaced while none waits, so they are taken together.
struct Waiting {
    table: Option<Arc<Table>>,
    bios: BioList,
}

impl FlushFirst {
    /// None waits. May sleep.
    pub(super) fn new() -> Result<Self> {
        let waiting = Waiting {
            table: None,
            bios: BioList::new(),
        };
        Ok(Self {
            waiting: KBox::pin_init(new_spinlock!(waiting), GFP_KERNEL)?,
            count: AtomicUsize::new(0),
        })
    }

    /// Flushes the drives of `table` from now on. No bio may be waiting.
    pub(super) fn set_table(&self, table: &Arc<Table>) {
        let old = self.waiting.lock().table.replace(table.clone());
        // Dropping a table closes drives, which sleeps.
        drop(old);
    }

    /// Whether a bio waits, or is just being sent: whoever submitted it before another one finds it here.
    fn is_busy(&self) -> bool {
        self.count.load(Ordering::Acquire) != 0
    }

    fn push(&self, bio: OwnedBio) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().bios.push(bio);
    }

    /// The bios that wait, and where they go.
    fn take(&self) -> Option<(Arc<Table>, BioList)> {
        let mut waiting = self.waiting.lock();
        let table = waiting.table.clone()?;
        Some((table, core::mem::replace(&mut waiting.bios, BioList::new())))
    }
}

impl Run for FlushFirst {
    fn run(&self) -> Option<u32> {
        let (table, mut waiting) = self.take()?;
        let bios = table.bios()?;
        // One flush for all that wait already.
        let flushed = table.drives().try_for_each(|drive| drive.device().flush());
        while let Some(mut bio) = waiting.pop() {
            match flushed {
                Ok(()) => {
                    if !bio.is_flush() {
                        bio.clear_preflush();
                    }
                    send(&table, bios, bio);
                }
                Err(error) => bio.end(Status::from_error(error)),
            }
            self.count.fetch_sub(1, Ordering::Release);
        }
        None
    }
}
