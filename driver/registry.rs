// SPDX-License-Identifier: GPL-2.0-only

//! The devices that there are.
//!
//! Lock order: `changing`, then `devices`. `changing` is held for the whole of a change and its
//! notification, so that changes come one after the other and are told of in that order. `devices`
//! is held only to look, to insert and to remove: readers do not wait for drives.

use crate::{
    device::{Device, DeviceSpec},
    error::Refused,
    io::complete::Measured,
    kernel_ext::block::hook::Contexts,
    target::{Target, TargetSpec},
};
use core::ops::Deref;
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex, lock::Guard, lock::mutex::MutexBackend},
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
    list: KVec<KBox<Device>>,
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
    fn matches(&self, device: &Device) -> bool {
        match self {
            Self::Id(id) => device.id() == *id,
            Self::Name(name) => device.name() == &**name,
        }
    }

    fn unknown(&self) -> Refused {
        match self {
            Self::Id(id) => Refused::UnknownId(*id),
            Self::Name(_) => Refused::UnknownName,
        }
    }
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
        match devices.list.iter().find(|device| key.matches(device)) {
            Some(device) => look(device),
            None => Err(key.unknown()),
        }
    }

    /// The lowest id of a device from `from` on. Sleeps.
    pub(crate) fn next_id(&self, from: u32) -> Option<u32> {
        let devices = self.devices.lock();
        let ids = devices.list.iter().map(|device| device.id());
        ids.filter(|id| *id >= from).min()
    }

    /// A number that differs once a device came or went; never 0. Sleeps.
    pub(crate) fn version(&self) -> u32 {
        self.devices.lock().version
    }
}

/// The right to change the devices, until it is dropped.
pub(crate) struct Change<'a> {
    registry: &'a Registry,
    changes: Guard<'a, Changes, MutexBackend>,
}

impl Change<'_> {
    /// Makes a device, and gives its id. Sleeps.
    pub(crate) fn create(&mut self, spec: DeviceSpec, target: TargetSpec) -> Result<u32, Refused> {
        let (id, place) = self.registry.devices.lock().free_id(&spec.name)?;
        let target = Target::open(target, spec.read_only)?;
        self.registry.devices.lock().check_free(&target)?;
        let generation = self.changes.next_generation;
        // No lock but `changing`: adding the disk reads its partition table.
        let device = KBox::new(
            Device::new(self.registry.contexts.clone(), id, generation, spec, target)?,
            GFP_KERNEL,
        )?;
        self.changes.next_generation += 1;
        self.registry.devices.lock().insert(place, device)?;
        Ok(id)
    }

    /// Takes a device out of the list and keeps everybody from opening it. Sleeps. It goes from
    /// the system when the result is dropped.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it is open; `ENODEV` if there is none.
    pub(crate) fn remove(&mut self, key: &Key) -> Result<impl Deref<Target = Device>, Refused> {
        let mut devices = self.registry.devices.lock();
        let Some(place) = devices.list.iter().position(|device| key.matches(device)) else {
            return Err(key.unknown());
        };
        let device = &devices.list[place];
        device
            .forbid_open()
            .map_err(|_| Refused::Open(device.id()))?;
        let device = devices.list.remove(place).map_err(Error::from)?;
        devices.bump();
        Ok(device)
    }
}

impl Devices {
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

    /// `EBUSY` if a device uses some of the same sectors.
    fn check_free(&self, target: &Target) -> Result<(), Refused> {
        match self
            .list
            .iter()
            .find(|device| device.target().overlaps(target))
        {
            Some(device) => {
                let used = device.target().extent();
                Err(Refused::Overlap {
                    id: device.id(),
                    offset: used.offset_bytes(),
                    length: used.length_bytes(),
                })
            }
            None => Ok(()),
        }
    }

    fn insert(&mut self, place: usize, device: KBox<Device>) -> Result<(), Refused> {
        self.list.reserve(1, GFP_KERNEL)?;
        self.list
            .insert_within_capacity(place, device)
            .map_err(|_| Refused::Kernel(ENOMEM))?;
        self.bump();
        Ok(())
    }

    fn bump(&mut self) {
        self.version = self.version.wrapping_add(1).max(1);
    }
}
