// SPDX-License-Identifier: GPL-2.0-only

//! The devices that there are.
//!
//! Lock order: `changing`, then `devices`. `changing` is held for the whole of a change and its
//! notification, so that changes come one after the other and are told of in that order. `devices`
//! is held only to look, to insert and to remove: readers do not wait for drives.

mod devices;
mod uses;

use crate::{
    device::{Device, DeviceSpec},
    error::{Refused, TargetError},
    event,
    io::complete::Measured,
    kernel_ext::block::{bdev::DevT, disk_ref::DiskRef, hook::Contexts},
    table::{Table, TableSpec},
    uapi::StatsMode,
};
use devices::{By, Devices};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc, Mutex,
        lock::{Guard, mutex::MutexBackend},
    },
};
use uses::Room;

/// The devices, and the right to change them.
#[pin_data]
pub(crate) struct Registry {
    contexts: Arc<Contexts<Measured>>,
    #[pin]
    changing: Mutex<Changes>,
    #[pin]
    devices: Mutex<Devices>,
}

/// What only changes look at.
struct Changes {
    next_generation: u64,
}

/// How a request names a device.
pub(crate) enum Key {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(CString),
}

impl Key {
    fn by(&self) -> By<'_> {
        match self {
            Self::Id(id) => By::Id(*id),
            Self::Name(name) => By::Name(name),
        }
    }

    fn unknown(&self) -> Refused {
        match self {
            Self::Id(id) => Refused::UnknownId(*id),
            Self::Name(_) => Refused::UnknownName,
        }
    }
}

/// A device that has just lost a drive.
pub(crate) struct Lost {
    /// Its number.
    pub(crate) id: u32,
    /// Operations that were in flight.
    pub(crate) in_flight: u64,
    /// The disk whose users are to be told; none if a resume will tell them.
    pub(crate) disk: Option<DiskRef>,
}

impl Registry {
    /// Without devices.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            contexts: Arc::new(Contexts::new()?, GFP_KERNEL)?,
            changing <- new_mutex!(Changes { next_generation: 1 }),
            devices <- new_mutex!(Devices::new()),
        })
    }

    /// Begins a change. Sleeps until no other change is under way.
    pub(crate) fn change(&self) -> Change<'_> {
        Change {
            registry: self,
            changes: self.changing.lock(),
        }
    }

    /// Looks at one device. Sleeps. `ENODEV` if there is none.
    pub(crate) fn with<R>(
        &self,
        key: &Key,
        look: impl FnOnce(&Device) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        let devices = self.devices.lock();
        look(devices.find(key.by()).ok_or_else(|| key.unknown())?)
    }

    /// The lowest id of a device from `from` on. Sleeps.
    pub(crate) fn next_id(&self, from: u32) -> Option<u32> {
        self.devices.lock().next_id(from)
    }

    /// The most that `measure` gives for a device; 0 without devices. Sleeps.
    pub(crate) fn most(&self, measure: impl Fn(&Device) -> usize) -> usize {
        let devices = self.devices.lock();
        let figures = devices.all().iter().map(|device| measure(device));
        figures.max().unwrap_or(0)
    }

    /// A number that differs once a device came or went; never 0. Sleeps.
    pub(crate) fn version(&self) -> u32 {
        self.devices.lock().version()
    }

    /// Notes that the backing device `dev` is gone, on the next device that has a sector of it from
    /// `from` on and does not know it yet. Sleeps, but waits for no I/O and no change.
    pub(crate) fn lose(&self, dev: DevT, from: &mut u64) -> Option<Lost> {
        let devices = self.devices.lock();
        while let Some(used) = devices.uses.first_from(dev, *from) {
            *from = used.extent.last() + 1;
            let device = devices.find(By::Id(used.device));
            if let Some((in_flight, disk)) = device.and_then(|device| device.lose(dev)) {
                return Some(Lost {
                    id: used.device,
                    in_flight,
                    disk,
                });
            }
        }
        None
    }
}

/// The right to change the devices, until it is dropped.
pub(crate) struct Change<'a> {
    registry: &'a Registry,
    changes: Guard<'a, Changes, MutexBackend>,
}

impl Change<'_> {
    /// The device that `key` names. Sleeps.
    pub(crate) fn find(&self, key: &Key) -> Result<Arc<Device>, Refused> {
        let devices = self.registry.devices.lock();
        let found = devices.find(key.by()).cloned();
        found.ok_or_else(|| key.unknown())
    }

    /// Makes a device. Sleeps.
    pub(crate) fn create(
        &mut self,
        spec: DeviceSpec,
        table: &TableSpec,
    ) -> Result<Arc<Device>, Refused> {
        let id = self.registry.devices.lock().free_id(&spec.name)?;
        let (table, room) = self.open(table, spec.read_only, None)?;
        let generation = self.changes.next_generation;
        let contexts = self.registry.contexts.clone();
        // No lock but `changing`: adding the disk reads its partition table.
        let device = Device::new(contexts, id, generation, spec, table.clone())?;
        self.changes.next_generation += 1;
        self.registry.devices.lock().insert(&device, &table, room)?;
        event::check(&table);
        Ok(device)
    }

    /// Replaces the table of a device. Sleeps.
    pub(crate) fn retarget(&mut self, device: &Device, table: &TableSpec) -> Result<(), Refused> {
        self.replace(device, table, device.opens_read_only())
    }

    fn replace(
        &mut self,
        device: &Device,
        table: &TableSpec,
        read_only: bool,
    ) -> Result<(), Refused> {
        self.check_below(device)?;
        let (table, room) = self.open(table, read_only, Some(device))?;
        let old = device.table();
        device.set_table(table.clone(), read_only)?;
        let mut devices = self.registry.devices.lock();
        devices.uses.remove(&old);
        devices.uses.insert(&table, device.id(), room);
        drop(devices);
        event::check(&table);
        Ok(())
    }

    /// Lets a device take up what its drives have grown by. Sleeps.
    pub(crate) fn resize(&mut self, device: &Device) -> Result<(), Refused> {
        self.retarget(device, &device.table_spec()?)
    }

    /// Lets new I/O of a device wait, and with `freeze` its file system. Sleeps.
    pub(crate) fn suspend(&mut self, device: &Device, freeze: bool) -> Result<(), Refused> {
        self.check_below(device)?;
        device.suspend(freeze)
    }

    /// Whether what is in flight of a device can end: not if it waits on a device below, whose
    /// resume would wait for this change.
    fn check_below(&self, device: &Device) -> Result<(), Refused> {
        let devices = self.registry.devices.lock();
        none_suspended(&devices.below(&device.table())?)
    }

    /// Lets the I/O of a device that waits go on. Sleeps.
    pub(crate) fn resume(&mut self, device: &Device) -> Result<(), Refused> {
        self.check_below(device)?;
        device.resume()
    }

    /// Changes what is measured. Sleeps.
    pub(crate) fn set_stats_mode(
        &mut self,
        device: &Device,
        mode: StatsMode,
    ) -> Result<(), Refused> {
        self.check_below(device)?;
        device.set_stats_mode(mode);
        Ok(())
    }

    /// Lets a device refuse writes, or not. Sleeps.
    pub(crate) fn set_read_only(
        &mut self,
        device: &Device,
        read_only: bool,
    ) -> Result<(), Refused> {
        self.check_below(device)?;
        if !read_only && device.opens_read_only() {
            self.replace(device, &device.table_spec()?, false)?;
        }
        device.set_read_only(read_only);
        Ok(())
    }

    /// Takes a device out of the list and keeps everybody from opening it. Sleeps. It goes from
    /// the system when the result is dropped.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is open and not to be forced; `ENODEV` if there is none.
    pub(crate) fn remove(&mut self, key: &Key, force: bool) -> Result<Arc<Device>, Refused> {
        let device = self.find(key)?;
        if force {
            self.check_below(&device)?;
            device.kill();
        } else {
            device.forbid_open().map_err(|error| match error {
                EBUSY => Refused::Open(device.id()),
                error => error.into(),
            })?;
        }
        let table = device.table();
        self.registry.devices.lock().remove(&device, &table);
        Ok(device)
    }

    /// Opens a table for a new device, or for `user`, whose own sectors it may have. With it comes the
    /// memory to note its sectors in.
    fn open(
        &self,
        spec: &TableSpec,
        read_only: bool,
        user: Option<&Device>,
    ) -> Result<(Arc<Table>, Room), Refused> {
        let table = Table::open(spec, read_only)?;
        let room = Room::of(&table)?;
        let devices = self.registry.devices.lock();
        let user = user.map(|user| user.id());
        for (number, target) in table.targets().iter().enumerate() {
            if let Some(used) = devices.uses.conflict(target, user) {
                let error = TargetError::Overlaps {
                    id: used.device,
                    offset: used.extent.offset_bytes(),
                    length: used.extent.length_bytes(),
                };
                return Err(error.at(number));
            }
        }
        let below = devices.below(&table)?;
        if below.iter().any(|device| Some(device.id()) == user) {
            return Err(TargetError::LeadsBack.at(0));
        }
        drop(devices);
        none_suspended(&below)?;
        Ok((Arc::new(table, GFP_KERNEL)?, room))
    }
}

/// I/O of what stands on a device that is suspended waits with it, and so would whoever changes that.
fn none_suspended(below: &[Arc<Device>]) -> Result<(), Refused> {
    match below.iter().find(|device| device.is_suspended()) {
        Some(suspended) => Err(Refused::OnSuspended(suspended.id())),
        None => Ok(()),
    }
}
