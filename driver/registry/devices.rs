// SPDX-License-Identifier: GPL-2.0-only

//! The devices that there are, in each order in which they are looked up.
//!
//! A look-up is a binary search. What comes or goes moves the pointers behind it in three lists, 8 bytes
//! for each device: less work than keeping trees, up to many more devices than a machine has.

use super::claims::Claims;
use crate::{
    device::Device, error::Refused, kernel_ext::block::bdev::DevT, logic::usage::lowest_free,
};
use core::cmp::Ordering;
use kernel::{prelude::*, str::CString, sync::Arc};

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

/// The devices, and what belongs to them.
pub(super) struct Devices {
    lists: [KVec<Arc<Device>>; ORDERS],
    /// The pieces of drives that they claim, those that come and those that go among them.
    pub(super) claims: Claims,
    /// All numbers that are taken, in their order: also by devices that come or go.
    ids: KVec<u32>,
    /// The devices that come.
    coming: KVec<(u32, CString)>,
    version: u32,
}

impl Devices {
    /// None.
    pub(super) fn new() -> Self {
        Self {
            lists: [const { KVec::new() }; ORDERS],
            claims: Claims::new(),
            ids: KVec::new(),
            coming: KVec::new(),
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

    /// Takes the lowest free number, and a name, for a device that comes. `EEXIST` if the name is taken.
    pub(super) fn take(&mut self, name: &CStr) -> Result<u32, Refused> {
        let taken = self.find(By::Name(name)).map(|device| device.id());
        let coming = self.coming.iter().find(|(_, other)| &**other == name);
        if let Some(id) = taken.or(coming.map(|(id, _)| *id)) {
            return Err(Refused::NameTaken(id));
        }
        let id = lowest_free(self.ids.len(), |place| {
            self.ids.get(place).copied().unwrap_or(u32::MAX)
        });
        let name = name.try_into()?;
        self.ids.reserve(1, GFP_KERNEL)?;
        self.coming.push((id, name), GFP_KERNEL)?;
        let place = self.ids.partition_point(|taken| *taken < id);
        // There is room for it.
        let _ = self.ids.insert_within_capacity(place, id);
        Ok(id)
    }

    /// Gives up what [`Self::take`] took, and all claims.
    pub(super) fn give_up(&mut self, id: u32) {
        if let Ok(place) = self.ids.binary_search(&id) {
            let _ = self.ids.remove(place);
        }
        self.has_come(id);
        self.claims.remove_all(id);
    }

    /// A device comes no more.
    fn has_come(&mut self, id: u32) {
        if let Some(place) = self.coming.iter().position(|(coming, _)| *coming == id) {
            let _ = self.coming.remove(place);
        }
    }

    /// Whether there is a device with this number whose I/O waits.
    pub(super) fn is_suspended(&self, id: u32) -> bool {
        self.find(By::Id(id))
            .is_some_and(|device| device.is_suspended())
    }

    /// The devices that a device stands on, directly or over others of them, each once; maybe itself.
    pub(super) fn below(&self, id: u32) -> Result<KVec<u32>, Refused> {
        let mut below = KVec::new();
        self.add_below(id, &mut below)?;
        let mut next = 0;
        while let Some(&id) = below.get(next) {
            self.add_below(id, &mut below)?;
            next += 1;
        }
        Ok(below)
    }

    /// Adds the devices that a device stands on directly.
    fn add_below(&self, id: u32, below: &mut KVec<u32>) -> Result<(), Refused> {
        for disk in self.claims.disks_of(id) {
            if let Some(device) = self.find(By::Disk(disk)) {
                add_once(below, device.id())?;
            }
        }
        Ok(())
    }

    /// How many devices stand on each other at most, where one of them is device `id`.
    pub(super) fn height(&self, id: u32) -> Result<usize, Refused> {
        let below = self.layers(id, Self::add_below)?;
        let above = self.layers(id, |devices, id, next| {
            let Some(device) = devices.find(By::Id(id)) else {
                return Ok(());
            };
            for above in devices.claims.devices_on(device.disk().dev()) {
                add_once(next, above)?;
            }
            Ok(())
        })?;
        Ok(below + 1 + above)
    }

    /// How often one can go on from device `id` to those that `add` adds.
    fn layers(
        &self,
        id: u32,
        add: impl Fn(&Self, u32, &mut KVec<u32>) -> Result<(), Refused>,
    ) -> Result<usize, Refused> {
        let mut layer = KVec::new();
        add(self, id, &mut layer)?;
        let mut count = 0;
        while !layer.is_empty() {
            count += 1;
            let mut next = KVec::new();
            for &id in &layer {
                add(self, id, &mut next)?;
            }
            layer = next;
        }
        Ok(count)
    }

    /// Takes a device up that was coming.
    pub(super) fn insert(&mut self, device: &Arc<Device>) -> Result<(), Refused> {
        for list in &mut self.lists {
            list.reserve(1, GFP_KERNEL)?;
        }
        for by in By::all(device) {
            let place = self.place(by).unwrap_or_else(|place| place);
            // There is room for it.
            let _ = self.lists[by.order()].insert_within_capacity(place, device.clone());
        }
        self.has_come(device.id());
        self.bump();
        Ok(())
    }

    /// Forgets a device, if it is known, but for its number and its claims. The caller has it, so it does not go yet.
    pub(super) fn remove(&mut self, device: &Device) {
        for by in By::all(device) {
            // Another device may have taken its name since somebody else removed it.
            let is_it = |found: &Arc<Device>| core::ptr::eq(&**found, device);
            if let (true, Ok(place)) = (self.find(by).is_some_and(is_it), self.place(by)) {
                // It is in the list.
                let _ = self.lists[by.order()].remove(place);
            }
        }
        self.bump();
    }

    fn bump(&mut self) {
        self.version = self.version.wrapping_add(1).max(1);
    }
}

fn add_once(ids: &mut KVec<u32>, id: u32) -> Result<(), Refused> {
    if !ids.contains(&id) {
        ids.push(id, GFP_KERNEL)?;
    }
    Ok(())
}
