// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables: what is accepted has whole, separate targets; every sector of a device is on one of them, no two are in the same
//! place, and the shares of a range are that range.

use std::num::NonZeroU64;

use proptest::prelude::*;
use shunt_logic::{
    extent::SECTOR,
    refusal::{Refused, TargetError},
    table::{LONGEST, Layout, Part, Piece, Place, Shape, Zones, end_of},
};

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

/// A target of a drive with this number.
#[derive(Clone, Debug)]
struct Target {
    drive: u8,
    piece: Piece,
    block: u32,
    zones: Zones,
}

impl Part for Target {
    fn piece(&self) -> &Piece {
        &self.piece
    }

    fn piece_mut(&mut self) -> &mut Piece {
        &mut self.piece
    }

    fn is_beside(&self, other: &Self) -> bool {
        self.drive == other.drive
    }

    fn logical_block_size(&self) -> u32 {
        self.block
    }

    fn zones(&self) -> Zones {
        self.zones
    }
}

/// Targets on three drives of 64 sectors.
fn targets() -> impl Strategy<Value = Vec<Target>> {
    let block = prop::sample::select(vec![512u32, 512, 1024]);
    let target = (0..3u8, 0..32u64, 1..32u64, any::<bool>(), block).prop_map(
        |(drive, first, sectors, open_ended, block)| {
            let length = (!open_ended).then_some(sectors * 2 * SECTOR);
            let first = first * 2 * SECTOR;
            let piece = Piece::within(first, length, 128 * SECTOR, block.into())
                .expect("it lies on the drive");
            Target {
                drive,
                piece,
                block,
                zones: Zones::default(),
            }
        },
    );
    prop::collection::vec(target, 1..5)
}

proptest! {
    #[test]
    fn targets_that_are_accepted_are_whole_and_apart(
        asked in targets(),
        stripe in prop::option::of(prop::sample::select(vec![512u64, 1024, 2048, 8192])),
        kept in prop::sample::select(vec![0u32, 512, 1024, 4096]),
    ) {
        let mut made = asked.clone();
        let Ok(shape) = Shape::of(&mut made, stripe, kept) else {
            return Ok(());
        };
        for (number, target) in made.iter().enumerate() {
            prop_assert_eq!(target.piece.extent.length_bytes() % u64::from(shape.block), 0);
            prop_assert!(target.block.max(kept) <= shape.block);
            let is_apart = |other: &Target| {
                other.drive != target.drive || !other.piece.extent.overlaps(&target.piece.extent)
            };
            prop_assert!(made[..number].iter().all(is_apart));
            let (piece, asked) = (&target.piece, &asked[number].piece.extent);
            if !piece.open_ended {
                prop_assert_eq!(&piece.extent, asked);
            } else if stripe.is_none() {
                let rest = asked.sectors() % (u64::from(shape.block) / SECTOR);
                prop_assert_eq!(piece.extent.first(), asked.first());
                prop_assert_eq!(piece.extent.sectors(), asked.sectors() - rest);
            }
        }
        if let Layout::Striped { chunk, targets } = shape.layout {
            prop_assert_eq!(chunk.get() * SECTOR % u64::from(shape.block), 0);
            prop_assert_eq!(targets.get(), made.len() as u64);
            let lengths: Vec<_> = made.iter().map(|target| target.piece.extent.sectors()).collect();
            prop_assert!(lengths.iter().all(|length| *length == lengths[0]));
            prop_assert_eq!(lengths[0] % chunk, 0);
        }
    }

    #[test]
    fn targets_that_overlap_are_refused_by_the_later_one(mut targets in targets()) {
        let mut again = targets[0].clone();
        again.piece.open_ended = false;
        targets.truncate(1);
        targets.push(again);
        let refused = Shape::of(&mut targets, None, 0);
        prop_assert_eq!(refused, Err(TargetError::OverlapsTarget(0).at(1)));
    }
}

/// A target that is zone number `zone` of `drive`.
fn of_zone(drive: u8, zone: u64, zones: Zones) -> Target {
    let (first, length) = (zone * zones.size * SECTOR, zones.size * SECTOR);
    Target {
        drive,
        piece: Piece::within(first, Some(length), 1 << 30, 512).expect("it lies on the drive"),
        block: 512,
        zones,
    }
}

#[test]
fn zones_are_alike_and_not_striped() {
    let zones = Zones {
        size: 64,
        capacity: 48,
    };
    let smaller = Zones {
        capacity: 40,
        ..zones
    };
    let alike = [of_zone(0, 0, zones), of_zone(1, 3, zones)];
    let shape = Shape::of(&mut alike.clone(), None, 0).unwrap();
    assert_eq!((shape.layout, shape.zones), (Layout::Joined, zones));
    assert_eq!(
        Shape::of(&mut alike.clone(), Some(4096), 0),
        Err(Refused::ZonedStripes)
    );
    let differ = TargetError::ZonesDiffer {
        value: 40 * SECTOR,
        wanted: 48 * SECTOR,
    };
    assert_eq!(
        Shape::of(&mut [of_zone(0, 0, zones), of_zone(1, 0, smaller)], None, 0),
        Err(differ.at(1))
    );
}
