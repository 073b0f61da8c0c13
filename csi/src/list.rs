// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-csi list`: the drives of the pools and the volumes on them.

use std::fmt::Write;

use serde_json::{Value, json};
use shunt::units::Bytes;

use crate::{
    device,
    pool::{Drives, layout::size},
};

/// As JSON, with sizes in bytes.
pub(crate) fn json(drives: &Drives) -> Value {
    let of_drive = |drive: &crate::pool::Drive| {
        json!({
            "path": drive.path,
            "pool": drive.table.pool(),
            "size_bytes": drive.table.end - drive.table.first,
            "free_bytes": drive.table.free(),
            "freed_bytes": drive.table.freed(),
            "entries": drive.table.entries.len(),
        })
    };
    let volumes = drives.volumes().into_iter().map(|(id, pieces)| {
        let places = drives.targets(&pieces).into_iter().map(|target| {
            json!({"path": target.path, "offset_bytes": target.offset, "length_bytes": target.length})
        });
        json!({
            "volume": id.to_string(),
            "device": device::name(id),
            "pool": drives.pool_of(&pieces),
            "size_bytes": size(&pieces),
            "pieces": places.collect::<Vec<_>>(),
        })
    });
    json!({
        "schema": 1,
        "drives": drives.0.iter().map(of_drive).collect::<Vec<_>>(),
        "volumes": volumes.collect::<Vec<_>>(),
    })
}

/// For people.
pub(crate) fn text(drives: &Drives) -> String {
    let mut text = String::new();
    // A string takes what is written to it.
    let _ = writeln!(
        text,
        "{:16} {:12} {:>10} {:>10} {:>10}",
        "DRIVE", "POOL", "SIZE", "FREE", "TO ZERO"
    );
    for drive in &drives.0 {
        let table = &drive.table;
        let (path, pool) = (
            drive.path.to_string_lossy(),
            table.pool().unwrap_or_default(),
        );
        let size = Bytes(table.end.saturating_sub(table.first));
        let (free, freed) = (Bytes(table.free()), Bytes(table.freed()));
        let _ = writeln!(
            text,
            "{path:16} {pool:12} {size:>10} {free:>10} {freed:>10}"
        );
    }
    let _ = writeln!(text, "\n{:36} {:>10} PIECES", "VOLUME", "SIZE");
    for (id, pieces) in drives.volumes() {
        let places = drives.targets(&pieces).into_iter().map(|target| {
            let length = target.length.map_or(Bytes(0), Bytes);
            format!("{}+{:#}:{length:#}", target.path, Bytes(target.offset))
        });
        let places: Vec<_> = places.collect();
        let _ = writeln!(
            text,
            "{id:36} {:>10} {}",
            Bytes(size(&pieces)),
            places.join(" ")
        );
    }
    text
}
