// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does the steps of the keeper, each in a thread of its own: a drive that does not answer may hold up
//! the request about its device, and nothing else.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
    time::{Duration, Instant},
};

use crate::{
    apply::{Failed, carry_out},
    error::{Error, Result},
    model::Device,
    plan::{Action, Step},
    transport::Kernel,
};

/// How long a step is waited for before the next device has its turn. Most take a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);

/// Enough for one request.
const STACK: usize = 256 * 1024;

/// The steps that the kernel is at. Its descriptor is readable when one has ended.
#[derive(Debug)]
pub(super) struct Hand {
    late: Vec<Late>,
    bell: (UnixStream, UnixStream),
}

/// A step that was not waited for.
#[derive(Debug)]
struct Late {
    step: Step,
    result: Receiver<Ended>,
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
            late: Vec::new(),
            bell: bell().map_err(system)?,
        })
    }

    /// How many steps the kernel is at.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.late.len()
    }

    /// The steps that have ended since they were waited for.
    pub(super) fn ended(&mut self) -> Vec<Ended> {
        // There is nothing in it that one would want to know.
        while self
            .bell
            .1
            .read(&mut [0; 64])
            .is_ok_and(|length| length > 0)
        {}
        let mut all = Vec::new();
        self.late.retain(|late| match late.result.try_recv() {
            Ok(ended) => {
                all.push(ended);
                false
            }
            Err(why) => why == TryRecvError::Empty,
        });
        all
    }

    /// Begins a step and waits a little for its end. None if the kernel is still at it.
    pub(super) fn carry_out<K: Kernel>(&mut self, kernel: &K, step: Step) -> Option<Ended> {
        match self.start(kernel.clone(), step.clone()) {
            Ok(result) => {
                let ended = result.recv_timeout(PATIENCE).ok();
                if ended.is_none() {
                    self.late.push(Late { step, result });
                }
                ended
            }
            Err(source) => {
                let result = Err(system(source).into());
                Some(Ended { step, result })
            }
        }
    }

    /// Waits for the steps whose device is unmapped in between: if they were cut off, it would stay so. At
    /// most so long for all of them; returns those that have ended.
    pub(super) fn finish(&mut self, patience: Duration) -> Vec<Ended> {
        let until = Instant::now() + patience;
        let unmaps = |late: &Late| matches!(late.step.action, Action::Remap { .. });
        let mut all = Vec::new();
        for late in self.late.drain(..).filter(unmaps) {
            let rest = until.saturating_duration_since(Instant::now());
            match late.result.recv_timeout(rest) {
                Ok(ended) => all.push(ended),
                Err(_) => log::warn!(
                    "{}: it is not waited for any longer; the device may stay unmapped until shuntd starts",
                    late.step
                ),
            }
        }
        all
    }

    fn start(&self, kernel: impl Kernel, step: Step) -> io::Result<Receiver<Ended>> {
        let (give, result) = channel();
        let mut bell = self.bell.0.try_clone()?;
        let builder = thread::Builder::new().name("step".to_owned());
        let run = move || {
            let client = kernel.connect_if_loaded().map_err(Failed::from);
            let result = client.and_then(|mut client| carry_out(&mut client, &step));
            // Without a keeper nobody wants to know; a bell that rings already is heard.
            let _ = give.send(Ended { step, result });
            let _ = bell.write(&[1]);
        };
        builder.stack_size(STACK).spawn(run).map(|_| result)
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
