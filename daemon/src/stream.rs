// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows the statistics: all figures at first, then the samples that the kernel sends, and after
//! a loss all figures again. `shunt stats --watch` and `shunt top` use it.
//!
//! Figures are cumulative, so a lost sample makes nothing wrong; it is told all the same, for what
//! happened meanwhile is then known only as a sum over a longer time. A loss is noticed by the
//! socket's word, or by a gap in the sequence numbers. What a message tells of a device is passed
//! on only if it is newer than what was told before.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use crate::{
    client::Client,
    error::{Error, Result},
    model::{Sample, Selector, Stats},
    transport::{Events, Received, Transport},
    wire::stats,
};

/// A device that was not in the samples for so many intervals is asked for.
const MISSING_AFTER: u64 = 3;

/// What the stream tells: `All` first, then any number of `Some`; after an `Overrun` the same from
/// the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figures {
    /// Those of all devices that there are; one that is not among them is gone.
    All(Vec<Stats>),
    /// Those of devices that a sample was about.
    Some(Vec<Stats>),
    /// Samples were lost; all figures follow.
    Overrun,
}

/// Follows the statistics through a transport.
#[derive(Debug)]
pub struct Stream<T: Transport> {
    client: Client<T>,
    events: T::Events,
    /// The one device that is followed; all if none.
    only: Option<Selector>,
    queue: VecDeque<Figures>,
    /// Of each device that is there: when its last figures were read.
    known: BTreeMap<u32, u64>,
    sequence: Option<u64>,
    interval: Option<Duration>,
    overruns: u64,
    dropped: u64,
}

impl<T: Transport> Stream<T> {
    /// Begins to follow one device, or all.
    ///
    /// # Errors
    /// As [`Client::sample_events`] and [`Client::stats`].
    pub fn start(mut client: Client<T>, only: Option<Selector>) -> Result<Self> {
        // It listens before it asks, so that nothing falls between the two.
        let events = client.sample_events()?;
        let mut stream = Self {
            client,
            events,
            only,
            queue: VecDeque::new(),
            known: BTreeMap::new(),
            sequence: None,
            interval: None,
            overruns: 0,
            dropped: 0,
        };
        stream.ask()?;
        Ok(stream)
    }

    /// The next figures; none if there are none for now. Never waits. The descriptor becomes
    /// readable with the next ones only after none were returned.
    ///
    /// # Errors
    /// [`Error::Unloaded`] when the module goes, [`Error::Refused`] with `ENODEV` when the one
    /// device that is followed is found to be gone; the stream is of no use after one.
    pub fn next_figures(&mut self) -> Result<Option<Figures>> {
        loop {
            if let Some(figures) = self.queue.pop_front() {
                return Ok(Some(figures));
            }
            match self.events.receive()? {
                Received::Nothing => return Ok(None),
                Received::Unloaded => return Err(Error::Unloaded),
                Received::Overrun => self.recover()?,
                Received::Message(message) => {
                    if let Some(sample) = stats::decode_sample(&message)? {
                        self.take(sample)?;
                    }
                }
            }
        }
    }

    /// Changes how often samples come, for all who listen; see [`Client::set_interval`].
    ///
    /// # Errors
    /// As [`Client::set_interval`].
    pub fn set_interval(&mut self, interval: Duration) -> Result<Duration> {
        self.client.set_interval(interval)
    }

    /// Time from one round of samples to the next, as the last sample told; none before the first.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// How often samples were lost so far.
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Samples that the kernel could not send to anybody since the module was loaded, as the last
    /// one told.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Number of the last sample that was seen; none before the first.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    fn take(&mut self, sample: Sample) -> Result<()> {
        let missed = self
            .sequence
            .is_some_and(|last| last.wrapping_add(1) != sample.sequence);
        self.note(&sample);
        if missed {
            return self.recover();
        }
        let now = sample.time;
        let mut devices = sample.devices;
        devices.retain(|device| self.is_followed(device) && self.is_news(device));
        for device in &devices {
            self.known.insert(device.id, device.time);
        }
        if !devices.is_empty() {
            self.queue.push_back(Figures::Some(devices));
        }
        // It may be gone, which no sample tells, or only have been left out.
        let patience = sample.interval.as_nanos() as u64 * MISSING_AFTER;
        if self.known.values().any(|time| time + patience < now) {
            self.ask()?;
        }
        Ok(())
    }

    fn note(&mut self, sample: &Sample) {
        self.sequence = Some(sample.sequence);
        self.interval = Some(sample.interval);
        self.dropped = sample.dropped;
    }

    fn is_followed(&self, device: &Stats) -> bool {
        match &self.only {
            None => true,
            Some(Selector::Id(id)) => device.id == *id,
            Some(
                Selector::Exactly { id, generation } | Selector::AsSeen { id, generation, .. },
            ) => (device.id, device.generation) == (*id, *generation),
            Some(Selector::Name(name)) => device.name == *name,
        }
    }

    fn is_news(&self, device: &Stats) -> bool {
        let known = self.known.get(&device.id);
        known.is_none_or(|time| device.time > *time)
    }

    fn recover(&mut self) -> Result<()> {
        self.overruns += 1;
        // Everything has to be taken: until then the kernel goes on dropping.
        loop {
            match self.events.receive()? {
                Received::Nothing => break,
                Received::Unloaded => return Err(Error::Unloaded),
                // What was dropped, the answer will have.
                Received::Overrun => {}
                Received::Message(message) => {
                    if let Some(sample) = stats::decode_sample(&message)? {
                        self.note(&sample);
                    }
                }
            }
        }
        // The samples that the kernel dropped meanwhile leave a gap that is told by this already.
        self.sequence = None;
        self.queue.push_back(Figures::Overrun);
        self.ask()
    }

    /// Asks for all figures and tells them.
    fn ask(&mut self) -> Result<()> {
        let devices = match &self.only {
            Some(selector) => vec![self.client.stats(selector)?],
            None => self.client.all_stats()?,
        };
        self.known = devices.iter().map(|d| (d.id, d.time)).collect();
        self.queue.push_back(Figures::All(devices));
        Ok(())
    }
}

impl<T: Transport> AsFd for Stream<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

#[cfg(test)]
mod tests;
