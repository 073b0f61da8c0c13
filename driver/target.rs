// SPDX-License-Identifier: GPL-2.0-only

//! Targets: a backing device that is held open, and the piece of it that is used.

use crate::{
    error::Refused,
    kernel_ext::block::bdev::{Holder, OpenDevice},
    logic::extent::{Extent, SECTOR},
};
use kernel::{prelude::*, str::CString};

/// All devices open their drives as one holder, so that several may use pieces of the same drive;
/// `registry` sees to it that the pieces do not overlap.
static HOLDER: Holder = Holder::new();

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
}

impl Target {
    /// Opens the backing device and checks the piece. Sleeps.
    pub(crate) fn open(spec: TargetSpec, read_only: bool) -> Result<Self, Refused> {
        let device = OpenDevice::open(&spec.path, read_only, &HOLDER).map_err(Refused::Backing)?;
        if device.is_zoned() {
            return Err(Refused::Unsupported("a zoned drive"));
        }
        let extent = Extent::within(
            spec.offset,
            spec.length,
            device.sectors().saturating_mul(SECTOR),
            device.logical_block_size().into(),
        )?;
        Ok(Self {
            path: spec.path,
            device,
            extent,
        })
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

    /// Whether both use a sector of the same backing device.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.device.dev() == other.device.dev() && self.extent.overlaps(&other.extent)
    }
}
