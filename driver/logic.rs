// SPDX-License-Identifier: GPL-2.0-only

//! Arithmetic and rules without the kernel: `core` only, so that the same files are compiled and
//! property-tested on the host (`tests/host`).

pub(crate) mod extent;
pub(crate) mod histogram;
pub(crate) mod name;
pub(crate) mod table;
pub(crate) mod usage;
