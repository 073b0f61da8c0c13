// SPDX-License-Identifier: GPL-2.0-only

//! Targets: a backing device that is held open, and the piece of it that is used.

use crate::{
    error::TargetError,
    event::Events,
    kernel_ext::block::bdev::{DevT, Holder, OpenDevice},
    logic::extent::{Extent, SECTOR},
    uapi::State,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{prelude::*, str::CString};

/// All devices open their drives as one holder, so that several may use pieces of the same drive;
/// `registry` sees to it that the pieces do not overlap.
static HOLDER: Holder<Events> = Holder::new();

/// A target as it was asked for.
pub(crate) struct TargetSpec {
    /// Path of the backing device.
    pub(crate) path: CString,
    /// Where the piece begins, in bytes.
    pub(crate) offset: u64,
    /// Its length in bytes; all that is left if none.
    pub(crate) length: Option<u64>,
}

/// A target that is in use.
pub(crate) struct Target {
    path: CString,
    device: OpenDevice,
    extent: Extent,
    /// The length was not asked for, so it may grow with the backing device.
    open_ended: bool,
    lost: AtomicBool,
}

impl Target {
    /// Opens the backing device and checks the piece. Sleeps.
    pub(crate) fn open(spec: &TargetSpec, read_only: bool) -> Result<Self, TargetError> {
        let device =
            OpenDevice::open(&spec.path, read_only, &HOLDER).map_err(TargetError::Backing)?;
        let extent = Extent::within(
            spec.offset,
            spec.length,
            device.sectors().saturating_mul(SECTOR),
            device.logical_block_size().into(),
        )?;
        match u64::from(device.zone_sectors()) {
            0 => {}
            zone => extent.check_zones(zone, device.sectors())?,
        }
        Ok(Self {
            path: CString::try_from(&*spec.path).map_err(|_| TargetError::Backing(ENOMEM))?,
            device,
            extent,
            open_ended: spec.length.is_none(),
            lost: AtomicBool::new(false),
        })
    }

    /// The same target, asked for anew.
    pub(crate) fn spec(&self) -> Result<TargetSpec> {
        Ok(TargetSpec {
            path: CString::try_from(&*self.path)?,
            offset: self.extent.offset_bytes(),
            length: (!self.open_ended).then(|| self.extent.length_bytes()),
        })
    }

    /// Uses no more than `sectors` sectors of the piece.
    pub(crate) fn shorten(&mut self, sectors: u64) {
        self.extent.shorten(sectors);
    }

    /// Path of the backing device, as it was given.
    pub(crate) fn path(&self) -> &CStr {
        &self.path
    }

    /// The backing device.
    #[inline(always)]
    pub(crate) fn device(&self) -> &OpenDevice {
        &self.device
    }

    /// The piece of it that is used.
    #[inline(always)]
    pub(crate) fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Whether its length is what is left of the backing device.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// Whether it is all of the backing device, as that is now.
    pub(crate) fn is_whole(&self) -> bool {
        self.extent.first() == 0 && self.extent.sectors() == self.device.sectors()
    }

    /// Whether both use a sector of the same backing device.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.device.dev() == other.device.dev() && self.extent.overlaps(&other.extent)
    }

    /// Notes that the backing device `dev` is gone. Whether this is a target on it that was live.
    pub(crate) fn lose(&self, dev: DevT) -> bool {
        self.device.dev() == dev && !self.lost.swap(true, Ordering::Relaxed)
    }

    /// Live or lost.
    pub(crate) fn state(&self) -> State {
        if self.lost.load(Ordering::Relaxed) {
            State::Lost
        } else {
            State::Live
        }
    }
}
