// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop of the daemon: one thread that owns what is known of the kernel, and waits for all that
//! it serves at once. `shuntd` runs it; nothing depends on it, no I/O passes through it.

use std::time::{Duration, Instant};

use nix::poll::PollFd;

use crate::{error::Result, poll::wait_for, transport::Kernel};

mod drives;
mod hand;
mod keeper;
mod kept;
mod presence;
mod wants;

pub use drives::{Drives, News};
pub use keeper::{Keeper, Report};
pub use presence::Presence;
pub use wants::Wants;

/// How long a stop waits for devices that are unmapped to be mapped anew.
const LAST: Duration = Duration::from_secs(10);

/// Something that the loop waits for besides the kernel: signals, drives that come, programs that
/// ask for metrics.
pub trait Source<K: Kernel> {
    /// Adds what to wait for.
    fn descriptors<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>);

    /// When it wants its turn at the latest. None, which is what an idle source says, to wait for
    /// the descriptors alone.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what there is to do and never waits. It has its turn after each wait, whatever has
    /// ended that.
    ///
    /// # Errors
    /// What ends the service; what concerns one request only is logged instead.
    fn turn(&mut self, keeper: &mut Keeper<K>) -> Result<Flow>;
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    On,
    /// The service ends; the devices stay.
    Stop,
}

/// Serves until a source says stop, and then waits for devices that are being mapped anew. Sleeps without
/// a time limit while nothing happens and no source has a deadline.
///
/// # Errors
/// What a source or [`Keeper::turn`] returns.
pub fn run<K: Kernel>(keeper: &mut Keeper<K>, sources: &mut [&mut dyn Source<K>]) -> Result<()> {
    loop {
        keeper.turn()?;
        for source in sources.iter_mut() {
            if source.turn(keeper)? == Flow::Stop {
                keeper.finish(LAST);
                return Ok(());
            }
        }
        if keeper.has_work() {
            continue;
        }
        let mut descriptors = Vec::new();
        keeper.descriptors(&mut descriptors);
        for source in sources.iter() {
            source.descriptors(&mut descriptors);
        }
        let deadlines = sources.iter().filter_map(|source| source.deadline());
        let deadline = deadlines.chain(keeper.deadline()).min();
        wait_for(&mut descriptors, deadline.map(remaining))?;
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests;
