// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the data of a stack can be: pieces of its drives, each place with pieces of its own.

use crate::crash::BLOCK;

/// Blocks of a device.
pub(crate) const BLOCKS: u64 = 240;

/// Bytes of a device.
pub(crate) const SIZE: u64 = BLOCKS * BLOCK as u64;

/// Bytes of a stripe.
pub(crate) const STRIPE: u64 = 4 * BLOCK as u64;

/// The drives of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// A loop device on null_blk. It is part of each place: what it cannot do no place promises, so that each can follow each.
    Loop,
    /// An NVMe namespace.
    Nvme,
    /// null_blk, which is torn out now and then.
    Null,
    /// dm-linear, which is suspended now and then.
    Late,
    /// dm-linear that is as long as its piece, and grows.
    Growing,
}

/// Every drive, in the order of their numbers.
pub(crate) const DRIVES: [Drive; 5] = [
    Drive::Loop,
    Drive::Nvme,
    Drive::Null,
    Drive::Late,
    Drive::Growing,
];

/// Pieces of drives that a device has its data on.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) drives: &'static [Drive],
    pub(crate) striped: bool,
}

/// Every place.
pub(crate) const PLACES: [Place; 8] = [
    joined(&[Drive::Loop]),
    joined(&[Drive::Null, Drive::Loop]),
    joined(&[Drive::Loop, Drive::Nvme]),
    joined(&[Drive::Late, Drive::Loop]),
    joined(&[Drive::Growing, Drive::Loop]),
    striped(&[Drive::Nvme, Drive::Loop]),
    striped(&[Drive::Loop, Drive::Null]),
    striped(&[Drive::Late, Drive::Loop, Drive::Nvme]),
];

/// Number of the place that grows.
pub(crate) const GROWING: usize = 4;

/// Bytes that a drive needs to have pieces of all places; one that grows has a piece only.
pub(crate) const ROOM: u64 = PLACES.len() as u64 * SIZE;

const fn joined(drives: &'static [Drive]) -> Place {
    Place {
        drives,
        striped: false,
    }
}

const fn striped(drives: &'static [Drive]) -> Place {
    Place {
        drives,
        striped: true,
    }
}

/// A piece of a drive, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) drive: Drive,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The pieces of the place with this number.
pub(crate) fn pieces(place: usize) -> impl Iterator<Item = Piece> {
    let drives = PLACES[place].drives;
    let length = SIZE / drives.len() as u64;
    drives.iter().map(move |&drive| Piece {
        drive,
        offset: match drive {
            Drive::Growing => 0,
            _ => place as u64 * SIZE,
        },
        length,
    })
}

/// Whether the place with this number needs a drive.
pub(crate) fn needs(place: usize, drive: Drive) -> bool {
    PLACES[place].drives.contains(&drive)
}

/// Where the data of a block are: a drive, and bytes from its beginning.
pub(crate) fn find(place: usize, block: u64) -> (Drive, u64) {
    let count = PLACES[place].drives.len() as u64;
    let byte = block * BLOCK as u64;
    let (number, within) = match PLACES[place].striped {
        true => {
            let (stripe, rest) = (byte / STRIPE, byte % STRIPE);
            (stripe % count, stripe / count * STRIPE + rest)
        }
        false => (byte / (SIZE / count), byte % (SIZE / count)),
    };
    let piece = pieces(place).nth(number as usize).expect("there is one");
    (piece.drive, piece.offset + within)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn blocks_fill_the_pieces_and_no_two_places_share_any() {
        let mut seen = HashSet::new();
        for place in 0..PLACES.len() {
            for block in 0..BLOCKS {
                let (drive, offset) = find(place, block);
                assert!(seen.insert((drive as u32, offset)), "{place} {block}");
                let is_in = |piece: Piece| {
                    piece.drive == drive
                        && (piece.offset..piece.offset + piece.length).contains(&offset)
                };
                assert!(pieces(place).any(is_in), "{place} {block}");
                assert!(offset + BLOCK as u64 <= ROOM);
            }
        }
    }

    #[test]
    fn one_place_grows_and_not_at_its_end() {
        for (number, place) in PLACES.iter().enumerate() {
            assert_eq!(needs(number, Drive::Growing), number == GROWING);
            assert_ne!(place.drives.last(), Some(&Drive::Growing));
        }
    }

    #[test]
    fn pieces_are_whole_stripes() {
        for place in 0..PLACES.len() {
            assert_eq!(pieces(place).map(|piece| piece.length).sum::<u64>(), SIZE);
            assert!(pieces(place).all(|piece| piece.length % STRIPE == 0));
        }
    }
}
