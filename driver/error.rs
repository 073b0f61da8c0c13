// SPDX-License-Identifier: GPL-2.0-only

//! Why a command was refused: each reason with its error number and its sentence.
//!
//! A reason carries the values that were wrong. Paths and names that the sender gave are not
//! repeated: an extended acknowledgement has room for 79 bytes.

use crate::{
    kernel_ext::errno::not_supported,
    logic::{extent::ExtentError, name::NameError},
    uapi::NAME_MAX,
};
use kernel::prelude::*;

/// A reason.
#[derive(Clone, Copy)]
pub(crate) enum Refused {
    /// An error of the kernel that says it all.
    Kernel(Error),
    /// An attribute that the command needs; its name.
    Missing(&'static str),
    /// The name cannot be one.
    Name(NameError),
    /// The device with this id has the name.
    NameTaken(u32),
    /// No device has this id.
    UnknownId(u32),
    /// No device has the name.
    UnknownName,
    /// The device with this id is open.
    Open(u32),
    /// The backing device could not be opened.
    Backing(Error),
    /// The piece of the backing device cannot be used.
    Extent(ExtentError),
    /// Another device uses some of the piece.
    Overlap {
        /// Its id.
        id: u32,
        /// Where it begins on the backing device, in bytes.
        offset: u64,
        /// Its length there, in bytes.
        length: u64,
    },
    /// The disk could not be added to the system.
    Disk(Error),
    /// Something that is not done yet.
    Unsupported(&'static str),
}

impl Refused {
    /// The error number.
    pub(crate) fn error(&self) -> Error {
        match self {
            Self::Kernel(error) | Self::Backing(error) | Self::Disk(error) => *error,
            Self::Missing(_) | Self::Name(_) => EINVAL,
            Self::NameTaken(_) => EEXIST,
            Self::UnknownId(_) | Self::UnknownName => ENODEV,
            Self::Open(_) | Self::Overlap { .. } => EBUSY,
            Self::Extent(
                ExtentError::OffsetBeyondEnd { .. } | ExtentError::EndBeyondEnd { .. },
            ) => ERANGE,
            Self::Extent(_) => EINVAL,
            Self::Unsupported(_) => not_supported(),
        }
    }

    /// Writes the sentence; nothing if the number says it all.
    pub(crate) fn write(&self, f: &mut dyn core::fmt::Write) -> core::fmt::Result {
        match self {
            Self::Kernel(_) => Ok(()),
            Self::Missing(what) => write!(f, "the {what} is missing"),
            Self::Name(error) => write_name(*error, f),
            Self::NameTaken(id) => write!(f, "shunt{id} has that name already"),
            Self::UnknownId(id) => write!(f, "no device has the id {id}"),
            Self::UnknownName => write!(f, "no device has that name"),
            Self::Open(id) => write!(f, "shunt{id} is open"),
            Self::Backing(error) => f.write_str(match *error {
                e if e == ENOENT => "no such path",
                e if e == ENOTBLK => "not a block device",
                e if e == EBUSY => "held by somebody else",
                e if e == EACCES => "read-only, or not permitted",
                e if e == ENXIO => "no drive behind it",
                _ => "the backing device cannot be opened",
            }),
            Self::Extent(error) => write_extent(*error, f),
            Self::Overlap { id, offset, length } => {
                write!(
                    f,
                    "overlaps shunt{id}, which has {length} bytes from {offset} on"
                )
            }
            Self::Disk(_) => f.write_str("the disk could not be added to the system"),
            Self::Unsupported(what) => write!(f, "{what} is not supported yet"),
        }
    }
}

fn write_name(error: NameError, f: &mut dyn core::fmt::Write) -> core::fmt::Result {
    match error {
        NameError::Empty => f.write_str("the name is empty"),
        NameError::TooLong => write!(f, "the name is longer than {NAME_MAX} bytes"),
        NameError::Dots => f.write_str("the name is that of a folder"),
        NameError::NotUtf8 => f.write_str("the name is not UTF-8"),
        NameError::Byte(b'/') => f.write_str("the name has a slash"),
        NameError::Byte(byte) => {
            write!(
                f,
                "the name has white space or a control character, byte {byte}"
            )
        }
    }
}

fn write_extent(error: ExtentError, f: &mut dyn core::fmt::Write) -> core::fmt::Result {
    match error {
        ExtentError::OffsetUnaligned { offset, block } => {
            write!(
                f,
                "offset {offset} is not a multiple of the logical block, {block}"
            )
        }
        ExtentError::LengthUnaligned { length, block } => {
            write!(
                f,
                "length {length} is not a multiple of the logical block, {block}"
            )
        }
        ExtentError::Empty => f.write_str("length 0 is too short"),
        ExtentError::OffsetBeyondEnd { offset, size } => {
            write!(f, "offset {offset} is not below the drive's size, {size}")
        }
        ExtentError::EndBeyondEnd { length, room } => {
            write!(
                f,
                "length {length} is above the {room} bytes from the offset on"
            )
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<kernel::alloc::AllocError> for Refused {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Self::Kernel(ENOMEM)
    }
}

impl From<NameError> for Refused {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<ExtentError> for Refused {
    fn from(error: ExtentError) -> Self {
        Self::Extent(error)
    }
}
