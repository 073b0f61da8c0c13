// SPDX-License-Identifier: MIT OR Apache-2.0
//! The links that udev makes for drives by what they say of themselves, and which of several is the
//! one to write down.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use nix::libc;

/// What the names begin with, the one that tells a person most first. What begins otherwise comes
/// last.
const BEGINNINGS: [&str; 7] = [
    "nvme-", "ata-", "scsi-", "virtio-", "usb-", "dm-name-", "wwn-",
];

/// The links of a folder, by what they lead to.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_number: BTreeMap<(u32, u32), String>,
}

impl Links {
    /// Reads a folder; what cannot be read is left out.
    pub(super) fn read(folder: &Path) -> Self {
        let mut links = Self::default();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if let (true, Some(path)) = (metadata.file_type().is_block_device(), path.to_str()) {
                let number = metadata.rdev();
                links.add((libc::major(number), libc::minor(number)), path);
            }
        }
        links
    }

    fn add(&mut self, number: (u32, u32), path: &str) {
        match self.by_number.get_mut(&number) {
            Some(other) if rank(path) < rank(other) => path.clone_into(other),
            Some(_) => {}
            None => {
                self.by_number.insert(number, path.to_owned());
            }
        }
    }

    /// The link to write down for the block device with these numbers.
    pub(super) fn best(&self, number: (u32, u32)) -> Option<&str> {
        self.by_number.get(&number).map(String::as_str)
    }
}

/// The lowest is the best.
fn rank(path: &str) -> (usize, usize, &str) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let tells = |beginning: &str| name.starts_with(beginning) && !name.starts_with("nvme-eui.");
    let place = BEGINNINGS.into_iter().position(tells);
    let place = place.unwrap_or(BEGINNINGS.len());
    (place, name.len(), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_links_the_shortest_of_the_best_kind_is_written_down() {
        let mut links = Links::default();
        for name in [
            "nvme-eui.0000000001000000",
            "nvme-Flash_1_S6Z2_1",
            "nvme-Flash_1_S6Z2",
            "lvm-pv-uuid-x",
        ] {
            links.add((259, 0), &format!("/dev/disk/by-id/{name}"));
        }
        let best = links.best((259, 0));
        assert_eq!(best, Some("/dev/disk/by-id/nvme-Flash_1_S6Z2"));
        assert_eq!(links.best((259, 1)), None);
    }
}
