// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refusals: a reason has a sentence that fits into an acknowledgement, and points at an attribute that a request has.

use shunt_logic::{
    errno::{EBADF, ENOMEM, ENXIO, Errno},
    extent::ExtentError,
    name::NameError,
    refusal::{DiskName, Refused, TargetError},
};
use shunt_uapi::{TARGETS_MAX, device, target};

/// Bytes of an extended acknowledgement's text, without its NUL: `NETLINK_MAX_FMTMSG_LEN`.
const ROOM: usize = 79;
/// A size or a place of a drive, in bytes; no drive has more.
const MOST: u64 = i64::MAX as u64;
/// The name of a partition that is longer than those of most drivers.
const LONG_NAME: [u8; 40] = *b"mmcblk0boot0p128\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn of_targets() -> Vec<TargetError> {
    let (offset, length) = (u64::MAX, u64::MAX);
    let (block, zone, size, room) = (1 << 16, 1 << 31, MOST, MOST);
    let extents = [
        ExtentError::OffsetUnaligned { offset, block },
        ExtentError::LengthUnaligned { length, block },
        ExtentError::Empty,
        ExtentError::OffsetBeyondEnd { offset, size },
        ExtentError::EndBeyondEnd { length, room },
        ExtentError::OffsetInZone { offset, zone },
        ExtentError::LengthInZone { length, zone },
    ];
    let mut reasons = extents.map(TargetError::Extent).to_vec();
    reasons.extend([EBADF, ENXIO, ENOMEM, Errno(-5)].map(TargetError::Backing));
    reasons.extend([
        TargetError::ZonesDiffer {
            value: zone,
            wanted: zone,
        },
        TargetError::Overlaps {
            id: 1 << 20,
            offset: MOST,
            length: MOST,
        },
        TargetError::OverlapsTarget(TARGETS_MAX as usize - 1),
        TargetError::LeadsBack,
        TargetError::NoAnswer,
        TargetError::TooDeep,
        TargetError::Stripe {
            length: MOST,
            wanted: MOST,
        },
    ]);
    reasons
}

fn all() -> Vec<Refused> {
    let (id, disk) = (1 << 20, DiskName(LONG_NAME));
    let names = [
        NameError::Empty,
        NameError::TooLong,
        NameError::Dots,
        NameError::NotUtf8,
        NameError::Letter('/'),
        NameError::Letter('\u{3000}'),
        NameError::Partition,
    ];
    let mut reasons = names.map(Refused::Name).to_vec();
    let targets = of_targets().into_iter();
    reasons.extend(targets.map(|error| error.at(TARGETS_MAX as usize - 1)));
    reasons.extend([
        Refused::Missing("device's id or name"),
        Refused::Together,
        Refused::NameTaken(id),
        Refused::UnknownId(u32::MAX),
        Refused::UnknownName,
        Refused::Generation {
            wanted: u64::MAX,
            generation: 1 << 32,
        },
        Refused::TableNumber {
            wanted: u64::MAX,
            number: u64::MAX,
        },
        Refused::Open(id),
        Refused::Opening(id),
        Refused::Changing(id),
        Refused::Outstanding {
            major: 511,
            minor: 1 << 20,
            operations: 1 << 32,
        },
        Refused::Timeout(u32::MAX),
        Refused::Swap(id),
        Refused::OnSuspended(id),
        Refused::UnderSuspended(id),
        Refused::TooManyTargets,
        Refused::TooLong,
        Refused::StripeOfOne,
        Refused::Stripe {
            bytes: u64::MAX,
            block: 1 << 16,
        },
        Refused::ZonedStripes,
        Refused::ZonedQueue,
        Refused::Shorter {
            table: MOST,
            device: MOST,
        },
        Refused::Promised("writes without stable pages"),
        Refused::UnknownKeys,
        Refused::Disk(ENOMEM),
        Refused::FileSystem(disk, Errno(-5)),
        Refused::StillFrozen(disk, Errno(-5)),
        Refused::Held(disk),
        Refused::SuspendedUnfrozen,
    ]);
    reasons
}

#[test]
fn every_sentence_fits_into_an_acknowledgement() {
    for reason in all() {
        let text = reason.to_string();
        assert!(!text.is_empty(), "{reason:?}");
        assert!(text.len() <= ROOM, "{} bytes: {text}", text.len());
    }
}

#[test]
fn an_error_of_the_kernel_says_it_all_by_its_number() {
    let reason = Refused::Kernel(ENXIO);
    assert_eq!(
        (reason.to_string(), reason.errno().number()),
        (String::new(), 6)
    );
}

#[test]
fn what_is_wrong_with_a_target_points_into_that_target() {
    for error in of_targets() {
        let attribute = error.at(3).attribute().unwrap();
        assert_eq!((attribute.kind, attribute.index), (device::TARGET, 3));
        let inside = [target::FD, target::OFFSET, target::LENGTH];
        assert!(attribute.within.is_none_or(|kind| inside.contains(&kind)));
    }
}

#[test]
fn the_numbers_are_those_of_the_system() {
    for (reason, number) in [
        (Refused::UnknownName, 19),
        (Refused::TooManyTargets, 7),
        (Refused::TooLong, 75),
        (Refused::ZonedQueue, 95),
        (Refused::Changing(0), 110),
        (TargetError::LeadsBack.at(0), 40),
    ] {
        assert_eq!(reason.errno().number(), number, "{reason}");
    }
}
