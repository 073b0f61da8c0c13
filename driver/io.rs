// SPDX-License-Identifier: GPL-2.0-only

//! The way of one I/O: [`bio_path`] takes it from the block layer and forwards it; if the device
//! measures it, [`complete`] sees it again when it ends. [`many`] is the detour of tables with more
//! than one target, [`held`] keeps what comes while a device is suspended.

pub(crate) mod bio_path;
pub(crate) mod complete;
mod held;
mod many;
