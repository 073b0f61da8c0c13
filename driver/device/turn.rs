// SPDX-License-Identifier: GPL-2.0-only

//! What can change of a device, and the right to change it, which one task has at a time. The registry calls it.
//!
//! Who has the turn waits no longer than the patience of who asked for the change. Lock order: see the device.

use super::{
    Device, Presence,
    links::{Linked, unlink},
};
use crate::{
    error::Refused,
    io::bio_path::{Io, Route},
    kernel_ext::{
        block::{bio_disk::Frozen, freeze::Freeze, limits::QueueLimits},
        patience::{Patience, timed_out},
    },
    logic::extent::SECTOR,
    table::Table,
    uapi::{QueueMode, State, StatsMode},
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        lock::{Guard, mutex::MutexBackend},
    },
};

impl Device {
    /// Waits for the turn to change it, if it has the table with this number then. Sleeps. `ENODEV` if it has gone
    /// meanwhile, `ESTALE` if it has another table.
    pub(crate) fn turn<'a>(
        self: &'a Arc<Self>,
        table_number: Option<u64>,
        patience: &Patience,
    ) -> Result<Turn<'a>, Refused> {
        let mut presence = None;
        let waited = patience.wait(|| {
            presence = self.turn.try_lock();
            presence.is_some()
        });
        match presence {
            Some(presence) if *presence == Presence::Here => {
                self.check_table_number(table_number)?;
                Ok(Turn {
                    device: self,
                    presence,
                })
            }
            Some(_) => Err(Refused::UnknownId(self.id())),
            None if waited == Err(timed_out()) => Err(Refused::Changing(self.id())),
            None => Err(waited.err().unwrap_or(EAGAIN).into()),
        }
    }

    /// Refuses a change that is for another table. The number only grows, so one that is refused for an older table always is.
    /// Sleeps.
    pub(crate) fn check_table_number(&self, wanted: Option<u64>) -> Result<(), Refused> {
        let number = self.table_number();
        match wanted {
            Some(wanted) if wanted != number => Err(Refused::TableNumber { wanted, number }),
            _ => Ok(()),
        }
    }
}

/// The right to change a device, until it is dropped.
pub(crate) struct Turn<'a> {
    device: &'a Arc<Device>,
    presence: Guard<'a, Presence, MutexBackend>,
}

impl<'a> Turn<'a> {
    /// The device.
    pub(crate) fn device(&self) -> &'a Device {
        self.device
    }

    /// The device is gone: nobody else gets a turn.
    pub(crate) fn end(mut self) {
        *self.presence = Presence::Gone;
    }

    /// Holds new I/O up, once what the last change held up had its turn. Sleeps. While the device is suspended there is
    /// no turn to have: what waits is for the resume, which is not to wait for more.
    #[inline(never)]
    fn freeze(&self, patience: &Patience) -> Result<Frozen<'a, Io>, Refused> {
        let device = self.device;
        if !device.is_suspended() {
            device.disk.wait_turn();
        }
        let frozen = device.disk.freeze(patience);
        frozen.map_err(|error| self.why_it_waited(error))
    }

    /// Why a wait for I/O ended before the I/O did.
    #[inline(never)]
    fn why_it_waited(&self, error: Error) -> Refused {
        if error != timed_out() {
            return error.into();
        }
        let table = self.device.table();
        let most = table
            .drives()
            .max_by_key(|drive| drive.device().in_flight());
        match most {
            Some(drive) => Refused::Outstanding {
                major: drive.device().dev().major(),
                minor: drive.device().dev().minor(),
                // Those that a suspended drive holds back it does not count itself.
                operations: u64::from(drive.device().in_flight()).max(self.device.in_flight()),
            },
            None => error.into(),
        }
    }

    /// Waits for what is in flight. No new I/O may come.
    #[inline(never)]
    fn drain(&self, table: &Table, patience: &Patience) -> Result<(), Refused> {
        let device = self.device;
        let hooks = &device.disk.data().hooks;
        patience
            .wait(|| hooks.is_idle())
            .map_err(|error| self.why_it_waited(error))?;
        // Not locked meanwhile: a drive that goes is noted before its I/O ends.
        let untracked = device.settings.lock().untracked;
        if let ([target], true) = (table.targets(), untracked) {
            // What is not tracked is in the drive's queue.
            let drained = target.device().drain(patience);
            drained.map_err(|error| self.why_it_waited(error))?;
        }
        let mut settings = device.settings.lock();
        settings.untracked = settings.stats_mode != StatsMode::Full;
        Ok(())
    }

    /// Replaces the table: new I/O waits, what is in flight ends, then I/O goes on to the new one.
    /// Sleeps. Nothing changes if it is refused.
    pub(crate) fn set_table(
        &self,
        table: Arc<Table>,
        read_only: bool,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let device = self.device;
        let old = device.table();
        let (new_size, old_size) = (table.sectors() * SECTOR, old.sectors() * SECTOR);
        if new_size < old_size {
            return Err(Refused::Shorter {
                table: new_size,
                device: old_size,
            });
        }
        let mut limits = table.limits();
        if device.queue_mode == QueueMode::Mq {
            limits.for_requests();
        }
        let promised = QueueLimits::promised(device.disk(), &old.limits());
        limits.show_as(&promised);
        limits.complete()?;
        if let Some(what) = limits.promises().lacks(&promised.promises()) {
            return Err(Refused::Promised(what));
        }
        if !table.has_zones_of(&old) {
            return Err(Refused::Promised("other zones"));
        }
        if !device.disk.is_encrypted_by(table.engines().as_ref()) {
            return Err(Refused::Promised("inline encryption"));
        }
        device.disk.data().prepare(&table)?;
        // A drive that has gone may be back as another one of the same name, which sysfs can show once only.
        let gone = old.drives().filter(|drive| drive.device().is_dead());
        unlink(&device.disk, gone);
        // A link waits for whoever opens the drive.
        let (device_again, table_again) = (device.clone(), table.clone());
        let linked = patience.run(move || Linked::new(device_again, table_again))??;
        self.swap_table(&table, &old, read_only, &mut limits, patience)?;
        linked.keep();
        unlink(&device.disk, old.drives());
        if new_size > old_size {
            device.disk.set_sectors(table.sectors());
        }
        if table.zone() != 0 {
            // The block layer asks the drives. If one does not answer in time, that goes on by itself.
            let device = device.clone();
            let _ = patience.run(move || device.disk.revalidate_zones());
        }
        if !device.is_suspended() {
            // Of a suspended device the resume tells: nobody can read it before.
            device.disk.announce_change();
        }
        Ok(())
    }

    fn swap_table(
        &self,
        table: &Arc<Table>,
        old: &Table,
        read_only: bool,
        limits: &mut QueueLimits,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let device = self.device;
        let frozen = self.freeze(patience)?;
        self.drain(old, patience)?;
        let mut frozen = frozen.leave_drives().map_err(|_| Refused::UnknownKeys)?;
        frozen.set_limits(limits, patience)?;
        let path = frozen.path_mut();
        if !matches!(path.route, Route::Held) {
            path.route = Route::through(table);
        }
        device.disk.data().set_table(table);
        frozen.set_drives(table.clone());
        // Before I/O goes on: from then on the device loses nothing by a drive of the old table. The caller still has that, so
        // no drive is closed here.
        let mut settings = device.settings.lock();
        settings.table = table.clone();
        settings.table_number = settings.table_number.wrapping_add(1);
        settings.opened_read_only = read_only;
        Ok(())
    }

    /// Changes what is measured. Sleeps.
    pub(crate) fn set_stats_mode(
        &self,
        mode: StatsMode,
        patience: &Patience,
    ) -> Result<(), Refused> {
        self.freeze(patience)?.path_mut().stats_mode = mode;
        let mut settings = self.device.settings.lock();
        settings.stats_mode = mode;
        settings.untracked |= mode != StatsMode::Full;
        Ok(())
    }

    /// Refuses writes, or not. Sleeps. To allow them, the drives must be open for writing.
    pub(crate) fn set_read_only(
        &self,
        read_only: bool,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let disk = &self.device.disk;
        let before = disk.device().is_read_only();
        disk.set_read_only(read_only);
        // Whoever looked before that has sent its bio on then.
        self.freeze(patience)
            .map(drop)
            .inspect_err(|_| disk.set_read_only(before))
    }

    /// Lets new I/O wait, once what is in flight has ended. Sleeps. With `freeze`, every file system that stands on the
    /// device writes all out and stops before; if there is anything that cannot, nothing changes.
    pub(crate) fn suspend(&self, freeze: bool, patience: &Patience) -> Result<(), Refused> {
        let device = self.device;
        {
            let settings = device.settings.lock();
            if settings.suspended {
                // What a file system has yet to write would wait for the resume.
                return match freeze && !settings.all_frozen {
                    true => Err(Refused::SuspendedUnfrozen),
                    false => Ok(()),
                };
            }
        }
        // If it goes no further, they are thawed.
        let frozen = match freeze {
            true => {
                // Of what a resume could not thaw the block layer would count one freeze more, and freeze nothing, though
                // somebody else may have thawed it meanwhile.
                self.thaw(patience)?;
                Some(self.freeze_above(patience)?)
            }
            false => None,
        };
        if let Err(refused) = self.hold(patience) {
            // A file system may write as it goes on, to a drive that does not answer; then it goes on when that does.
            let _ = patience.run(move || drop(frozen));
            return Err(refused);
        }
        let mut settings = device.settings.lock();
        settings.suspended = true;
        settings.all_frozen = freeze;
        if freeze {
            settings.frozen = frozen;
        }
        Ok(())
    }

    /// Freezes what stands on the device. A file system may write for ever: then it is thawed when it has ended.
    fn freeze_above(&self, patience: &Patience) -> Result<Freeze, Refused> {
        let disk = self.device.disk.reference();
        let frozen = patience.run(move || Freeze::of(disk));
        Ok(frozen.map_err(|error| self.why_it_waited(error))??)
    }

    /// Lets new I/O wait: requests in their queue, bios in a list.
    fn hold(&self, patience: &Patience) -> Result<(), Refused> {
        let device = self.device;
        let mut frozen = self.freeze(patience)?;
        self.drain(&device.table(), patience)?;
        match device.queue_mode {
            QueueMode::Bio => {
                frozen.path_mut().route = Route::Held;
                device.disk.data().keep_held();
            }
            QueueMode::Mq => device.disk.hold_requests(),
        }
        Ok(())
    }

    /// Lets the I/O that waits, and new I/O, go on. Sleeps, but for no drive.
    pub(crate) fn resume(&self, patience: &Patience) -> Result<(), Refused> {
        let device = self.device;
        if device.is_suspended() {
            let table = device.table();
            match device.queue_mode {
                QueueMode::Mq => device.disk.release_requests(),
                QueueMode::Bio => {
                    let mut frozen = self.freeze(patience)?;
                    frozen.path_mut().route = Route::through(&table);
                    device.disk.data().release(table.zone() != 0);
                }
            }
            device.settings.lock().suspended = false;
            if table.state() == State::Lost {
                // Who was told before would have waited for what was held.
                let disk = device.disk.reference();
                let _ = patience.run(move || disk.report_dead(true));
            }
            // Who was to look at it meanwhile could not.
            device.disk.announce_change();
        }
        self.thaw(patience)
    }

    /// Thaws what a suspend has frozen, as far as that is still to be done. Sleeps.
    fn thaw(&self, patience: &Patience) -> Result<(), Refused> {
        let device = self.device;
        let Some(mut frozen) = device.settings.lock().frozen.take() else {
            return Ok(());
        };
        // A file system may write as it goes on, to a drive that does not answer; then it goes on when that does.
        let thawed = patience.run(move || (frozen.thaw(), frozen));
        let Ok((Err(still_frozen), frozen)) = thawed else {
            return Ok(());
        };
        // The next resume tries again.
        device.settings.lock().frozen = Some(frozen);
        Err(Refused::still_frozen(still_frozen))
    }

    /// Keeps everybody from opening the device, before it is dropped. Sleeps. `EBUSY` if somebody has it open.
    pub(crate) fn forbid_open(&self, patience: &Patience) -> Result<(), Refused> {
        let device = self.device;
        // Whoever closes a suspended device, or reads its partitions, may wait for I/O that is held.
        let at_once = device.is_suspended();
        match device.disk.forbid_open(at_once, patience) {
            Err(error) if error == EBUSY => Err(Refused::Open(device.id())),
            Err(error) if error == timed_out() => Err(Refused::Opening(device.id())),
            other => Ok(other?),
        }
    }

    /// Has I/O fail at the gate, also what waits, as far as that can be done before the patience ends: what is at a drive that
    /// does not answer fails once it does. Sleeps.
    pub(crate) fn fail_io(&self, patience: &Patience) {
        let device = self.device;
        if let Ok(mut frozen) = device.disk.freeze(patience) {
            frozen.path_mut().route = Route::Gone;
        }
        device.disk.data().fail_held();
        if core::mem::take(&mut device.settings.lock().suspended) {
            device.disk.release_requests();
        }
    }
}
