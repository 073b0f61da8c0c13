// SPDX-License-Identifier: GPL-2.0-only

//! Bios that wait for the resume of a suspended device, of one without a request queue.
//!
//! The resume waits for no drive: another task submits them again, in their order. On a device with zones, which are written
//! in order, what comes meanwhile waits behind them; anywhere else it may overtake them.

use crate::kernel_ext::{
    block::{
        bio::{OwnedBio, Status},
        bio_list::BioList,
    },
    work::Run,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{new_spinlock, prelude::*, sync::SpinLock};

/// The bios, as they were submitted to the device.
pub(super) struct Held {
    waiting: Pin<KBox<SpinLock<Waiting>>>,
    /// Whether what comes waits behind them. Set while the device is frozen, so whoever submits a bio sees it.
    in_order: AtomicBool,
}

struct Waiting {
    /// Those that a resume had submitted again, and that found the device suspended once more: they are the first again.
    again: BioList,
    bios: BioList,
    /// The device is resumed: they are submitted again until none is left.
    released: bool,
    /// No resume comes any more.
    gone: bool,
}

impl Held {
    /// None. May sleep.
    pub(super) fn new() -> Result<Self> {
        let waiting = Waiting {
            again: BioList::new(),
            bios: BioList::new(),
            released: false,
            gone: false,
        };
        Ok(Self {
            waiting: KBox::pin_init(new_spinlock!(waiting), GFP_KERNEL)?,
            in_order: AtomicBool::new(false),
        })
    }

    /// Keeps a bio for the next resume. The device is suspended.
    pub(super) fn push(&self, mut bio: OwnedBio) {
        let was_here = bio.take_mark();
        let mut waiting = self.waiting.lock();
        if waiting.gone {
            drop(waiting);
            return bio.end(Status::IOERR);
        }
        match was_here {
            true => waiting.again.push(bio),
            false => waiting.bios.push(bio),
        }
    }

    /// Has a bio of a device with zones wait if others do. It comes back if it may go on.
    #[inline]
    pub(super) fn push_behind(&self, mut bio: OwnedBio) -> Option<OwnedBio> {
        if bio.take_mark() || !self.in_order.load(Ordering::Relaxed) {
            return Some(bio);
        }
        let mut waiting = self.waiting.lock();
        if !waiting.released {
            return Some(bio);
        }
        let status = match (waiting.gone, bio.is_nowait()) {
            (true, _) => Status::IOERR,
            (false, true) => Status::AGAIN,
            (false, false) => {
                waiting.bios.push(bio);
                return None;
            }
        };
        drop(waiting);
        bio.end(status);
        None
    }

    /// The next run submits what waits again, and with `in_order` what comes until then. The device is frozen.
    pub(super) fn release(&self, in_order: bool) {
        self.waiting.lock().released = true;
        self.in_order.store(in_order, Ordering::Relaxed);
    }

    /// What waits now, and what comes, stays for the next resume. The device is frozen.
    pub(super) fn keep(&self) {
        self.waiting.lock().released = false;
    }

    /// Takes the first to be submitted again.
    fn next(&self) -> Option<OwnedBio> {
        let mut waiting = self.waiting.lock();
        if !waiting.released {
            return None;
        }
        let next = waiting.again.pop();
        let next = next.or_else(|| waiting.bios.pop());
        if next.is_none() {
            waiting.released = false;
            self.in_order.store(false, Ordering::Relaxed);
        }
        next
    }

    /// Fails those that wait, and all that would wait from now on.
    pub(super) fn fail(&self) {
        let mut waiting = self.waiting.lock();
        waiting.gone = true;
        let again = core::mem::replace(&mut waiting.again, BioList::new());
        let bios = core::mem::replace(&mut waiting.bios, BioList::new());
        drop(waiting);
        // They end as their list is dropped.
        drop((again, bios));
    }
}

impl Run for Held {
    fn run(&self) -> Option<u32> {
        // Each comes by the gate once more, since it may be closed again by now.
        while let Some(mut bio) = self.next() {
            if self.in_order.load(Ordering::Relaxed) {
                bio.mark();
            }
            bio.submit();
        }
        None
    }
}
