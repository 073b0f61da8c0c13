// SPDX-License-Identifier: GPL-2.0-only

//! Bio mode: each bio is pointed at the backing device in place and submitted again.
//!
//! Called for every I/O, by the task that submits it. With one target: no lock, no allocation but
//! that of a context in mode `full`, nothing that is shared between CPUs and written.

use super::{
    complete::Measured,
    held::Held,
    many::{self, FlushFirst},
};
use crate::{
    kernel_ext::{
        block::{
            bio::{Bio, OwnedBio, Status},
            bio_disk,
            hook::{Contexts, Hooks},
        },
        work::Work,
    },
    stats::{DeviceStats, op_of},
    table::Table,
    target::Target,
    uapi::StatsMode,
};
use kernel::{alloc::AllocError, prelude::*, sync::Arc};

/// What a device forwards with, as long as it exists.
pub(crate) struct Io {
    /// Its statistics, and the bios that are in flight in mode `full`.
    pub(crate) hooks: Hooks<Measured>,
    /// Bios that came while it was suspended, of a device without a request queue.
    pub(super) held: Work<Held>,
    /// Bios before which every drive must be flushed.
    pub(super) flush_first: Work<FlushFirst>,
}

/// What a device does with a bio; replaced while no bio is being submitted.
pub(crate) struct Path {
    /// What is measured.
    pub(crate) stats_mode: StatsMode,
    /// Where it goes.
    pub(crate) route: Route,
}

/// Where bios go.
pub(crate) enum Route {
    /// To the only target, whose drive has a request queue, which knows what is in flight.
    One(Arc<Target>),
    /// To the only target; what is in flight is tracked here, whatever is measured.
    Tracked(Arc<Target>),
    /// To one of several targets, or to more than one.
    Many(Arc<Table>),
    /// Nowhere: the device is suspended, and they wait.
    Held,
    /// Nowhere: the device goes by force, and they fail.
    Gone,
}

impl Path {
    /// Whether a write is refused, because the device is read-only, or its only drive. The block layer only warns of one by
    /// somebody who had the device open before.
    #[inline(always)]
    fn refuses(&self, bio: &Bio) -> bool {
        let is_read_only = match &self.route {
            Route::One(target) | Route::Tracked(target) => target.device().is_read_only(),
            Route::Many(_) | Route::Held | Route::Gone => false,
        };
        (is_read_only || bio.is_for_read_only()) && !bio.is_flush()
    }
}

impl Route {
    /// Through a table.
    pub(crate) fn through(table: &Arc<Table>) -> Self {
        match table.targets() {
            // Zoned drives take the detour: their bios must end in terms of the device.
            _ if table.zone() != 0 => Self::Many(table.clone()),
            [target] if target.device().has_request_queue() => Self::One(target.clone()),
            [target] => Self::Tracked(target.clone()),
            _ => Self::Many(table.clone()),
        }
    }
}

impl Io {
    /// With statistics that are all zero. May sleep.
    pub(crate) fn new(contexts: Arc<Contexts<Measured>>, disk_stats: bool) -> Result<Self> {
        Ok(Self {
            hooks: Hooks::new(DeviceStats::new(disk_stats)?, contexts)?,
            held: Work::for_io(Held::new()?)?,
            flush_first: Work::alone(FlushFirst::new()?)?,
        })
    }

    /// Gets what [`set_table`](Self::set_table) of `table` needs. Sleeps.
    pub(crate) fn prepare(&self, table: &Table) -> Result<(), AllocError> {
        match table.drives().nth(1) {
            Some(_) => self.flush_first.make_queue(),
            None => Ok(()),
        }
    }

    /// Follows a new table. The device must be frozen and drained. Sleeps.
    pub(crate) fn set_table(&self, table: &Arc<Table>) {
        // It has no bio left, but may still have the old table, whose drives are to be closed.
        self.flush_first.wait();
        self.flush_first.set_table(table);
    }

    /// Has the bios that waited submitted again, in their order, by another task: a drive may keep it waiting. With `in_order`
    /// those that come meanwhile wait behind them. The device must be frozen.
    pub(crate) fn release(&self, in_order: bool) {
        self.held.release(in_order);
        self.held.queue(0);
    }

    /// Has the bios that wait, and those that come, wait for the next resume. The device must be frozen.
    pub(crate) fn keep_held(&self) {
        self.held.keep();
    }

    /// Fails the bios that wait, and those that would wait from now on.
    pub(crate) fn fail_held(&self) {
        self.held.fail();
    }

    #[inline(always)]
    fn forward(&self, path: &Path, mut bio: OwnedBio) {
        if bio.op().is_rare() || Bio::is_traced() {
            return self.forward_kept(path, bio);
        }
        if bio.op().is_write() && path.refuses(&bio) {
            return bio.end(Status::IOERR);
        }
        match &path.route {
            Route::One(target) if !target.device().is_throttled() => {
                if let Err(status) = self.measure(path.stats_mode, &mut bio) {
                    return bio.end(status);
                }
                let sector = target.extent().map(bio.sector());
                // In the drive's queue when it returns, or else a retarget would not know of it.
                bio.send_at_once(target.device(), sector);
            }
            Route::One(target) | Route::Tracked(target) => {
                self.forward_tracked(path.stats_mode, target, bio, false)
            }
            Route::Many(table) => many::forward(self, path.stats_mode, table, bio, false),
            Route::Held => self.hold(bio),
            Route::Gone => bio.end(Status::IOERR),
        }
    }

    /// Forwards a bio whose end has to be looked at: its drive may reject it for good, or somebody follows it.
    #[cold]
    #[inline(never)]
    fn forward_kept(&self, path: &Path, bio: OwnedBio) {
        if bio.op().is_write() && path.refuses(&bio) {
            return bio.end(Status::IOERR);
        }
        match &path.route {
            Route::One(target) | Route::Tracked(target) => {
                self.forward_tracked(path.stats_mode, target, bio, true)
            }
            Route::Many(table) => many::forward(self, path.stats_mode, table, bio, true),
            Route::Held => self.hold(bio),
            Route::Gone => bio.end(Status::IOERR),
        }
    }

    #[inline(never)]
    fn forward_tracked(&self, mode: StatsMode, target: &Target, mut bio: OwnedBio, kept: bool) {
        if let Err(status) = self.track(mode, &mut bio, kept) {
            return bio.end(status);
        }
        let sector = target.extent().map(bio.sector());
        bio.send(target.device(), sector);
    }

    /// Begins to measure a bio, and to track it until it ends, whatever is measured: so that a
    /// retarget waits for it. If `kept`, what it did is known at its end.
    #[inline(never)]
    pub(super) fn track(
        &self,
        mode: StatsMode,
        bio: &mut OwnedBio,
        kept: bool,
    ) -> Result<(), Status> {
        if mode == StatsMode::Counters {
            self.hooks.owner().count(op_of(bio), bio.bytes());
        }
        let begin = |bio: &Bio, stats: &DeviceStats| match mode {
            StatsMode::Full => Measured::begin(bio, stats),
            StatsMode::Off | StatsMode::Counters => Measured::unmeasured(bio, stats),
        };
        match kept {
            true => self.hooks.attach_kept(bio, begin),
            false => self.hooks.attach(bio, begin),
        }
    }

    /// Begins to measure a bio that is about to be forwarded.
    #[inline(always)]
    fn measure(&self, mode: StatsMode, bio: &mut OwnedBio) -> Result<(), Status> {
        match mode {
            StatsMode::Off => Ok(()),
            StatsMode::Counters => {
                self.hooks.owner().count(op_of(bio), bio.bytes());
                Ok(())
            }
            StatsMode::Full => self.hooks.attach(bio, Measured::begin),
        }
    }

    #[cold]
    fn hold(&self, bio: OwnedBio) {
        if bio.is_nowait() {
            bio.end(Status::AGAIN);
        } else {
            self.held.push(bio);
        }
    }
}

impl bio_disk::Operations for Io {
    type Data = Self;
    type Path = Path;
    type Drives = Arc<Table>;

    #[inline]
    fn submit_bio(io: &Self, path: &Path, bio: OwnedBio) {
        io.forward(path, bio);
    }
}
