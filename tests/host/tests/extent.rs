// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pieces of drives: a piece that is accepted lies on its drive, and so does every sector that it maps.

use proptest::prelude::*;
use shunt_logic::extent::{Extent, ExtentError, SECTOR};

const KIB: u64 = 1024;

/// Logical block sizes that drives have.
fn block() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![512, 1024, 4096, 16384, 65536])
}

/// Numbers of bytes of every magnitude, many of them multiples of common blocks.
fn bytes() -> impl Strategy<Value = u64> {
    (
        any::<u64>(),
        0..u64::BITS,
        prop::sample::select(vec![1, 512, 4096, 65536]),
    )
        .prop_map(|(bits, shift, grain)| (bits >> shift) / grain * grain)
}

/// A piece of a drive of this many blocks, with the drive's size and block in bytes.
fn piece() -> impl Strategy<Value = (Extent, u64, u64)> {
    (block(), 1..1u64 << 40).prop_flat_map(|(block, blocks)| {
        (Just(block), Just(blocks), 0..blocks).prop_flat_map(|(block, blocks, first)| {
            (1..=blocks - first).prop_map(move |length| {
                let piece =
                    Extent::within(first * block, Some(length * block), blocks * block, block);
                (
                    piece.expect("an aligned piece of the drive"),
                    blocks * block,
                    block,
                )
            })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_piece_is_what_was_asked_for_and_lies_on_the_drive(
        offset in bytes(), length in bytes(), size in bytes(), block in block(),
    ) {
        if let Ok(piece) = Extent::within(offset, Some(length), size, block) {
            prop_assert_eq!((piece.offset_bytes(), piece.length_bytes()), (offset, length));
            prop_assert!(length > 0);
            prop_assert!(offset % block == 0 && length % block == 0);
            prop_assert!(offset.checked_add(length).is_some_and(|end| end <= size));
        }
    }

    #[test]
    fn a_refusal_names_a_rule_that_is_broken(
        offset in bytes(), length in bytes(), size in bytes(), block in block(),
    ) {
        let whole = size / block * block;
        match Extent::within(offset, Some(length), size, block) {
            Ok(_) => {}
            Err(ExtentError::OffsetUnaligned { offset: said, block: unit }) => {
                prop_assert_eq!((said, unit), (offset, block));
                prop_assert!(offset % block != 0);
            }
            Err(ExtentError::LengthUnaligned { length: said, block: unit }) => {
                prop_assert_eq!((said, unit), (length, block));
                prop_assert!(length % block != 0);
            }
            Err(ExtentError::Empty) => prop_assert_eq!(length, 0),
            Err(ExtentError::OffsetBeyondEnd { offset: said, size: end }) => {
                prop_assert_eq!((said, end), (offset, size));
                prop_assert!(offset >= whole);
            }
            Err(ExtentError::EndBeyondEnd { length: said, room }) => {
                prop_assert_eq!((said, room), (length, whole - offset));
                prop_assert!(length > room);
            }
            Err(ExtentError::OffsetInZone { .. } | ExtentError::LengthInZone { .. }) => {
                prop_assert!(false, "no zones were asked for");
            }
        }
    }

    #[test]
    fn every_aligned_piece_of_a_drive_is_accepted((piece, size, block) in piece()) {
        let again = Extent::within(piece.offset_bytes(), Some(piece.length_bytes()), size, block);
        prop_assert_eq!(again, Ok(piece));
    }

    #[test]
    fn without_a_length_a_piece_takes_all_whole_blocks_to_the_end(
        (piece, size, block) in piece(), odd in 0..512u64,
    ) {
        let rest = Extent::within(piece.offset_bytes(), None, size + odd, block).unwrap();
        prop_assert_eq!(rest.offset_bytes(), piece.offset_bytes());
        prop_assert_eq!(rest.offset_bytes() + rest.length_bytes(), size);
    }

    #[test]
    fn map_never_leaves_the_piece((piece, size, _) in piece(), at in any::<prop::sample::Index>()) {
        let last = piece.sectors() - 1;
        let some = at.index(usize::try_from(piece.sectors()).unwrap()) as u64;
        for sector in [0, some, last] {
            let mapped = piece.map(sector);
            prop_assert_eq!(mapped - piece.first(), sector);
            prop_assert!(mapped < piece.first() + piece.sectors());
            prop_assert!((mapped + 1) * SECTOR <= size);
        }
    }

    #[test]
    fn pieces_overlap_just_if_they_share_a_sector(
        (one_first, one_length, other_first, other_length) in (0..40u64, 1..40u64, 0..40u64, 1..40u64),
    ) {
        let piece = |first, length| Extent::within(first * SECTOR, Some(length * SECTOR), 80 * SECTOR, SECTOR).unwrap();
        let (one, other) = (piece(one_first, one_length), piece(other_first, other_length));
        let shared = (one_first..one_first + one_length).any(|at| (other_first..other_first + other_length).contains(&at));
        prop_assert_eq!(one.overlaps(&other), shared);
        prop_assert_eq!(other.overlaps(&one), shared);
    }

    #[test]
    fn a_piece_is_whole_zones_just_if_it_begins_and_ends_with_one(
        (piece, size, _) in piece(), shift in 0u32..40,
    ) {
        let zone = 1u64 << shift;
        let (first, end) = (piece.first(), piece.first() + piece.sectors());
        let whole = first % zone == 0 && (end % zone == 0 || end == size / SECTOR);
        prop_assert_eq!(piece.check_zones(zone, size / SECTOR).is_ok(), whole);
    }

    #[test]
    fn a_piece_overlaps_itself((piece, _, _) in piece()) {
        prop_assert!(piece.overlaps(&piece));
    }
}

#[test]
fn a_whole_drive_is_one_piece() {
    let piece = Extent::within(0, None, 64 * KIB, 4 * KIB).unwrap();
    assert_eq!((piece.first(), piece.sectors()), (0, 128));
    assert_eq!((piece.map(0), piece.map(127)), (0, 127));
}

#[test]
fn sectors_of_a_piece_begin_at_its_offset() {
    let piece = Extent::within(8 * KIB, Some(4 * KIB), 64 * KIB, 4 * KIB).unwrap();
    assert_eq!((piece.first(), piece.sectors()), (16, 8));
    assert_eq!((piece.map(0), piece.map(7)), (16, 23));
}

#[test]
fn pieces_that_touch_do_not_overlap() {
    let piece = |offset| Extent::within(offset, Some(4 * KIB), 64 * KIB, 4 * KIB).unwrap();
    assert!(!piece(0).overlaps(&piece(4 * KIB)));
    assert!(!piece(4 * KIB).overlaps(&piece(0)));
}

#[test]
fn each_rule_is_refused_with_the_value_that_broke_it() {
    let within = |offset, length| Extent::within(offset, length, 64 * KIB, 4 * KIB);
    let block = 4 * KIB;
    assert_eq!(
        within(512, None),
        Err(ExtentError::OffsetUnaligned { offset: 512, block })
    );
    assert_eq!(
        within(0, Some(512)),
        Err(ExtentError::LengthUnaligned { length: 512, block })
    );
    assert_eq!(within(0, Some(0)), Err(ExtentError::Empty));
    let size = 64 * KIB;
    assert_eq!(
        within(size, None),
        Err(ExtentError::OffsetBeyondEnd { offset: size, size })
    );
    let (length, room) = (8 * KIB, 4 * KIB);
    assert_eq!(
        within(60 * KIB, Some(length)),
        Err(ExtentError::EndBeyondEnd { length, room })
    );
}

#[test]
fn the_greatest_numbers_are_refused_without_overflow() {
    let most = u64::MAX - u64::MAX % SECTOR;
    let size = 64 * KIB;
    assert_eq!(
        Extent::within(most, Some(most), size, SECTOR),
        Err(ExtentError::OffsetBeyondEnd { offset: most, size })
    );
    assert_eq!(
        Extent::within(SECTOR, Some(most), size, SECTOR),
        Err(ExtentError::EndBeyondEnd {
            length: most,
            room: size - SECTOR
        })
    );
    let piece = Extent::within(SECTOR, None, u64::MAX, SECTOR).unwrap();
    assert_eq!(piece.offset_bytes() + piece.length_bytes(), most);
}

#[test]
fn a_drive_without_a_whole_block_has_no_piece() {
    for size in [0, 512, 4095] {
        assert_eq!(
            Extent::within(0, None, size, 4 * KIB),
            Err(ExtentError::OffsetBeyondEnd { offset: 0, size })
        );
    }
}

#[test]
fn a_block_is_at_least_a_sector() {
    for block in [0, 1, 256] {
        assert_eq!(
            Extent::within(256, None, 64 * KIB, block),
            Err(ExtentError::OffsetUnaligned {
                offset: 256,
                block: SECTOR
            })
        );
    }
}

#[test]
fn what_is_not_whole_zones_is_refused_with_the_zone_size() {
    let zone = 4 * KIB / SECTOR;
    let piece = |offset, length| Extent::within(offset, Some(length), 64 * KIB, SECTOR).unwrap();
    let size = 64 * KIB / SECTOR;
    assert_eq!(piece(4 * KIB, 8 * KIB).check_zones(zone, size), Ok(()));
    assert_eq!(
        piece(KIB, 4 * KIB).check_zones(zone, size),
        Err(ExtentError::OffsetInZone {
            offset: KIB,
            zone: 4 * KIB
        })
    );
    assert_eq!(
        piece(0, 5 * KIB).check_zones(zone, size),
        Err(ExtentError::LengthInZone {
            length: 5 * KIB,
            zone: 4 * KIB
        })
    );
}
