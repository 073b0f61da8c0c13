// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drives of the fake as a machine that plans are made for.

use nix::libc::ENOENT;

use super::{Fake, table::SHUNT_MAJOR};
use crate::{
    config::DriveName,
    drive,
    machine::{Drive, Found, Identity, Machine},
    model::Target,
};

/// The number of the disk of a device.
fn id_of(disk: &str) -> Option<u32> {
    disk.strip_prefix("shunt")?.parse().ok()
}

impl Machine for Fake {
    /// What [`Fake::add_drive`] put at the name; an identifier is a path, too.
    fn find(&self, name: &DriveName) -> Found {
        let path = name.to_string();
        match self.kernel().table.drive(&path) {
            Ok(drive) => Found::Drive(Drive {
                disk: match drive.major {
                    SHUNT_MAJOR => format!("shunt{}", drive.minor),
                    major => format!("disk{major}.{}", drive.minor),
                },
                path,
                major: drive.major,
                minor: drive.minor,
                size: drive.size,
                logical_block_size: drive.logical_block_size,
                identity: Identity {
                    hardware: drive.serial.map(|serial| format!("S{serial}")),
                    sequence: Some(drive.diskseq),
                    ..Identity::default()
                },
            }),
            Err(ENOENT) => Found::Missing,
            Err(errno) => Found::Wrong(drive::refusal(errno).to_string()),
        }
    }

    fn way_down(&self, drive: &Drive, disk: &str) -> Option<Vec<String>> {
        let id = id_of(disk)?;
        self.kernel().table.way_down(drive.major, drive.minor, id)
    }

    fn users(&self, disk: &str) -> Vec<String> {
        let open = id_of(disk).is_some_and(|id| self.kernel().table.is_open(id));
        open.then(|| "mounted at /mnt".to_owned())
            .into_iter()
            .collect()
    }

    fn lasting_name(&self, target: &Target) -> DriveName {
        let kernel = self.kernel();
        let leads_there = |path: &str| {
            let drive = kernel.table.drive(path);
            drive.is_ok_and(|drive| drive.is(target))
        };
        let own = Some(target.path.as_str()).filter(|path| leads_there(path));
        let mut others = kernel.table.paths();
        let name = own.or_else(|| others.find(|path| leads_there(path)));
        DriveName::Path(name.unwrap_or(&target.path).to_owned())
    }

    fn is_settled(&self) -> bool {
        self.kernel().settled
    }
}
