// SPDX-License-Identifier: GPL-2.0-only

//! What belongs to a device before it is there and until the last of it is gone: its number, its name, its claims.

use super::{Registry, devices::Devices};
use crate::{
    device::Device,
    error::Refused,
    io::complete::Measured,
    kernel_ext::{block::hook::Contexts, patience::Patience},
    table::Table,
};
use core::sync::atomic::Ordering;
use kernel::{prelude::*, str::CStr, sync::Arc};

/// A place in the registry; it is free again when this is dropped.
pub(crate) struct Place {
    registry: Arc<Registry>,
    id: u32,
}

impl Place {
    /// Takes the lowest free number, and a name. Sleeps. `EEXIST` if the name is taken.
    pub(super) fn take(registry: &Arc<Registry>, name: &CStr) -> Result<Self, Refused> {
        let id = registry.devices.lock().take(name)?;
        Ok(Self {
            registry: registry.clone(),
            id,
        })
    }

    /// Number of the device.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// A number that no device has had.
    pub(crate) fn new_generation(&self) -> u64 {
        self.registry
            .next_generation
            .fetch_add(1, Ordering::Relaxed)
    }

    /// Contexts for its bios.
    pub(crate) fn contexts(&self) -> Arc<Contexts<Measured>> {
        self.registry.contexts.clone()
    }

    /// Claims what a table has of its drives. Sleeps.
    pub(super) fn claim(&self, table: &Table, patience: &Patience) -> Result<(), Refused> {
        self.registry.claim(self.id, table, patience)?;
        self.registry.check_below(self.id)
    }

    fn with_devices<R>(&self, use_devices: impl FnOnce(&mut Devices) -> R) -> R {
        use_devices(&mut self.registry.devices.lock())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.with_devices(|devices| devices.give_up(self.id));
    }
}

/// A device that is there, but that no command finds yet; it goes if this is dropped.
pub(super) struct Unlisted(Option<Arc<Device>>);

impl Unlisted {
    pub(super) fn new(device: Arc<Device>) -> Self {
        Self(Some(device))
    }

    /// Lets it be found, for good, once `tell` has told of it: whatever becomes of it is told later. Sleeps, but for no I/O.
    /// Without memory for that it is given back.
    pub(super) fn list(
        mut self,
        tell: impl FnOnce(&Device),
    ) -> Result<Arc<Device>, (Refused, Self)> {
        let Some(device) = self.0.take() else {
            return Err((ENODEV.into(), self));
        };
        let listed = device
            .place()
            .with_devices(|devices| devices.insert(&device).map(|()| tell(&device)));
        match listed {
            Ok(()) => Ok(device),
            Err(refused) => Err((refused, Self(Some(device)))),
        }
    }
}

impl Drop for Unlisted {
    fn drop(&mut self) {
        if let Some(device) = self.0.take() {
            // Somebody may have opened it already.
            device.mark_dead();
        }
    }
}
