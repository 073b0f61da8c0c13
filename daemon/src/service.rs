// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop of the daemon: follow the kernel until told to stop, also while the module comes and
//! goes. `shuntd` runs it; nothing depends on it, no I/O passes through it.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use crate::{
    client::Client,
    error::{Error, Result},
    monitor::{Monitor, Update},
    poll::{readable, wait},
    transport::Transport,
};

/// How long to wait before the module is looked for again.
pub const RETRY: Duration = Duration::from_secs(1);

/// What the service tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// There is no module; it is looked for again and again. Told once each time it is not there.
    Waiting,
    /// Something about the devices.
    Update(Update),
}

/// Follows the devices and passes on what happens, until `stop` becomes readable.
///
/// `connect` makes a client; it is called again, after `retry`, while there is no module.
///
/// # Errors
/// What `connect` and [`Monitor`] return, but for a module that is not there.
pub fn follow<T: Transport>(
    mut connect: impl FnMut() -> Result<Client<T>>,
    stop: impl AsFd,
    retry: Duration,
    mut report: impl FnMut(Report),
) -> Result<()> {
    let mut waiting = false;
    loop {
        let ended = connect().and_then(Monitor::start).and_then(|mut monitor| {
            waiting = false;
            watch(&mut monitor, stop.as_fd(), |update| {
                report(Report::Update(update));
            })
        });
        match ended {
            Err(Error::NotLoaded | Error::Unloaded) if !waiting => {
                waiting = true;
                report(Report::Waiting);
            }
            Err(Error::NotLoaded | Error::Unloaded) => {}
            result => return result,
        }
        if wait([readable(&stop)], Some(retry))?[0] {
            return Ok(());
        }
    }
}

/// Passes on updates until `stop` becomes readable.
fn watch<T: Transport>(
    monitor: &mut Monitor<T>,
    stop: BorrowedFd<'_>,
    mut report: impl FnMut(Update),
) -> Result<()> {
    loop {
        while let Some(update) = monitor.next_update()? {
            report(update);
        }
        if wait([readable(&stop), readable(monitor)], None)?[0] {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
