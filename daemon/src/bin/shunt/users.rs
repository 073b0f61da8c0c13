// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who uses a block device: mounts, swap, devices on top of it, open files. `map` and `unmap` look
//! when the kernel says that a device is busy; what cannot be read is left out.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::libc;

use crate::explain::shown;

/// Where to look.
#[derive(Debug)]
pub(crate) struct Users {
    proc: PathBuf,
    sys: PathBuf,
}

impl Users {
    pub(crate) fn of_this_machine() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
        }
    }

    /// Uses of the block device at a path, as in "mounted at /mnt".
    pub(crate) fn of_path(&self, path: &str) -> Vec<String> {
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
    pub(crate) fn of_disk(&self, name: &str) -> Vec<String> {
        self.of_sysfs(&self.sys.join("block").join(name))
    }

    fn of_sysfs(&self, link: &Path) -> Vec<String> {
        let Ok(disk) = fs::canonicalize(link) else {
            return Vec::new();
        };
        let mut uses = self.of_one(&disk);
        for partition in entries(&disk).filter(|entry| entry.join("partition").exists()) {
            let name = file_name(&partition);
            uses.extend(
                self.of_one(&partition)
                    .iter()
                    .map(|user| format!("{user} ({name})")),
            );
        }
        uses
    }

    fn of_one(&self, disk: &Path) -> Vec<String> {
        let node = format!("/dev/{}", file_name(disk));
        let number = fs::read_to_string(disk.join("dev")).unwrap_or_default();
        let mut uses = self.mounts(number.trim(), &node);
        uses.extend(self.swap(&node));
        uses.extend(self.holders(disk));
        // A mount or a device on top has no open file; a program that has one is named only if
        // nothing else explains it, as all processes have to be looked through.
        if uses.is_empty() {
            uses = self.programs(&node);
        }
        uses
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

    fn programs(&self, node: &str) -> Vec<String> {
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
                format!(
                    "in use by {} (process {})",
                    shown(name.trim_end()),
                    file_name(&process)
                )
            })
            .collect();
        programs.sort();
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
