// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values of which a newer kernel may know more than this release: those are shown as their numbers, and all
//! else goes on.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The word for a number without one. Kept for good: the kernel sends no more of them than it knows values.
fn word(number: u32) -> &'static str {
    static WORDS: Mutex<BTreeMap<u32, &'static str>> = Mutex::new(BTreeMap::new());
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    words
        .entry(number)
        .or_insert_with(|| Box::leak(number.to_string().into_boxed_str()))
}

macro_rules! open {
    ($(#[$doc:meta])* $name:ident: $count:literal, $($(#[$of:meta])* $value:ident),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $value,)+
            /// A number of a newer kernel.
            Unknown(u32),
        }

        impl $name {
            /// Every value that this release knows, in the order of their numbers.
            pub const ALL: [Self; $count] = [$(Self::$value),+];

            /// The word that people and JSON use for the value; its number if it is not known.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => shunt_uapi::$name::$value.name(),)+
                    Self::Unknown(number) => word(number),
                }
            }

            /// The value of a number.
            pub fn from_u32(number: u32) -> Self {
                match shunt_uapi::$name::from_u32(number) {
                    $(Some(shunt_uapi::$name::$value) => Self::$value,)+
                    None => Self::Unknown(number),
                }
            }

            /// Its number.
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$value => shunt_uapi::$name::$value as u32,)+
                    Self::Unknown(number) => number,
                }
            }
        }
    };
}

open!(
    /// What a device, or one target of it, does with I/O.
    State: 3,
    /// I/O is forwarded.
    Live,
    /// New I/O waits.
    Suspended,
    /// A backing device is gone; I/O fails with an I/O error.
    Lost
);

open!(
    /// How a device takes I/O from the block layer.
    QueueMode: 2,
    /// Each bio is forwarded directly; no I/O scheduler.
    Bio,
    /// A blk-mq request queue with merging and I/O schedulers.
    Mq
);

open!(
    /// What a device measures.
    StatsMode: 3,
    /// Nothing.
    Off,
    /// Operations and bytes.
    Counters,
    /// Also errors, operations in flight, latency histograms and /proc/diskstats.
    Full
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_one_that_is_not_known_is_shown_as_it_is() {
        for number in 0..5 {
            assert_eq!(State::from_u32(number).number(), number);
            assert_eq!(QueueMode::from_u32(number).number(), number);
            assert_eq!(StatsMode::from_u32(number).number(), number);
        }
        assert_eq!(State::from_u32(2).name(), "lost");
        assert_eq!(State::from_u32(77).name(), "77");
        assert_eq!(QueueMode::from_u32(u32::MAX).name(), "4294967295");
    }
}
