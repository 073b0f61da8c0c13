// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Which number is free.

/// The lowest number that is not among `count` different ones, which `number` gives in ascending order.
pub fn lowest_free(count: usize, number: impl Fn(usize) -> u32) -> u32 {
    // Up to the first gap each number is its own place, and behind it none is.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if number(middle) as usize == middle {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low as u32
}
