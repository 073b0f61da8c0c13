// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables: every sector of a device is on one target, no two are in the same place, and the shares
//! of a range are that range.

use std::num::NonZeroU64;

use proptest::prelude::*;
use shunt_host_tests::table::{LONGEST, Layout, Place, end_of};

/// A layout, the ends of its targets, and the length of the device.
fn tables() -> impl Strategy<Value = (Layout, Vec<u64>, u64)> {
    let joined = prop::collection::vec(1u64..5000, 1..9).prop_map(|lengths| {
        let ends: Vec<u64> = lengths
            .iter()
            .scan(0, |end, length| {
                *end += length;
                Some(*end)
            })
            .collect();
        let length = ends[ends.len() - 1];
        (Layout::Joined, ends, length)
    });
    let striped = (1u64..300, 2u64..9, 1u64..40).prop_map(|(chunk, targets, rows)| {
        let ends: Vec<u64> = (1..=targets).map(|n| n * rows * chunk).collect();
        let layout = Layout::Striped {
            chunk: NonZeroU64::new(chunk).expect("not 0"),
            targets: NonZeroU64::new(targets).expect("not 0"),
        };
        (layout, ends, targets * rows * chunk)
    });
    prop_oneof![joined, striped]
}

proptest! {
    #[test]
    fn a_table_ends_where_its_bytes_can_still_be_counted(start: u64, sectors: u64) {
        let wanted = u128::from(start) + u128::from(sectors);
        let fits = wanted * 512 <= i64::MAX as u128;
        prop_assert_eq!(end_of(start, sectors).map(u128::from), fits.then_some(wanted));
    }

    #[test]
    fn a_table_may_be_as_long_as_a_device_and_no_longer(start in 0..=LONGEST) {
        prop_assert_eq!(end_of(start, LONGEST - start), Some(LONGEST));
        prop_assert_eq!(end_of(start, LONGEST - start + 1), None);
    }
}

/// Length of a target, in sectors.
fn length_of(layout: Layout, ends: &[u64], target: usize) -> u64 {
    match layout {
        Layout::Joined => ends[target] - target.checked_sub(1).map_or(0, |before| ends[before]),
        Layout::Striped { .. } => ends[0],
    }
}

proptest! {
    #[test]
    fn a_sector_is_found_within_its_target((layout, ends, length) in tables(), at in any::<u64>()) {
        let sector = at % length;
        let place = layout.find(&ends, sector);
        prop_assert!(place.target < ends.len());
        prop_assert!(place.room >= 1);
        prop_assert!(place.sector + place.room <= length_of(layout, &ends, place.target));
    }

    #[test]
    fn what_has_room_is_together((layout, ends, length) in tables(), at in any::<u64>()) {
        let sector = at % length;
        let place = layout.find(&ends, sector);
        let last = layout.find(&ends, sector + place.room - 1);
        prop_assert_eq!(last, Place { target: place.target, sector: place.sector + place.room - 1, room: 1 });
        if sector + place.room < length && ends.len() > 1 {
            prop_assert_ne!(layout.find(&ends, sector + place.room).target, place.target);
        }
    }

    #[test]
    fn every_sector_has_a_place_of_its_own((layout, ends, length) in tables()) {
        let mut seen: Vec<Vec<bool>> = (0..ends.len())
            .map(|target| vec![false; length_of(layout, &ends, target) as usize])
            .collect();
        for sector in 0..length {
            let place = layout.find(&ends, sector);
            let seen = &mut seen[place.target][place.sector as usize];
            prop_assert!(!*seen, "sector {} is where another is", sector);
            *seen = true;
        }
        prop_assert!(seen.iter().flatten().all(|seen| *seen));
    }

    #[test]
    fn shares_are_the_range((layout, ends, length) in tables(), a in any::<u64>(), b in any::<u64>()) {
        let (a, b) = (a % length, b % length);
        let (first, last) = (a.min(b), a.max(b));
        let sectors = last - first + 1;
        let shares: Vec<(u64, u64)> = (0..ends.len())
            .map(|target| layout.share(&ends, target, first, sectors))
            .collect();
        prop_assert_eq!(shares.iter().map(|(_, length)| length).sum::<u64>(), sectors);
        for sector in [first, last, first + sectors / 2] {
            let place = layout.find(&ends, sector);
            let (begin, length) = shares[place.target];
            prop_assert!((begin..begin + length).contains(&place.sector));
        }
    }
}

#[test]
fn two_stripes_take_turns() {
    let layout = Layout::Striped {
        chunk: NonZeroU64::new(8).expect("not 0"),
        targets: NonZeroU64::new(2).expect("not 0"),
    };
    let ends = [16, 32];
    let at = |sector| layout.find(&ends, sector);
    assert_eq!(
        at(0),
        Place {
            target: 0,
            sector: 0,
            room: 8
        }
    );
    assert_eq!(
        at(7),
        Place {
            target: 0,
            sector: 7,
            room: 1
        }
    );
    assert_eq!(
        at(8),
        Place {
            target: 1,
            sector: 0,
            room: 8
        }
    );
    assert_eq!(
        at(16),
        Place {
            target: 0,
            sector: 8,
            room: 8
        }
    );
    assert_eq!(
        at(31),
        Place {
            target: 1,
            sector: 15,
            room: 1
        }
    );
    assert_eq!(layout.share(&ends, 1, 4, 8), (0, 4));
    assert_eq!(layout.share(&ends, 0, 8, 8), (8, 0));
}
