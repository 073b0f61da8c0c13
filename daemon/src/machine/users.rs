// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who uses a block device: mounts, swap, devices on top of it, open files. Programs look when the
//! kernel says that a device is busy; what cannot be read is left out.

use std::{
    fmt, fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::libc;

use super::mounts::{Mount, Mounts, unescaped};
use crate::words::shown;

/// Names of the processes of udev, in today's systemd and before.
const UDEV: [&str; 2] = ["(udev-worker)", "systemd-udevd"];

/// What the control groups of udev and of what it starts have in their paths.
const UDEV_GROUP: &str = "/systemd-udevd.service";

/// No process of udev's is further from it.
const GENERATIONS: usize = 16;

/// One use of a block device; shows it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    words: String,
    /// Whether it ends by itself: udev, and the programs that it runs, look at every device that
    /// comes or was written.
    pub passing: bool,
    /// Whether all there is is a program with an open file, which it may be about to close.
    pub open: bool,
}

impl Use {
    fn lasting(words: String) -> Self {
        Self {
            words,
            passing: false,
            open: false,
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// A disk or a partition, as the kernel's tables name it.
struct Place {
    number: String,
    node: String,
}

impl Place {
    /// The one at this place in sysfs.
    fn of(disk: &Path) -> Self {
        let number = fs::read_to_string(disk.join("dev")).unwrap_or_default();
        Self {
            number: number.trim().to_owned(),
            node: format!("/dev/{}", file_name(disk)),
        }
    }
}

/// Whether a mount is on this disk; one on several has a number of its own, and names one of them.
fn is_of(mount: &Mount, place: &Place) -> bool {
    mount.number == place.number || mount.source.as_ref() == Some(&place.node)
}

/// Finds who uses a block device.
#[derive(Debug)]
pub struct Users {
    proc: PathBuf,
    sys: PathBuf,
    run: PathBuf,
}

impl Users {
    /// Looks at the machine that it runs on.
    pub fn of_this_machine() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            run: "/run".into(),
        }
    }

    /// Whether udev has something left to look at, which may be any device.
    pub fn udev_is_busy(&self) -> bool {
        self.run.join("udev/queue").exists()
    }

    /// Uses of the block device at a path, as in "mounted at /mnt".
    pub fn of_path(&self, path: &str) -> Vec<Use> {
        let Ok(metadata) = fs::metadata(path) else {
            return Vec::new();
        };
        if !metadata.file_type().is_block_device() {
            return Vec::new();
        }
        let (major, minor) = (libc::major(metadata.rdev()), libc::minor(metadata.rdev()));
        self.of_sysfs(&self.sys.join(format!("dev/block/{major}:{minor}")))
    }

    /// Uses of the disk with this name in `/sys/block`.
    pub fn of_disk(&self, name: &str) -> Vec<Use> {
        self.of_sysfs(&self.sys.join("block").join(name))
    }

    /// Paths of what is swapped to on the disk with this name in `/sys/block`: itself, partitions,
    /// and files of file systems there. Without its node nothing could turn such swap off.
    pub fn swap_on_disk(&self, name: &str) -> Vec<String> {
        let Ok(disk) = fs::canonicalize(self.sys.join("block").join(name)) else {
            return Vec::new();
        };
        let places: Vec<Place> = std::iter::once(disk.clone())
            .chain(partitions(&disk))
            .map(|disk| Place::of(&disk))
            .collect();
        let mounts = Mounts::read(&self.proc);
        let is_there = |swap: &String| {
            let under = mounts.over(Path::new(swap));
            places
                .iter()
                .any(|place| place.node == *swap || under.is_some_and(|mount| is_of(mount, place)))
        };
        self.swaps().into_iter().filter(is_there).collect()
    }

    fn of_sysfs(&self, link: &Path) -> Vec<Use> {
        let Ok(disk) = fs::canonicalize(link) else {
            return Vec::new();
        };
        let mut uses = self.of_one(&disk);
        for partition in partitions(&disk) {
            let name = file_name(&partition);
            uses.extend(self.of_one(&partition).into_iter().map(|user| Use {
                words: format!("{user} ({name})"),
                ..user
            }));
        }
        uses
    }

    fn of_one(&self, disk: &Path) -> Vec<Use> {
        let place = Place::of(disk);
        let mounts = Mounts::read(&self.proc);
        let mut words: Vec<String> = mounts
            .iter()
            .filter(|mount| is_of(mount, &place))
            .map(|mount| format!("mounted at {}", shown(&mount.place)))
            .collect();
        if self.swaps().contains(&place.node) {
            words.push("in use as swap".to_owned());
        }
        words.extend(self.holders(disk));
        // A mount or a device on top has no open file; a program that has one is named only if
        // nothing else explains it, as all processes have to be looked through.
        if words.is_empty() {
            return self.programs(&place.node);
        }
        words.into_iter().map(Use::lasting).collect()
    }

    /// Paths of what is swapped to.
    fn swaps(&self) -> Vec<String> {
        let table = fs::read_to_string(self.proc.join("swaps")).unwrap_or_default();
        let paths = table.lines().skip(1);
        paths
            .filter_map(|line| line.split([' ', '\t']).next())
            .map(unescaped)
            .collect()
    }

    fn holders(&self, disk: &Path) -> Vec<String> {
        let mut holders: Vec<_> = entries(&disk.join("holders"))
            .map(|holder| {
                let name = file_name(&holder);
                match fs::read_to_string(self.sys.join("block").join(&name).join("dm/name")) {
                    Ok(alias) => format!("held by {name} ({})", shown(alias.trim())),
                    Err(_) => format!("held by {name}"),
                }
            })
            .collect();
        holders.sort();
        holders
    }

    fn programs(&self, node: &str) -> Vec<Use> {
        let has_it_open = |process: &Path| {
            entries(&process.join("fd"))
                .any(|file| fs::read_link(file).is_ok_and(|target| target == Path::new(node)))
        };
        let is_process = |path: &PathBuf| file_name(path).bytes().all(|b| b.is_ascii_digit());
        let mut programs: Vec<_> = entries(&self.proc)
            .filter(is_process)
            .filter(|process| has_it_open(process))
            .map(|process| {
                let (name, number) = (name_of(&process), file_name(&process));
                Use {
                    words: format!("in use by {} (process {number})", shown(&name)),
                    passing: self.is_of_udev(&process),
                    open: true,
                }
            })
            .collect();
        programs.sort_by(|one, other| one.words.cmp(&other.words));
        programs
    }

    /// Whether a process is udev's, or one that udev started, perhaps over others.
    fn is_of_udev(&self, process: &Path) -> bool {
        let group = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        if group.contains(UDEV_GROUP) {
            return true;
        }
        let parent = |process: &PathBuf| {
            let status = fs::read_to_string(process.join("status")).ok()?;
            let number = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            Some(self.proc.join(number.trim()))
        };
        std::iter::successors(Some(process.to_owned()), parent)
            .take(GENERATIONS)
            .any(|process| UDEV.contains(&name_of(&process).as_str()))
    }
}

/// The name of the program of a process.
fn name_of(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path())
}

fn partitions(disk: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    entries(disk).filter(|entry| entry.join("partition").exists())
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
