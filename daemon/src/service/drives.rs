// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives that come and go as a source of the loop.

use nix::poll::PollFd;

use super::{Flow, Keeper, Source};
use crate::{
    error::Result,
    poll::readable,
    transport::{
        Kernel,
        uevent::{Told, Uevent, Uevents},
    },
};

/// Listens for drives and lets the keeper know of them.
#[derive(Debug)]
pub struct Drives(Uevents);

impl Drives {
    /// Listens from now on; to be made before the keeper looks at the drives, so that none is
    /// missed between the two.
    ///
    /// # Errors
    /// [`Error::System`](crate::Error::System) without a socket.
    pub fn listen() -> Result<Self> {
        Uevents::listen().map(Self)
    }
}

impl<K: Kernel> Source<K> for Drives {
    fn descriptors<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>) {
        wanted.push(readable(&self.0));
    }

    fn turn(&mut self, keeper: &mut Keeper<K>) -> Result<Flow> {
        loop {
            match self.0.receive()? {
                Told::Nothing => return Ok(Flow::On),
                Told::Overrun => {
                    log::info!("news of drives were missed; looking at all of them");
                    keeper.drive_changed(News::Anything);
                }
                Told::Event(event) => {
                    if let Some(news) = news(&event) {
                        keeper.drive_changed(news);
                    }
                }
            }
        }
    }
}

/// What happened to a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It came, or something about it changed.
    Came,
    /// A device of shunt itself came or changed, as it does by what the keeper does.
    OwnCame,
    /// Its size changed.
    Resized,
    /// Not known; anything may have happened.
    Anything,
}

/// What an event means; none if it is about something else, or about a drive that went, which the
/// driver tells.
fn news(event: &Uevent) -> Option<News> {
    let number = event.node.strip_prefix("shunt");
    let own = number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()));
    if event.subsystem != "block" || event.action == "remove" {
        None
    } else if own {
        Some(News::OwnCame)
    } else if event.resized {
        Some(News::Resized)
    } else {
        Some(News::Came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_devices_that_come_or_change_are_news() {
        for (action, subsystem, node, resized, expected) in [
            ("add", "block", "nvme0n1", false, Some(News::Came)),
            ("change", "block", "loop0", false, Some(News::Came)),
            ("change", "block", "nvme0n1", true, Some(News::Resized)),
            ("add", "block", "shunt12", false, Some(News::OwnCame)),
            ("add", "block", "shunted", false, Some(News::Came)),
            ("remove", "block", "nvme0n1", false, None),
            ("add", "net", "eth0", false, None),
        ] {
            let event = Uevent {
                action: action.into(),
                subsystem: subsystem.into(),
                node: node.into(),
                resized,
            };
            assert_eq!(news(&event), expected, "{event:?}");
        }
    }
}
