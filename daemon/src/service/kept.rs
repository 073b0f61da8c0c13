// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the daemon remembers of one device that is wanted. `wants` has one for each.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use log::Level;

use crate::{
    model::Device,
    plan::{Action, Authority, Step},
};

/// A device is made as configured at most so often in so long, if somebody takes it back each time:
/// each turn may move its users from one drive to another.
const RESTORES: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// What is remembered of a device.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Why it is not mapped until the files are read again, if it is not.
    pub(super) left_out: Option<String>,
    /// What was said of it last.
    pub(super) told: Option<String>,
    /// A step that was done and changed nothing; once is enough.
    pub(super) idle: Option<Step>,
    /// What the kernel is at.
    pub(super) begun: Option<Begun>,
    /// A step that came too late: a path led elsewhere when it was opened.
    pub(super) late: Option<Step>,
    /// When it was made as configured by itself.
    restores: VecDeque<Instant>,
}

/// A step that the kernel is at.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) step: Step,
    /// How far the changes of the look that it comes from may go.
    pub(super) authority: Authority,
    /// The files were read again since: what they say now has still to be done.
    pub(super) reread: bool,
}

impl Kept {
    /// The files were read again, or the module came: all is tried anew, but for what the kernel is at.
    pub(super) fn forget(&mut self) {
        *self = Self {
            begun: self.begun.take(),
            ..Self::default()
        };
    }

    /// Whether the step that the kernel is at unmaps a device.
    pub(super) fn unmaps(&self, device: &Device) -> bool {
        let action = self.begun.as_ref().map(|begun| &begun.step.action);
        matches!(action, Some(Action::Remap { before, .. }) if before.generation == device.generation)
    }

    /// Says something, if it was not said last.
    pub(super) fn tell(&mut self, level: Level, text: &str) {
        if self.told.as_deref() != Some(text) {
            log::log!(level, "{text}");
            self.told = Some(text.to_owned());
        }
    }

    /// Notes that it was made as configured.
    pub(super) fn restored(&mut self, now: Instant) {
        self.restores.push_back(now);
        if self.restores.len() > RESTORES {
            self.restores.pop_front();
        }
    }

    /// Until when it is left as it is, because it was made as configured too often.
    pub(super) fn tired(&self, now: Instant) -> Option<Instant> {
        let first = self
            .restores
            .front()
            .filter(|_| self.restores.len() == RESTORES)?;
        let until = *first + WINDOW;
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_each_time_is_left_for_a_while() {
        let mut kept = Kept::default();
        let begin = Instant::now();
        for _ in 0..RESTORES {
            assert_eq!(kept.tired(begin), None);
            kept.restored(begin);
        }
        assert_eq!(kept.tired(begin), Some(begin + WINDOW));
        assert_eq!(kept.tired(begin + WINDOW), None);
        kept.restored(begin + WINDOW);
        assert_eq!(kept.tired(begin + WINDOW), None, "the first are long ago");
    }
}
