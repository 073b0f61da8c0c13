// SPDX-License-Identifier: MIT OR Apache-2.0
//! What udev has found out about a block device.

use std::{fs, path::Path};

/// What it wrote down, and made links by.
pub(super) struct Known {
    text: String,
    /// All of that is of a disk that had the number before: udev has yet to see this one.
    pub(super) stale: bool,
}

impl Known {
    /// What it knows of the block device with this number, in its folder; `sequence` is the number in which the disk came.
    pub(super) fn read(folder: &Path, number: (u32, u32), sequence: Option<u64>) -> Self {
        let (major, minor) = number;
        let text = fs::read_to_string(folder.join(format!("data/b{major}:{minor}")));
        let text = text.unwrap_or_default();
        let mut links = text
            .lines()
            .filter_map(|line| line.strip_prefix("S:disk/by-diskseq/"));
        let is_of_another = |link: &str| {
            let number = link.split('-').next().and_then(|text| text.parse().ok());
            number.is_some() && sequence.is_some() && number != sequence
        };
        let stale = links.any(is_of_another);
        Self { text, stale }
    }

    /// A property of this very disk.
    pub(super) fn property(&self, name: &str) -> Option<String> {
        let mut lines = self.text.lines().filter(|_| !self.stale);
        lines.find_map(|line| {
            let rest = line.strip_prefix("E:")?.strip_prefix(name)?;
            rest.strip_prefix('=').map(str::to_owned)
        })
    }
}
