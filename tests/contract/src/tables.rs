// SPDX-License-Identifier: MIT OR Apache-2.0
//! Claims about what can be mapped.

use shunt::{DeviceSpec, TargetSpec, Transport};
use shunt_logic::{
    extent::ExtentError,
    name,
    refusal::{Refused, TargetError},
};
use shunt_uapi::TARGETS_MAX;

use crate::{Kernel, MIB, accepted, is_refused};

pub(crate) fn names_are_refused_by_the_rulebook<T: Transport>(kernel: &mut Kernel<T>) {
    for bad in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "a\u{9b}b",
        "a\u{2028}",
        "v-part1",
    ] {
        let Err(reason) = name::check(bad.as_bytes()) else {
            panic!("the rulebook takes {bad:?}");
        };
        let spec = DeviceSpec::new(bad, vec![kernel.piece(0, 0, MIB)]);
        is_refused(kernel.client.create_device(&spec), Refused::Name(reason));
    }
    for good in ["-x", "v-part", "ü→", "a;b"] {
        let target = kernel.piece(0, 0, MIB);
        assert_eq!(kernel.map(good, vec![target]).name, good);
        kernel.unmap(good);
    }
}

pub(crate) fn a_name_is_taken_once<T: Transport>(kernel: &mut Kernel<T>) {
    let first = kernel.piece(0, 0, MIB);
    let first = kernel.map("v", vec![first]);
    let again = DeviceSpec::new("v", vec![kernel.piece(0, MIB, MIB)]);
    let answer = kernel.client.create_device(&again);
    is_refused(answer, Refused::NameTaken(first.id));
    kernel.unmap("v");
}

pub(crate) fn pieces_stay_within_their_drive<T: Transport>(kernel: &mut Kernel<T>) {
    let whole = kernel.piece(0, 0, None);
    let size = kernel.map("v", vec![whole]).size;
    kernel.unmap("v");
    let block = 512;
    let cases = [
        (
            1,
            Some(MIB),
            ExtentError::OffsetUnaligned { offset: 1, block },
        ),
        (
            0,
            Some(MIB + 1),
            ExtentError::LengthUnaligned {
                length: MIB + 1,
                block,
            },
        ),
        (0, Some(0), ExtentError::Empty),
        (
            size,
            None,
            ExtentError::OffsetBeyondEnd { offset: size, size },
        ),
        (
            MIB,
            Some(size),
            ExtentError::EndBeyondEnd {
                length: size,
                room: size - MIB,
            },
        ),
    ];
    for (offset, length, error) in cases {
        // As the second target, so that its number counts.
        let targets = vec![kernel.piece(1, 0, MIB), kernel.piece(0, offset, length)];
        let answer = kernel.client.create_device(&DeviceSpec::new("v", targets));
        is_refused(answer, TargetError::Extent(error).at(1));
    }
    let last = kernel.piece(0, size - block, block);
    assert_eq!(kernel.map("v", vec![last]).size, block);
    kernel.unmap("v");
}

pub(crate) fn pieces_do_not_overlap<T: Transport>(kernel: &mut Kernel<T>) {
    let target = kernel.piece(0, MIB, 2 * MIB);
    let first = kernel.map("v", vec![target]);
    let spec = |kernel: &Kernel<T>, offset| {
        let beside = kernel.piece(1, 0, MIB);
        DeviceSpec::new("w", vec![beside, kernel.piece(0, offset, MIB)])
    };
    for offset in [512, 2 * MIB, 3 * MIB - 512] {
        let answer = kernel.client.create_device(&spec(kernel, offset));
        let overlaps = TargetError::Overlaps {
            id: first.id,
            offset: MIB,
            length: 2 * MIB,
        };
        is_refused(answer, overlaps.at(1));
    }
    for offset in [0, 3 * MIB] {
        accepted(kernel.client.create_device(&spec(kernel, offset)));
        kernel.unmap("w");
    }
    kernel.unmap("v");
    let twice = vec![kernel.piece(0, 0, MIB), kernel.piece(0, MIB / 2, MIB)];
    let answer = kernel.client.create_device(&DeviceSpec::new("v", twice));
    is_refused(answer, TargetError::OverlapsTarget(0).at(1));
}

pub(crate) fn joined_targets_follow_each_other<T: Transport>(kernel: &mut Kernel<T>) {
    let pieces = vec![
        kernel.piece(0, MIB, MIB),
        kernel.piece(1, 0, 2 * MIB),
        kernel.piece(0, 8 * MIB, 512),
    ];
    let device = kernel.map("v", pieces);
    assert_eq!((device.size, device.stripe), (3 * MIB + 512, None));
    let places: Vec<_> = device
        .targets
        .iter()
        .map(|target| (target.start, target.offset, target.length))
        .collect();
    assert_eq!(
        places,
        [(0, MIB, MIB), (MIB, 0, 2 * MIB), (3 * MIB, 8 * MIB, 512)]
    );
    kernel.unmap("v");
}

fn striped(stripe: u64, targets: Vec<TargetSpec>) -> DeviceSpec {
    DeviceSpec {
        stripe: Some(stripe),
        ..DeviceSpec::new("v", targets)
    }
}

pub(crate) fn stripes_are_equally_long<T: Transport>(kernel: &mut Kernel<T>) {
    const CHUNK: u64 = 64 << 10;
    let two =
        |kernel: &Kernel<T>, one, other| vec![kernel.piece(0, 0, one), kernel.piece(1, 0, other)];
    let spec = striped(CHUNK, two(kernel, 3 * MIB, 3 * MIB));
    let device = accepted(kernel.client.create_device(&spec));
    assert_eq!((device.size, device.stripe), (6 * MIB, Some(CHUNK)));
    let starts: Vec<_> = device.targets.iter().map(|target| target.start).collect();
    assert_eq!(starts, [0, CHUNK]);
    kernel.unmap("v");

    let one = striped(CHUNK, vec![kernel.piece(0, 0, MIB)]);
    is_refused(kernel.client.create_device(&one), Refused::StripeOfOne);
    for bytes in [0, 100] {
        let spec = striped(bytes, two(kernel, MIB, MIB));
        let answer = kernel.client.create_device(&spec);
        is_refused(answer, Refused::Stripe { bytes, block: 512 });
    }
    let spec = striped(CHUNK, two(kernel, 2 * MIB, MIB));
    let longer = TargetError::Stripe {
        length: 2 * MIB,
        wanted: MIB,
    };
    is_refused(kernel.client.create_device(&spec), longer.at(0));
}

pub(crate) fn a_table_has_as_many_targets_as_it_may<T: Transport>(kernel: &mut Kernel<T>) {
    let most = u64::from(TARGETS_MAX);
    let pieces = |kernel: &Kernel<T>, count: u64| {
        let pieces = (0..count).map(|number| kernel.piece(0, number * 4096, 4096));
        pieces.collect::<Vec<_>>()
    };
    let targets = pieces(kernel, most);
    assert_eq!(kernel.map("v", targets).size, most * 4096);
    kernel.unmap("v");
    let spec = DeviceSpec::new("v", pieces(kernel, most + 1));
    is_refused(kernel.client.create_device(&spec), Refused::TooManyTargets);
}
