// SPDX-License-Identifier: GPL-2.0-only

//! The sectors that devices use, in their order on each drive.

use crate::{
    kernel_ext::block::bdev::DevT,
    logic::usage::{self, Use},
    table::Table,
    target::Target,
};
use kernel::{
    prelude::*,
    rbtree::{RBTree, RBTreeNodeReservation},
};

/// A drive, and the last sector that is used there.
type End = (DevT, u64);

/// All uses. No two of a drive have a sector in common.
pub(super) struct Uses(RBTree<End, Use>);

/// Memory for the uses of one table, taken before anything changes.
pub(super) struct Room(KVec<RBTreeNodeReservation<End, Use>>);

impl Room {
    /// What a table needs. May sleep.
    pub(super) fn of(table: &Table) -> Result<Self> {
        let count = table.targets().len();
        let mut nodes = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            nodes.push(RBTreeNodeReservation::new(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self(nodes))
    }
}

impl Uses {
    /// None.
    pub(super) fn new() -> Self {
        Self(RBTree::new())
    }

    /// The first use of a drive that has a sector from `sector` on.
    pub(super) fn first_from(&self, dev: DevT, sector: u64) -> Option<Use> {
        let cursor = self.0.cursor_lower_bound(&(dev, sector))?;
        let (end, used) = cursor.current();
        (end.0 == dev).then_some(*used)
    }

    /// A use by another device than `user` that has a sector in common with a target.
    pub(super) fn conflict(&self, target: &Target, user: Option<u32>) -> Option<Use> {
        let dev = target.device().dev();
        usage::conflict(target.extent(), user, |sector| self.first_from(dev, sector))
    }

    /// Notes that a device uses what its table has.
    pub(super) fn insert(&mut self, table: &Table, device: u32, room: Room) {
        for (target, node) in table.targets().iter().zip(room.0) {
            let extent = *target.extent();
            self.0
                .insert(node.into_node(end(target), Use { extent, device }));
        }
    }

    /// Forgets what a table has.
    pub(super) fn remove(&mut self, table: &Table) {
        for target in table.targets() {
            self.0.remove(&end(target));
        }
    }
}

fn end(target: &Target) -> End {
    (target.device().dev(), target.extent().last())
}
