// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting on a condition with a deadline, in place of a fixed sleep.

use std::thread;
use std::time::{Duration, Instant};

use super::debug_kernel;

const STEP: Duration = Duration::from_millis(5);

/// A condition asked for again and again until it holds or time is up.
pub(crate) struct Poll {
    deadline: Instant,
}

impl Poll {
    /// A poll that gives up after `limit`.
    pub(crate) fn for_at_most(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + debug_kernel::limit(limit),
        }
    }

    /// What `condition` gives once it gives something; `None` if time is up first.
    pub(crate) fn until<T>(self, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = condition() {
                return Some(found);
            }
            if Instant::now() >= self.deadline {
                return None;
            }
            thread::sleep(STEP);
        }
    }
}

/// Waits until `condition` holds; fails the case after 20 s, naming `what` was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let held = Poll::for_at_most(Duration::from_secs(20)).until(|| condition().then_some(()));
    assert!(held.is_some(), "waited 20 s in vain until {what}");
}
