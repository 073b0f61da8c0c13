// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does the steps of the keeper, each in a thread of its own: a drive that does not answer may hold up
//! the request about its device, and nothing else.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use crate::{
    apply::{Failed, carry_out},
    error::{Error, Result},
    model::Device,
    plan::Step,
    transport::Kernel,
};

/// How long a step is waited for before the next device has its turn. Most take a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);

/// Enough for one request.
const STACK: usize = 256 * 1024;

/// The steps that the kernel is at. Its descriptor is readable when one has ended.
#[derive(Debug)]
pub(super) struct Hand {
    /// Names of the devices.
    at: BTreeSet<String>,
    results: (Sender<Ended>, Receiver<Ended>),
    bell: (UnixStream, UnixStream),
}

/// What became of a step.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) step: Step,
    pub(super) result: Result<Device, Failed>,
}

impl Hand {
    pub(super) fn new() -> Result<Self> {
        let bell = || {
            let (ring, hear) = UnixStream::pair()?;
            ring.set_nonblocking(true)?;
            hear.set_nonblocking(true)?;
            Ok((ring, hear))
        };
        Ok(Self {
            at: BTreeSet::new(),
            results: channel(),
            bell: bell().map_err(system)?,
        })
    }

    /// Whether the kernel is at a step of a device.
    pub(super) fn is_at(&self, device: &str) -> bool {
        self.at.contains(device)
    }

    /// How many steps the kernel is at.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.at.len()
    }

    /// A step that has ended.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        // There is nothing in it that one would want to know.
        while self
            .bell
            .1
            .read(&mut [0; 64])
            .is_ok_and(|length| length > 0)
        {}
        let ended = self.results.1.try_recv().ok()?;
        self.at.remove(&ended.step.device);
        Some(ended)
    }

    /// Begins a step and waits a little for its end. Returns those that have ended meanwhile.
    pub(super) fn carry_out<K: Kernel>(&mut self, kernel: &K, step: Step) -> Vec<Ended> {
        let device = step.device.clone();
        self.at.insert(device.clone());
        let mut all = Vec::new();
        if let Err(source) = self.start(kernel.clone(), step.clone()) {
            self.at.remove(&device);
            let result = Err(system(source).into());
            all.push(Ended { step, result });
        }
        let deadline = Instant::now() + PATIENCE;
        while self.at.contains(&device) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(ended) = self.results.1.recv_timeout(left) else {
                break;
            };
            self.at.remove(&ended.step.device);
            all.push(ended);
        }
        all
    }

    fn start(&self, kernel: impl Kernel, step: Step) -> io::Result<()> {
        let results = self.results.0.clone();
        let mut bell = self.bell.0.try_clone()?;
        let builder = thread::Builder::new().name("step".to_owned());
        let run = move || {
            let client = kernel.connect_if_loaded().map_err(Failed::from);
            let result = client.and_then(|mut client| carry_out(&mut client, &step));
            // Without a keeper nobody wants to know; a bell that rings already is heard.
            let _ = results.send(Ended { step, result });
            let _ = bell.write(&[1]);
        };
        builder.stack_size(STACK).spawn(run).map(|_| ())
    }
}

impl AsFd for Hand {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.1.as_fd()
    }
}

fn system(source: io::Error) -> Error {
    Error::System {
        action: "start a thread",
        source,
    }
}
