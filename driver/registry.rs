// SPDX-License-Identifier: GPL-2.0-only

//! The devices that there are.
//!
//! Lock order: `changing`, then `devices`. `changing` is held for the whole of a change and its
//! notification, so that changes come one after the other and are told of in that order. `devices`
//! is held only to look, to insert and to remove: readers do not wait for drives.

use crate::{
    device::{Device, DeviceSpec},
    error::{Refused, TargetError},
    event,
    io::complete::Measured,
    kernel_ext::block::{bdev::DevT, disk_ref::DiskRef, hook::Contexts},
    table::{Table, TableSpec},
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc, Mutex,
        lock::{Guard, mutex::MutexBackend},
    },
};

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

/// Devices in the order of their ids.
struct Devices {
    list: KVec<Arc<Device>>,
    /// Differs once a device came or went.
    version: u32,
}

/// How a request names a device.
pub(crate) enum Key {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(CString),
}

impl Key {
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
    /// The disk whose users are to be told.
    pub(crate) disk: DiskRef,
}

impl Registry {
    /// Without devices.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            contexts: Arc::new(Contexts::new()?, GFP_KERNEL)?,
            changing <- new_mutex!(Changes { next_generation: 1 }),
            devices <- new_mutex!(Devices { list: KVec::new(), version: 1 }),
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
        look(devices.find(key)?)
    }

    /// The lowest id of a device from `from` on. Sleeps.
    pub(crate) fn next_id(&self, from: u32) -> Option<u32> {
        let devices = self.devices.lock();
        let place = devices.list.partition_point(|device| device.id() < from);
        devices.list.get(place).map(|device| device.id())
    }

    /// The most that `measure` gives for a device; 0 without devices. Sleeps.
    pub(crate) fn most(&self, measure: impl Fn(&Device) -> usize) -> usize {
        let devices = self.devices.lock();
        let figures = devices.list.iter().map(|device| measure(device));
        figures.max().unwrap_or(0)
    }

    /// A number that differs once a device came or went; never 0. Sleeps.
    pub(crate) fn version(&self) -> u32 {
        self.devices.lock().version
    }

    /// Notes that the backing device `dev` is gone, on the device with the lowest id that does not
    /// know it yet. Sleeps, but waits for no I/O and no change.
    pub(crate) fn lose(&self, dev: DevT) -> Option<Lost> {
        let devices = self.devices.lock();
        devices.list.iter().find_map(|device| {
            let (in_flight, disk) = device.lose(dev)?;
            Some(Lost {
                id: device.id(),
                in_flight,
                disk,
            })
        })
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
        devices.find(key).cloned()
    }

    /// Makes a device. Sleeps.
    pub(crate) fn create(
        &mut self,
        spec: DeviceSpec,
        table: &TableSpec,
    ) -> Result<Arc<Device>, Refused> {
        let (id, place) = self.registry.devices.lock().free_id(&spec.name)?;
        let table = self.open(table, spec.read_only, None)?;
        let generation = self.changes.next_generation;
        let contexts = self.registry.contexts.clone();
        // No lock but `changing`: adding the disk reads its partition table.
        let device = Device::new(contexts, id, generation, spec, table)?;
        self.changes.next_generation += 1;
        self.registry.devices.lock().insert(place, device.clone())?;
        event::check(&device.table());
        Ok(device)
    }

    /// Replaces the table of a device. Sleeps.
    pub(crate) fn retarget(&mut self, device: &Device, table: &TableSpec) -> Result<(), Refused> {
        self.check_below(device)?;
        let read_only = device.opens_read_only();
        let table = self.open(table, read_only, Some(device))?;
        device.set_table(table.clone(), read_only)?;
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
        match devices.suspended_below(&device.table(), devices.list.len()) {
            Some(id) => Err(Refused::OnSuspended(id)),
            None => Ok(()),
        }
    }

    /// Lets a device refuse writes, or not. Sleeps.
    pub(crate) fn set_read_only(
        &mut self,
        device: &Device,
        read_only: bool,
    ) -> Result<(), Refused> {
        if !read_only && device.opens_read_only() {
            self.check_below(device)?;
            let table = self.open(&device.table_spec()?, false, Some(device))?;
            device.set_table(table, false)?;
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
            device
                .forbid_open()
                .map_err(|_| Refused::Open(device.id()))?;
        }
        self.registry.devices.lock().remove(device.id())?;
        Ok(device)
    }

    /// Opens a table for a new device, or for `user`, whose own sectors it may have.
    fn open(
        &self,
        spec: &TableSpec,
        read_only: bool,
        user: Option<&Device>,
    ) -> Result<Arc<Table>, Refused> {
        let table = Table::open(spec, read_only)?;
        self.registry.devices.lock().check_free(&table, user)?;
        Ok(Arc::new(table, GFP_KERNEL)?)
    }
}

impl Devices {
    /// The device that `key` names.
    fn find(&self, key: &Key) -> Result<&Arc<Device>, Refused> {
        let found = match key {
            Key::Id(id) => self.place(*id).and_then(|place| self.list.get(place)),
            Key::Name(name) => self.list.iter().find(|device| device.name() == &**name),
        };
        found.ok_or_else(|| key.unknown())
    }

    /// The place of device `id` in the list.
    fn place(&self, id: u32) -> Option<usize> {
        self.list
            .binary_search_by_key(&id, |device| device.id())
            .ok()
    }

    /// The lowest free id, and its place in the list. `EEXIST` if the name is taken.
    fn free_id(&self, name: &CStr) -> Result<(u32, usize), Refused> {
        if let Some(device) = self.list.iter().find(|device| device.name() == name) {
            return Err(Refused::NameTaken(device.id()));
        }
        let ids = self.list.iter().map(|device| device.id());
        let place = ids
            .zip(0u32..)
            .take_while(|(id, place)| id == place)
            .count();
        Ok((place as u32, place))
    }

    /// Whether the table has its sectors to itself, and does not stand on its user.
    fn check_free(&self, table: &Table, user: Option<&Device>) -> Result<(), Refused> {
        let user_id = user.map(|user| user.id());
        for device in self
            .list
            .iter()
            .filter(|device| Some(device.id()) != user_id)
        {
            let other = device.table();
            for (number, target) in table.targets().iter().enumerate() {
                if let Some(used) = other.targets().iter().find(|used| used.overlaps(target)) {
                    let error = TargetError::Overlaps {
                        id: device.id(),
                        offset: used.extent().offset_bytes(),
                        length: used.extent().length_bytes(),
                    };
                    return Err(error.at(number));
                }
            }
        }
        match user {
            Some(user) if self.stands_on(table, user, self.list.len()) => {
                Err(TargetError::LeadsBack.at(0))
            }
            _ => Ok(()),
        }
    }

    /// Whether a table stands on `user`, directly or over at most `depth` other devices.
    fn stands_on(&self, table: &Table, user: &Device, depth: usize) -> bool {
        user.is_below(table)
            || depth > 0
                && self.list.iter().any(|device| {
                    device.is_below(table) && self.stands_on(&device.table(), user, depth - 1)
                })
    }

    /// A suspended device that a table stands on, directly or over at most `depth` others.
    fn suspended_below(&self, table: &Table, depth: usize) -> Option<u32> {
        let mut below = self.list.iter().filter(|device| device.is_below(table));
        below.find_map(|device| match device.is_suspended() {
            true => Some(device.id()),
            false if depth == 0 => None,
            false => self.suspended_below(&device.table(), depth - 1),
        })
    }

    fn insert(&mut self, place: usize, device: Arc<Device>) -> Result<(), Refused> {
        self.list.reserve(1, GFP_KERNEL)?;
        self.list
            .insert_within_capacity(place, device)
            .map_err(|_| Refused::Kernel(ENOMEM))?;
        self.bump();
        Ok(())
    }

    fn remove(&mut self, id: u32) -> Result {
        if let Some(place) = self.place(id) {
            self.list.remove(place)?;
            self.bump();
        }
        Ok(())
    }

    fn bump(&mut self) {
        self.version = self.version.wrapping_add(1).max(1);
    }
}
