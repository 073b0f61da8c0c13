// SPDX-License-Identifier: GPL-2.0-only

//! Refusals of the rulebook, and the kernel's own errors as such.

pub(crate) use crate::logic::refusal::{Refused, TargetError};
use crate::{
    kernel_ext::{
        block::{disk_ref::DeviceName, freeze::Unfrozen},
        net::attr::Place,
    },
    logic::{errno::Errno, refusal::DiskName},
};
use kernel::prelude::*;

impl Refused {
    /// Why not all has been thawed.
    pub(crate) fn still_frozen(unfrozen: Unfrozen) -> Self {
        match unfrozen.into() {
            Self::FileSystem(name, error) => Self::StillFrozen(name, error),
            refused => refused,
        }
    }

    /// The error number.
    pub(crate) fn error(&self) -> Error {
        Error::from_errno(self.errno().0)
    }

    /// The attribute of the request that was wrong, if it was one.
    pub(crate) fn place(&self) -> Option<Place> {
        let attribute = self.attribute()?;
        Some(Place {
            kind: attribute.kind,
            index: attribute.index,
            within: attribute.within,
        })
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        Self(error.to_errno())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Kernel(error.into())
    }
}

impl From<kernel::alloc::AllocError> for Refused {
    fn from(_: kernel::alloc::AllocError) -> Self {
        ENOMEM.into()
    }
}

impl From<Error> for TargetError {
    fn from(error: Error) -> Self {
        Self::Backing(error.into())
    }
}

impl From<Unfrozen> for Refused {
    fn from(unfrozen: Unfrozen) -> Self {
        match unfrozen {
            Unfrozen::Held(name) => Self::Held(name.into()),
            Unfrozen::FileSystem(name, error) => Self::FileSystem(name.into(), error.into()),
            Unfrozen::Unknown(error) => error.into(),
        }
    }
}

impl From<DeviceName> for DiskName {
    fn from(name: DeviceName) -> Self {
        Self(name.0)
    }
}
