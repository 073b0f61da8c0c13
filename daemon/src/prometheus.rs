// SPDX-License-Identifier: MIT OR Apache-2.0
//! Metrics as Prometheus reads them: text format 0.0.4. Pure; the exporter sends what is written
//! here.
//!
//! A [`Snapshot`] holds a few hundred bytes for each device and operation. The text, some 4 KiB for
//! each, is never held: it goes out line by line.

use std::io::{self, Write};

mod bounds;
mod snapshot;
mod text;

pub use bounds::{BOUNDS, Latency};
pub use snapshot::{OpRow, Row, Snapshot};
pub use text::Kind;

use crate::model::{Op, State, StatsMode};
use text::{Labels, Text, seconds};

/// A metric: all of its samples stand together, below its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What kind of figure it is.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

const BUILD: Family = Family {
    name: "shunt_build_info",
    kind: Kind::Gauge,
    help: "Version of the daemon; always 1.",
};
const LOADED: Family = Family {
    name: "shunt_module_loaded",
    kind: Kind::Gauge,
    help: "Whether the kernel module is loaded. Without it, only the daemon's own metrics are there.",
};
const OVERRUNS: Family = Family {
    name: "shunt_netlink_overruns_total",
    kind: Kind::Counter,
    help: "How often the daemon missed changes and read the devices anew.",
};
const INFO: Family = Family {
    name: "shunt_device_info",
    kind: Kind::Gauge,
    help: "Properties of the device; always 1.",
};
const STATE: Family = Family {
    name: "shunt_device_state",
    kind: Kind::Gauge,
    help: "1 for the state that the device is in, 0 for the others.",
};
const SIZE: Family = Family {
    name: "shunt_device_size_bytes",
    kind: Kind::Gauge,
    help: "Size of the device.",
};
const IOS: Family = Family {
    name: "shunt_ios_total",
    kind: Kind::Counter,
    help: "Operations; in mode full those that have ended.",
};
const BYTES: Family = Family {
    name: "shunt_bytes_total",
    kind: Kind::Counter,
    help: "Bytes that the operations covered.",
};
const ERRORS: Family = Family {
    name: "shunt_errors_total",
    kind: Kind::Counter,
    help: "Operations that ended with an error.",
};
const IN_FLIGHT: Family = Family {
    name: "shunt_in_flight",
    kind: Kind::Gauge,
    help: "Operations that have begun and not ended.",
};
const LATENCY: Family = Family {
    name: "shunt_latency_seconds",
    kind: Kind::Histogram,
    help: "Time from the arrival of an operation to its completion by the lower driver.",
};

/// All metrics, in the order in which they are written.
pub const FAMILIES: [Family; 11] = [
    BUILD, LOADED, OVERRUNS, INFO, STATE, SIZE, IOS, BYTES, ERRORS, IN_FLIGHT, LATENCY,
];

/// What the text is, for `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Snapshot {
    /// It as text.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut text);
        text
    }

    /// Writes it as text.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut text = Text::new(out);
        text.family(BUILD)?;
        let version = Labels::new().with("version", env!("CARGO_PKG_VERSION"));
        text.sample(BUILD.name, &version, 1)?;
        text.family(LOADED)?;
        let loaded = u8::from(self.rows.is_some());
        text.sample(LOADED.name, &Labels::new(), loaded)?;
        text.family(OVERRUNS)?;
        text.sample(OVERRUNS.name, &Labels::new(), self.overruns)?;
        let Some(rows) = &self.rows else {
            return Ok(());
        };
        write_devices(&mut text, rows)?;
        write_counters(&mut text, rows)?;
        text.family(IN_FLIGHT)?;
        for row in measured(rows, StatsMode::Full) {
            text.sample(IN_FLIGHT.name, &labels(row), row.in_flight)?;
        }
        text.family(LATENCY)?;
        for row in measured(rows, StatsMode::Full) {
            for (op, figures) in row.each_op() {
                if let Some(latency) = &figures.latency {
                    write_latency(&mut text, &op_labels(row, op), latency)?;
                }
            }
        }
        Ok(())
    }
}

fn write_devices(text: &mut Text<impl Write>, rows: &[Row]) -> io::Result<()> {
    text.family(INFO)?;
    for row in rows {
        let device = &row.device;
        // No path of a drive: whoever may read this may not read those.
        let labels = labels(row)
            .with("disk", &device.disk_name())
            .with("queue", device.queue.name())
            .with("stats", device.stats.name())
            .with("read_only", if device.read_only { "1" } else { "0" });
        text.sample(INFO.name, &labels, 1)?;
    }
    text.family(STATE)?;
    for row in rows {
        for state in State::ALL {
            let labels = labels(row).with("state", state.name());
            text.sample(STATE.name, &labels, u8::from(row.device.state == state))?;
        }
    }
    text.family(SIZE)?;
    for row in rows {
        text.sample(SIZE.name, &labels(row), row.device.size)?;
    }
    Ok(())
}

fn write_counters(text: &mut Text<impl Write>, rows: &[Row]) -> io::Result<()> {
    type Figure = fn(&OpRow) -> u64;
    let figures: [(Family, StatsMode, Figure); 3] = [
        (IOS, StatsMode::Counters, |op| op.ios),
        (BYTES, StatsMode::Counters, |op| op.bytes),
        (ERRORS, StatsMode::Full, |op| op.errors),
    ];
    for (family, mode, figure) in figures {
        text.family(family)?;
        for row in measured(rows, mode) {
            for (op, figures) in row.each_op() {
                text.sample(family.name, &op_labels(row, op), figure(figures))?;
            }
        }
    }
    Ok(())
}

fn write_latency(
    text: &mut Text<impl Write>,
    labels: &Labels,
    latency: &Latency,
) -> io::Result<()> {
    for (bound, count) in latency.cumulative() {
        let le = bound.map_or_else(|| "+Inf".to_owned(), seconds);
        text.sample(
            "shunt_latency_seconds_bucket",
            &labels.clone().with("le", &le),
            count,
        )?;
    }
    text.sample("shunt_latency_seconds_sum", labels, seconds(latency.sum()))?;
    text.sample("shunt_latency_seconds_count", labels, latency.count())
}

/// The devices whose mode measures what `least` does.
fn measured(rows: &[Row], least: StatsMode) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| match least {
        StatsMode::Off => true,
        StatsMode::Counters => row.device.stats != StatsMode::Off,
        StatsMode::Full => row.device.stats == StatsMode::Full,
        StatsMode::Unknown(_) => false,
    })
}

fn labels(row: &Row) -> Labels {
    let more = row.labels.iter();
    let device = Labels::new().with("device", &row.device.name);
    more.fold(device, |labels, (name, value)| labels.with(name, value))
}

fn op_labels(row: &Row, op: Op) -> Labels {
    labels(row).with("op", op.name())
}

#[cfg(test)]
mod tests;
