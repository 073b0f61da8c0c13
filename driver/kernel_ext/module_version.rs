// SPDX-License-Identifier: GPL-2.0-only

//! The version that this module was built as.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::bindings;
use kernel::prelude::*;

/// What `MODULE_VERSION` has. Callable in any context.
pub(crate) fn module_version() -> &'static CStr {
    // SAFETY: The function has no preconditions.
    let version = unsafe { bindings::shunt_version() };
    // SAFETY: It gives a string literal of C, which ends with NUL, never changes, and stays as long as this code does.
    unsafe { CStr::from_char_ptr(version) }
}
