// SPDX-License-Identifier: GPL-2.0-only

//! A reference that keeps this module loaded.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::bindings;
use kernel::prelude::*;

/// While it exists the module cannot be removed.
///
/// # Invariants
///
/// The value holds one reference on the module.
pub(crate) struct ModulePin(());

impl ModulePin {
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
