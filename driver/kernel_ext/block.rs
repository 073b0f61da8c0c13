// SPDX-License-Identifier: GPL-2.0-only

//! Block layer: bios, bio-based disks, backing devices, queue limits.

pub(crate) mod bdev;
pub(crate) mod bio;
pub(crate) mod bio_disk;
pub(crate) mod bio_list;
pub(crate) mod bio_set;
pub(crate) mod capabilities;
pub(crate) mod disk_ref;
mod disk_stats;
pub(crate) mod freeze;
pub(crate) mod hook;
pub(crate) mod inline_encryption;
mod ioctl;
pub(crate) mod limits;
mod rejected;
mod request_queue;
mod reservations;
pub(crate) mod stacked_on;
mod trace;
pub(crate) mod zones;
