// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who uses a sector is found without looking at all: it must be what looking at all finds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shunt_host_tests::extent::{Extent, SECTOR};
use shunt_host_tests::usage::{Use, conflict, lowest_free};

const DRIVE: u64 = 200;

fn extent(first: u64, sectors: u64) -> Extent {
    Extent::within(
        first * SECTOR,
        Some(sectors * SECTOR),
        2 * DRIVE * SECTOR,
        SECTOR,
    )
    .expect("a piece of the drive")
}

fn piece() -> impl Strategy<Value = Extent> {
    (0..DRIVE, 1..40u64).prop_map(|(first, sectors)| extent(first, sectors))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Devices come, change their tables and go; each is asked about before.
    #[test]
    fn an_index_by_last_sectors_finds_what_a_look_at_all_finds(
        steps in prop::collection::vec((0..6u32, any::<bool>(), prop::collection::vec(piece(), 1..5)), 1..40),
    ) {
        let mut index: BTreeMap<u64, Use> = BTreeMap::new();
        for (device, stays, pieces) in steps {
            let mut free = true;
            for wanted in &pieces {
                let looked = std::cell::Cell::new(0);
                let found = conflict(wanted, Some(device), |sector| {
                    looked.set(looked.get() + 1);
                    index.range(sector..).next().map(|(_, used)| *used)
                });
                let all: Vec<Use> = index.values().copied().filter(|used| used.extent.overlaps(wanted)).collect();
                let others: Vec<Use> = all.iter().copied().filter(|used| used.device != device).collect();
                prop_assert_eq!(found.is_some(), !others.is_empty());
                if let Some(found) = found {
                    prop_assert!(others.contains(&found));
                }
                prop_assert!(looked.get() <= 1 + all.len());
                free &= found.is_none();
            }
            let own = |one: usize| pieces[..one].iter().all(|other| !other.overlaps(&pieces[one]));
            if free && (0..pieces.len()).all(own) {
                index.retain(|_, used| used.device != device);
                let stays = stays.then_some(pieces).into_iter().flatten();
                index.extend(stays.map(|extent| (extent.last(), Use { extent, device })));
            }
        }
    }

    #[test]
    fn a_new_device_may_have_nothing_of_another(wanted in piece(), used in piece(), device in 0..3u32) {
        let used = Use { extent: used, device };
        let found = conflict(&wanted, None, |sector| (used.extent.last() >= sector).then_some(used));
        prop_assert_eq!(found, wanted.overlaps(&used.extent).then_some(used));
    }

    #[test]
    fn the_lowest_free_number_is_the_first_gap(numbers in prop::collection::btree_set(0..60u32, 0..60)) {
        let list: Vec<u32> = numbers.iter().copied().collect();
        let free = lowest_free(list.len(), |place| list[place]);
        prop_assert_eq!(Some(free), (0..).find(|number| !numbers.contains(number)));
    }
}

#[test]
fn of_many_numbers_few_are_looked_at() {
    let taken: BTreeSet<u32> = (0..100_000).filter(|number| *number != 70_000).collect();
    let list: Vec<u32> = taken.into_iter().collect();
    let looked = std::cell::Cell::new(0);
    let free = lowest_free(list.len(), |place| {
        looked.set(looked.get() + 1);
        list[place]
    });
    assert_eq!(free, 70_000);
    assert!(looked.get() <= 17, "{} numbers looked at", looked.get());
}
