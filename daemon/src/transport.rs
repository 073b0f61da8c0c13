// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ways to the family `shunt`: the kernel's, and one in memory for tests. The client sends
//! requests through [`Transport`]; the monitor listens through [`Events`].

use std::{ffi::CStr, os::fd::AsFd, time::Duration};

use crate::{
    client::Client,
    drive::OpenDrive,
    error::{Refusal, Result},
    wire::Message,
};

pub mod fake;
pub mod netlink;
pub mod uevent;

/// Where requests go. Each call sends one message and waits for the whole answer.
pub trait Transport {
    /// What [`subscribe`](Self::subscribe) opens.
    type Events: Events;

    /// Opens a drive that a request is about.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn open_drive(&mut self, path: &str) -> std::result::Result<OpenDrive, Refusal> {
        let _ = path;
        Ok(OpenDrive::default())
    }

    /// Sets how long an answer is waited for, from now on.
    ///
    /// # Errors
    /// [`Error::System`](crate::Error::System) if the system does not take it.
    fn set_patience(&mut self, patience: Duration) -> Result<()> {
        let _ = patience;
        Ok(())
    }

    /// Sends a request and returns the messages that came before the acknowledgement.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) if the kernel refused it, others if it could not
    /// be asked.
    fn request(&mut self, message: &Message) -> Result<Vec<Message>>;

    /// Asks for all objects of a kind.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    fn dump(&mut self, message: &Message) -> Result<Dump>;

    /// Listens to a multicast group from now on, on a way of its own: what is received there never
    /// delays an answer.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    fn subscribe(&mut self, group: &CStr) -> Result<Self::Events>;
}

/// A kernel whose module may come and go, as the daemon sees it. Every clone is the same one.
pub trait Kernel: Clone + Send + 'static {
    /// How it is asked.
    type Transport: Transport;
    /// How it tells that the module came.
    type Arrivals: Arrivals;

    /// A client; the kernel may load the module for it.
    ///
    /// # Errors
    /// [`Error::NotLoaded`](crate::Error::NotLoaded) without the module.
    fn connect(&self) -> Result<Client<Self::Transport>>;

    /// As [`connect`](Self::connect), but a module that somebody unloaded stays unloaded.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    fn connect_if_loaded(&self) -> Result<Client<Self::Transport>>;

    /// Listens for the module from now on.
    ///
    /// # Errors
    /// [`Error::System`](crate::Error::System) without a socket.
    fn arrivals(&self) -> Result<Self::Arrivals>;
}

/// Word that the module came. Its descriptor is readable while there is something to take.
pub trait Arrivals: AsFd {
    /// Takes what has come, and tells whether the module may have; never waits.
    ///
    /// # Errors
    /// [`Error::System`](crate::Error::System) if it cannot be read.
    fn take(&mut self) -> Result<bool>;
}

/// The answer to a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// One message for each object.
    pub messages: Vec<Message>,
    /// Whether objects changed meanwhile, so that some may be missing or stale.
    pub interrupted: bool,
}

/// Where notifications come from. Its descriptor is readable while there is something to receive.
pub trait Events: AsFd {
    /// Takes what has come; never waits.
    ///
    /// # Errors
    /// [`Error::System`](crate::Error::System) or [`Error::Malformed`](crate::Error::Malformed) if
    /// it cannot be read.
    fn receive(&mut self) -> Result<Received>;
}

/// What [`Events::receive`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing more for now.
    Nothing,
    /// A notification.
    Message(Message),
    /// Notifications came faster than they were taken, and some were dropped. More may be dropped
    /// until everything that is still there has been taken.
    Overrun,
    /// The family went away; nothing else will come any more.
    Unloaded,
}
