// SPDX-License-Identifier: MIT OR Apache-2.0
//! A logical volume that takes all of one drive; removed on drop, with its volume group.

use std::{fs, thread};

use super::command::{attempt, run_words};

const GROUP: &str = "beside";

/// No udevd makes nodes here, the root is not written to, and LVM takes drives of no kind that it does not know. It is to see
/// the one drive alone, and not what that stands on, which holds the same.
fn config(drive: &str) -> String {
    format!(
        "devices {{ use_devicesfile=0 types=[\"nullb\",16,\"shunt\",16] global_filter=[\"a|^{drive}$|\",\"r|.*|\"] }} \
         backup {{ backup=0 archive=0 }} activation {{ udev_sync=0 udev_rules=0 verify_udev_operations=1 }}"
    )
}

/// The volume.
pub(crate) struct Lvm {
    config: String,
}

impl Lvm {
    /// Makes one on a drive.
    #[track_caller]
    pub(crate) fn on(drive: &str) -> Self {
        let volume = Self {
            config: config(drive),
        };
        volume.order("pvcreate", &["-ff", "--yes", drive]);
        volume.order("vgcreate", &[GROUP, drive]);
        volume.order(
            "lvcreate",
            &[
                "--yes",
                "--wipesignatures=n",
                "--zero=n",
                "--extents=100%FREE",
                "--name=volume",
                GROUP,
            ],
        );
        volume
    }

    /// Its device node.
    pub(crate) fn path(&self) -> String {
        format!("/dev/mapper/{GROUP}-volume")
    }

    #[track_caller]
    fn order(&self, verb: &str, words: &[&str]) {
        run_words(&[&[verb, "--config", &self.config], words].concat());
    }
}

impl Drop for Lvm {
    fn drop(&mut self) {
        // The drive may be gone, and with it what LVM wrote there: the mapping goes all the same.
        let ended = attempt(&["dmsetup", "remove", "--retry", &self.path()]);
        assert!(
            ended.code == Some(0) || thread::panicking(),
            "dmsetup remove: {}",
            ended.stderr
        );
        let remove = [
            "vgremove",
            "--config",
            &self.config,
            "--force",
            "--yes",
            GROUP,
        ];
        let _ = attempt(&remove);
        // LVM's folder of links, which udev would remove.
        let _ = fs::remove_dir_all(format!("/dev/{GROUP}"));
    }
}
