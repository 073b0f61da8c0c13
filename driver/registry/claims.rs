// SPDX-License-Identifier: GPL-2.0-only

//! The pieces of drives that devices claim: none of them is another device's.
//!
//! A device claims the pieces of a new table before it has them, and those of the old one until nothing of it is on its
//! way any more. So for a while it may claim one piece twice.

use super::Found;
use crate::{
    kernel_ext::block::bdev::{DevT, DeviceId},
    logic::extent::Extent,
    table::Table,
    target::Target,
};
use kernel::prelude::*;

/// A piece of a drive that a device claims.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Claim {
    device: u32,
    drive: DeviceId,
    /// The disk that the drive is, or is a partition of.
    disk: DevT,
    extent: Extent,
}

impl Claim {
    fn of(device: u32, target: &Target) -> Self {
        Self {
            device,
            drive: target.device().id(),
            disk: target.device().disk_dev(),
            extent: *target.extent(),
        }
    }
}

/// All claims, in no order. Who looks for one looks at them all: that is a few instructions each, and happens as often as a
/// device changes.
pub(super) struct Claims(KVec<Claim>);

impl Claims {
    /// None.
    pub(super) fn new() -> Self {
        Self(KVec::new())
    }

    /// Claims the pieces of a table for a device.
    ///
    /// # Errors
    ///
    /// A piece that another device claims, with the number of the target; or no memory. Then it claims nothing new.
    pub(super) fn add(&mut self, device: u32, table: &Table) -> Result<(), (usize, Found)> {
        let targets = table.targets();
        if self.0.reserve(targets.len(), GFP_KERNEL).is_err() {
            return Err((0, Found::NoMemory));
        }
        for (number, target) in targets.iter().enumerate() {
            let wanted = Claim::of(device, target);
            let conflict = self.0.iter().find(|claim| {
                claim.device != device
                    && claim.drive == wanted.drive
                    && claim.extent.overlaps(&wanted.extent)
            });
            if let Some(claim) = conflict {
                return Err((number, Found::Claimed(claim.device, claim.extent)));
            }
        }
        for target in targets {
            // There is room for all of them.
            let _ = self.0.push_within_capacity(Claim::of(device, target));
        }
        Ok(())
    }

    /// Gives up the claims of one table of a device.
    pub(super) fn remove(&mut self, device: u32, table: &Table) {
        for target in table.targets() {
            let given_up = Claim::of(device, target);
            if let Some(place) = self.0.iter().position(|claim| *claim == given_up) {
                let _ = self.0.remove(place);
            }
        }
    }

    /// Gives up all that a device claims.
    pub(super) fn remove_all(&mut self, device: u32) {
        while let Some(place) = self.0.iter().position(|claim| claim.device == device) {
            let _ = self.0.remove(place);
        }
    }

    /// The lowest number above `after` of a device that claims something of a drive.
    pub(super) fn next_on(&self, drive: DeviceId, after: Option<u32>) -> Option<u32> {
        let on = self.0.iter().filter(|claim| claim.drive == drive);
        on.map(|claim| claim.device)
            .filter(|device| Some(*device) > after)
            .min()
    }

    /// The devices that stand directly on a disk, or are about to; some of them more than once.
    pub(super) fn devices_on(&self, disk: DevT) -> impl Iterator<Item = u32> + '_ {
        let on = self.0.iter().filter(move |claim| claim.disk == disk);
        on.map(|claim| claim.device)
    }

    /// The disks that a device stands on, or is about to; some of them more than once.
    pub(super) fn disks_of(&self, device: u32) -> impl Iterator<Item = DevT> + '_ {
        let own = self.0.iter().filter(move |claim| claim.device == device);
        own.map(|claim| claim.disk)
    }
}
