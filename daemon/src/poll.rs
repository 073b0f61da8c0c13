// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for descriptors. The service and the programs wait here and nowhere else.

use std::{os::fd::AsFd, time::Duration};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::error::{Error, Result};

/// Waits for something to read, or for the end.
pub fn readable(descriptor: &impl AsFd) -> PollFd<'_> {
    PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)
}

/// Waits for the other end to close, as when the reader of a pipe goes.
pub fn closed(descriptor: &impl AsFd) -> PollFd<'_> {
    PollFd::new(descriptor.as_fd(), PollFlags::empty())
}

/// Waits until one of the descriptors is ready, a signal comes, or `timeout` is over. Tells which
/// are ready.
///
/// # Errors
/// [`Error::System`] if they cannot be waited for.
pub fn wait<const N: usize>(
    mut descriptors: [PollFd<'_>; N],
    timeout: Option<Duration>,
) -> Result<[bool; N]> {
    wait_for(&mut descriptors, timeout)?;
    Ok(descriptors.map(|d| d.revents().is_some_and(|events| !events.is_empty())))
}

/// As [`wait`], for any number of descriptors, which then tell themselves what they are ready for.
///
/// # Errors
/// As [`wait`].
pub fn wait_for(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<()> {
    let timeout = match timeout {
        // Rounded up: a wait of less than a millisecond must not become none.
        Some(time) => {
            PollTimeout::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
        }
        None => PollTimeout::NONE,
    };
    match poll(descriptors, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(Error::System {
            action: "wait for events",
            source: errno.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream};

    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    #[test]
    fn only_what_is_ready_is_told() {
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        let (_quiet, other) = UnixStream::pair().unwrap();
        sender.write_all(b"x").unwrap();
        let ready = wait([readable(&other), readable(&receiver)], LONG).unwrap();
        assert_eq!(ready, [false, true]);
    }

    #[test]
    fn a_closed_end_is_told_but_not_what_there_is_to_read() {
        let (mut other, ours) = UnixStream::pair().unwrap();
        other.write_all(b"x").unwrap();
        let short = Some(Duration::from_nanos(1));
        assert_eq!(wait([closed(&ours)], short).unwrap(), [false]);
        drop(other);
        assert_eq!(wait([closed(&ours)], LONG).unwrap(), [true]);
    }
}
