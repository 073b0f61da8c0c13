// SPDX-License-Identifier: GPL-2.0-only

//! Bios that wait, first come first served.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::{super::bindings, bio::OwnedBio};
use core::ptr::{NonNull, null_mut};

/// A list of bios; those that are left when it is dropped are ended with an I/O error.
///
/// # Invariants
///
/// The bios from `first` to `last` are linked by `bi_next` and belong to the list.
pub(crate) struct BioList {
    first: *mut bindings::bio,
    last: *mut bindings::bio,
}

// SAFETY: Bios may be passed on by any thread.
unsafe impl Send for BioList {}

impl BioList {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self {
            first: null_mut(),
            last: null_mut(),
        }
    }

    /// Puts a bio at the end.
    pub(crate) fn push(&mut self, bio: OwnedBio) {
        let bio = bio.into_raw();
        // SAFETY: The bio is ours now; a bio that is with a driver is in no other list.
        unsafe { (*bio).bi_next = null_mut() };
        if self.first.is_null() {
            self.first = bio;
        } else {
            // SAFETY: By the type invariant the last bio is ours.
            unsafe { (*self.last).bi_next = bio };
        }
        self.last = bio;
    }

    /// Takes the first bio.
    pub(crate) fn pop(&mut self) -> Option<OwnedBio> {
        let bio = NonNull::new(self.first)?;
        // SAFETY: By the type invariant the bio belongs to the list.
        self.first = unsafe { (*bio.as_ptr()).bi_next };
        // SAFETY: By the type invariant the bio belongs to the list. The block layer wants this null in what is
        // submitted.
        unsafe { (*bio.as_ptr()).bi_next = null_mut() };
        // SAFETY: `push` took it from an `OwnedBio`.
        Some(unsafe { OwnedBio::from_raw(bio) })
    }
}

impl Drop for BioList {
    fn drop(&mut self) {
        while let Some(bio) = self.pop() {
            bio.end(super::bio::Status::IOERR);
        }
    }
}
