// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows the devices: those that are there, then every change; after a loss all of them again.
//! `shunt events` and the service use it.
//!
//! It listens before it lists, so that nothing falls between the two. What was sent before the list
//! was made is dropped unread or tells nothing new, and a message about an older state than the
//! list's is always followed by one about a newer: in the end the two agree. A loss is noticed
//! by the socket's word, or by a gap in the sequence numbers.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, BorrowedFd},
};

use crate::{
    client::Client,
    error::{Error, Result},
    model::{Device, Notification},
    transport::{Events, Received, Transport},
    wire::event,
    world::{Change, World},
};

/// What the monitor tells, in this order: `Exists` for each device, `Ready`, any number of
/// `Changed`; after an `Overrun` the same from the beginning, or another `Overrun` if the devices change
/// too fast to be listed. If they do so from the start, the first is an `Overrun`, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A device that is there.
    Exists(Device),
    /// All that are there have been told. Carries what differs from what was known before, so all
    /// of it the first time.
    Ready(Vec<Change>),
    /// Something happened to a device.
    Changed(Change),
    /// Something happened that will not be told; what is there now follows.
    Overrun,
}

/// Follows the devices through a transport.
#[derive(Debug)]
pub struct Monitor<T: Transport> {
    client: Client<T>,
    events: T::Events,
    world: World,
    updates: VecDeque<Update>,
    /// Number of the last notification that was seen, and whether the next one has to follow it.
    sequence: u64,
    gapless: bool,
    /// Whether the world is from a list that was made to its end; else the next word of a change makes
    /// another.
    listed: bool,
}

impl<T: Transport> Monitor<T> {
    /// Begins to follow.
    ///
    /// # Errors
    /// As [`Client::device_events`] and [`Client::devices`], but for [`Error::Unsettled`].
    pub fn start(mut client: Client<T>) -> Result<Self> {
        let events = client.device_events()?;
        let mut monitor = Self {
            client,
            events,
            world: World::default(),
            updates: VecDeque::new(),
            sequence: 0,
            gapless: false,
            listed: false,
        };
        monitor.list()?;
        Ok(monitor)
    }

    /// The next update; none if there is none for now. Never waits. The descriptor becomes readable
    /// with the next one only after none was returned.
    ///
    /// # Errors
    /// [`Error::Unloaded`] when the module goes, others if the kernel cannot be read; the monitor
    /// is of no use after one.
    pub fn next_update(&mut self) -> Result<Option<Update>> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Ok(Some(update));
            }
            match self.events.receive()? {
                Received::Nothing => return Ok(None),
                Received::Unloaded => {
                    // Without the module there are no devices, whether or not that was told.
                    let gone = self.world.replace(Vec::new());
                    if gone.is_empty() {
                        return Err(Error::Unloaded);
                    }
                    self.updates.extend(gone.into_iter().map(Update::Changed));
                }
                Received::Overrun => {
                    self.gapless = false;
                    self.recover()?;
                }
                Received::Message(message) => {
                    if let Some(notification) = event::decode(&message)? {
                        self.take(notification)?;
                    }
                }
            }
        }
    }

    /// Number of the last notification that was seen; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The devices as they were last heard of.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The client, to ask more of the same kernel.
    pub fn client(&mut self) -> &mut Client<T> {
        &mut self.client
    }

    /// Takes up a device as an answer of the kernel told it: what the kernel then tells all who
    /// listen is no change any more.
    pub fn learn(&mut self, device: Device) {
        self.world.learn(device);
    }

    /// Takes up that a device is gone, as [`learn`](Self::learn) does of one that is there.
    pub fn forget(&mut self, device: &Device) {
        self.world.forget(device);
    }

    fn take(&mut self, notification: Notification) -> Result<()> {
        let follows = self.sequence.wrapping_add(1) == notification.sequence;
        let missed = !self.listed || (self.gapless && !follows);
        self.sequence = notification.sequence;
        self.gapless = true;
        if missed {
            return self.recover();
        }
        let change = self.world.apply(notification);
        self.updates.extend(change.map(Update::Changed));
        Ok(())
    }

    fn recover(&mut self) -> Result<()> {
        self.updates.push_back(Update::Overrun);
        match self.list() {
            // That is what will be received next.
            Err(Error::NotLoaded | Error::Unloaded) => Ok(()),
            result => result,
        }
    }

    /// Lists the devices and tells them, unless they change too fast for that.
    fn list(&mut self) -> Result<()> {
        let listed = self.synchronize();
        self.listed = listed.is_ok();
        match listed {
            // There was a change during each attempt: the word of it is received next.
            Err(Error::Unsettled(_)) => Ok(()),
            result => result,
        }
    }

    fn synchronize(&mut self) -> Result<()> {
        // Everything has to be taken: until then the kernel goes on dropping.
        self.discard()?;
        let devices = self.client.devices()?;
        self.updates
            .extend(devices.iter().cloned().map(Update::Exists));
        let changes = self.world.replace(devices);
        self.updates.push_back(Update::Ready(changes));
        Ok(())
    }

    fn discard(&mut self) -> Result<()> {
        loop {
            match self.events.receive()? {
                Received::Nothing => return Ok(()),
                Received::Unloaded => return Err(Error::Unloaded),
                // What was dropped, the list will show.
                Received::Overrun => {}
                Received::Message(message) => {
                    if let Some(notification) = event::decode(&message)? {
                        self.sequence = notification.sequence;
                    }
                }
            }
        }
    }
}

impl<T: Transport> AsFd for Monitor<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

#[cfg(test)]
mod tests;
