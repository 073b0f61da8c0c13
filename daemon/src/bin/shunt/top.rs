// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `top` knows and what its keys do: figures and keys go in, [`view`] draws it. No terminal
//! here; `commands/top.rs` has it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use shunt::{Figures, Op, metrics::Interval};

use crate::{heat::Column, output::figures::Last};

pub(crate) mod view;

/// Samples that are kept of each device: as many as the widest terminal has columns.
const HISTORY: usize = 512;

/// Intervals that `+` and `-` step through, in ms.
const INTERVALS: [u64; 11] = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Up,
    Down,
    First,
    Last,
    Sort,
    Pause,
    Longer,
    Shorter,
}

/// By what the devices are sorted; those with the most first, names in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Operations,
    Bytes,
    InFlight,
    Latency,
    Name,
}

impl Sort {
    const ALL: [Self; 5] = [
        Self::Operations,
        Self::Bytes,
        Self::InFlight,
        Self::Latency,
        Self::Name,
    ];

    fn next(self) -> Self {
        let index = Self::ALL.iter().position(|sort| *sort == self);
        Self::ALL[index.map_or(0, |index| (index + 1) % Self::ALL.len())]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Operations => "IO/s",
            Self::Bytes => "B/s",
            Self::InFlight => "in flight",
            Self::Latency => "p99",
            Self::Name => "name",
        }
    }
}

/// The figures of one device.
#[derive(Clone, Debug)]
struct Row {
    id: u32,
    name: String,
    in_flight: u64,
    /// What happened between the last two samples; none before the second.
    now: Option<Interval>,
    history: VecDeque<Moment>,
}

/// One sample of a device in the past.
#[derive(Clone, Debug)]
struct Moment {
    ios_per_second: f64,
    latency: Column,
}

impl Row {
    fn ios(&self) -> f64 {
        let rate = |i: &Interval| i.per_second(i.ops.iter().map(|op| op.ios).sum());
        self.now.as_ref().map_or(0.0, rate)
    }

    fn bytes(&self) -> f64 {
        let rate = |i: &Interval| i.per_second(i.ops.iter().map(|op| op.bytes).sum());
        self.now.as_ref().map_or(0.0, rate)
    }

    fn quantile(&self, op: Op, share: f64) -> Option<u64> {
        let now = self.now.as_ref()?;
        now.op(op).latency.quantile(share)
    }

    fn before(&self, other: &Self, sort: Sort) -> Ordering {
        let p99 = |row: &Self| {
            let of = |op| row.quantile(op, 0.99).unwrap_or(0);
            of(Op::Read).max(of(Op::Write))
        };
        let by_figure = match sort {
            Sort::Operations => other.ios().total_cmp(&self.ios()),
            Sort::Bytes => other.bytes().total_cmp(&self.bytes()),
            Sort::InFlight => other.in_flight.cmp(&self.in_flight),
            Sort::Latency => p99(other).cmp(&p99(self)),
            Sort::Name => Ordering::Equal,
        };
        by_figure.then_with(|| self.name.cmp(&other.name))
    }
}

/// All that `top` knows.
#[derive(Debug)]
pub(crate) struct Top {
    last: Last,
    rows: BTreeMap<u32, Row>,
    /// What is shown instead while it is paused.
    frozen: Option<BTreeMap<u32, Row>>,
    sort: Sort,
    /// The device that was chosen; the first one until one is.
    chosen: Option<u32>,
    interval: Option<Duration>,
    overruns: u64,
    /// The answer to the last key, if there is something to say.
    said: String,
}

impl Top {
    pub(crate) fn new() -> Self {
        Self {
            last: Last::default(),
            rows: BTreeMap::new(),
            frozen: None,
            sort: Sort::Operations,
            chosen: None,
            interval: None,
            overruns: 0,
            said: String::new(),
        }
    }

    /// Takes figures in, and the interval that they come in.
    pub(crate) fn take(&mut self, figures: Figures, interval: Option<Duration>) {
        self.interval = interval.or(self.interval);
        let intervals = match figures {
            Figures::All(devices) => {
                self.rows
                    .retain(|id, _| devices.iter().any(|device| device.id == *id));
                self.last.take_all(devices)
            }
            Figures::Some(devices) => self.last.take(devices),
            Figures::Overrun => {
                self.overruns += 1;
                return;
            }
        };
        for device in self.last.all() {
            let row = self.rows.entry(device.id).or_insert_with(|| Row {
                id: device.id,
                name: String::new(),
                in_flight: 0,
                now: None,
                history: VecDeque::new(),
            });
            if row.name != device.name {
                // Another device has the number now.
                row.name.clone_from(&device.name);
                row.now = None;
                row.history.clear();
            }
            row.in_flight = device.in_flight;
        }
        for (id, interval) in intervals {
            let until = self.last.of(id).map_or(0, |stats| stats.time);
            if let Some(row) = self.rows.get_mut(&id) {
                let latency = Column {
                    until,
                    seconds: interval.seconds,
                    latency: interval.latency(),
                };
                row.now = Some(interval);
                if row.history.len() == HISTORY {
                    row.history.pop_front();
                }
                row.history.push_back(Moment {
                    ios_per_second: row.ios(),
                    latency,
                });
            }
        }
    }

    /// Does what a key asks for; returns the interval that it asks the kernel for, if it does.
    pub(crate) fn press(&mut self, key: Key) -> Option<Duration> {
        self.said.clear();
        match key {
            Key::Up => self.choose(|index, _| index.saturating_sub(1)),
            Key::Down => self.choose(|index, last| (index + 1).min(last)),
            Key::First => self.choose(|_, _| 0),
            Key::Last => self.choose(|_, last| last),
            Key::Sort => self.sort = self.sort.next(),
            Key::Pause => {
                self.frozen = match self.frozen {
                    Some(_) => None,
                    None => Some(self.rows.clone()),
                };
            }
            Key::Longer => return self.step(|now| INTERVALS.into_iter().find(|ms| *ms > now)),
            Key::Shorter => {
                return self.step(|now| INTERVALS.into_iter().rev().find(|ms| *ms < now));
            }
        }
        None
    }

    /// Shows a line until the next key.
    pub(crate) fn say(&mut self, line: String) {
        self.said = line;
    }

    fn step(&self, other: impl Fn(u64) -> Option<u64>) -> Option<Duration> {
        let now = self.interval.map_or(1000, |time| time.as_millis() as u64);
        other(now).map(Duration::from_millis)
    }

    fn choose(&mut self, index: impl Fn(usize, usize) -> usize) {
        let rows = self.sorted();
        let now = self.chosen_of(&rows).unwrap_or(0);
        let wanted = index(now, rows.len().saturating_sub(1));
        self.chosen = rows.get(wanted).map(|row| row.id);
    }

    /// Where the chosen device is among the rows; none if there are none.
    fn chosen_of(&self, rows: &[&Row]) -> Option<usize> {
        let found = rows.iter().position(|row| Some(row.id) == self.chosen);
        found.or((!rows.is_empty()).then_some(0))
    }

    fn sorted(&self) -> Vec<&Row> {
        let shown = self.frozen.as_ref().unwrap_or(&self.rows);
        let mut rows: Vec<_> = shown.values().collect();
        rows.sort_by(|one, other| one.before(other, self.sort));
        rows
    }
}

#[cfg(test)]
mod tests;
