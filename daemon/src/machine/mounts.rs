// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mounted file systems, as the kernel lists them. It answers also while one of them does not.

use std::{fs, path::Path};

/// File systems that may span several devices, which only root may mount.
const SPANNING: [&str; 2] = ["btrfs", "bcachefs"];

/// A mounted file system.
pub(super) struct Mount {
    /// `MAJOR:MINOR` of what it is on, as its files have it.
    pub(super) number: String,
    pub(super) place: String,
    /// What it is on, of a file system that spans several devices: its number is no device's.
    pub(super) source: Option<String>,
}

/// All of them, the last mounted last.
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Reads them below `/proc`; none if that cannot be read.
    pub(super) fn read(proc: &Path) -> Self {
        let table = fs::read_to_string(proc.join("self/mountinfo")).unwrap_or_default();
        let mount = |line: &str| {
            let (mount, source) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(2);
            let (number, place) = (fields.next()?, fields.nth(1)?);
            let mut source = source.split(' ');
            let spans = SPANNING.contains(&source.next()?);
            Some(Mount {
                number: number.to_owned(),
                place: unescaped(place),
                // What other file systems give here, anybody may have written who may mount in user space.
                source: source.next().filter(|_| spans).map(unescaped),
            })
        };
        Self(table.lines().filter_map(mount).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// The one that a file is on. Nothing is asked of the file.
    pub(super) fn over(&self, file: &Path) -> Option<&Mount> {
        // The last mount at the longest place hides the others.
        let over = self.iter().filter(|mount| file.starts_with(&mount.place));
        over.max_by_key(|mount| mount.place.len())
    }
}

/// A path as the kernel's tables have it, with what would end a field there as `\NNN`.
pub(super) fn unescaped(field: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
