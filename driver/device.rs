// SPDX-License-Identifier: GPL-2.0-only

//! One virtual block device: its settings, and the disk that forwards.
//!
//! What can change of it is changed by who has its [`Turn`], one task at a time; changes of other devices go on meanwhile.
//! Lock order: the turn, then the disk's own, then `settings`. `settings` is held only to look and to write down: readers do
//! not wait for drives. Who has the turn waits no longer than the patience of who asked for the change.

mod links;
mod turn;

use crate::{
    error::Refused,
    io::bio_path::{Io, Path, Route},
    kernel_ext::{
        block::{
            bdev::{BlockDevice, DeviceId},
            bio_disk::{self, BioDisk},
            disk_ref::DiskRef,
            freeze::Freeze,
        },
        patience::Patience,
    },
    registry::Place,
    stats::DeviceStats,
    table::Table,
    uapi::{QueueMode, State, StatsMode},
};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex, UniqueArc},
};
use links::{link, unlink};
pub(crate) use turn::Turn;

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
    /// How many tables it has had, with that one.
    pub(crate) table_number: u64,
    /// What it measures.
    pub(crate) stats_mode: StatsMode,
    /// Whether the drives are open for reading only.
    opened_read_only: bool,
    suspended: bool,
    /// All that stands on it was frozen when it was suspended last.
    all_frozen: bool,
    /// What was frozen when it was suspended, or of that what the resume could not thaw.
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
            table_number: 1,
            stats_mode: spec.stats_mode,
            opened_read_only: spec.read_only,
            suspended: false,
            all_frozen: false,
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

    /// A reference to its disk, which may outlive it. Any context.
    pub(crate) fn reference(&self) -> DiskRef {
        self.disk.reference()
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

    /// How many tables it has had, with the one that it has. Sleeps.
    pub(crate) fn table_number(&self) -> u64 {
        self.settings.lock().table_number
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
