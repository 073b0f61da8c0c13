// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Why a request is refused: each reason with its error number, its sentence, and the attribute that was wrong.
//!
//! A reason carries the values that were wrong. Paths and names that the sender gave are not repeated: an extended
//! acknowledgement has room for 79 bytes.

use super::{
    errno::{
        E2BIG, EACCES, EBADF, EBUSY, EEXIST, EINVAL, ELOOP, ENODEV, ENOMEM, ENOTBLK, ENXIO,
        EOPNOTSUPP, EOVERFLOW, ERANGE, ESTALE, ETIMEDOUT, Errno,
    },
    extent::ExtentError,
    name::NameError,
    table::DEEPEST,
    uapi::{TARGETS_MAX, TIMEOUT_MAX, device, target},
};
use core::fmt;

/// Name of a block device, as in /dev, and NUL after it; what does not fit is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskName(pub [u8; 40]);

impl fmt::Display for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split(|byte| *byte == 0);
        let name = parts
            .next()
            .and_then(|name| core::str::from_utf8(name).ok());
        f.write_str(name.unwrap_or("a device"))
    }
}

/// An attribute of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its type, as `uapi::device` has it.
    pub kind: u16,
    /// Which of those of that type, from 0.
    pub index: usize,
    /// The type of the attribute inside it that was wrong, as `uapi::target` has it.
    pub within: Option<u16>,
}

/// A reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An error of the kernel that says it all.
    Kernel(Errno),
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
    /// The device has another table than the request says.
    TableNumber {
        /// What the request says.
        wanted: u64,
        /// What the device has.
        number: u64,
    },
    /// The device with this id is open.
    Open(u32),
    /// The device with this id is being opened or closed, and that does not end.
    Opening(u32),
    /// The device with this id is being changed by another command, which does not end.
    Changing(u32),
    /// I/O did not end in time: the drive that has most of it, and how much.
    Outstanding {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
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
    Disk(Errno),
    /// The file system on a device could not be stopped.
    FileSystem(DiskName, Errno),
    /// The file system on a device could not be let go on.
    StillFrozen(DiskName, Errno),
    /// A device is held by somebody who cannot be stopped.
    Held(DiskName),
    /// The device has been suspended without a freeze.
    SuspendedUnfrozen,
}

/// Why a target cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// The backing device could not be opened.
    Backing(Errno),
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
    pub fn at(self, number: usize) -> Refused {
        Refused::Target(number as u16, self)
    }

    fn errno(&self) -> Errno {
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
            Self::LeadsBack | Self::TooDeep => ELOOP,
            Self::NoAnswer => ETIMEDOUT,
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
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backing(error) => f.write_str(match *error {
                EBADF => "the sender has no such descriptor",
                ENOTBLK => "not a block device",
                EBUSY => "held by somebody else",
                EACCES => "read-only, or not permitted",
                ENXIO => "no drive behind it",
                ENOMEM => "no memory to open the backing device",
                _ => "the backing device cannot be opened",
            }),
            Self::ZonesDiffer { value, wanted } => {
                write!(f, "zone size {value}, but {wanted} in the targets before")
            }
            Self::Extent(error) => fmt::Display::fmt(error, f),
            Self::Overlaps { id, offset, length } => {
                write!(f, "overlaps shunt{id}, {length} bytes from {offset} on")
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
                write!(f, "length {length}, but each stripe must have {wanted}")
            }
        }
    }
}

impl Refused {
    /// The error number.
    pub fn errno(&self) -> Errno {
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
            Self::Generation { .. } | Self::TableNumber { .. } => ESTALE,
            Self::Opening(_) | Self::Changing(_) | Self::Outstanding { .. } => ETIMEDOUT,
            Self::NameTaken(_) => EEXIST,
            Self::UnknownId(_) | Self::UnknownName => ENODEV,
            Self::Open(_)
            | Self::Swap(_)
            | Self::OnSuspended(_)
            | Self::UnderSuspended(_)
            | Self::UnknownKeys
            | Self::Held(_)
            | Self::SuspendedUnfrozen => EBUSY,
            Self::Target(_, error) => error.errno(),
            Self::TooManyTargets => E2BIG,
            Self::TooLong => EOVERFLOW,
            Self::Shorter { .. } => ERANGE,
            Self::Promised(_) | Self::ZonedStripes | Self::ZonedQueue => EOPNOTSUPP,
        }
    }

    /// The attribute of the request that was wrong, if it was one.
    pub fn attribute(&self) -> Option<Attribute> {
        let (kind, index, within) = match self {
            Self::Target(number, error) => {
                (device::TARGET, usize::from(*number), error.attribute())
            }
            Self::TooManyTargets => (device::TARGET, TARGETS_MAX as usize, None),
            Self::Name(_) | Self::NameTaken(_) | Self::UnknownName => (device::NAME, 0, None),
            Self::UnknownId(_) => (device::ID, 0, None),
            Self::Generation { .. } => (device::GENERATION, 0, None),
            Self::TableNumber { .. } => (device::TABLE_NUMBER, 0, None),
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
        Some(Attribute {
            kind,
            index,
            within,
        })
    }
}

/// The sentence; nothing if the number says it all.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(_) => Ok(()),
            Self::Missing(what) => write!(f, "the {what} is missing"),
            Self::Together => f.write_str("table, size and state change one at a time"),
            Self::Name(error) => fmt::Display::fmt(error, f),
            Self::NameTaken(id) => write!(f, "shunt{id} has that name already"),
            Self::UnknownId(id) => write!(f, "no device has the id {id}"),
            Self::UnknownName => f.write_str("no device has that name"),
            Self::Generation { wanted, generation } => {
                write!(f, "the device has generation {generation}, not {wanted}")
            }
            Self::TableNumber { wanted, number } => {
                write!(f, "it has another table by now ({number}, not {wanted})")
            }
            Self::Open(id) => write!(f, "shunt{id} is open"),
            Self::Opening(id) => write!(f, "shunt{id} is being opened or closed, without end"),
            Self::Changing(id) => write!(f, "shunt{id} is being changed by another command"),
            Self::Outstanding {
                major,
                minor,
                operations,
            } => write!(
                f,
                "drive {major}:{minor} does not answer: {operations} operations outstanding"
            ),
            Self::Timeout(ms) => write!(f, "timeout {ms} ms is above {TIMEOUT_MAX}"),
            Self::Swap(id) => write!(f, "shunt{id} is in use as swap"),
            Self::OnSuspended(id) => write!(f, "it stands on shunt{id}, which is suspended"),
            Self::UnderSuspended(id) => write!(f, "shunt{id}, which stands on it, is suspended"),
            Self::Target(_, error) => fmt::Display::fmt(error, f),
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
            Self::Disk(ENOMEM) => f.write_str("no memory to add the disk to the system"),
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
