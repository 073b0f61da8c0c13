// SPDX-License-Identifier: GPL-2.0-only

//! What a disk stands on, for those who ask the disk rather than send it bios: ioctls, reports of
//! zones, evictions of keys. Whoever has the disk open may still ask when it has been removed.

use super::{
    super::bindings,
    bdev::BlockDevice,
    inline_encryption::{ENABLED, Engines, InlineEncryption},
    zones::ZoneReport,
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{Arc, SpinLock},
};

/// Drives that a disk stands on. A clone keeps them open.
pub(crate) trait Drives: Clone + Send + Unpin {
    /// The drive that the disk begins with; if `whole`, only if all of it is the disk.
    fn first(&self, whole: bool) -> Option<&BlockDevice>;

    /// Each of them, once.
    fn each(&self) -> impl Iterator<Item = &BlockDevice>;

    /// Adds the zones that are asked for to `report`. Sleeps.
    fn report_zones(&self, report: &mut ZoneReport<'_>) -> Result;
}

/// The drives at present; none once the disk has been removed.
#[pin_data]
pub(super) struct Present<D> {
    #[pin]
    drives: SpinLock<Option<D>>,
}

impl<D: Drives> Present<D> {
    fn new(drives: D) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self { drives <- new_spinlock!(Some(drives)) }),
            GFP_KERNEL,
        )
    }

    /// The drives, kept open. To be dropped where it may sleep.
    pub(super) fn get(&self) -> Option<D> {
        self.drives.lock().clone()
    }

    /// Closes the old ones, if nobody else keeps them. Sleeps.
    fn set(&self, drives: Option<D>) {
        let old = core::mem::replace(&mut *self.drives.lock(), drives);
        drop(old);
    }
}

/// What is there of a disk until nobody has a reference to it any more.
pub(super) struct StackedOn<D: Drives> {
    present: Arc<Present<D>>,
    encryption: Option<Pin<KBox<InlineEncryption<D>>>>,
}

impl<D: Drives> StackedOn<D> {
    /// A disk on `drives`, whose engines encrypt. Sleeps.
    pub(super) fn new(drives: D, engines: Option<&Engines>) -> Result<Self> {
        let present = Present::new(drives)?;
        let encryption = match engines {
            Some(engines) => Some(InlineEncryption::new(engines, present.clone())?),
            None => None,
        };
        Ok(Self {
            present,
            encryption,
        })
    }

    /// Inline encryption by the drives, if the disk has it.
    pub(super) fn encryption(&self) -> Option<&InlineEncryption<D>> {
        self.encryption.as_deref().filter(|_| ENABLED)
    }

    /// The drives, kept open; none if the disk has been removed.
    pub(super) fn drives(&self) -> Option<D> {
        self.present.get()
    }

    /// Stands on other drives from now on. Sleeps. No bio may be on its way, and the old drives must have been left.
    pub(super) fn set_drives(&self, drives: D) {
        self.present.set(Some(drives));
    }

    /// Has the drives forget the disk's keys. Sleeps. No bio may be on its way.
    ///
    /// # Errors
    ///
    /// `EBUSY` if not all the keys are known; those that are have been evicted.
    pub(super) fn leave(&self) -> Result {
        self.encryption()
            .map_or(Ok(()), InlineEncryption::evict_all)
    }

    /// Stands on nothing any more: the disk has been removed. Sleeps; if it was `in_use`, until what is on its way has
    /// ended.
    pub(super) fn remove(&self, in_use: bool) {
        if let (true, Some(drives)) = (in_use, self.drives()) {
            drives.each().for_each(BlockDevice::drain_at_last);
        }
        // Drives with keys that are not known stay until their users evict them.
        if self.leave().is_ok() {
            self.present.set(None);
        }
    }
}

/// What is below a disk.
///
/// # Safety
///
/// `disk` must be one that [`BioDisk::new`](super::bio_disk::BioDisk::new) makes or made, with drives `D`, and there must be
/// a reference to it as long as the result is used.
pub(super) unsafe fn of<'a, D: Drives>(disk: *mut bindings::gendisk) -> &'a StackedOn<D> {
    // SAFETY: By the contract of this function.
    let below = unsafe { (*disk).private_data }.cast::<StackedOn<D>>();
    // SAFETY: It is there until `free_disk`, which the last reference calls.
    unsafe { &*below }
}
