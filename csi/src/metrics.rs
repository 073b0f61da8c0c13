// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Prometheus reads: the families of `shuntd`, each device with the names of its claim, and the room in the pools.

use std::{collections::BTreeMap, io::Write, sync::Arc};

use shunt::{
    exporter::{self, Address, Limits},
    prometheus::Snapshot,
    transport::{Kernel, netlink::RunningKernel},
};

use crate::{claim::Claims, device, driver::Driver, pool::Drives, wanted::CLAIM};

/// Starts to serve them.
///
/// # Errors
/// If there can be no thread.
pub(crate) fn serve(address: Address, driver: &Arc<Driver>) -> std::io::Result<()> {
    let driver = Arc::clone(driver);
    exporter::start(address, Limits::default(), move || {
        let snapshot = Snapshot::take(RunningKernel::default().connect_if_loaded(), 0)?;
        let mut text = with_claims(snapshot, &driver.claims).text();
        // A string of bytes takes what is written to it.
        let _ = write_pools(&driver.pool.drives(), &mut text);
        Ok(text)
    })
}

/// Each device of a volume with the names of its claim, those of them that are known.
fn with_claims(mut snapshot: Snapshot, claims: &Claims) -> Snapshot {
    for row in snapshot.rows.iter_mut().flatten() {
        let Some(volume) = device::volume(&row.device.name) else {
            continue;
        };
        let mut names = claims.of(volume);
        let known = CLAIM
            .into_iter()
            .filter_map(|(_, name)| Some((name, names.remove(name)?)));
        row.labels = known.collect();
    }
    snapshot
}

/// Figures of a pool: its size, what is free, what is freed and not zeroed, and its drives.
#[derive(Default)]
struct Room {
    size: u64,
    free: u64,
    freed: u64,
    drives: u64,
}

fn write_pools(drives: &Drives, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut pools: BTreeMap<&str, Room> = BTreeMap::new();
    for table in drives.tables() {
        let room = pools.entry(table.pool().unwrap_or_default()).or_default();
        room.size += table.end.saturating_sub(table.first);
        room.free += table.free();
        room.freed += table.freed();
        room.drives += 1;
    }
    type Figure = fn(&Room) -> u64;
    let families: [(&str, &str, Figure); 4] = [
        ("size_bytes", "Size of the drives of the pool.", |room| {
            room.size
        }),
        (
            "free_bytes",
            "What new volumes, and those that grow, may have.",
            |room| room.free,
        ),
        (
            "freed_bytes",
            "What was freed and is not zeroed yet.",
            |room| room.freed,
        ),
        ("drives", "Drives of the pool that are there.", |room| {
            room.drives
        }),
    ];
    for (name, help, figure) in families {
        writeln!(out, "# HELP shunt_pool_{name} {help}")?;
        writeln!(out, "# TYPE shunt_pool_{name} gauge")?;
        for (pool, room) in &pools {
            // The name of a pool has no letter that means anything here, but others may have made the table.
            let pool = pool.replace(['\\', '"', '\n'], "_");
            writeln!(out, "shunt_pool_{name}{{pool=\"{pool}\"}} {}", figure(room))?;
        }
    }
    Ok(())
}
