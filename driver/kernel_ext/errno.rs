// SPDX-License-Identifier: GPL-2.0-only

//! Error numbers that the kernel crate does not name in every series.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use kernel::{bindings, prelude::*};

/// `EOPNOTSUPP`: understood, but not something that can be done.
pub(crate) fn not_supported() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as c_int))
}
