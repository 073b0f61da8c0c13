// SPDX-License-Identifier: GPL-2.0-only

//! Bio mode: each bio is pointed at the backing device in place and submitted again.
//!
//! Called for every I/O, by the task that submits it. No lock, no allocation but that of a context
//! in mode `full`, nothing that is shared between CPUs and written.

use super::complete::Measured;
use crate::{
    kernel_ext::block::{bio::OwnedBio, bio_disk, hook::Hooks},
    stats::op_of,
    target::Target,
    uapi::StatsMode,
};

/// What a device forwards with.
pub(crate) struct Forward {
    /// Where bios go.
    pub(crate) target: Target,
    /// What is measured.
    pub(crate) stats_mode: StatsMode,
    /// The device's statistics, and the bios that are in flight in mode `full`.
    pub(crate) hooks: Hooks<Measured>,
}

impl bio_disk::Operations for Forward {
    type Data = Self;

    #[inline]
    fn submit_bio(forward: &Self, mut bio: OwnedBio) {
        match forward.stats_mode {
            StatsMode::Off => {}
            StatsMode::Counters => forward.hooks.owner().count(op_of(&bio), bio.bytes()),
            StatsMode::Full => {
                if let Err(status) = forward.hooks.attach(&mut bio, Measured::begin) {
                    return bio.end(status);
                }
            }
        }
        let sector = forward.target.extent().map(bio.sector());
        bio.redirect(forward.target.device(), sector);
        bio.submit();
    }
}
