// SPDX-License-Identifier: MIT OR Apache-2.0
//! A free number is found without a look at all that are taken.

use std::collections::BTreeSet;

use proptest::prelude::*;
use shunt_logic::usage::lowest_free;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

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
