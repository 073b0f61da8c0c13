// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drives of the machine that this runs on, as `/dev` and sysfs show them.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::libc;

use super::{Drive, Found, Identity, Machine, Stacking, Users, links::Links, udev::Known};
use crate::{
    config::DriveName,
    model::{State, Target},
    words::shown,
};

/// Where disks say in sysfs which they are, the surest first: NVMe, SCSI, device mapper, md, virtio, cards, loop.
const HARDWARE: [&str; 8] = [
    "wwid",
    "device/wwid",
    "dm/uuid",
    "md/uuid",
    "serial",
    "device/serial",
    "device/cid",
    "loop/backing_file",
];

/// The machine that this runs on. It remembers what it has looked up, so make a new one for each
/// comparison.
#[derive(Debug)]
pub struct ThisMachine {
    dev: PathBuf,
    sys: PathBuf,
    /// What udev has found out, and says while it is at work.
    udev: PathBuf,
    found: RefCell<BTreeMap<DriveName, Found>>,
    links: OnceCell<Links>,
    parts: OnceCell<BTreeMap<String, Vec<String>>>,
    sequence: OnceCell<BTreeMap<u64, String>>,
}

impl ThisMachine {
    /// The machine as it is from now on.
    pub fn now() -> Self {
        Self::at("/dev", "/sys", "/run/udev")
    }

    pub(super) fn at(
        dev: impl Into<PathBuf>,
        sys: impl Into<PathBuf>,
        udev: impl Into<PathBuf>,
    ) -> Self {
        Self {
            dev: dev.into(),
            sys: sys.into(),
            udev: udev.into(),
            found: RefCell::default(),
            links: OnceCell::new(),
            parts: OnceCell::new(),
            sequence: OnceCell::new(),
        }
    }

    /// The block device at a path.
    fn at_path(&self, path: &str) -> Found {
        let Ok(metadata) = fs::metadata(path) else {
            return Found::Missing;
        };
        if !metadata.file_type().is_block_device() {
            return Found::Wrong(format!(
                "{} is not a block device; lsblk lists those that there are",
                shown(path)
            ));
        }
        let number = metadata.rdev();
        self.drive(path, libc::major(number), libc::minor(number))
    }

    fn drive(&self, path: &str, major: u32, minor: u32) -> Found {
        let link = self.sys.join(format!("dev/block/{major}:{minor}"));
        let Ok(place) = fs::canonicalize(link) else {
            return Found::Missing;
        };
        let disk = match (place.join("partition").exists(), place.parent()) {
            (true, Some(disk)) => disk,
            _ => &place,
        };
        let came = || number(&disk.join("diskseq"));
        let sequence = came();
        let known = Known::read(&self.udev, (major, minor), sequence);
        if known.stale && Path::new(path).starts_with(self.dev.join("disk")) {
            // udev made the link for a disk that had the number before. It sees soon that it is gone; the
            // kernel's word of the new one may be heard before that.
            return Found::Missing;
        }
        // Always in sectors of 512 bytes; 0 for one without a medium.
        let sectors = number(&place.join("size")).unwrap_or(0);
        if sectors == 0 {
            return Found::Missing;
        }
        let block = number(&disk.join("queue/logical_block_size"));
        let drive = Drive {
            path: path.to_owned(),
            disk: name(&place),
            major,
            minor,
            size: sectors.saturating_mul(512),
            logical_block_size: block.and_then(|block| block.try_into().ok()).unwrap_or(512),
            identity: identity(&place, disk, &known, sequence),
        };
        if came() != sequence {
            // One has the place of another: what was read may be of both. An event tells of it.
            return Found::Missing;
        }
        Found::Drive(drive)
    }

    /// The block device of that name, by a path of `folder` if that leads there.
    fn named(&self, disk: &str, folder: &str, entry: &str) -> Found {
        let node = self.dev.join(disk).display().to_string();
        let found = self.at_path(&node);
        let Found::Drive(drive) = found else {
            return found;
        };
        let link = self.dev.join("disk").join(folder).join(entry);
        let leads_there = fs::metadata(&link).is_ok_and(|metadata| {
            let number = metadata.rdev();
            (libc::major(number), libc::minor(number)) == (drive.major, drive.minor)
        });
        let path = if leads_there {
            link.display().to_string()
        } else {
            node
        };
        Found::Drive(Drive { path, ..drive })
    }

    /// Names of the block devices with each identifier of a partition.
    fn parts(&self) -> &BTreeMap<String, Vec<String>> {
        self.parts.get_or_init(|| {
            let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for place in entries(&self.sys.join("class/block")) {
                if let Some(uuid) = part_uuid(&place) {
                    parts.entry(uuid).or_default().push(name(&place));
                }
            }
            parts
        })
    }

    /// Names of the disks with each number in which they came.
    fn sequence(&self) -> &BTreeMap<u64, String> {
        self.sequence.get_or_init(|| {
            let disks = entries(&self.sys.join("block"));
            disks
                .filter_map(|place| Some((number(&place.join("diskseq"))?, name(&place))))
                .collect()
        })
    }
}

impl Machine for ThisMachine {
    fn find(&self, wanted: &DriveName) -> Found {
        if let Some(found) = self.found.borrow().get(wanted) {
            return found.clone();
        }
        let found = self.look_for(wanted);
        self.found
            .borrow_mut()
            .insert(wanted.clone(), found.clone());
        found
    }

    fn way_down(&self, drive: &Drive, disk: &str) -> Option<Vec<String>> {
        let number = libc::makedev(drive.major, drive.minor);
        Stacking::of_this_machine().way_from(number, disk)
    }

    fn users(&self, disk: &str) -> Vec<String> {
        let users = Users::of_this_machine().of_disk(disk);
        let lasting = users.iter().filter(|user| !user.passing);
        lasting.map(ToString::to_string).collect()
    }

    fn lasting_name(&self, target: &Target) -> DriveName {
        let number = (target.major, target.minor);
        let links = self
            .links
            .get_or_init(|| Links::read(&self.dev.join("disk/by-id")));
        // A path in one of these folders was given because it lasts.
        let lasts = ["/dev/disk/", "/dev/mapper/", "/dev/shunt/"];
        let own = lasts.iter().any(|folder| target.path.starts_with(folder));
        let place = self
            .sys
            .join(format!("dev/block/{}:{}", number.0, number.1));
        let leads_there = fs::metadata(&target.path).is_ok_and(|metadata| {
            let rdev = metadata.rdev();
            metadata.file_type().is_block_device()
                && (libc::major(rdev), libc::minor(rdev)) == number
        });
        if own && leads_there {
            DriveName::Path(target.path.clone())
        } else if let Some(link) = links.best(number) {
            DriveName::Path(link.to_owned())
        } else if let Some(uuid) = part_uuid(&place).filter(|uuid| self.is_only_one(uuid)) {
            DriveName::PartUuid(uuid)
        } else {
            match fs::canonicalize(&place) {
                // The kernel's own name for it.
                Ok(place) if !leads_there && target.state != State::Lost => {
                    DriveName::Path(self.dev.join(name(&place)).display().to_string())
                }
                _ => DriveName::Path(target.path.clone()),
            }
        }
    }

    fn is_settled(&self) -> bool {
        // udev has the file there while events are in its queue.
        !self.udev.join("queue").exists()
    }
}

impl ThisMachine {
    fn look_for(&self, wanted: &DriveName) -> Found {
        match wanted {
            DriveName::Path(path) => self.at_path(path),
            DriveName::PartUuid(uuid) => match self.parts().get(uuid).map(Vec::as_slice) {
                None | Some([]) => Found::Missing,
                Some([only]) => self.named(only, "by-partuuid", uuid),
                Some(several) => Found::Wrong(format!(
                    "{} is on several partitions ({}), as after a copy of a drive; give one of them \
                     another, or name it by its path",
                    shown(&wanted.to_string()),
                    several.join(", ")
                )),
            },
            DriveName::DiskSeq(number) => match self.sequence().get(number) {
                Some(disk) => self.named(disk, "by-diskseq", &number.to_string()),
                None => Found::Missing,
            },
        }
    }

    fn is_only_one(&self, uuid: &str) -> bool {
        self.parts().get(uuid).is_some_and(|parts| parts.len() == 1)
    }
}

/// What the block device at a place in sysfs says of itself, and what udev knows of it; `disk` is where its disk
/// is, which came with the number `sequence`.
fn identity(place: &Path, disk: &Path, known: &Known, sequence: Option<u64>) -> Identity {
    let said = HARDWARE.iter().find_map(|file| text(&disk.join(file)));
    let partition = part_uuid(place).or_else(|| text(&place.join("partition")));
    Identity {
        hardware: said.or_else(|| known.property("ID_SERIAL")),
        partition,
        file_system: known.property("ID_FS_UUID"),
        sequence,
    }
}

/// What the kernel read in the partition table about the block device at a place in sysfs.
fn part_uuid(place: &Path) -> Option<String> {
    let text = fs::read_to_string(place.join("uevent")).ok()?;
    let uuid = text.lines().find_map(|line| line.strip_prefix("PARTUUID="));
    uuid.map(str::to_lowercase)
}

/// What a file says in one line; none if it says nothing.
fn text(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path())
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
