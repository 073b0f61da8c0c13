// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device has promised, and a new table must be able to do, too.

use proptest::{option, prelude::*};
use shunt_logic::promises::{AtomicPromises, Promises, Protection, ZonePromises};

fn zones() -> impl Strategy<Value = ZonePromises> {
    (0..3u32, 0..3u32, 0..3u32, 0..3u32, 0..3u32).prop_map(
        |(size, granularity, append, open, active)| ZonePromises {
            size,
            granularity,
            append,
            open,
            active,
        },
    )
}

fn atomic() -> impl Strategy<Value = AtomicPromises> {
    (0..3u32, 1..4u32, 0..3u32).prop_map(|(min, max, boundary)| AtomicPromises {
        min,
        max,
        boundary,
    })
}

fn protection() -> impl Strategy<Value = Protection> {
    (1..3u8, 0..2u8).prop_map(|(metadata_size, flags)| Protection {
        metadata_size,
        checksum: 1,
        interval: 12,
        offset: 0,
        tag_size: 0,
        flags,
    })
}

/// Few values of each kind, so that two devices often have the same.
fn promises() -> impl Strategy<Value = Promises> {
    let numbers = (0..3u32, 0..3u32, 0..3u32, 0..3u16);
    let structs = (
        option::weighted(0.3, zones()),
        option::of(atomic()),
        option::weighted(0.3, protection()),
    );
    let flags = prop::array::uniform6(any::<bool>());
    (numbers, structs, flags).prop_map(
        |(
            (logical_block, dma_alignment, write_streams, protection_segments),
            (zones, atomic, protection),
            [
                discard,
                secure_erase,
                write_zeroes,
                nowait,
                poll,
                stable_writes,
            ],
        )| Promises {
            logical_block,
            dma_alignment,
            zones,
            discard,
            secure_erase,
            write_zeroes,
            atomic,
            nowait,
            poll,
            write_streams,
            protection,
            protection_segments,
            stable_writes,
        },
    )
}

/// What both keep.
type Broken = fn(&mut Promises);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_device_keeps_its_own_promises(promises in promises()) {
        prop_assert_eq!(promises.lacks(&promises), None);
    }

    #[test]
    fn what_two_keep_of_each_other_a_third_may_rely_on(
        [a, b, c] in prop::array::uniform3(promises())
    ) {
        if b.lacks(&a).is_none() && c.lacks(&b).is_none() {
            prop_assert_eq!(c.lacks(&a), None);
        }
    }

    #[test]
    fn more_than_was_promised_will_do(old in promises()) {
        let more = Promises {
            logical_block: 0,
            dma_alignment: 0,
            discard: true,
            secure_erase: true,
            write_zeroes: true,
            nowait: true,
            poll: true,
            write_streams: 9,
            protection_segments: 0,
            stable_writes: false,
            ..old
        };
        prop_assert_eq!(more.lacks(&old), None);
    }

    #[test]
    fn each_loss_is_named(mut old in promises()) {
        old.zones = None;
        old.atomic = Some(AtomicPromises { min: 1, max: 4, boundary: 0 });
        let whole = Promises {
            discard: true,
            secure_erase: true,
            write_zeroes: true,
            nowait: true,
            poll: true,
            write_streams: 1,
            stable_writes: false,
            ..old
        };
        let broken: [(Broken, &str); 14] = [
            (|p| p.logical_block += 1, "a smaller logical block"),
            (|p| p.dma_alignment += 1, "a smaller DMA alignment"),
            (|p| p.discard = false, "discard"),
            (|p| p.secure_erase = false, "secure erase"),
            (|p| p.write_zeroes = false, "write zeroes"),
            (|p| p.atomic = None, "larger atomic writes"),
            (|p| p.atomic.as_mut().unwrap().max = 3, "larger atomic writes"),
            (|p| p.atomic.as_mut().unwrap().min = 2, "smaller atomic writes"),
            (|p| p.atomic.as_mut().unwrap().boundary = 8, "atomic writes across that boundary"),
            (|p| p.nowait = false, "I/O that does not wait"),
            (|p| p.poll = false, "polled I/O"),
            (|p| p.write_streams = 0, "more write streams"),
            (|p| p.stable_writes = true, "writes without stable pages"),
            (
                |p| p.zones = Some(ZonePromises { size: 1, granularity: 0, append: 0, open: 0, active: 0 }),
                "writes in any order",
            ),
        ];
        for (breaks, what) in broken {
            let mut less = whole;
            breaks(&mut less);
            prop_assert_eq!(less.lacks(&whole), Some(what));
        }
    }
}

#[test]
fn zones_lose_nothing() {
    let zones = ZonePromises {
        size: 8,
        granularity: 4096,
        append: 16,
        open: 0,
        active: 4,
    };
    let zoned = |zones| Promises {
        zones,
        ..Promises::default()
    };
    let whole = zoned(Some(zones));
    let with = |less: ZonePromises| zoned(Some(less)).lacks(&whole);
    assert_eq!(zoned(None).lacks(&whole), Some("zones"));
    for (less, what) in [
        (ZonePromises { size: 9, ..zones }, "zones of another size"),
        (
            ZonePromises {
                granularity: 8192,
                ..zones
            },
            "smaller writes of zones",
        ),
        (
            ZonePromises {
                append: 15,
                ..zones
            },
            "larger zone appends",
        ),
        (
            ZonePromises { open: 9, ..zones },
            "more open or active zones",
        ),
        (
            ZonePromises { active: 3, ..zones },
            "more open or active zones",
        ),
    ] {
        assert_eq!(with(less), Some(what));
    }
    assert_eq!(with(ZonePromises { active: 0, ..zones }), None);
}

#[test]
fn protection_information_keeps_its_form() {
    let form = Protection {
        metadata_size: 8,
        checksum: 1,
        interval: 9,
        offset: 0,
        tag_size: 2,
        flags: 0,
    };
    let with = |protection, protection_segments| Promises {
        protection,
        protection_segments,
        ..Promises::default()
    };
    let whole = with(Some(form), 4);
    let other = Some(Protection {
        tag_size: 0,
        ..form
    });
    assert_eq!(
        with(other, 4).lacks(&whole),
        Some("other protection information")
    );
    assert_eq!(
        with(None, 4).lacks(&whole),
        Some("other protection information")
    );
    assert_eq!(
        with(Some(form), 3).lacks(&whole),
        Some("more pieces of protection information")
    );
    assert_eq!(with(Some(form), 0).lacks(&whole), None);
}
