// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drives of the pools of this node. A drive is in one if its table says so; there is no list. All changes go through
//! [`Pool::change`], one at a time on the node.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use nix::fcntl::{Flock, FlockArg};
use shunt::model::{DriveId, TargetSpec};
use tonic::Status;
use uuid::Uuid;

pub(crate) mod alloc;
pub(crate) mod disk;
pub(crate) mod layout;
pub(crate) mod table;
pub(crate) mod wipe;

use disk::{Disk, Fingerprint};
use layout::{Piece, Table};

/// A drive of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Drive {
    pub(crate) path: PathBuf,
    /// Which drive it is, whatever the path leads to later.
    pub(crate) id: DriveId,
    pub(crate) table: Table,
}

/// All that is to be known of the pools at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drives(pub(crate) Vec<Drive>);

/// The table of a drive of a pool, if it is one, and what told that it is that.
type Known = (DriveId, Fingerprint, Option<Table>);

/// The pools of this node.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Held while a table is changed, against another driver on this node, too: one that is upgraded may still be there.
    lock: PathBuf,
    /// The tables as they were read, by path. One is read again when what the drive says of it has changed.
    read: Mutex<HashMap<PathBuf, Known>>,
}

impl Pool {
    /// The pools, with a lock in this folder.
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            lock: state.join("lock"),
            read: Mutex::default(),
        }
    }

    /// The drives of all pools as they are now. A drive that cannot be read is left out: it may be on its way out.
    pub(crate) fn drives(&self) -> Drives {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut drives = Vec::new();
        let mut still_there = HashMap::new();
        for disk in disk::all() {
            let Some(fingerprint) = disk.fingerprint() else {
                continue;
            };
            let known = read.remove(&disk.path);
            let known = known.filter(|(id, print, _)| *id == disk.id && *print == fingerprint);
            let table = match known {
                Some((_, _, table)) => table,
                None => match table::read(&disk.path) {
                    Ok(table) => table.filter(|table| table.pool().is_some()),
                    Err(why) => {
                        log::debug!("{why}");
                        continue;
                    }
                },
            };
            still_there.insert(disk.path.clone(), (disk.id, fingerprint, table.clone()));
            if let Some(table) = table {
                let Disk { path, id, .. } = disk;
                drives.push(Drive { path, id, table });
            }
        }
        *read = still_there;
        Drives(drives)
    }

    /// Changes tables: those that `change` has changed are written, one after the other, before anybody else may change any.
    /// Nothing is written if it fails.
    ///
    /// # Errors
    /// That of `change`, and `INTERNAL` if a table cannot be written.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Drives) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let turn = self.turn().map_err(Status::internal)?;
        let before = self.drives();
        let mut drives = before.clone();
        let done = change(&mut drives)?;
        for (old, new) in before.0.iter().zip(&drives.0) {
            if old.table != new.table {
                table::write(&new.path, &new.table, &turn).map_err(Status::internal)?;
            }
        }
        Ok(done)
    }

    /// Waits until nobody else on this node changes a table.
    pub(crate) fn turn(&self) -> Result<Flock<File>, String> {
        let why = |why: String| format!("{}: {why}", self.lock.display());
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock);
        let file = file.map_err(|error| why(error.to_string()))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| why(error.to_string()))
    }
}

impl Drives {
    /// The tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.0.iter().map(|drive| &drive.table)
    }

    /// The tables of a pool's drives.
    pub(crate) fn of_pool<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Table> {
        self.tables()
            .filter(move |table| table.pool() == Some(pool))
    }

    /// As [`of_pool`](Self::of_pool), to change them.
    pub(crate) fn of_pool_mut(&mut self, pool: &str) -> Vec<&mut Table> {
        let tables = self.0.iter_mut().map(|drive| &mut drive.table);
        tables.filter(|table| table.pool() == Some(pool)).collect()
    }

    /// The volumes that are whole.
    pub(crate) fn volumes(&self) -> BTreeMap<Uuid, Vec<Piece>> {
        layout::volumes(self.tables())
    }

    /// The pieces of a volume.
    pub(crate) fn volume(&self, volume: Uuid) -> Option<Vec<Piece>> {
        self.volumes().remove(&volume)
    }

    /// The pool that a volume is in.
    pub(crate) fn pool_of(&self, pieces: &[Piece]) -> Option<&str> {
        let first = pieces.first()?;
        self.0.get(first.drive)?.table.pool()
    }

    /// A volume as the targets of a device.
    pub(crate) fn targets(&self, pieces: &[Piece]) -> Vec<TargetSpec> {
        let of = |piece: &Piece| {
            let drive = self.0.get(piece.drive)?;
            Some(TargetSpec {
                path: drive.path.to_string_lossy().into_owned(),
                offset: piece.start,
                length: Some(piece.length),
                planned: Some(drive.id),
            })
        };
        pieces.iter().filter_map(of).collect()
    }
}
