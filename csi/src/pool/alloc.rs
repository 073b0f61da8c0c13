// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a new volume goes, and where one grows. Pure.

use uuid::Uuid;

use super::layout::{ENTRIES, Entry, GRAIN, Kind, Table};

/// A place on a drive: where it begins, and how long it is.
type Place = (u64, u64);

/// The drive with most room among `drives` takes a volume of `size` bytes, whole MiB; none if none has the room. The volume is
/// added to the drive's table, and the number of that is given.
pub(crate) fn create(drives: &mut [&mut Table], volume: Uuid, size: u64) -> Option<usize> {
    let fitting = drives.iter().enumerate().filter_map(|(number, table)| {
        let places = places(table.holes(), size, room(table))?;
        Some((number, table.free(), places))
    });
    // The first of those that are alike.
    let best = fitting.rev().max_by_key(|(_, free, _)| *free);
    let (number, _, places) = best?;
    let pieces = (0..).zip(places);
    let entries = pieces
        .map(|(index, (start, length))| Entry::new(Kind::Piece(volume, index), start, length));
    let entries: Vec<_> = entries.collect();
    drives.get_mut(number)?.add(entries);
    Some(number)
}

/// Lets a volume whose last piece is on this drive grow by `more` bytes, whole MiB; false, and nothing is changed, if there is
/// no room. The space behind its last piece is taken first: a volume of one piece stays one where it can.
pub(crate) fn grow(table: &mut Table, volume: Uuid, more: u64) -> bool {
    let its = |entry: &Entry| match entry.kind {
        Kind::Piece(id, index) if id == volume => Some(index),
        _ => None,
    };
    let last = table.entries.iter().enumerate();
    let last = last.filter_map(|(at, entry)| Some((its(entry)?, at))).max();
    let Some((index, at)) = last else {
        return false;
    };
    let end = table.entries[at].end();
    let mut holes = table.holes();
    let behind = holes.iter().position(|(start, _)| *start == end);
    let behind = behind.map_or(0, |hole| holes.remove(hole).1.min(more));
    let Some(rest) = places(holes, more - behind, room(table)) else {
        return false;
    };
    table.entries[at].length += behind;
    let entries = (index + 1..)
        .zip(rest)
        .map(|(index, (start, length))| Entry::new(Kind::Piece(volume, index), start, length));
    let entries: Vec<_> = entries.collect();
    table.add(entries);
    true
}

/// The largest volume that [`create`] finds room for on these drives.
pub(crate) fn largest<'a>(drives: impl IntoIterator<Item = &'a Table>) -> u64 {
    let largest = drives.into_iter().map(|table| {
        let mut lengths: Vec<u64> = table.holes().iter().map(|(_, length)| *length).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.iter().take(room(table)).sum()
    });
    largest.max().unwrap_or(0)
}

/// Entries that the table has room for.
fn room(table: &Table) -> usize {
    ENTRIES.saturating_sub(table.entries.len())
}

/// Takes `size` bytes from these holes: the smallest one that is large enough, else the largest ones, at most so many.
fn places(mut holes: Vec<Place>, size: u64, most: usize) -> Option<Vec<Place>> {
    debug_assert!(size % GRAIN == 0);
    if size == 0 {
        return Some(Vec::new());
    }
    let fitting = holes.iter().filter(|(_, length)| *length >= size);
    if let (Some((start, _)), true) = (fitting.min_by_key(|(_, length)| *length), most > 0) {
        return Some(vec![(*start, size)]);
    }
    holes.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let mut left = size;
    let mut taken = Vec::new();
    for (start, length) in holes.into_iter().take(most) {
        let length = length.min(left);
        taken.push((start, length));
        left -= length;
        if left == 0 {
            return Some(taken);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pool::layout::{size, volumes};

    /// A drive of so many MiB with nothing on it but its mark.
    fn drive(mib: u64) -> Table {
        let mut table = Table {
            id: String::new(),
            sector: 512,
            first: GRAIN,
            // As on drives: the end is no whole MiB.
            end: mib * GRAIN - 33 * 512,
            entries: Vec::new(),
        };
        table.add([Entry::new(Kind::Mark("default".into()), GRAIN, GRAIN)]);
        table
    }

    fn id(number: u32) -> Uuid {
        Uuid::from_u128(u128::from(number) + 1)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Create(u32, u64),
        Grow(u32, u64),
        Delete(u32),
        /// Of what is freed, this one is zeroed and gone.
        Wiped(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..40u32, 1..40u64).prop_map(|(id, mib)| Step::Create(id, mib * GRAIN)),
            (0..40u32, 1..20u64).prop_map(|(id, mib)| Step::Grow(id, mib * GRAIN)),
            (0..40u32).prop_map(Step::Delete),
            (0..8usize).prop_map(Step::Wiped),
        ];
        prop::collection::vec(step, 1..200)
    }

    /// Nothing overlaps, all is in its place, and what is freed stays until it is zeroed.
    fn check(drives: &[Table], freed: &[Vec<Place>]) {
        for (table, freed) in drives.iter().zip(freed) {
            assert!(table.entries.len() <= ENTRIES);
            let mut at = table.first;
            for entry in &table.entries {
                assert!(entry.start >= at && entry.end() <= table.end, "{table:?}");
                assert!(entry.start % GRAIN == 0 && entry.length > 0);
                at = entry.end();
                for (start, length) in freed {
                    let is_it = entry.kind == Kind::Freed && entry.start == *start;
                    let apart = entry.end() <= *start || entry.start >= start + length;
                    assert!(is_it || apart, "{entry:?} is on what is not zeroed");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_what_is_freed_is_never_given_out(steps in steps()) {
            let mut drives = [drive(120), drive(60)];
            let mut freed: Vec<Vec<Place>> = vec![Vec::new(); 2];
            let mut sizes = std::collections::BTreeMap::new();
            for step in steps {
                match step {
                    Step::Create(number, bytes) => {
                        if sizes.contains_key(&number) { continue; }
                        let room = largest(&drives);
                        let mut all: Vec<_> = drives.iter_mut().collect();
                        let made = create(&mut all, id(number), bytes);
                        prop_assert_eq!(made.is_some(), room >= bytes);
                        if made.is_some() { sizes.insert(number, bytes); }
                    }
                    Step::Grow(number, more) => {
                        let Some(bytes) = sizes.get_mut(&number) else { continue };
                        let at = drives.iter().position(|table| {
                            table.entries.iter().any(|entry| matches!(entry.kind, Kind::Piece(its, _) if its == id(number)))
                        });
                        let table = &mut drives[at.unwrap()];
                        let (room, before) = (table.free(), table.clone());
                        if grow(table, id(number), more) {
                            *bytes += more;
                            prop_assert_eq!(table.free(), room - more);
                        } else {
                            prop_assert!(room < more || room == 0);
                            prop_assert_eq!(table, &before);
                        }
                    }
                    Step::Delete(number) => {
                        sizes.remove(&number);
                        for (table, freed) in drives.iter_mut().zip(&mut freed) {
                            let before = table.clone();
                            table.free_volume(id(number));
                            let gone = before.entries.iter().filter(|entry| matches!(entry.kind, Kind::Piece(its, _) if its == id(number)));
                            freed.extend(gone.map(|entry| (entry.start, entry.length)));
                        }
                    }
                    Step::Wiped(number) => for (table, freed) in drives.iter_mut().zip(&mut freed) {
                        if number < freed.len() {
                            let (start, _) = freed.remove(number);
                            table.entries.retain(|entry| entry.start != start);
                        }
                    },
                }
                check(&drives, &freed);
                let found = volumes(&drives);
                prop_assert_eq!(found.len(), sizes.len());
                for (number, bytes) in &sizes {
                    prop_assert_eq!(size(&found[&id(*number)]), *bytes);
                }
            }
        }
    }

    #[test]
    fn the_smallest_hole_that_fits_is_taken() {
        let mut table = drive(100);
        let of = |number| Kind::Piece(id(number), 0);
        table.add([
            Entry::new(of(1), 10 * GRAIN, 10 * GRAIN),
            Entry::new(of(2), 25 * GRAIN, 40 * GRAIN),
        ]);
        assert_eq!(create(&mut [&mut table], id(3), 4 * GRAIN), Some(0));
        assert_eq!(volumes([&table])[&id(3)][0].start, 20 * GRAIN);
    }

    #[test]
    fn what_lies_behind_a_volume_is_taken_first_when_it_grows() {
        let mut table = drive(100);
        assert_eq!(create(&mut [&mut table], id(1), 10 * GRAIN), Some(0));
        assert!(grow(&mut table, id(1), 10 * GRAIN));
        assert_eq!(volumes([&table])[&id(1)].len(), 1);
    }
}
