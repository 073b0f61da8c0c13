// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is where on the drives of the pool. Pure: the table of a drive as `table` reads and writes it, its entries by what the
//! driver takes them for, and the volumes that they make up.

use std::collections::BTreeMap;

use uuid::{Uuid, uuid};

/// Where pieces begin and end: at whole MiB.
pub(crate) const GRAIN: u64 = 1 << 20;

/// Entries that the table of a drive has room for.
pub(crate) const ENTRIES: usize = 128;

/// Types of our partitions: the mark of a drive of the pool, a piece of a volume, what was one and is not yet zeroes.
const MARK: Uuid = uuid!("b79a2b22-d88d-43ac-a5b8-28deed2283dd");
const PIECE: Uuid = uuid!("4ffdb729-ad57-4d7d-9f85-46ff6e6dc33c");
const FREED: Uuid = uuid!("0b6864af-ba23-4454-8197-02164d232ee3");

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The drive is in the pool of this name.
    Mark(String),
    /// A piece of a volume, and which of its pieces, from 0.
    Piece(Uuid, u32),
    /// Belonged to a volume, or to whoever had the drive before the pool; holds their data.
    Freed,
    /// Not ours: its type and its name.
    Foreign(String, String),
}

/// An entry of a table; sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// Its own GUID; none for one that is made by whoever writes the table. That of a volume's first piece is the volume's.
    pub(crate) guid: Option<Uuid>,
    /// Attributes, as sfdisk writes them.
    pub(crate) attributes: String,
}

/// The table of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// GUID of the drive.
    pub(crate) id: String,
    /// Logical block size in bytes.
    pub(crate) sector: u64,
    /// Where partitions may begin and must end, in bytes.
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// In the order of their places.
    pub(crate) entries: Vec<Entry>,
}

/// A piece of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which of the drives it is on.
    pub(crate) drive: usize,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Kind {
    /// What an entry with this type and this name is. One of our types with a name that we do not give is not ours.
    pub(crate) fn of(kind: &str, name: &str) -> Self {
        let foreign = || Self::Foreign(kind.to_owned(), name.to_owned());
        match Uuid::parse_str(kind) {
            Ok(MARK) => Self::Mark(name.to_owned()),
            Ok(FREED) => Self::Freed,
            Ok(PIECE) => piece_of(name).map_or_else(foreign, |(id, index)| Self::Piece(id, index)),
            _ => foreign(),
        }
    }

    /// Type and name of an entry of this kind.
    pub(crate) fn written(&self) -> (String, String) {
        match self {
            Self::Mark(pool) => (MARK.to_string(), pool.clone()),
            Self::Piece(id, index) => (PIECE.to_string(), format!("{}.{index}", id.simple())),
            Self::Freed => (FREED.to_string(), String::new()),
            Self::Foreign(kind, name) => (kind.clone(), name.clone()),
        }
    }
}

fn piece_of(name: &str) -> Option<(Uuid, u32)> {
    let (id, index) = name.split_once('.')?;
    let id = (id.len() == 32)
        .then(|| Uuid::parse_str(id).ok())
        .flatten()?;
    Some((id, index.parse().ok()?))
}

impl Entry {
    /// The end of its place.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// An entry for something new.
    pub(crate) fn new(kind: Kind, start: u64, length: u64) -> Self {
        let guid = match kind {
            Kind::Piece(id, 0) => Some(id),
            _ => None,
        };
        Self {
            kind,
            start,
            length,
            guid,
            attributes: String::new(),
        }
    }
}

impl Table {
    /// The pool that the drive is in, if it is in one.
    pub(crate) fn pool(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| match &entry.kind {
            Kind::Mark(pool) => Some(&**pool),
            _ => None,
        })
    }

    /// Places that nobody has, from a whole MiB to a whole MiB; in their order. What is freed and not zeroed is no such place.
    pub(crate) fn holes(&self) -> Vec<(u64, u64)> {
        let up = |at: u64| at.checked_next_multiple_of(GRAIN);
        let mut holes = Vec::new();
        let mut from = up(self.first);
        let last = (self.end, self.end);
        let places = self.entries.iter().map(|entry| (entry.start, entry.end()));
        for (start, end) in places.chain([last]) {
            let until = start - start % GRAIN;
            if let Some(begin) = from.filter(|begin| *begin < until) {
                holes.push((begin, until - begin));
            }
            // Entries of others may overlap.
            from = from.and_then(|from| Some(from.max(up(end)?)));
        }
        holes
    }

    /// Bytes in [holes](Self::holes).
    pub(crate) fn free(&self) -> u64 {
        match self.entries.len() < ENTRIES {
            true => self.holes().iter().map(|(_, length)| length).sum(),
            false => 0,
        }
    }

    /// Bytes that are freed and not zeroed.
    pub(crate) fn freed(&self) -> u64 {
        let freed = self
            .entries
            .iter()
            .filter(|entry| entry.kind == Kind::Freed);
        freed.map(|entry| entry.length).sum()
    }

    /// Adds entries and keeps the order.
    pub(crate) fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.entries.extend(entries);
        self.entries.sort_by_key(|entry| entry.start);
    }

    /// Makes what a volume has here free for those who zero it; whether it had anything.
    pub(crate) fn free_volume(&mut self, volume: Uuid) -> bool {
        let mut found = false;
        for entry in &mut self.entries {
            if matches!(entry.kind, Kind::Piece(id, _) if id == volume) {
                *entry = Entry::new(Kind::Freed, entry.start, entry.length);
                found = true;
            }
        }
        found
    }
}

/// The volumes of these drives, each with its pieces in their order. One that lacks a piece is left out, as its drive is away.
pub(crate) fn volumes<'a>(
    tables: impl IntoIterator<Item = &'a Table>,
) -> BTreeMap<Uuid, Vec<Piece>> {
    let mut found: BTreeMap<Uuid, BTreeMap<u32, Piece>> = BTreeMap::new();
    for (drive, table) in tables.into_iter().enumerate() {
        for entry in &table.entries {
            if let Kind::Piece(id, index) = entry.kind {
                let (start, length) = (entry.start, entry.length);
                let piece = Piece {
                    drive,
                    start,
                    length,
                };
                found.entry(id).or_default().insert(index, piece);
            }
        }
    }
    let whole = found.into_iter().filter(|(_, pieces)| {
        let last = pieces.last_key_value().map(|(index, _)| *index as usize);
        last.is_some_and(|last| last + 1 == pieces.len())
    });
    whole
        .map(|(id, pieces)| (id, pieces.into_values().collect()))
        .collect()
}

/// Size of a volume.
pub(crate) fn size(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = uuid!("0aaaaaaa-2222-4333-8444-555555555555");

    #[test]
    fn a_kind_comes_back_from_its_type_and_its_name() {
        for kind in [
            Kind::Mark("default".into()),
            Kind::Piece(ID, 0),
            Kind::Piece(ID, 17),
            Kind::Freed,
            Kind::Foreign("0FC63DAF-8483-4772-8E79-3D69D8477DE4".into(), "root".into()),
        ] {
            let (guid, name) = kind.written();
            assert!(name.len() <= 36, "{name}");
            assert_eq!(Kind::of(&guid.to_uppercase(), &name), kind);
        }
    }

    #[test]
    fn a_piece_without_a_name_of_ours_is_left_alone() {
        for name in [
            "",
            "x.0",
            "0aaaaaaa222243338444555555555555",
            "0aaaaaaa222243338444555555555555.x",
        ] {
            assert!(
                matches!(Kind::of(&PIECE.to_string(), name), Kind::Foreign(..)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_volume_that_lacks_a_piece_is_not_there() {
        let mut table = Table {
            id: String::new(),
            sector: 512,
            first: GRAIN,
            end: 100 * GRAIN,
            entries: Vec::new(),
        };
        table.add([Entry::new(Kind::Piece(ID, 1), 5 * GRAIN, GRAIN)]);
        assert!(volumes([&table]).is_empty());
        table.add([Entry::new(Kind::Piece(ID, 0), 9 * GRAIN, 2 * GRAIN)]);
        let pieces = &volumes([&table])[&ID];
        assert_eq!(size(pieces), 3 * GRAIN);
        assert_eq!(pieces[0].start, 9 * GRAIN);
    }
}
