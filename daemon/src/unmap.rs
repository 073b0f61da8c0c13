// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unmapping a device, so that who has it open for a moment is no hindrance, and nothing is left that
//! cannot be ended. `shunt unmap` and what carries out a plan call it.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use nix::libc::EBUSY;

use crate::{
    client::Client,
    error::{Error, Refusal},
    machine::{Use, Users},
    model::Selector,
    transport::Transport,
    words::{listed, shown},
};

/// How often it is tried.
const STEP: Duration = Duration::from_millis(20);

/// How long somebody is waited for who may be about to close the device: a program that has it
/// open, or one that has ended, whose files are being closed.
const CLOSING: Duration = Duration::from_secs(1);

/// How long udev is waited for, and the programs that it runs.
const UDEV: Duration = Duration::from_secs(10);

/// How long all of it takes at most, but for the last attempt: who uses it may change.
const LONGEST: Duration = Duration::from_secs(30);

/// Why a device was not unmapped, and who used it.
#[derive(Debug)]
pub struct NotUnmapped {
    /// What the kernel said last.
    pub error: Error,
    /// Who used it then, as far as that could be seen.
    pub users: Vec<Use>,
}

impl From<Error> for NotUnmapped {
    fn from(error: Error) -> Self {
        let users = Vec::new();
        Self { error, users }
    }
}

/// Unmaps a device that nobody uses. Waits, but not for long, for uses that end by themselves.
///
/// # Errors
/// As [`Client::delete_device`].
pub fn unmap<T: Transport>(client: &mut Client<T>, selector: &Selector) -> Result<(), NotUnmapped> {
    let begun = Instant::now();
    // Since when the same kind of use is seen. An attempt may take as long as the kernel lets it wait, so what was seen before
    // it says nothing of now.
    let mut seen: Option<(Duration, Instant)> = None;
    loop {
        let error = match client.delete_device(selector) {
            Ok(()) => return Ok(()),
            Err(error) if error.errno() == Some(EBUSY) => error,
            Err(error) => return Err(error.into()),
        };
        let machine = Users::of_this_machine();
        let device = client.device(&selector.with_any_table());
        let users = device.map(|device| machine.of_disk(&device.disk_name()));
        let users = users.unwrap_or_default();
        let patience = patience(&users, machine.udev_is_busy());
        let since = match seen {
            Some((kind, since)) if kind == patience => since,
            _ => Instant::now(),
        };
        seen = Some((patience, since));
        if since.elapsed() >= patience || begun.elapsed() >= LONGEST {
            return Err(NotUnmapped { error, users });
        }
        sleep(STEP);
    }
}

/// Unmaps a device also while it is open; its I/O then fails.
///
/// # Errors
/// As [`Client::force_delete_device`]. [`Error::Refused`] with `EBUSY` if there is swap on it, on a
/// partition or in a file of a file system there: nothing could turn that off then.
pub fn force<T: Transport>(client: &mut Client<T>, selector: &Selector) -> Result<(), Error> {
    let device = client.device(selector)?;
    let disk = device.disk_name();
    let swap = Users::of_this_machine().swap_on_disk(&disk);
    if !swap.is_empty() {
        let swap: Vec<_> = swap.iter().map(|path| shown(path)).collect();
        let text = format!("{disk} is in use as swap ({})", listed(&swap));
        return Err(Error::Refused(Refusal::new(EBUSY, text)));
    }
    client.force_delete_device(selector)
}

/// How long these users are waited for.
fn patience(users: &[Use], udev_is_busy: bool) -> Duration {
    let closing = users.iter().all(|user| user.passing || user.open);
    let udev = users.iter().all(|user| user.passing);
    match (closing, udev) {
        (false, _) => Duration::ZERO,
        // Who is not seen may be udev all the same, which opens and closes quickly.
        (true, true) if udev_is_busy || !users.is_empty() => UDEV,
        (true, _) => CLOSING,
    }
}
