// SPDX-License-Identifier: GPL-2.0-only

//! One virtual block device: its settings, and the disk that forwards.
//!
//! What can change of it is changed by who has its [`Turn`], one task at a time; changes of other devices go on meanwhile.
//! Lock order: the turn, then the disk's own, then `settings`. `settings` is held only to look and to write down: readers do
//! not wait for drives. Who has the turn waits no longer than the patience of who asked for the change.

use crate::{
    error::Refused,
    io::bio_path::{Io, Path, Route},
    kernel_ext::{
        block::{
            bdev::{BlockDevice, DeviceId},
            bio_disk::{self, BioDisk, Frozen},
            disk_ref::DiskRef,
            freeze::Freeze,
            limits::QueueLimits,
        },
        patience::{Patience, timed_out},
    },
    logic::extent::SECTOR,
    registry::Place,
    stats::DeviceStats,
    table::Table,
    target::Target,
    uapi::{QueueMode, State, StatsMode},
};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc, Mutex, UniqueArc,
        lock::{Guard, mutex::MutexBackend},
    },
};

/// A device as it was asked for.
pub(crate) struct DeviceSpec {
    /// Its name, already checked.
    pub(crate) name: CString,
    /// How it takes I/O.
    pub(crate) queue_mode: QueueMode,
    /// What it measures.
    pub(crate) stats_mode: StatsMode,
    /// Whether it refuses writes.
    pub(crate) read_only: bool,
}

/// A device that is in the system until it is dropped.
pub(crate) struct Device {
    name: CString,
    generation: u64,
    queue_mode: QueueMode,
    turn: Pin<KBox<Mutex<Presence>>>,
    /// How many commands are about to take it away by force: whoever has the turn gives up.
    doomed: Arc<AtomicUsize>,
    disk: BioDisk<Io>,
    settings: Pin<KBox<Mutex<Settings>>>,
    // The last to go: nobody else has its number and its sectors before all of it is gone.
    place: Place,
}

/// Whether a device is still there for changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    Gone,
}

/// What can be changed.
pub(crate) struct Settings {
    /// What it forwards to.
    pub(crate) table: Arc<Table>,
    /// What it measures.
    pub(crate) stats_mode: StatsMode,
    /// Whether the drives are open for reading only.
    opened_read_only: bool,
    suspended: bool,
    /// What was frozen when it was suspended.
    frozen: Option<Freeze>,
    /// I/O may be on its way that only the drive knows of.
    untracked: bool,
}

impl Settings {
    /// What the device does with I/O.
    pub(crate) fn state(&self) -> State {
        match self.table.state() {
            State::Live if self.suspended => State::Suspended,
            state => state,
        }
    }
}

impl Device {
    /// Puts a device that forwards through `table` into the system. Sleeps; its drives are asked for a partition table.
    pub(crate) fn new(
        spec: DeviceSpec,
        table: Arc<Table>,
        place: Place,
    ) -> Result<Arc<Self>, Refused> {
        let request_queue = spec.queue_mode == QueueMode::Mq;
        if request_queue && table.zone() != 0 {
            return Err(Refused::ZonedQueue);
        }
        // Whatever can fail for want of memory comes before the links, which nothing but a device undoes.
        let device = UniqueArc::<Self>::new_uninit(GFP_KERNEL)?;
        let turn = KBox::pin_init(new_mutex!(Presence::Here), GFP_KERNEL)?;
        let doomed = Arc::new(AtomicUsize::new(0), GFP_KERNEL)?;
        let settings = Settings {
            table: table.clone(),
            stats_mode: spec.stats_mode,
            opened_read_only: spec.read_only,
            suspended: false,
            frozen: None,
            untracked: spec.stats_mode != StatsMode::Full,
        };
        let settings = KBox::pin_init(new_mutex!(settings), GFP_KERNEL)?;
        let io = Io::new(place.contexts(), !request_queue)?;
        io.prepare(&table)?;
        io.set_table(&table);
        let path = Path {
            stats_mode: spec.stats_mode,
            route: Route::through(&table),
        };
        let node = CString::try_from_fmt(fmt!("shunt{}", place.id()))?;
        let disk = BioDisk::new(
            bio_disk::Settings {
                name: &node,
                limits: &mut table.limits(),
                sectors: table.sectors(),
                read_only: spec.read_only,
                request_queue,
                engines: table.engines(),
            },
            io,
            path,
            table.clone(),
        )
        .map_err(|error| Refused::Disk(error.into()))?;
        link(&disk, &table)?;
        let device = device.write(Self {
            name: spec.name,
            generation: place.new_generation(),
            queue_mode: spec.queue_mode,
            turn,
            doomed,
            disk,
            settings,
            place,
        });
        Ok(device.into())
    }

    /// Number N of /dev/shuntN.
    pub(crate) fn id(&self) -> u32 {
        self.place.id()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// What tells it from another device that had its id before.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How it takes I/O.
    pub(crate) fn queue_mode(&self) -> QueueMode {
        self.queue_mode
    }

    /// Its place in the registry.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Looks at what can be changed. Sleeps.
    pub(crate) fn with_settings<R>(&self, look: impl FnOnce(&Settings) -> R) -> R {
        look(&self.settings.lock())
    }

    /// What it forwards to. Sleeps.
    #[inline(never)]
    pub(crate) fn table(&self) -> Arc<Table> {
        self.settings.lock().table.clone()
    }

    /// Itself, as others see it.
    pub(crate) fn disk(&self) -> &BlockDevice {
        self.disk.device()
    }

    /// Its statistics.
    pub(crate) fn stats(&self) -> &DeviceStats {
        self.disk.data().hooks.owner()
    }

    /// Operations that have begun and not ended; 0 unless they are measured in full.
    fn in_flight(&self) -> u64 {
        self.disk.data().hooks.in_flight()
    }

    /// Whether its I/O waits. Sleeps.
    #[inline(never)]
    pub(crate) fn is_suspended(&self) -> bool {
        self.settings.lock().suspended
    }

    /// Whether its drives are to be opened for reading only. Sleeps.
    pub(crate) fn opens_read_only(&self) -> bool {
        self.settings.lock().opened_read_only
    }

    /// Notes that the backing device `drive` is gone. If the device is on it, and was live, what is in flight. Sleeps.
    pub(crate) fn lose(&self, drive: DeviceId) -> Option<u64> {
        let lost = self.settings.lock().table.lose(drive);
        lost.then(|| self.in_flight())
    }

    /// If it is still lost, a reference to tell its users by, unless the resume will tell them. Sleeps.
    pub(crate) fn users_of_lost(&self) -> Option<DiskRef> {
        let settings = self.settings.lock();
        let is_lost = settings.state() == State::Lost && !settings.suspended;
        is_lost.then(|| self.disk.reference())
    }

    /// Waits for the turn to change it. Sleeps. `ENODEV` if it has gone meanwhile.
    pub(crate) fn turn<'a>(self: &'a Arc<Self>, patience: &Patience) -> Result<Turn<'a>, Refused> {
        let mut presence = None;
        let waited = patience.wait(|| {
            presence = self.turn.try_lock();
            presence.is_some()
        });
        match presence {
            Some(presence) if *presence == Presence::Here => Ok(Turn {
                device: self,
                presence,
            }),
            Some(_) => Err(Refused::UnknownId(self.id())),
            None if waited == Err(timed_out()) => Err(Refused::Changing(self.id())),
            None => Err(waited.err().unwrap_or(EAGAIN).into()),
        }
    }

    /// Whether it is in use as swap, which nothing could turn off without its node.
    pub(crate) fn has_swap(&self) -> bool {
        self.disk.reference().has_swap()
    }

    /// Has whoever changes it give up, since it is to go by force, until the result is dropped. Any context.
    pub(crate) fn doom(&self) -> Doom {
        self.doomed.fetch_add(1, Ordering::Relaxed);
        Doom(self.doomed.clone())
    }

    /// The patience of a change of the device, which ends when the device is to go by force.
    pub(crate) fn patience(&self, patience: &Patience) -> Patience {
        patience.unless(self.doomed.clone())
    }

    /// Fails what it has and what comes, and tells its users, before it is dropped. Sleeps until they are told: they may wait
    /// for what their drives have.
    pub(crate) fn mark_dead(&self) {
        // Those who are told wait for what they have sent: what waits here fails first.
        self.disk.data().fail_held();
        self.disk.mark_dead();
        // What was frozen has been shut down; frozen, it would never go.
        let frozen = self.settings.lock().frozen.take();
        drop(frozen);
    }
}

/// While it is there, nobody changes a device but who takes it away.
pub(crate) struct Doom(Arc<AtomicUsize>);

impl Drop for Doom {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        if let Some(what) = limits.promises().lacks(&promised.promises()) {
            return Err(Refused::Promised(what));
        }
        limits.show_as(&promised);
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
        self.swap_table(&table, &old, &mut limits, patience)?;
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
        let mut settings = device.settings.lock();
        settings.table = table;
        settings.opened_read_only = read_only;
        let suspended = settings.suspended;
        drop(settings);
        if !suspended {
            // Of a suspended device the resume tells: nobody can read it before.
            device.disk.announce_change();
        }
        Ok(())
    }

    fn swap_table(
        &self,
        table: &Arc<Table>,
        old: &Table,
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
                return match freeze && settings.frozen.is_none() {
                    true => Err(Refused::SuspendedUnfrozen),
                    false => Ok(()),
                };
            }
        }
        // If it goes no further, they are thawed.
        let frozen = match freeze {
            true => Some(self.freeze_above(patience)?),
            false => None,
        };
        if let Err(refused) = self.hold(patience) {
            // A file system may write as it goes on, to a drive that does not answer; then it goes on when that does.
            let _ = patience.run(move || drop(frozen));
            return Err(refused);
        }
        let mut settings = device.settings.lock();
        settings.suspended = true;
        let before = match frozen.is_some() {
            true => core::mem::replace(&mut settings.frozen, frozen),
            false => None,
        };
        drop(settings);
        // What a resume could not thaw is frozen again.
        drop(before);
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

impl Drop for Device {
    fn drop(&mut self) {
        if core::mem::take(&mut self.settings.lock().suspended) {
            // Requests that wait would keep the disk for ever; nobody has it open, so nobody waits for their end.
            self.disk.release_requests();
        }
        let table = self.table();
        unlink(&self.disk, table.drives());
    }
}

/// Shows in sysfs that a device stands on the drives of a table, until it is dropped.
struct Linked(Option<(Arc<Device>, Arc<Table>)>);

impl Linked {
    /// Sleeps, for ever if a drive is being opened that does not answer.
    fn new(device: Arc<Device>, table: Arc<Table>) -> Result<Self> {
        link(&device.disk, &table)?;
        Ok(Self(Some((device, table))))
    }

    /// It is shown until [`unlink`].
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        if let Some((device, table)) = &self.0 {
            unlink(&device.disk, table.drives());
        }
    }
}

/// Shows in sysfs that `disk` stands on the drives of `table`.
fn link(disk: &BioDisk<Io>, table: &Table) -> Result {
    for drive in table.drives() {
        if let Err(error) = disk.link(drive.device()) {
            unlink(disk, table.drives());
            return Err(error);
        }
        drive.set_shown(true);
    }
    Ok(())
}

/// Shows it no more of those of `drives` of which it is shown.
fn unlink<'a>(disk: &BioDisk<Io>, drives: impl Iterator<Item = &'a Target>) {
    for drive in drives.filter(|drive| drive.set_shown(false)) {
        disk.unlink(drive.device());
    }
}
