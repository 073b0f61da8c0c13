// SPDX-License-Identifier: GPL-2.0-only

//! One virtual block device: its settings, and the disk that forwards.
//!
//! What can change of it is changed by one task at a time, the one that has `registry`'s right to
//! change. Lock order: that right, then the disk's own, then `settings`. `settings` is held only to
//! look and to write down: readers do not wait for drives.

use crate::{
    error::Refused,
    io::{
        bio_path::{Io, Path, Route},
        complete::Measured,
    },
    kernel_ext::block::{
        bdev::{BlockDevice, DevT},
        bio_disk::{self, BioDisk, Frozen},
        disk_ref::DiskRef,
        hook::Contexts,
        limits::QueueLimits,
    },
    logic::extent::SECTOR,
    stats::DeviceStats,
    table::{Table, TableSpec},
    uapi::{QueueMode, State, StatsMode},
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex, UniqueArc},
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
    id: u32,
    name: CString,
    generation: u64,
    queue_mode: QueueMode,
    settings: Pin<KBox<Mutex<Settings>>>,
    disk: BioDisk<Io>,
}

/// What can be changed.
pub(crate) struct Settings {
    /// What it forwards to.
    pub(crate) table: Arc<Table>,
    /// What it measures.
    pub(crate) stats_mode: StatsMode,
    /// Whether it refuses writes.
    pub(crate) read_only: bool,
    /// Whether the drives are open for reading only.
    opened_read_only: bool,
    suspended: bool,
    file_system_frozen: bool,
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
    /// Puts device `id`, which forwards through `table`, into the system. Sleeps.
    pub(crate) fn new(
        contexts: Arc<Contexts<Measured>>,
        id: u32,
        generation: u64,
        spec: DeviceSpec,
        table: Arc<Table>,
    ) -> Result<Arc<Self>, Refused> {
        let request_queue = spec.queue_mode == QueueMode::Mq;
        if request_queue && table.zone() != 0 {
            return Err(Refused::Zoned("have a request queue above their own"));
        }
        // Whatever can fail for want of memory comes before the links, which nothing but a device undoes.
        let device = UniqueArc::<Self>::new_uninit(GFP_KERNEL)?;
        let settings = Settings {
            table: table.clone(),
            stats_mode: spec.stats_mode,
            read_only: spec.read_only,
            opened_read_only: spec.read_only,
            suspended: false,
            file_system_frozen: false,
            untracked: spec.stats_mode != StatsMode::Full,
        };
        let settings = KBox::pin_init(new_mutex!(settings), GFP_KERNEL)?;
        let io = Io::new(contexts, !request_queue)?;
        io.prepare(&table)?;
        io.set_table(&table);
        let path = Path {
            stats_mode: spec.stats_mode,
            read_only: spec.read_only,
            route: Route::through(&table),
        };
        let node = CString::try_from_fmt(fmt!("shunt{id}"))?;
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
        .map_err(Refused::Disk)?;
        link(&disk, &table)?;
        let device = device.write(Self {
            id,
            name: spec.name,
            generation,
            queue_mode: spec.queue_mode,
            settings,
            disk,
        });
        Ok(device.into())
    }

    /// Number N of /dev/shuntN.
    pub(crate) fn id(&self) -> u32 {
        self.id
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

    /// Looks at what can be changed. Sleeps.
    pub(crate) fn with_settings<R>(&self, look: impl FnOnce(&Settings) -> R) -> R {
        look(&self.settings.lock())
    }

    /// What it forwards to. Sleeps.
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

    /// The table asked for anew, so that it takes up what the drives have grown by. Sleeps.
    pub(crate) fn table_spec(&self) -> Result<TableSpec> {
        self.table().spec()
    }

    /// Whether its I/O waits. Sleeps.
    pub(crate) fn is_suspended(&self) -> bool {
        self.settings.lock().suspended
    }

    /// Whether its drives are to be opened for reading only. Sleeps.
    pub(crate) fn opens_read_only(&self) -> bool {
        self.settings.lock().opened_read_only
    }

    /// Replaces the table: new I/O waits, what is in flight ends, then I/O goes on to the new one.
    /// Sleeps. Nothing changes if it is refused.
    pub(crate) fn set_table(&self, table: Arc<Table>, read_only: bool) -> Result<(), Refused> {
        let old = self.table();
        let (new_size, old_size) = (table.sectors() * SECTOR, old.sectors() * SECTOR);
        if new_size < old_size {
            return Err(Refused::Shorter {
                table: new_size,
                device: old_size,
            });
        }
        let mut limits = table.limits();
        limits
            .keep_promises(&QueueLimits::promised(self.disk(), &old.limits()))
            .map_err(Refused::Promised)?;
        if !table.has_zones_of(&old) {
            return Err(Refused::Promised("other zones"));
        }
        if !self.disk.is_encrypted_by(table.engines().as_ref()) {
            return Err(Refused::Promised("inline encryption"));
        }
        self.disk.data().prepare(&table)?;
        link(&self.disk, &table)?;
        let changed = self.swap_table(&table, &old, &mut limits);
        // From here on one of the two tables is out of use. Its drives are closed when the last
        // reference goes, with no lock held but the right to change.
        let unused = if changed.is_ok() { &old } else { &table };
        unlink(&self.disk, unused);
        changed?;
        if new_size > old_size {
            self.disk.set_sectors(table.sectors());
        }
        if table.zone() != 0 {
            self.disk.revalidate_zones();
        }
        let mut settings = self.settings.lock();
        settings.table = table;
        settings.opened_read_only = read_only;
        Ok(())
    }

    fn swap_table(
        &self,
        table: &Arc<Table>,
        old: &Table,
        limits: &mut QueueLimits,
    ) -> Result<(), Refused> {
        let mut frozen = self.freeze();
        self.drain(old)?;
        frozen.leave_drives().map_err(|_| Refused::UnknownKeys)?;
        frozen.set_limits(limits)?;
        let path = frozen.path_mut();
        if !matches!(path.route, Route::Held) {
            path.route = Route::through(table);
        }
        self.disk.data().set_table(table);
        frozen.set_drives(table.clone());
        Ok(())
    }

    /// Holds new I/O up, once what the last change held up had its turn. Sleeps. While the device is suspended there is
    /// no turn to have: what waits is for the resume, which is not to wait for more.
    fn freeze(&self) -> Frozen<'_, Io> {
        if !self.is_suspended() {
            self.disk.let_in();
        }
        self.disk.freeze()
    }

    /// Waits for what is in flight. No new I/O may come.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task got a signal: a drive may keep I/O for ever.
    fn drain(&self, table: &Table) -> Result {
        self.disk.data().hooks.drain_interruptibly()?;
        // Not locked meanwhile: a drive that goes is noted before its I/O ends.
        let untracked = self.settings.lock().untracked;
        if let ([target], true) = (table.targets(), untracked) {
            // What is not tracked is in the drive's queue.
            target.device().drain();
        }
        let mut settings = self.settings.lock();
        settings.untracked = settings.stats_mode != StatsMode::Full;
        Ok(())
    }

    /// Changes what is measured. Sleeps.
    pub(crate) fn set_stats_mode(&self, mode: StatsMode) {
        self.freeze().path_mut().stats_mode = mode;
        let mut settings = self.settings.lock();
        settings.stats_mode = mode;
        settings.untracked |= mode != StatsMode::Full;
    }

    /// Refuses writes, or not. Sleeps. To allow them, the drives must be open for writing.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.freeze().path_mut().read_only = read_only;
        self.disk.set_read_only(read_only);
        self.settings.lock().read_only = read_only;
    }

    /// Lets new I/O wait, once what is in flight has ended. Sleeps. With `freeze`, a file system on
    /// the device writes all out and stops before.
    pub(crate) fn suspend(&self, freeze: bool) -> Result<(), Refused> {
        if self.settings.lock().suspended {
            return Ok(());
        }
        if freeze {
            self.disk
                .freeze_file_system()
                .map_err(Refused::FileSystem)?;
        }
        let mut frozen = self.freeze();
        let drained = self.drain(&self.table());
        if drained.is_ok() {
            frozen.path_mut().route = Route::Held;
        }
        drop(frozen);
        if let Err(error) = drained {
            if freeze {
                self.disk.thaw_file_system().map_err(Refused::FileSystem)?;
            }
            return Err(error.into());
        }
        let mut settings = self.settings.lock();
        settings.suspended = true;
        settings.file_system_frozen = freeze;
        Ok(())
    }

    /// Lets the I/O that waits, and new I/O, go on. Sleeps.
    pub(crate) fn resume(&self) -> Result<(), Refused> {
        let (suspended, thaw) = {
            let mut settings = self.settings.lock();
            let thaw = core::mem::take(&mut settings.file_system_frozen);
            (core::mem::take(&mut settings.suspended), thaw)
        };
        if suspended {
            let route = Route::through(&self.table());
            let mut frozen = self.disk.freeze();
            let path = frozen.path_mut();
            path.route = route;
            self.disk.data().release(path);
            drop(frozen);
            if self.table().state() == State::Lost {
                // Who was told before would have waited for what was held.
                self.disk.reference().report_dead(true);
            }
        }
        if thaw {
            self.disk.thaw_file_system().map_err(Refused::FileSystem)?;
        }
        Ok(())
    }

    /// Notes that the backing device `dev` is gone. If the device is on it, and was live, what is
    /// in flight, and a reference to tell its users by, unless a resume will tell them. Sleeps.
    pub(crate) fn lose(&self, dev: DevT) -> Option<(u64, Option<DiskRef>)> {
        let settings = self.settings.lock();
        let tell = (!settings.suspended).then(|| self.disk.reference());
        let lost = settings.table.lose(dev);
        lost.then(|| (self.in_flight(), tell))
    }

    /// Keeps everybody from opening it, before it is dropped. `EBUSY` if somebody has it open.
    pub(crate) fn forbid_open(&self) -> Result {
        // Whoever closes a suspended device, or reads its partitions, may wait for I/O that is held.
        self.disk.forbid_open(self.is_suspended())
    }

    /// Fails its I/O, also what waits, before it is dropped. Sleeps.
    pub(crate) fn kill(&self) {
        // Those who are told wait for what they have sent: that fails first.
        self.disk.freeze().path_mut().route = Route::Gone;
        self.disk.data().fail_held();
        self.disk.kill();
        if core::mem::take(&mut self.settings.lock().file_system_frozen) {
            // It has been shut down; frozen, it would never go.
            let _ = self.disk.thaw_file_system();
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let table = self.table();
        unlink(&self.disk, &table);
    }
}

/// Shows in sysfs that `disk` stands on the drives of `table`.
fn link(disk: &BioDisk<Io>, table: &Table) -> Result {
    for (number, drive) in table.drives().enumerate() {
        if let Err(error) = disk.link(drive.device()) {
            for drive in table.drives().take(number) {
                disk.unlink(drive.device());
            }
            return Err(error);
        }
    }
    Ok(())
}

fn unlink(disk: &BioDisk<Io>, table: &Table) {
    for drive in table.drives() {
        disk.unlink(drive.device());
    }
}
