// SPDX-License-Identifier: GPL-2.0-only

//! What sysfs shows of a device: that it stands on the drives of its table. The device and changes of its table call it.

use super::Device;
use crate::{
    error::Refused, io::bio_path::Io, kernel_ext::block::bio_disk::BioDisk, table::Table,
    target::Target,
};
use kernel::sync::Arc;

/// Shows in sysfs that a device stands on the drives of a table, until it is dropped.
pub(super) struct Linked(Option<(Arc<Device>, Arc<Table>)>);

impl Linked {
    /// Sleeps, for ever if a drive is being opened that does not answer.
    ///
    /// # Errors
    ///
    /// As of [`link`].
    pub(super) fn new(device: Arc<Device>, table: Arc<Table>) -> Result<Self, Refused> {
        link(&device.disk, &table)?;
        Ok(Self(Some((device, table))))
    }

    /// It is shown until [`unlink`].
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        if let Some((device, table)) = &self.0 {
            unlink(&device.disk, table.drives());
        }
    }
}

/// Shows in sysfs that `disk` stands on the drives of `table`. Sleeps.
///
/// # Errors
///
/// A drive that stands on `disk`: what that forwards would come back, again and again. Those of the kernel. Nothing is shown then.
pub(super) fn link(disk: &BioDisk<Io>, table: &Table) -> Result<(), Refused> {
    let linked = try_link(disk, table);
    if linked.is_err() {
        unlink(disk, table.drives());
    }
    linked
}

fn try_link(disk: &BioDisk<Io>, table: &Table) -> Result<(), Refused> {
    for drive in table.drives() {
        disk.link(drive.device())?;
        drive.set_shown(true);
    }
    // Whoever looks before it shows anything can miss another command that does the same: each would close the circle.
    table.check_back(&disk.reference())
}

/// Shows it no more of those of `drives` of which it is shown.
pub(super) fn unlink<'a>(disk: &BioDisk<Io>, drives: impl Iterator<Item = &'a Target>) {
    for drive in drives.filter(|drive| drive.set_shown(false)) {
        disk.unlink(drive.device());
    }
}
