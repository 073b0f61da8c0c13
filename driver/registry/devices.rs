// SPDX-License-Identifier: GPL-2.0-only

//! The devices that there are, in each order in which they are looked up.
//!
//! A look-up is a binary search. What comes or goes moves the pointers behind it in three lists, 8 bytes
//! for each device: less work than keeping trees, up to many more devices than a machine has.

use super::uses::{Room, Uses};
use crate::{
    device::Device, error::Refused, kernel_ext::block::bdev::DevT, logic::usage::lowest_free,
    table::Table,
};
use core::cmp::Ordering;
use kernel::{prelude::*, sync::Arc};

/// What a device is looked up by.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    /// Its number.
    Id(u32),
    /// Its name.
    Name(&'a CStr),
    /// Number of its disk.
    Disk(DevT),
}

/// One list for each way to look up.
const ORDERS: usize = 3;

impl<'a> By<'a> {
    /// All by which a device is found.
    fn all(device: &'a Device) -> [Self; ORDERS] {
        [
            Self::Id(device.id()),
            Self::Name(device.name()),
            Self::Disk(device.disk().dev()),
        ]
    }

    /// Number of the list.
    fn order(self) -> usize {
        match self {
            Self::Id(_) => 0,
            Self::Name(_) => 1,
            Self::Disk(_) => 2,
        }
    }

    /// Where a device lies, seen from here.
    fn compare(self, device: &Device) -> Ordering {
        match self {
            Self::Id(id) => device.id().cmp(&id),
            Self::Name(name) => device.name().to_bytes().cmp(name.to_bytes()),
            Self::Disk(dev) => device.disk().dev().cmp(&dev),
        }
    }
}

/// The devices, and what they use.
pub(super) struct Devices {
    lists: [KVec<Arc<Device>>; ORDERS],
    /// The sectors that the tables of all devices have.
    pub(super) uses: Uses,
    version: u32,
}

impl Devices {
    /// None.
    pub(super) fn new() -> Self {
        Self {
            lists: [const { KVec::new() }; ORDERS],
            uses: Uses::new(),
            version: 1,
        }
    }

    /// A number that differs once a device came or went; never 0.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// All, in the order of their ids.
    pub(super) fn all(&self) -> &[Arc<Device>] {
        &self.lists[0]
    }

    /// Where a device is in its list, or would be.
    #[inline(never)]
    fn place(&self, by: By<'_>) -> Result<usize, usize> {
        self.lists[by.order()].binary_search_by(|device| by.compare(device))
    }

    /// A device.
    pub(super) fn find(&self, by: By<'_>) -> Option<&Arc<Device>> {
        let place = self.place(by).ok()?;
        self.lists[by.order()].get(place)
    }

    /// The lowest id of a device from `from` on.
    pub(super) fn next_id(&self, from: u32) -> Option<u32> {
        let place = self.place(By::Id(from)).unwrap_or_else(|place| place);
        self.all().get(place).map(|device| device.id())
    }

    /// The lowest free id. `EEXIST` if the name is taken.
    pub(super) fn free_id(&self, name: &CStr) -> Result<u32, Refused> {
        if let Some(device) = self.find(By::Name(name)) {
            return Err(Refused::NameTaken(device.id()));
        }
        let all = self.all();
        Ok(lowest_free(all.len(), |place| all[place].id()))
    }

    /// The devices that a table stands on, directly or over others, each once.
    pub(super) fn below(&self, table: &Table) -> Result<KVec<Arc<Device>>, Refused> {
        let mut below = KVec::new();
        self.add_below(&mut below, table)?;
        let mut next = 0;
        while let Some(device) = below.get(next) {
            let table = device.table();
            self.add_below(&mut below, &table)?;
            next += 1;
        }
        Ok(below)
    }

    /// Adds the devices that a table stands on directly.
    fn add_below(&self, below: &mut KVec<Arc<Device>>, table: &Table) -> Result<(), Refused> {
        for drive in table.drives() {
            let Some(device) = self.find(By::Disk(drive.device().disk_dev())) else {
                continue;
            };
            if !below.iter().any(|known| Arc::ptr_eq(known, device)) {
                below.push(device.clone(), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// Takes a device up.
    pub(super) fn insert(
        &mut self,
        device: &Arc<Device>,
        table: &Table,
        room: Room,
    ) -> Result<(), Refused> {
        for list in &mut self.lists {
            list.reserve(1, GFP_KERNEL)?;
        }
        for by in By::all(device) {
            let place = self.place(by).unwrap_or_else(|place| place);
            self.lists[by.order()]
                .insert_within_capacity(place, device.clone())
                .map_err(|_| Refused::Kernel(ENOMEM))?;
        }
        self.uses.insert(table, device.id(), room);
        self.bump();
        Ok(())
    }

    /// Forgets a device. The caller has it, so it does not go yet.
    pub(super) fn remove(&mut self, device: &Device, table: &Table) {
        for by in By::all(device) {
            if let Ok(place) = self.place(by) {
                // It is in the list.
                let _ = self.lists[by.order()].remove(place);
            }
        }
        self.uses.remove(table);
        self.bump();
    }

    fn bump(&mut self) {
        self.version = self.version.wrapping_add(1).max(1);
    }
}
