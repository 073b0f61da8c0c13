// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as a source of the loop: SIGTERM and SIGINT end the service and leave the devices as
//! they are; SIGHUP has the configuration read again.

use nix::{
    poll::PollFd,
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use shunt::{
    Error,
    poll::readable,
    service::{Flow, Keeper, Source},
    transport::Kernel,
};

use crate::manager;

/// The signals that the daemon obeys. No other thread may be running when it is made.
pub(crate) struct Signals(SignalFd);

impl Signals {
    pub(crate) fn take() -> shunt::Result<Self> {
        let open = || {
            let mut mask = SigSet::empty();
            mask.add(Signal::SIGTERM);
            mask.add(Signal::SIGINT);
            mask.add(Signal::SIGHUP);
            mask.thread_block()?;
            SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        };
        open().map(Self).map_err(system)
    }
}

fn system(errno: nix::Error) -> Error {
    Error::System {
        action: "take signals",
        source: errno.into(),
    }
}

impl<K: Kernel> Source<K> for Signals {
    fn descriptors<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>) {
        wanted.push(readable(&self.0));
    }

    fn turn(&mut self, keeper: &mut Keeper<K>) -> shunt::Result<Flow> {
        while let Some(signal) = self.0.read_signal().map_err(system)? {
            if i32::try_from(signal.ssi_signo) != Ok(Signal::SIGHUP as i32) {
                return Ok(Flow::Stop);
            }
            log::info!("reading the configuration again");
            manager::reloading();
            keeper.reload();
        }
        Ok(Flow::On)
    }
}
