// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes the device of a subject over a piece of a null drive, and takes it away again.

use serde_json::Value;

use super::command::Beside;
use super::drive::{Drive, Piece};
use super::{Result, because, command};
use crate::subject::{Queue, Stats, Subject, Table};

const STRIPE_SECTORS: u64 = 128;

/// One area, clocked in ns, with a histogram by decades.
const DM_STATS: &str = "@stats_create - /1 2 precise_timestamps histogram:1000,10000,100000,1000000,10000000,100000000";

/// A device that is there until it is dropped.
pub(super) struct Device {
    path: String,
    /// The command that takes it away; none if it was there before.
    remove: Vec<String>,
    /// Who listens to its statistics.
    listener: Option<Beside>,
}

impl Device {
    /// Makes the device over a whole drive. The error says why it cannot be had.
    pub(super) fn over(subject: Subject, drive: Drive) -> Result<Self> {
        Self::make(subject, "bench", &drive.whole())
    }

    /// Makes the device, with a name that no other has.
    pub(super) fn make(subject: Subject, name: &str, piece: &Piece) -> Result<Self> {
        match subject {
            Subject::Raw => Ok(Self {
                path: piece.drive.path(),
                remove: Vec::new(),
                listener: None,
            }),
            Subject::Loop => Self::bind_loop(piece),
            Subject::Ublk => Self::add_ublk(piece),
            Subject::Dm { statistics, table } => {
                Self::create_dm(name, &dm_table(piece, table), statistics)
            }
            Subject::Multipath => {
                command::run(&["modprobe", "--all", "dm_multipath", "dm_round_robin"])?;
                Self::create_dm(name, &multipath_table(piece)?, false)
            }
            Subject::Shunt {
                queue,
                stats,
                table,
            } => Self::map_shunt(name, piece, queue, stats, table),
            Subject::Parted { stats, whole } => {
                Self::map_shunt(name, piece, Queue::Bio, stats, Table::ONE)?.part(whole)
            }
        }
    }

    /// With one partition; or that itself. The drive has to keep what is written.
    fn part(mut self, whole: bool) -> Result<Self> {
        command::run_with_input(&["sfdisk", "--quiet", &self.path], "label: gpt\n,\n")?;
        if !whole {
            self.path += "p1";
        }
        Ok(self)
    }

    /// Its device node.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Fails if somebody should listen and does not.
    pub(super) fn check(&mut self) -> Result<()> {
        self.listener.as_mut().map_or(Ok(()), Beside::check)
    }

    fn bind_loop(piece: &Piece) -> Result<Self> {
        command::run(&["modprobe", "loop"])?;
        let offset = format!("--offset={}", piece.offset);
        let size = format!("--sizelimit={}", piece.length);
        let path = piece.drive.path();
        let bind = ["losetup", "--find", "--show", "--direct-io=on"];
        let path = command::run(&[&bind[..], &[&offset, &size, &path]].concat())?;
        let path = path.trim().to_owned();
        Ok(Self {
            remove: words(&["losetup", "--detach", &path]),
            listener: None,
            path,
        })
    }

    fn add_ublk(piece: &Piece) -> Result<Self> {
        if piece.drive != Drive::Plain {
            return Err(
                "the null target does neither flush nor discard, and is not polled".to_owned(),
            );
        }
        command::run(&["modprobe", "ublk_drv"])?;
        command::run_server(&[
            "kublk", "add", "-t", "null", "-n", "0", "-q", "1", "-d", "64",
        ])?;
        Ok(Self {
            path: "/dev/ublkb0".to_owned(),
            remove: words(&["kublk", "del", "-n", "0"]),
            listener: None,
        })
    }

    fn create_dm(name: &str, table: &str, statistics: bool) -> Result<Self> {
        command::run(&["modprobe", "dm_mod"])?;
        command::run_with_input(&["dmsetup", "create", name], table)?;
        let device = Self {
            path: format!("/dev/mapper/{name}"),
            remove: words(&["dmsetup", "remove", "--retry", name]),
            listener: None,
        };
        if statistics {
            command::run(&["dmsetup", "message", name, "0", DM_STATS])?;
        }
        Ok(device)
    }

    fn map_shunt(
        name: &str,
        piece: &Piece,
        queue: Queue,
        stats: Stats,
        table: Table,
    ) -> Result<Self> {
        let mut map = words(&["shunt", "map", name]);
        map.extend(words(&["--queue", queue.word(), "--stats", stats.word()]));
        if let Table::Striped(_) = table {
            map.push(format!("--stripe={STRIPE_SECTORS}s"));
        }
        let (path, length) = (
            piece.drive.path(),
            piece.length / u64::from(table.targets()),
        );
        for target in 0..u64::from(table.targets()) {
            let offset = piece.offset + target * length;
            map.push(format!("--to={path},offset={offset},length={length}"));
        }
        command::run(&map.iter().map(String::as_str).collect::<Vec<_>>())?;
        let shown = command::run(&["shunt", "show", name, "--json"])?;
        let shown: Value = serde_json::from_str(&shown).map_err(because("what shunt said"))?;
        let path = shown["device"]["path"].as_str();
        let listener = match stats {
            Stats::Heard => Some(Beside::start(&[
                "shunt", "stats", name, "--watch", "0.1", "--json",
            ])?),
            _ => None,
        };
        Ok(Self {
            path: path.ok_or("shunt shows no path")?.to_owned(),
            remove: words(&["shunt", "unmap", name]),
            listener,
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.listener = None;
        if self.remove.is_empty() {
            return;
        }
        let remove: Vec<&str> = self.remove.iter().map(String::as_str).collect();
        if let Err(why) = command::run(&remove) {
            eprintln!("shunt-bench: {}: {why}", remove.join(" "));
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// One path in one group. What takes requests has all of its drive.
fn multipath_table(piece: &Piece) -> Result<String> {
    if piece.offset != 0 {
        return Err("it has all of its drive".to_owned());
    }
    let (path, sectors) = (piece.drive.path(), piece.length / 512);
    Ok(format!(
        "0 {sectors} multipath 2 queue_mode rq 0 1 1 round-robin 0 1 1 {path} 1000\n"
    ))
}

fn dm_table(piece: &Piece, table: Table) -> String {
    let path = piece.drive.path();
    let (offset, sectors) = (piece.offset / 512, piece.length / 512);
    let count = u64::from(table.targets());
    let length = sectors / count;
    match table {
        Table::Joined(_) => (0..count)
            .map(|target| target * length)
            .map(|start| format!("{start} {length} linear {path} {}\n", offset + start))
            .collect(),
        Table::Striped(_) => {
            let pieces: String = (0..count)
                .map(|target| format!(" {path} {}", offset + target * length))
                .collect();
            format!("0 {sectors} striped {count} {STRIPE_SECTORS}{pieces}\n")
        }
    }
}
