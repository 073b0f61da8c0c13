// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables on files, by the sfdisk of this machine. Where there is none, or none that writes as it should, they fail: the
//! sysroot has one.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
};

use super::*;
use crate::pool::layout::GRAIN;

const ID: Uuid = uuid::uuid!("0aaaaaaa-2222-4333-8444-555555555555");
const BYTES: u64 = 64 * GRAIN;

/// A drive in a file; gone on drop.
struct Image(PathBuf);

impl Image {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shunt-csi-{}-{name}", std::process::id()));
        File::create(&path)
            .and_then(|file| file.set_len(BYTES))
            .unwrap();
        Self(path)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes it under a lock of its own.
fn write(drive: &Path, table: &Table) -> Result<(), String> {
    let lock = File::options().write(true).open("/dev/null").unwrap();
    super::write(drive, table, &lock)
}

fn marked() -> Table {
    let mark = Entry::new(Kind::Mark("default".into()), GRAIN, GRAIN);
    let freed = Entry::new(Kind::Freed, 2 * GRAIN, 60 * GRAIN);
    Table {
        id: String::new(),
        sector: 512,
        first: GRAIN,
        end: 0,
        entries: vec![mark, freed],
    }
}

#[test]
fn a_drive_without_a_table_has_none() {
    let image = Image::new("none");
    assert_eq!(read(&image.0), Ok(None));
}

#[test]
fn a_table_comes_back_as_it_was_written() {
    let image = Image::new("back");
    write(&image.0, &marked()).unwrap();
    let mut table = read(&image.0).unwrap().unwrap();
    assert_eq!(table.pool(), Some("default"));
    assert_eq!(table.freed(), 60 * GRAIN);
    table.entries.pop();
    let mut second = Entry::new(Kind::Piece(ID, 1), 40 * GRAIN, 3 * GRAIN);
    second.attributes = "GUID:48".to_owned();
    table.add([second, Entry::new(Kind::Piece(ID, 0), 2 * GRAIN, 5 * GRAIN)]);
    write(&image.0, &table).unwrap();
    let mut again = read(&image.0).unwrap().unwrap();
    assert_eq!(
        again.entries[1].guid,
        Some(ID),
        "the first piece has the volume's GUID"
    );
    assert!(again.entries[2].guid.take().is_some());
    assert_eq!(again, table);
}

/// Writes go to the backup first and to the primary then, so what a crash leaves is the old table, the new one in one of the
/// two, or the new one in both: each prefix of the bytes that have changed, in the order in which sfdisk writes them.
#[test]
fn what_a_crash_leaves_is_the_old_table_or_the_new_one() {
    let image = Image::new("crash");
    write(&image.0, &marked()).unwrap();
    let old = read(&image.0).unwrap().unwrap();
    let old_bytes = fs::read(&image.0).unwrap();
    let mut new = old.clone();
    new.entries.pop();
    new.add([Entry::new(Kind::Piece(ID, 0), 2 * GRAIN, 5 * GRAIN)]);
    write(&image.0, &new).unwrap();
    let new = read(&image.0).unwrap().unwrap();
    let new_bytes = fs::read(&image.0).unwrap();

    let sector = 512;
    let last = old_bytes.len() / sector - 1;
    let steps = [last - 32..last, last..last + 1, 2..34, 1..2, 0..1];
    let order: Vec<usize> = steps.into_iter().flatten().collect();
    let changed: Vec<usize> = (0..=last)
        .filter(|at| {
            old_bytes[at * sector..(at + 1) * sector] != new_bytes[at * sector..(at + 1) * sector]
        })
        .collect();
    assert!(changed.iter().all(|at| order.contains(at)), "{changed:?}");
    fs::write(&image.0, &old_bytes).unwrap();
    let file = File::options().write(true).open(&image.0).unwrap();
    let mut seen_new = false;
    for at in order.into_iter().filter(|at| changed.contains(at)) {
        let bytes = &new_bytes[at * sector..(at + 1) * sector];
        // A sector may also be half written, where its drive is not as careful as it says.
        for bytes in [&bytes[..256], bytes] {
            file.write_all_at(bytes, (at * sector) as u64).unwrap();
            let found = read(&image.0).unwrap().unwrap();
            assert!(found == old || found == new, "after sector {at}: {found:?}");
            assert!(found == new || !seen_new, "it went back after sector {at}");
            seen_new = found == new;
        }
    }
    assert!(seen_new);
}

#[test]
fn a_name_that_would_be_read_as_something_else_is_not_written() {
    let image = Image::new("name");
    let mut table = marked();
    table.entries[0].kind = Kind::Mark("a\", size=1\n".into());
    assert!(
        write(&image.0, &table)
            .unwrap_err()
            .contains("cannot be written")
    );
    assert_eq!(read(&image.0), Ok(None));
}
