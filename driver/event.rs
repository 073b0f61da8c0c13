// SPDX-License-Identifier: GPL-2.0-only

//! Events that no command brings about: a backing device is gone.
//!
//! The block layer tells [`Events`]; `control` has said what is to be done, so that the domain does
//! not import it.

use crate::{
    kernel_ext::block::bdev::{DeviceId, HolderEvents},
    table::Table,
};
use kernel::sync::SetOnce;

static ON_LOST: SetOnce<fn(DeviceId, bool)> = SetOnce::new();

/// Calls `lost` for each backing device that goes, and with whether by surprise, in the process that removes it. The
/// first call counts.
pub(crate) fn on_lost(lost: fn(DeviceId, bool)) {
    ON_LOST.populate(lost);
}

/// Makes up for what was missed while the drives of a table were open but nobody's: tells of those
/// that have gone or are going: a drive that is taken out tells its holders long before it is dead, if others of them have
/// much to write. Sleeps, and waits for I/O; to be called once a device has the table.
pub(crate) fn check(table: &Table) {
    for drive in table.drives().map(|target| target.device()) {
        if drive.is_going() {
            Events::lost(drive.id(), drive.is_dead());
        }
    }
}

/// What the holder of the backing devices wants to know.
pub(crate) struct Events;

impl HolderEvents for Events {
    fn lost(id: DeviceId, surprise: bool) {
        if let Some(lost) = ON_LOST.as_ref() {
            lost(id, surprise);
        }
    }
}
