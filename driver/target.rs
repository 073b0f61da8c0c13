// SPDX-License-Identifier: GPL-2.0-only

//! Targets: a backing device that is held open, and the piece of it that is used.
//!
//! A target is an open drive: the sender of a request has it open, and the device opens it again for itself. What it was
//! called is a label; it is never looked up.

use crate::{
    error::TargetError,
    event::Events,
    kernel_ext::block::bdev::{DeviceId, Holder, OpenDevice, UserDevice},
    logic::{
        extent::{Extent, SECTOR},
        table::{Part, Piece, Zones},
    },
    uapi::State,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{prelude::*, str::CString, sync::Arc};

/// All devices open their drives as one holder, so that several may use pieces of the same drive;
/// `registry` sees to it that the pieces do not overlap.
static HOLDER: Holder<Events> = Holder::new();

/// A target as it was asked for.
pub(crate) struct TargetSpec {
    /// What the backing device is called.
    pub(crate) path: CString,
    /// The backing device, which the sender has open.
    pub(crate) device: UserDevice,
    /// Where the piece begins, in bytes.
    pub(crate) offset: u64,
    /// Its length in bytes; all that is left if none.
    pub(crate) length: Option<u64>,
}

/// A target that is in use.
pub(crate) struct Target {
    path: Arc<CString>,
    device: OpenDevice,
    piece: Piece,
    lost: AtomicBool,
    /// Whether sysfs shows the device as standing on the drive by this target.
    shown: AtomicBool,
}

impl Target {
    /// Opens the backing device and checks the piece. Sleeps, for ever if the drive does not let itself be opened.
    pub(crate) fn open(spec: TargetSpec, read_only: bool) -> Result<Self, TargetError> {
        let device = OpenDevice::open(&spec.device, read_only, &HOLDER)?;
        Ok(Self {
            piece: piece(&device, spec.offset, spec.length)?,
            path: Arc::new(spec.path, GFP_KERNEL).map_err(|_| TargetError::from(ENOMEM))?,
            device,
            lost: AtomicBool::new(false),
            shown: AtomicBool::new(false),
        })
    }

    /// The same piece of the same drive.
    pub(crate) fn again(&self) -> Self {
        Self {
            path: self.path.clone(),
            device: self.device.clone(),
            piece: self.piece,
            lost: AtomicBool::new(self.state() == State::Lost),
            shown: AtomicBool::new(false),
        }
    }

    /// The same target, with what the drive has grown by, if its length was not asked for.
    pub(crate) fn grown(&self) -> Result<Self, TargetError> {
        let mut target = self.again();
        if self.piece.open_ended {
            target.piece = piece(&self.device, self.extent().offset_bytes(), None)?;
        }
        Ok(target)
    }

    /// The same target, with the drive open for writing, too. Sleeps, for ever if the drive does not let itself be opened.
    pub(crate) fn writable(&self) -> Result<Self, TargetError> {
        let mut target = self.again();
        target.device = OpenDevice::open_again(&self.device, false, &HOLDER)?;
        Ok(target)
    }

    /// What the backing device was called.
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
        &self.piece.extent
    }

    /// Whether it is all of the backing device, as that is now.
    pub(crate) fn is_whole(&self) -> bool {
        self.extent().first() == 0 && self.extent().sectors() == self.device.sectors()
    }

    /// Whether both are on the same backing device and begin at the same place of it.
    pub(crate) fn begins_with(&self, other: &Self) -> bool {
        self.device.id() == other.device.id() && self.extent().first() == other.extent().first()
    }

    /// Notes whether sysfs shows the device as standing on the drive by this target. Whether it did before.
    pub(crate) fn set_shown(&self, shown: bool) -> bool {
        self.shown.swap(shown, Ordering::Relaxed)
    }

    /// Notes that the backing device `id` is gone. Whether this is a target on it that was live.
    pub(crate) fn lose(&self, id: DeviceId) -> bool {
        self.device.id() == id && !self.lost.swap(true, Ordering::Relaxed)
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

impl Part for Target {
    fn piece(&self) -> &Piece {
        &self.piece
    }

    fn piece_mut(&mut self) -> &mut Piece {
        &mut self.piece
    }

    fn is_beside(&self, other: &Self) -> bool {
        self.device.id() == other.device.id()
    }

    fn logical_block_size(&self) -> u32 {
        self.device.logical_block_size()
    }

    fn zones(&self) -> Zones {
        match self.device.zone_sectors() {
            0 => Zones::default(),
            size => Zones {
                size: size.into(),
                capacity: self.device.zone_capacity().into(),
            },
        }
    }
}

/// A piece of a drive.
fn piece(device: &OpenDevice, offset: u64, length: Option<u64>) -> Result<Piece, TargetError> {
    let piece = Piece::within(
        offset,
        length,
        device.sectors().saturating_mul(SECTOR),
        device.logical_block_size().into(),
    )?;
    match u64::from(device.zone_sectors()) {
        0 => {}
        zone => piece.extent.check_zones(zone, device.sectors())?,
    }
    Ok(piece)
}
