// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a block device stands on: the drives below it, as sysfs shows them. `retarget` looks before
//! it asks the kernel, which sees no further than devices of shunt.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::libc;

use super::mounts::Mounts;

/// No device stands on more layers; a ring of links in sysfs would have no end.
const MOST_LAYERS: usize = 99;

/// Finds what a block device stands on.
#[derive(Debug)]
pub struct Stacking {
    sys: PathBuf,
    proc: PathBuf,
}

impl Stacking {
    /// Looks at the machine that it runs on.
    pub fn of_this_machine() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
        }
    }

    /// The disks from the block device at `path` down to the disk with this name, both included.
    /// None if it does not stand on it, or if that cannot be seen.
    pub fn way_down(&self, path: &str, disk: &str) -> Option<Vec<String>> {
        let metadata = fs::metadata(path).ok()?;
        let is_block = metadata.file_type().is_block_device();
        is_block.then(|| self.way_from(metadata.rdev(), disk))?
    }

    /// As [`way_down`](Self::way_down), from the block device with this number.
    pub(super) fn way_from(&self, dev: libc::dev_t, disk: &str) -> Option<Vec<String>> {
        let mut seen = Vec::new();
        self.search(&self.link_of(dev), disk, &mut seen)
    }

    /// The disks below the disk or partition with this name, in layers: those that it stands on,
    /// those that these stand on, and so on down to the drives. Files that loop devices are on are
    /// not looked into.
    pub fn layers(&self, name: &str) -> Vec<Vec<String>> {
        let top = whole(&self.sys.join("class/block").join(name));
        let mut layer: BTreeSet<_> = top.into_iter().collect();
        let mut layers = Vec::new();
        while layers.len() < MOST_LAYERS {
            let below = layer.iter().flat_map(|place| slaves(place));
            layer = below.filter_map(|link| whole(&link)).collect();
            if layer.is_empty() {
                break;
            }
            layers.push(layer.iter().map(|place| file_name(place)).collect());
        }
        layers
    }

    /// Names of the disks and partitions that the disk with this name stands on directly.
    pub fn drives(&self, name: &str) -> Vec<String> {
        let place = self.sys.join("class/block").join(name);
        let mut drives: Vec<_> = slaves(&place).map(|link| file_name(&link)).collect();
        drives.sort();
        drives
    }

    fn search(&self, link: &Path, disk: &str, seen: &mut Vec<PathBuf>) -> Option<Vec<String>> {
        let place = whole(link)?;
        // Several ways may lead to one disk; each is looked at once.
        if seen.contains(&place) {
            return None;
        }
        seen.push(place.clone());
        let name = file_name(&place);
        if name == disk {
            return Some(vec![name]);
        }
        let mut below = self.below(&place).into_iter();
        let mut way = below.find_map(|link| self.search(&link, disk, seen))?;
        way.insert(0, name);
        Some(way)
    }

    /// What a disk stands on. A loop device names a file instead of a slave.
    fn below(&self, place: &Path) -> Vec<PathBuf> {
        let mut below: Vec<_> = slaves(place).collect();
        let file = fs::read_to_string(place.join("loop/backing_file")).unwrap_or_default();
        below.extend(self.of_file(Path::new(file.trim_end_matches('\n'))));
        below
    }

    /// What a file is on. It is asked itself only where a device may be: an answer of one on a file
    /// system of a server, or of a program, may not come.
    fn of_file(&self, file: &Path) -> Option<PathBuf> {
        if file.starts_with("/dev") {
            let file = fs::metadata(file).ok()?;
            let is_block = file.file_type().is_block_device();
            return Some(self.link_of(if is_block { file.rdev() } else { file.dev() }));
        }
        let mounts = Mounts::read(&self.proc);
        let mount = mounts.over(file)?;
        Some(self.sys.join("dev/block").join(&mount.number))
    }

    fn link_of(&self, dev: libc::dev_t) -> PathBuf {
        let (major, minor) = (libc::major(dev), libc::minor(dev));
        self.sys.join(format!("dev/block/{major}:{minor}"))
    }
}

/// Where sysfs has a disk, or the disk that a partition is of.
fn whole(link: &Path) -> Option<PathBuf> {
    let mut place = fs::canonicalize(link).ok()?;
    if place.join("partition").exists() {
        place.pop();
    }
    Some(place)
}

fn slaves(place: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let slaves = fs::read_dir(place.join("slaves")).into_iter().flatten();
    slaves.flatten().map(|entry| entry.path())
}

fn file_name(place: &Path) -> String {
    let name = place.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
