// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drives of the play: which one has each number, and which number each name leads to.

use std::collections::BTreeMap;

use super::{
    super::{Drive, Fake},
    DEVICES, NAMES, PART,
};
use crate::model::{State, Target};

/// What is on a drive, and so which drive it is, whatever its names and numbers.
pub(super) type Content = u64;

/// The drives that there are.
pub(super) struct Drives {
    kernel: Fake,
    contents: BTreeMap<u32, Content>,
    names: BTreeMap<usize, u32>,
    /// Names that lead to another drive once they are opened.
    turning: BTreeMap<usize, (u32, Content)>,
    last_number: u32,
    last_content: Content,
}

impl Drives {
    pub(super) fn of(kernel: &Fake) -> Self {
        Self {
            kernel: kernel.clone(),
            contents: BTreeMap::new(),
            names: BTreeMap::new(),
            turning: BTreeMap::new(),
            last_number: 100,
            last_content: 100,
        }
    }

    /// What a name leads to.
    pub(super) fn named(&self, name: usize) -> Option<Content> {
        self.contents.get(self.names.get(&name)?).copied()
    }

    /// What a target is on; none if that went.
    pub(super) fn of_target(&self, target: &Target) -> Option<Content> {
        let live = target.state != State::Lost;
        let content = self.contents.get(&target.minor).copied();
        content.filter(|_| live)
    }

    fn drive(number: u32, serial: Option<Content>) -> Drive {
        Drive {
            serial,
            ..Drive::new(8, number, PART * DEVICES.len() as u64)
        }
    }

    pub(super) fn put(&mut self, name: usize, number: u32, content: Content, silent: bool) {
        let drive = Self::drive(number, (!silent).then_some(content));
        self.kernel.add_drive(NAMES[name], drive);
        self.contents.insert(number, content);
        self.names.insert(name, number);
    }

    fn take(&mut self, name: usize) -> Option<u32> {
        let number = self.names.remove(&name)?;
        self.kernel.remove_drive(NAMES[name]);
        self.contents.remove(&number);
        Some(number)
    }

    fn new_one(&mut self) -> (u32, Content) {
        self.last_number += 1;
        self.last_content += 1;
        (self.last_number, self.last_content)
    }

    /// A drive is pulled; true if nobody was told of it who should be.
    pub(super) fn go(&mut self, name: usize, unheard: bool) -> bool {
        let number = self.names.get(&name);
        let is_on = |target: &Target| target.state != State::Lost && Some(&target.minor) == number;
        let devices = self.kernel.devices();
        let unheard = unheard && devices.iter().flat_map(|device| &device.targets).any(is_on);
        if unheard {
            self.kernel.lose_next();
        }
        self.take(name);
        unheard
    }

    pub(super) fn come(&mut self, name: usize, renumbered: bool) {
        let content = name as Content;
        let mut there = self.contents.iter();
        let there = there.find(|(_, other)| **other == content);
        let number = match there.map(|(number, _)| *number) {
            Some(number) => number,
            None if renumbered => self.new_one().0,
            None => name as u32,
        };
        let other = self.contents.get(&number);
        if other.is_none_or(|other| *other == content) {
            self.put(name, number, content, false);
        }
    }

    /// Another drive gets a name, if one can; true if so.
    pub(super) fn copy(
        &mut self,
        name: usize,
        pulled: bool,
        renumbered: bool,
        silent: bool,
    ) -> bool {
        let before = if pulled { self.take(name) } else { None };
        if tells_apart(name) {
            return false;
        }
        let (number, content) = self.new_one();
        let number = before.filter(|_| !renumbered).unwrap_or(number);
        self.put(name, number, content, silent);
        true
    }

    /// Another drive gets a name once that is opened, if one can; true if so.
    pub(super) fn turn(&mut self, name: usize) -> bool {
        let can = !tells_apart(name) && self.names.contains_key(&name);
        if can {
            let (number, content) = self.new_one();
            let drive = Self::drive(number, Some(content));
            self.kernel.turn_at_open(NAMES[name], drive);
            self.turning.insert(name, (number, content));
        }
        can
    }

    /// Takes up which names were opened that lead to another drive then.
    pub(super) fn opened(&mut self) {
        let kernel = self.kernel.clone();
        let (still, opened): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.turning)
            .into_iter()
            .partition(|(name, _)| kernel.is_turning(NAMES[*name]));
        self.turning = still;
        for (name, (number, content)) in opened {
            self.contents.insert(number, content);
            self.names.insert(name, number);
        }
    }
}

/// A link by a serial number leads to no other drive.
fn tells_apart(name: usize) -> bool {
    NAMES[name].contains("by-id")
}
