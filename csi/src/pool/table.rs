// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads and writes the table of a drive, by `sfdisk`: it writes the backup, then the primary, each with its entries before its
//! header and a flush after each step, so that after a crash there is the old table or the new one; it reads the backup if the
//! primary is torn. The kernel is not told: volumes are addressed by their places, never by nodes of partitions.

use std::{fs::File, path::Path};

use serde::Deserialize;
use uuid::Uuid;

use super::layout::{Entry, Kind, Table};
use crate::program::Program;

#[derive(Deserialize)]
struct Dump {
    partitiontable: Partitions,
}

#[derive(Deserialize)]
struct Partitions {
    label: String,
    id: String,
    firstlba: u64,
    lastlba: u64,
    sectorsize: u64,
    #[serde(default)]
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    start: u64,
    size: u64,
    #[serde(rename = "type")]
    kind: String,
    uuid: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    attrs: String,
}

/// The table of a drive; none if it has none of this kind.
///
/// # Errors
/// In words, if it cannot be read.
pub(crate) fn read(drive: &Path) -> Result<Option<Table>, String> {
    let ended = Program::new("sfdisk").arg("--json").arg(drive).end()?;
    if !ended.success {
        // The one thing that it has to say of a drive without a table.
        return match ended
            .stderr
            .contains("does not contain a recognized partition table")
        {
            true => Ok(None),
            false => Err(ended.why()),
        };
    }
    parse(&ended.stdout).map_err(|why| format!("the table of {}: {why}", drive.display()))
}

fn parse(json: &str) -> Result<Option<Table>, String> {
    let dump: Dump = serde_json::from_str(json).map_err(|why| why.to_string())?;
    let table = dump.partitiontable;
    if table.label != "gpt" {
        return Ok(None);
    }
    let sector = table.sectorsize;
    let bytes = |sectors: u64| {
        sectors
            .checked_mul(sector)
            .ok_or("a place is beyond any drive")
    };
    let mut entries = Vec::with_capacity(table.partitions.len());
    for partition in table.partitions {
        entries.push(Entry {
            kind: Kind::of(&partition.kind, &partition.name),
            start: bytes(partition.start)?,
            length: bytes(partition.size)?,
            guid: Uuid::parse_str(&partition.uuid).ok(),
            attributes: partition.attrs,
        });
    }
    entries.sort_by_key(|entry| entry.start);
    let end = table.lastlba.checked_add(1).ok_or("it has no end")?;
    Ok(Some(Table {
        id: table.id,
        sector,
        first: bytes(table.firstlba)?,
        end: bytes(end)?,
        entries,
    }))
}

/// Writes the whole table, in one run. Whoever has the lock holds it until that is done, also if this process is killed.
///
/// # Errors
/// In words; then there is the old table or the new one.
pub(crate) fn write(drive: &Path, table: &Table, lock: &File) -> Result<(), String> {
    Program::new("sfdisk")
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .args(["--wipe", "never", "--wipe-partitions", "never"])
        .arg(drive)
        .input(script(table)?)
        .hold(lock)?
        .run()
        .map(drop)
}

/// The table as sfdisk reads it.
fn script(table: &Table) -> Result<String, String> {
    let sectors = |bytes: u64| match bytes % table.sector {
        0 => Ok(bytes / table.sector),
        _ => Err(format!(
            "{bytes} is not in whole blocks of {}",
            table.sector
        )),
    };
    let mut text = format!(
        "label: gpt\nunit: sectors\nfirst-lba: {}\n",
        sectors(table.first)?
    );
    if !table.id.is_empty() {
        text += &format!("label-id: {}\n", table.id);
    }
    for entry in &table.entries {
        let (kind, name) = entry.kind.written();
        // Nothing of it is ours to choose but letters that mean nothing to sfdisk.
        if name.contains(['"', '\\', '\n', '\r']) || entry.attributes.contains(['"', '\n']) {
            return Err(format!(
                "the name {name:?} of a partition cannot be written by sfdisk"
            ));
        }
        let (start, size) = (sectors(entry.start)?, sectors(entry.length)?);
        text += &format!("start={start}, size={size}, type={kind}, name=\"{name}\"");
        if let Some(guid) = entry.guid {
            text += &format!(", uuid={guid}");
        }
        if !entry.attributes.is_empty() {
            text += &format!(", attrs=\"{}\"", entry.attributes);
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
