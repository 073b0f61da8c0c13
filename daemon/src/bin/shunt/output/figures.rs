// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of statistics for people. `stats` prints them.

use std::{cmp::Reverse, collections::BTreeMap};

use nix::errno::Errno;
use shunt::{Op, OpStats, Stats, metrics::Interval, units::Bytes, words::shown};

use super::{
    latency::latency,
    table::{
        Column::{self, Number, Text},
        align,
    },
};

/// What is below a table of totals.
const NOTE: &str = "A quantile is at most 12.5 % above the true one, and never below it.\n";

/// `stats`: what was counted since each device was mapped.
pub(crate) fn totals(stats: &[Stats]) -> String {
    let columns = heads("IOS", "BYTES", "ERRORS");
    let mut rows = Vec::new();
    for device in stats {
        rows.extend(op_rows(&device.name, &device.ops, |op| {
            [
                op.ios.to_string(),
                Bytes(op.bytes).to_string(),
                errors(op, |count| count.to_string()),
            ]
        }));
    }
    let note = if rows.is_empty() { "" } else { NOTE };
    format!("{}{note}", align(columns, &rows))
}

/// `stats --watch`: the rates in the intervals of devices.
pub(crate) fn rates(intervals: &[(String, Interval)]) -> String {
    let columns = heads("IO/S", "BYTES/S", "ERRORS/S");
    let mut rows = Vec::new();
    for (name, interval) in intervals {
        rows.extend(op_rows(name, &interval.ops, |op| {
            [
                rate(interval.per_second(op.ios)),
                Bytes(interval.per_second(op.bytes) as u64).to_string(),
                errors(op, |count| rate(interval.per_second(count))),
            ]
        }));
    }
    format!("{}\n", align(columns, &rows))
}

fn heads(ios: &'static str, bytes: &'static str, errors: &'static str) -> [Column; 13] {
    [
        Text("NAME"),
        Text("OP"),
        Number(ios),
        Number(bytes),
        Number("IN-FLIGHT"),
        Number("PEAK"),
        Number("MEAN"),
        Number("P50"),
        Number("P90"),
        Number("P99"),
        Number("P99.9"),
        Number("MAX"),
        Text(errors),
    ]
}

/// A row for reads, one for writes, and one for each other operation that happened.
fn op_rows(
    name: &str,
    ops: &[OpStats],
    counts: impl Fn(&OpStats) -> [String; 3],
) -> Vec<[String; 13]> {
    Op::ALL
        .into_iter()
        .zip(ops)
        .filter(|(op, figures)| {
            matches!(op, Op::Read | Op::Write) || figures.ios > 0 || figures.in_flight > 0
        })
        .map(|(op, figures)| {
            let [ios, bytes, errors] = counts(figures);
            let quantile = |share| latency(figures.latency.quantile(share));
            [
                shown(name),
                op.name().to_owned(),
                ios,
                bytes,
                figures.in_flight.to_string(),
                figures.peak.to_string(),
                latency(figures.latency.mean()),
                quantile(0.5),
                quantile(0.9),
                quantile(0.99),
                quantile(0.999),
                quantile(1.0),
                errors,
            ]
        })
        .collect()
}

/// How often which error came, the most frequent first: `3 EIO, 1 ENOSPC`.
fn errors(of: &OpStats, count: impl Fn(u64) -> String) -> String {
    if of.errors_by.is_empty() {
        return count(of.errors);
    }
    let mut named: Vec<_> = of.errors_by.iter().collect();
    named.sort_by_key(|(_, times)| Reverse(**times));
    let each = named
        .into_iter()
        .map(|(errno, times)| format!("{} {}", count(*times), errno_name(*errno)));
    each.collect::<Vec<_>>().join(", ")
}

/// The name of an error number, as in errno(3).
pub(crate) fn errno_name(errno: u32) -> String {
    let number = i32::try_from(errno).unwrap_or(i32::MAX);
    match Errno::from_raw(number) {
        Errno::UnknownErrno => format!("errno {errno}"),
        known => format!("{known:?}"),
    }
}

/// A rate: whole above ten, with one decimal below.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        slow if slow < 9.95 => format!("{slow:.1}"),
        fast => format!("{fast:.0}"),
    }
}

/// The last figures of each device, to make intervals with the next.
#[derive(Debug, Default)]
pub(crate) struct Last {
    stats: BTreeMap<u32, Stats>,
}

impl Last {
    /// Takes figures in. Returns the intervals since the ones before, of those devices that have
    /// any; a device that was made anew, or that was not known, has none yet.
    pub(crate) fn take(&mut self, figures: Vec<Stats>) -> Vec<(u32, Interval)> {
        let mut intervals = Vec::new();
        for now in figures {
            let id = now.id;
            if let Some(before) = self.stats.get(&id) {
                match Interval::between(before, &now) {
                    Ok(interval) => intervals.push((id, interval)),
                    Err(why @ shunt::metrics::Incomparable::WentBack) => {
                        log::warn!("{}: {why}; is the module broken?", shown(&now.name));
                    }
                    Err(_) => {}
                }
            }
            self.stats.insert(id, now);
        }
        intervals
    }

    /// As [`take`](Self::take), with the figures of all devices there are; the others are gone.
    pub(crate) fn take_all(&mut self, figures: Vec<Stats>) -> Vec<(u32, Interval)> {
        self.stats
            .retain(|id, _| figures.iter().any(|device| device.id == *id));
        self.take(figures)
    }

    /// The last figures of a device.
    pub(crate) fn of(&self, id: u32) -> Option<&Stats> {
        self.stats.get(&id)
    }

    /// The last figures of every device, in the order of their numbers.
    #[cfg(feature = "tui")]
    pub(crate) fn all(&self) -> impl Iterator<Item = &Stats> {
        self.stats.values()
    }
}

#[cfg(test)]
mod tests;
