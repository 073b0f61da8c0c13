// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who uses a block device: mounts, swap, devices on top of it, open files. Programs look when the
//! kernel says that a device is busy; what cannot be read is left out.

use std::{
    fmt, fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::libc;

use crate::words::shown;

/// Names of the processes of udev, in today's systemd and before.
const UDEV: [&str; 2] = ["(udev-worker)", "systemd-udevd"];

/// One use of a block device; shows it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    words: String,
    /// Whether it ends by itself: udev looks at every device that comes or was written.
    pub passing: bool,
}

impl Use {
    fn lasting(words: String) -> Self {
        Self {
            words,
            passing: false,
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Finds who uses a block device.
#[derive(Debug)]
pub struct Users {
    proc: PathBuf,
    sys: PathBuf,
}

impl Users {
    /// Looks at the machine that it runs on.
    pub fn of_this_machine() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
        }
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

    fn of_sysfs(&self, link: &Path) -> Vec<Use> {
        let Ok(disk) = fs::canonicalize(link) else {
            return Vec::new();
        };
        let mut uses = self.of_one(&disk);
        for partition in entries(&disk).filter(|entry| entry.join("partition").exists()) {
            let name = file_name(&partition);
            uses.extend(self.of_one(&partition).into_iter().map(|user| Use {
                words: format!("{user} ({name})"),
                ..user
            }));
        }
        uses
    }

    fn of_one(&self, disk: &Path) -> Vec<Use> {
        let node = format!("/dev/{}", file_name(disk));
        let number = fs::read_to_string(disk.join("dev")).unwrap_or_default();
        let mut words = self.mounts(number.trim(), &node);
        words.extend(self.swap(&node));
        words.extend(self.holders(disk));
        // A mount or a device on top has no open file; a program that has one is named only if
        // nothing else explains it, as all processes have to be looked through.
        if words.is_empty() {
            return self.programs(&node);
        }
        words.into_iter().map(Use::lasting).collect()
    }

    fn mounts(&self, number: &str, node: &str) -> Vec<String> {
        let table = fs::read_to_string(self.proc.join("self/mountinfo")).unwrap_or_default();
        table
            .lines()
            .filter_map(|line| {
                let (mount, source) = line.split_once(" - ")?;
                let mut fields = mount.split(' ').skip(2);
                let (device, place) = (fields.next()?, fields.nth(1)?);
                let is_it = device == number || source.split(' ').nth(1)? == node;
                is_it.then(|| format!("mounted at {}", place.replace("\\040", " ")))
            })
            .collect()
    }

    fn swap(&self, node: &str) -> Option<String> {
        let table = fs::read_to_string(self.proc.join("swaps")).ok()?;
        let used = table
            .lines()
            .any(|line| line.split(' ').next() == Some(node));
        used.then(|| "in use as swap".to_owned())
    }

    fn holders(&self, disk: &Path) -> Vec<String> {
        let mut holders: Vec<_> = entries(&disk.join("holders"))
            .map(|holder| {
                let name = file_name(&holder);
                match fs::read_to_string(self.sys.join("block").join(&name).join("dm/name")) {
                    Ok(alias) => format!("held by {name} ({})", alias.trim()),
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
                let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
                let name = name.trim_end();
                Use {
                    words: format!(
                        "in use by {} (process {})",
                        shown(name),
                        file_name(&process)
                    ),
                    passing: UDEV.contains(&name),
                }
            })
            .collect();
        programs.sort_by(|one, other| one.words.cmp(&other.words));
        programs
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path())
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
