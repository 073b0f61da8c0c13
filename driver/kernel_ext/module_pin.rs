// SPDX-License-Identifier: GPL-2.0-only

//! What keeps this module loaded: a reference, and at its end whoever still runs in its text.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::bindings;
use kernel::prelude::*;

/// At its drop no task is left in the module's text that was there before, such as one that has dropped the last
/// [`ModulePin`] and is about to return. To be dropped last, when the module goes: nothing may call into the module then.
pub(crate) struct TextInUse;

impl Drop for TextInUse {
    /// Sleeps.
    fn drop(&mut self) {
        // It waits until each task has slept of its own will, been idle or in user mode; text of the module does not sleep
        // once it has given its reference up. Interrupts that were being handled have ended, too.
        // SAFETY: There is nothing to uphold but to be in process context.
        unsafe { bindings::shunt_synchronize_rcu_tasks() };
    }
}

/// While it exists the module cannot be removed.
///
/// # Invariants
///
/// The value holds one reference on the module.
pub(crate) struct ModulePin(());

impl ModulePin {
    /// Keeps the reference for [`Self::unforget`].
    pub(super) fn forget(self) {
        core::mem::forget(self);
    }

    /// The reference that was kept by [`Self::forget`].
    ///
    /// # Safety
    ///
    /// To be called once for each.
    pub(super) unsafe fn unforget() -> Self {
        // INVARIANT: By the contract of this function there is a reference that nobody else has.
        Self(())
    }

    /// Takes a reference. Fails with `ENODEV` if the module is being removed.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: This code is part of the module, so the module is there.
        if unsafe { bindings::try_module_get((&raw const bindings::__this_module).cast_mut()) } {
            // INVARIANT: The reference was taken.
            Ok(Self(()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModulePin {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::module_put((&raw const bindings::__this_module).cast_mut()) };
    }
}
