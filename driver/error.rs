// SPDX-License-Identifier: GPL-2.0-only

//! Why a command was refused: each reason with its error number and its sentence.
//!
//! A reason carries the values that were wrong, and knows the attribute that they came in. Paths and names that the sender
//! gave are not repeated: an extended acknowledgement has room for 79 bytes.

use crate::{
    io::DEEPEST,
    kernel_ext::{
        block::{bdev::DevT, disk_ref::DeviceName, freeze::Unfrozen},
        errno::{links_loop, not_supported, stale},
        net::attr::Place,
        patience::timed_out,
    },
    logic::{extent::ExtentError, name::NameError},
    uapi::{NAME_MAX, TARGETS_MAX, TIMEOUT_MAX, device, target},
};
use core::fmt::{Result as FmtResult, Write};
use kernel::prelude::*;

/// A reason.
#[derive(Clone, Copy)]
pub(crate) enum Refused {
    /// An error of the kernel that says it all.
    Kernel(Error),
    /// An attribute that the command needs; its name.
    Missing(&'static str),
    /// Changes that do not go together.
    Together,
    /// The name cannot be one.
    Name(NameError),
    /// The device with this id has the name.
    NameTaken(u32),
    /// No device has this id.
    UnknownId(u32),
    /// No device has the name.
    UnknownName,
    /// The device that is named has another generation than the request wants.
    Generation {
        /// What the request wants.
        wanted: u64,
        /// What the device has.
        generation: u64,
    },
    /// The device with this id is open.
    Open(u32),
    /// The device with this id is being opened or closed, and that does not end.
    Opening(u32),
    /// The device with this id is being changed by another command, which does not end.
    Changing(u32),
    /// I/O did not end in time: the drive that has most of it, and how much.
    Outstanding {
        /// The drive.
        dev: DevT,
        /// Operations that it has.
        operations: u64,
    },
    /// A wait that is longer than a request may ask for, in ms.
    Timeout(u32),
    /// The device with this id is in use as swap.
    Swap(u32),
    /// The device stands on the device with this id, which is suspended.
    OnSuspended(u32),
    /// The device with this id, which stands on it, is suspended.
    UnderSuspended(u32),
    /// A target cannot be used: its number, and why.
    Target(u16, TargetError),
    /// More targets than a table may have.
    TooManyTargets,
    /// The targets have more sectors together than a block device can.
    TooLong,
    /// Stripes need more than one target.
    StripeOfOne,
    /// The length of a chunk cannot be one.
    Stripe {
        /// What was asked for, in bytes.
        bytes: u64,
        /// Logical block size of the device.
        block: u32,
    },
    /// Zoned drives cannot be striped.
    ZonedStripes,
    /// Zoned drives cannot have a request queue above their own.
    ZonedQueue,
    /// A new table is shorter than the device. Sizes in bytes.
    Shorter {
        /// Size of the table.
        table: u64,
        /// Size of the device.
        device: u64,
    },
    /// A new table cannot do what the device has promised.
    Promised(&'static str),
    /// The drives have keys for inline encryption that could not be noted.
    UnknownKeys,
    /// The disk could not be added to the system.
    Disk(Error),
    /// The file system on a device could not be stopped.
    FileSystem(DeviceName, Error),
    /// The file system on a device could not be let go on.
    StillFrozen(DeviceName, Error),
    /// A device is held by somebody who cannot be stopped.
    Held(DeviceName),
    /// The device has been suspended without a freeze.
    SuspendedUnfrozen,
}

/// Why a target cannot be used.
#[derive(Clone, Copy)]
pub(crate) enum TargetError {
    /// The backing device could not be opened.
    Backing(Error),
    /// The zones are not those of the targets before. Sizes in bytes.
    ZonesDiffer {
        /// Their size, or else what can be written of them.
        value: u64,
        /// What it should be.
        wanted: u64,
    },
    /// The piece of the backing device cannot be used.
    Extent(ExtentError),
    /// A device uses some of the piece.
    Overlaps {
        /// Its id.
        id: u32,
        /// Where it begins on the backing device, in bytes.
        offset: u64,
        /// Its length there, in bytes.
        length: u64,
    },
    /// Another target of the table uses some of the piece: its number.
    OverlapsTarget(usize),
    /// It stands on the device itself.
    LeadsBack,
    /// It does not answer.
    NoAnswer,
    /// With it, more devices would stand on each other than the stack of a task has room for.
    TooDeep,
    /// A stripe is not as long as the others, or shorter than a chunk. Lengths in bytes.
    Stripe {
        /// Its length.
        length: u64,
        /// The length that it should have.
        wanted: u64,
    },
}

impl TargetError {
    /// The reason, for target number `number`.
    pub(crate) fn at(self, number: usize) -> Refused {
        Refused::Target(number as u16, self)
    }

    fn error(&self) -> Error {
        match self {
            Self::Backing(error) => *error,
            Self::Extent(
                ExtentError::OffsetBeyondEnd { .. } | ExtentError::EndBeyondEnd { .. },
            ) => ERANGE,
            Self::Extent(_)
            | Self::OverlapsTarget(_)
            | Self::Stripe { .. }
            | Self::ZonesDiffer { .. } => EINVAL,
            Self::Overlaps { .. } => EBUSY,
            Self::LeadsBack | Self::TooDeep => links_loop(),
            Self::NoAnswer => timed_out(),
        }
    }

    /// The attribute of the target that was wrong; none if it is the target as a whole.
    fn attribute(&self) -> Option<u16> {
        match self {
            Self::Backing(_) | Self::NoAnswer | Self::ZonesDiffer { .. } => Some(target::FD),
            Self::Extent(
                ExtentError::OffsetUnaligned { .. }
                | ExtentError::OffsetInZone { .. }
                | ExtentError::OffsetBeyondEnd { .. },
            ) => Some(target::OFFSET),
            Self::Extent(_) | Self::Stripe { .. } => Some(target::LENGTH),
            Self::Overlaps { .. } | Self::OverlapsTarget(_) | Self::LeadsBack | Self::TooDeep => {
                None
            }
        }
    }

    fn write(&self, f: &mut dyn Write) -> FmtResult {
        match self {
            Self::Backing(error) => f.write_str(match *error {
                e if e == EBADF => "the sender has no such descriptor",
                e if e == ENOTBLK => "not a block device",
                e if e == EBUSY => "held by somebody else",
                e if e == EACCES => "read-only, or not permitted",
                e if e == ENXIO => "no drive behind it",
                e if e == ENOMEM => "no memory to open the backing device",
                _ => "the backing device cannot be opened",
            }),
            Self::ZonesDiffer { value, wanted } => {
                write!(f, "zone size {value}, but {wanted} in the targets before")
            }
            Self::Extent(error) => write_extent(*error, f),
            Self::Overlaps { id, offset, length } => {
                write!(
                    f,
                    "overlaps shunt{id}, which has {length} bytes from {offset} on"
                )
            }
            Self::OverlapsTarget(number) => {
                // People count from 1.
                let number = number.saturating_add(1);
                write!(f, "overlaps target {number} of the table")
            }
            Self::LeadsBack => f.write_str("leads back to the device itself"),
            Self::NoAnswer => f.write_str("the drive does not answer"),
            Self::TooDeep => {
                write!(f, "more than {DEEPEST} devices would stand on each other")
            }
            Self::Stripe { length, wanted } => {
                write!(
                    f,
                    "length {length}, but all stripes must have the same, {wanted}"
                )
            }
        }
    }
}

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
        match self {
            Self::Kernel(error)
            | Self::Disk(error)
            | Self::FileSystem(_, error)
            | Self::StillFrozen(_, error) => *error,
            Self::Missing(_)
            | Self::Together
            | Self::Name(_)
            | Self::StripeOfOne
            | Self::Stripe { .. } => EINVAL,
            Self::Timeout(_) => ERANGE,
            Self::Generation { .. } => stale(),
            Self::Opening(_) | Self::Changing(_) | Self::Outstanding { .. } => timed_out(),
            Self::NameTaken(_) => EEXIST,
            Self::UnknownId(_) | Self::UnknownName => ENODEV,
            Self::Open(_)
            | Self::Swap(_)
            | Self::OnSuspended(_)
            | Self::UnderSuspended(_)
            | Self::UnknownKeys
            | Self::Held(_)
            | Self::SuspendedUnfrozen => EBUSY,
            Self::Target(_, error) => error.error(),
            Self::TooManyTargets => E2BIG,
            Self::TooLong => EOVERFLOW,
            Self::Shorter { .. } => ERANGE,
            Self::Promised(_) | Self::ZonedStripes | Self::ZonedQueue => not_supported(),
        }
    }

    /// The attribute of the request that was wrong, if it was one.
    pub(crate) fn place(&self) -> Option<Place> {
        let (kind, index, within) = match self {
            Self::Target(number, error) => {
                (device::TARGET, usize::from(*number), error.attribute())
            }
            Self::TooManyTargets => (device::TARGET, TARGETS_MAX as usize, None),
            Self::Name(_) | Self::NameTaken(_) | Self::UnknownName => (device::NAME, 0, None),
            Self::UnknownId(_) => (device::ID, 0, None),
            Self::Generation { .. } => (device::GENERATION, 0, None),
            Self::Timeout(_) => (device::TIMEOUT, 0, None),
            Self::StripeOfOne | Self::Stripe { .. } | Self::ZonedStripes => {
                (device::STRIPE, 0, None)
            }
            Self::ZonedQueue => (device::QUEUE_MODE, 0, None),
            Self::FileSystem(..) | Self::Held(_) => (device::FREEZE, 0, None),
            Self::Kernel(_)
            | Self::Missing(_)
            | Self::Together
            | Self::Open(_)
            | Self::Opening(_)
            | Self::Changing(_)
            | Self::Outstanding { .. }
            | Self::Swap(_)
            | Self::OnSuspended(_)
            | Self::UnderSuspended(_)
            | Self::TooLong
            | Self::Shorter { .. }
            | Self::Promised(_)
            | Self::UnknownKeys
            | Self::Disk(_)
            | Self::StillFrozen(..)
            | Self::SuspendedUnfrozen => return None,
        };
        Some(Place {
            kind,
            index,
            within,
        })
    }

    /// Writes the sentence; nothing if the number says it all.
    pub(crate) fn write(&self, f: &mut dyn Write) -> FmtResult {
        match self {
            Self::Kernel(_) => Ok(()),
            Self::Missing(what) => write!(f, "the {what} is missing"),
            Self::Together => f.write_str("table, size and state change one at a time"),
            Self::Name(error) => write_name(*error, f),
            Self::NameTaken(id) => write!(f, "shunt{id} has that name already"),
            Self::UnknownId(id) => write!(f, "no device has the id {id}"),
            Self::UnknownName => f.write_str("no device has that name"),
            Self::Generation { wanted, generation } => {
                write!(f, "the device has generation {generation}, not {wanted}")
            }
            Self::Open(id) => write!(f, "shunt{id} is open"),
            Self::Opening(id) => write!(f, "shunt{id} is being opened or closed, without end"),
            Self::Changing(id) => write!(f, "shunt{id} is being changed by another command"),
            Self::Outstanding { dev, operations } => {
                let (major, minor) = (dev.major(), dev.minor());
                write!(
                    f,
                    "drive {major}:{minor} does not answer: {operations} operations outstanding"
                )
            }
            Self::Timeout(ms) => write!(f, "timeout {ms} ms is above {TIMEOUT_MAX}"),
            Self::Swap(id) => write!(f, "shunt{id} is in use as swap"),
            Self::OnSuspended(id) => write!(f, "it stands on shunt{id}, which is suspended"),
            Self::UnderSuspended(id) => write!(f, "shunt{id}, which stands on it, is suspended"),
            Self::Target(_, error) => error.write(f),
            Self::TooManyTargets => write!(f, "a table has at most {TARGETS_MAX} targets"),
            Self::TooLong => {
                f.write_str("together the targets are longer than a device can be, 8 EiB")
            }
            Self::StripeOfOne => f.write_str("stripes need at least two targets"),
            Self::Stripe { bytes, block } => {
                write!(
                    f,
                    "stripe {bytes} is not a multiple of the logical block, {block}"
                )
            }
            Self::Shorter { table, device } => {
                write!(f, "the table has {table} bytes, the device {device}")
            }
            Self::Promised(what) => {
                write!(f, "the device has promised {what}, which the table lacks")
            }
            Self::ZonedStripes => f.write_str("zoned drives cannot be striped"),
            Self::ZonedQueue => {
                f.write_str("zoned drives cannot have a request queue above their own")
            }
            Self::UnknownKeys => {
                f.write_str("its drives hold keys that there was no memory to note: map it anew")
            }
            Self::Disk(error) if *error == ENOMEM => {
                f.write_str("no memory to add the disk to the system")
            }
            Self::Disk(_) => f.write_str("the disk could not be added to the system"),
            Self::FileSystem(name, _) => write!(f, "the file system on {name} cannot be frozen"),
            Self::StillFrozen(name, _) => {
                write!(
                    f,
                    "I/O goes on, but the file system on {name} is still frozen"
                )
            }
            Self::Held(name) => {
                write!(
                    f,
                    "{name} is held by what cannot be frozen, such as swap or a program"
                )
            }
            Self::SuspendedUnfrozen => {
                f.write_str("it is suspended already, without a freeze: resume it first")
            }
        }
    }
}

fn write_name(error: NameError, f: &mut dyn Write) -> FmtResult {
    match error {
        NameError::Empty => f.write_str("the name is empty"),
        NameError::TooLong => write!(f, "the name is longer than {NAME_MAX} bytes"),
        NameError::Dots => f.write_str("the name is that of a folder"),
        NameError::NotUtf8 => f.write_str("the name is not UTF-8"),
        NameError::Letter('/') => f.write_str("the name has a slash"),
        NameError::Letter(letter) => {
            let code = u32::from(letter);
            write!(
                f,
                "the name has white space or a control character, U+{code:04X}"
            )
        }
        NameError::Partition => {
            f.write_str("the name ends in -part and a number, as links of partitions do")
        }
    }
}

fn write_extent(error: ExtentError, f: &mut dyn Write) -> FmtResult {
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
        ExtentError::OffsetInZone { offset, zone } => {
            write!(
                f,
                "offset {offset} is not a multiple of the zone size, {zone}"
            )
        }
        ExtentError::LengthInZone { length, zone } => {
            write!(
                f,
                "length {length} is not a multiple of the zone size, {zone}"
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

impl From<Unfrozen> for Refused {
    fn from(unfrozen: Unfrozen) -> Self {
        match unfrozen {
            Unfrozen::Held(name) => Self::Held(name),
            Unfrozen::FileSystem(name, error) => Self::FileSystem(name, error),
            Unfrozen::Unknown(error) => Self::Kernel(error),
        }
    }
}

impl From<NameError> for Refused {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<ExtentError> for TargetError {
    fn from(error: ExtentError) -> Self {
        Self::Extent(error)
    }
}
