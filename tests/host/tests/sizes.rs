// SPDX-License-Identifier: MIT OR Apache-2.0
//! Histograms of sizes: a bucket holds the sizes above the bound of the one before, up to its own.

use proptest::prelude::*;
use shunt_logic::histogram::{SIZE_BUCKETS, size_bucket, size_upper_bound};

proptest! {
    #[test]
    fn a_size_is_within_the_bounds_of_its_bucket(bits in any::<u32>(), shift in 0..32u32) {
        let bytes = bits >> shift;
        let bucket = size_bucket(bytes);
        prop_assert!(bucket < SIZE_BUCKETS);
        prop_assert!(u64::from(bytes) <= size_upper_bound(bucket));
        if bucket > 0 {
            prop_assert!(u64::from(bytes) > size_upper_bound(bucket - 1));
        }
    }
}

#[test]
fn powers_of_two_are_the_bounds() {
    assert_eq!(size_bucket(0), 0);
    assert_eq!(size_bucket(512), 0);
    assert_eq!(size_bucket(513), 1);
    assert_eq!(size_bucket(4096), 3);
    assert_eq!(size_upper_bound(3), 4096);
    assert_eq!(size_bucket(u32::MAX), SIZE_BUCKETS - 1);
    assert_eq!(size_upper_bound(SIZE_BUCKETS - 1), u64::MAX);
}
