// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one scrape shows: the devices and their figures, asked of the kernel in one go and cut
//! down to what is shown.

use std::{iter::Peekable, vec::IntoIter};

use super::bounds::Latency;
use crate::{
    client::Client,
    error::{Error, Result},
    model::{Device, Op, OpStats, Stats},
    transport::Transport,
};

/// The devices at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How often changes were missed so far.
    pub overruns: u64,
    /// The devices in the order of their numbers; none if the module is not loaded.
    pub rows: Option<Vec<Row>>,
}

/// A device and its figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The device. Its targets are left out.
    pub device: Device,
    /// Labels that its figures have beside those of all, for who knows more of it; none unless they are added.
    pub labels: Vec<(&'static str, String)>,
    /// Operations that have begun and not ended.
    pub in_flight: u64,
    /// Figures of each operation, in the order of [`Op::ALL`].
    pub ops: [OpRow; Op::ALL.len()],
}

/// Figures of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpRow {
    /// Operations.
    pub ios: u64,
    /// Bytes that they covered.
    pub bytes: u64,
    /// Operations that ended with an error.
    pub errors: u64,
    /// How long they took; none before the first.
    pub latency: Option<Box<Latency>>,
}

impl Snapshot {
    /// Asks for the devices and for their statistics: two dumps, whatever number of devices there
    /// is.
    ///
    /// # Errors
    /// As [`Client::devices`]. A module that is not there is no error.
    pub fn take<T: Transport>(client: Result<Client<T>>, overruns: u64) -> Result<Self> {
        let rows = match client.and_then(|mut client| rows(&mut client)) {
            Ok(rows) => Some(rows),
            Err(Error::NotLoaded | Error::Unloaded) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { overruns, rows })
    }
}

fn rows<T: Transport>(client: &mut Client<T>) -> Result<Vec<Row>> {
    let mut pairs = Pairs::of(client.devices()?);
    client.each_stats(|stats| pairs.add(&stats))?;
    Ok(pairs.rows)
}

/// Devices being joined with their figures. Both come in the order of the numbers; a device that
/// came or went between the two lists is in one of them only, and is left out of this scrape.
pub(super) struct Pairs {
    devices: Peekable<IntoIter<Device>>,
    pub(super) rows: Vec<Row>,
}

impl Pairs {
    pub(super) fn of(devices: Vec<Device>) -> Self {
        Self {
            rows: Vec::with_capacity(devices.len()),
            devices: devices.into_iter().peekable(),
        }
    }

    pub(super) fn add(&mut self, stats: &Stats) {
        while self
            .devices
            .next_if(|device| device.id < stats.id)
            .is_some()
        {}
        let is_its =
            |device: &Device| (device.id, device.generation) == (stats.id, stats.generation);
        let device = self.devices.next_if(is_its);
        self.rows
            .extend(device.map(|device| Row::new(device, stats)));
    }
}

impl Row {
    /// A device with its figures.
    pub fn new(device: Device, stats: &Stats) -> Self {
        Self {
            device: Device {
                targets: Vec::new(),
                ..device
            },
            labels: Vec::new(),
            in_flight: stats.in_flight,
            ops: std::array::from_fn(|op| OpRow::new(&stats.ops[op])),
        }
    }

    /// The operations, each with its figures.
    pub fn each_op(&self) -> impl Iterator<Item = (Op, &OpRow)> {
        Op::ALL.into_iter().zip(&self.ops)
    }
}

impl OpRow {
    fn new(stats: &OpStats) -> Self {
        Self {
            ios: stats.ios,
            bytes: stats.bytes,
            errors: stats.errors,
            latency: Latency::of(&stats.latency).map(Box::new),
        }
    }
}
