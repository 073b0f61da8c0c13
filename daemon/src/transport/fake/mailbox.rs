// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a listener of the fake has not taken yet, with the manners of a netlink socket: a bound,
//! one word of the loss, and everything dropped until all has been taken.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::super::{Events, Received};
use crate::{
    error::{Error, Result},
    wire::Message,
};

#[derive(Debug)]
struct Contents {
    messages: VecDeque<Message>,
    /// Set by a loss, cleared when it has been told.
    overrun: bool,
    /// Set by a loss, cleared when all has been taken.
    congested: bool,
    ended: bool,
    /// Holds one byte while there is something to receive.
    bell: UnixStream,
}

type Shared = Mutex<Contents>;

fn lock(shared: &Shared) -> MutexGuard<'_, Contents> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kernel's end.
#[derive(Debug)]
pub(super) struct Mailbox(Weak<Shared>);

/// Notifications of the fake.
#[derive(Debug)]
pub struct FakeEvents {
    contents: Arc<Shared>,
    ring: UnixStream,
}

pub(super) fn open() -> Result<(Mailbox, FakeEvents)> {
    let pair = || -> std::io::Result<_> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        Ok((bell, ring))
    };
    let (bell, ring) = pair().map_err(|source| Error::System {
        action: "make a pair of sockets",
        source,
    })?;
    let contents = Arc::new(Mutex::new(Contents {
        messages: VecDeque::new(),
        overrun: false,
        congested: false,
        ended: false,
        bell,
    }));
    let mailbox = Mailbox(Arc::downgrade(&contents));
    Ok((mailbox, FakeEvents { contents, ring }))
}

impl Mailbox {
    /// Whether somebody still listens.
    pub(super) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Delivers a message or drops it; false if nobody listens any more.
    pub(super) fn deliver(&self, message: &Message, room: usize) -> bool {
        let Some(shared) = self.0.upgrade() else {
            return false;
        };
        let mut contents = lock(&shared);
        if !contents.congested && contents.messages.len() >= room {
            contents.overrun = true;
            contents.congested = true;
        }
        if !contents.congested {
            contents.messages.push_back(message.clone());
        }
        contents.wake();
        true
    }

    /// Says that nothing will come any more.
    pub(super) fn end(self) {
        if let Some(shared) = self.0.upgrade() {
            let mut contents = lock(&shared);
            contents.ended = true;
            contents.wake();
        }
    }
}

impl Contents {
    fn wake(&mut self) {
        // A full socket is readable already.
        let _ = self.bell.write(&[1]);
    }
}

impl AsFd for FakeEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl Events for FakeEvents {
    fn receive(&mut self) -> Result<Received> {
        let mut contents = lock(&self.contents);
        if std::mem::take(&mut contents.overrun) {
            return Ok(Received::Overrun);
        }
        if let Some(message) = contents.messages.pop_front() {
            contents.congested &= !contents.messages.is_empty();
            return Ok(Received::Message(message));
        }
        contents.congested = false;
        if contents.ended {
            return Ok(Received::Unloaded);
        }
        while matches!(self.ring.read(&mut [0; 64]), Ok(1..)) {}
        Ok(Received::Nothing)
    }
}
