// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables and lines for people. The commands print them unless JSON is asked for.

use std::fmt::Write;

use shunt::{Device, Op, OpStats, Stats, Target, Update, metrics::Interval, units::Bytes};

use super::latency::latency;

/// A column: its head, and whether its cells are numbers, which stand at the right.
#[derive(Clone, Copy)]
enum Column {
    Text(&'static str),
    Number(&'static str),
}
use Column::{Number, Text};

/// Lines the cells of a table up under its heads.
fn align<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let head = columns.map(|column| match column {
        Text(name) | Number(name) => name.to_owned(),
    });
    let length = |text: &String| text.chars().count();
    let widths: [usize; N] = std::array::from_fn(|n| {
        let cells = rows.iter().map(|row| length(&row[n]));
        cells.chain([length(&head[n])]).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
            let space = " ".repeat(width - length(cell));
            line += &match column {
                Text(_) => format!("{cell}{space}  "),
                Number(_) => format!("{space}{cell}  "),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `list`.
pub(crate) fn devices(devices: &[Device]) -> String {
    let columns = [
        Number("ID"),
        Text("NAME"),
        Text("PATH"),
        Number("SIZE"),
        Text("STATE"),
        Text("QUEUE"),
        Text("STATS"),
        Text("TARGETS"),
    ];
    let row = |device: &Device| {
        [
            device.id.to_string(),
            device.name.clone(),
            device.path(),
            Bytes(device.size).to_string(),
            device.state.name().to_owned(),
            device.queue.name().to_owned(),
            device.stats.name().to_owned(),
            match device.targets.as_slice() {
                [] => "-".to_owned(),
                [only] => only.path.clone(),
                [first, rest @ ..] => format!("{} +{}", first.path, rest.len()),
            },
        ]
    };
    align(columns, &devices.iter().map(row).collect::<Vec<_>>())
}

/// `show`.
pub(crate) fn device(device: &Device) -> String {
    let fields = [
        ("name", device.name.clone()),
        ("path", device.path()),
        ("id", device.id.to_string()),
        ("state", device.state.name().to_owned()),
        ("queue", device.queue.name().to_owned()),
        ("stats", device.stats.name().to_owned()),
        (
            "read-only",
            if device.read_only { "yes" } else { "no" }.to_owned(),
        ),
        (
            "size",
            format!("{} ({} bytes)", Bytes(device.size), device.size),
        ),
        (
            "logical block size",
            format!("{} bytes", device.logical_block_size),
        ),
    ];
    let mut text = String::new();
    for (key, value) in fields {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<20}{value}", format!("{key}:"));
    }
    let columns = [
        Number("TARGET"),
        Text("PATH"),
        Text("DEV"),
        Number("START"),
        Number("OFFSET"),
        Number("LENGTH"),
        Text("STATE"),
    ];
    let row = |(index, target): (usize, &Target)| {
        [
            (index + 1).to_string(),
            target.path.clone(),
            format!("{}:{}", target.major, target.minor),
            format!("{:#}", Bytes(target.start)),
            format!("{:#}", Bytes(target.offset)),
            format!("{:#}", Bytes(target.length)),
            target.state.name().to_owned(),
        ]
    };
    let rows: Vec<_> = device.targets.iter().enumerate().map(row).collect();
    format!("{text}\n{}", align(columns, &rows))
}

/// `stats`: what was counted since each device was mapped.
pub(crate) fn totals(stats: &[Stats]) -> String {
    let columns = heads("IOS", "BYTES", "ERRORS");
    let mut rows = Vec::new();
    for device in stats {
        rows.extend(op_rows(device, &device.ops, |op| {
            [
                op.ios.to_string(),
                Bytes(op.bytes).to_string(),
                op.errors.to_string(),
            ]
        }));
    }
    align(columns, &rows)
}

/// `stats --watch`: the rates between two samples. A device that was not in the first has none yet.
pub(crate) fn rates(before: &[Stats], now: &[Stats]) -> String {
    let columns = heads("IO/S", "BYTES/S", "ERRORS/S");
    let mut rows = Vec::new();
    for device in now {
        let earlier = before.iter().find(|earlier| earlier.id == device.id);
        let interval = earlier.and_then(|earlier| Interval::between(earlier, device));
        if let Some(interval) = interval {
            rows.extend(op_rows(device, &interval.ops, |op| {
                [
                    rate(interval.per_second(op.ios)),
                    Bytes(interval.per_second(op.bytes) as u64).to_string(),
                    rate(interval.per_second(op.errors)),
                ]
            }));
        }
    }
    format!("{}\n", align(columns, &rows))
}

fn heads(ios: &'static str, bytes: &'static str, errors: &'static str) -> [Column; 10] {
    [
        Text("NAME"),
        Text("OP"),
        Number(ios),
        Number(bytes),
        Number(errors),
        Number("MEAN"),
        Number("P50"),
        Number("P99"),
        Number("P99.9"),
        Number("IN-FLIGHT"),
    ]
}

/// A row for reads, one for writes, and one for each other operation that happened.
fn op_rows(
    device: &Stats,
    ops: &[OpStats],
    counts: impl Fn(&OpStats) -> [String; 3],
) -> Vec<[String; 10]> {
    Op::ALL
        .into_iter()
        .zip(ops)
        .filter(|(op, figures)| matches!(op, Op::Read | Op::Write) || figures.ios > 0)
        .map(|(op, figures)| {
            let [ios, bytes, errors] = counts(figures);
            let quantile = |share| latency(figures.latency.quantile(share));
            // What is in flight is known for the device only.
            let in_flight = match op {
                Op::Read => device.in_flight.to_string(),
                _ => String::new(),
            };
            [
                device.name.clone(),
                op.name().to_owned(),
                ios,
                bytes,
                errors,
                latency(figures.latency.mean()),
                quantile(0.5),
                quantile(0.99),
                quantile(0.999),
                in_flight,
            ]
        })
        .collect()
}

/// A rate: whole above ten, with one decimal below.
fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        slow if slow < 9.95 => format!("{slow:.1}"),
        fast => format!("{fast:.0}"),
    }
}

/// One line of `events`.
pub(crate) fn event(update: &Update) -> String {
    match update {
        Update::Exists(device) => format!("exists     {device}\n"),
        Update::Ready(_) => "ready\n".to_owned(),
        Update::Overrun => "overrun    changes were missed; what is there now follows\n".to_owned(),
        Update::Changed(change) => format!("{:<10} {}\n", change.reason.name(), change.device),
    }
}

#[cfg(test)]
mod tests;
