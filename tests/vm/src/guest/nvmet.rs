// SPDX-License-Identifier: MIT OR Apache-2.0
//! An NVMe namespace over a block device, by the kernel's own NVMe target, looped back: it turns commands into bios that
//! no ioctl makes. Taken down on drop.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::command::{attempt, run};
use super::wait::Poll;
use super::{configfs, sysfs};

const NAME: &str = "shunt-case";
const SUBSYSTEM: &str = "/sys/kernel/config/nvmet/subsystems/shunt-case";
const PORT: &str = "/sys/kernel/config/nvmet/ports/1";

/// A namespace.
pub(crate) struct Namespace {
    path: String,
}

impl Namespace {
    /// Offers the device at `path` and connects to it. `None` if this kernel has no NVMe target.
    #[track_caller]
    pub(crate) fn over(path: &str) -> Option<Self> {
        Self::with(path, &[])
    }

    /// As [`over`](Self::over), and it can be reserved.
    #[track_caller]
    pub(crate) fn reservable(path: &str) -> Option<Self> {
        Self::with(path, &[("resv_enable", "1")])
    }

    #[track_caller]
    fn with(path: &str, settings: &[(&str, &str)]) -> Option<Self> {
        for module in ["nvmet", "nvme-loop"] {
            if attempt(&["modprobe", module]).code != Some(0) {
                return None;
            }
        }
        configfs::mount_for("nvmet");
        // What is made so far goes if the rest fails.
        let mut namespace = Self {
            path: String::new(),
        };
        let make = |folder: &str| {
            fs::create_dir(folder).unwrap_or_else(|why| panic!("{folder}: {why}"));
        };
        let set = |file: &str, value: &str| {
            fs::write(file, value).unwrap_or_else(|why| panic!("{file}: {why}"));
        };
        make(SUBSYSTEM);
        set(&format!("{SUBSYSTEM}/attr_allow_any_host"), "1");
        make(&format!("{SUBSYSTEM}/namespaces/1"));
        set(&format!("{SUBSYSTEM}/namespaces/1/device_path"), path);
        for (name, value) in settings {
            set(&format!("{SUBSYSTEM}/namespaces/1/{name}"), value);
        }
        set(&format!("{SUBSYSTEM}/namespaces/1/enable"), "1");
        make(PORT);
        set(&format!("{PORT}/addr_trtype"), "loop");
        let link = format!("{PORT}/subsystems/{NAME}");
        symlink(SUBSYSTEM, &link).unwrap_or_else(|why| panic!("{link}: {why}"));
        run(&format!("nvme connect --transport=loop --nqn={NAME}"));
        let found = Poll::for_at_most(Duration::from_secs(20)).until(|| {
            let disks = sysfs::names("/sys/block").into_iter();
            let is_it = |disk: &String| {
                let nqn = sysfs::read(&format!("/sys/block/{disk}/device/subsysnqn"));
                nqn.as_deref() == Some(NAME) && Path::new("/dev").join(disk).exists()
            };
            disks.filter(|disk| disk.starts_with("nvme")).find(is_it)
        });
        let disk = found.unwrap_or_else(|| panic!("no namespace came of {path}"));
        namespace.path = format!("/dev/{disk}");
        Some(namespace)
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Appends the bytes of `file` to the zone that begins at block `zone`; gives the block that they went to.
    #[track_caller]
    pub(crate) fn append(&self, zone: u64, file: &str, bytes: usize) -> u64 {
        let said = run(&format!(
            "nvme zns zone-append {} --zslba={zone} --data-size={bytes} --data={file}",
            self.path
        ));
        // It is told in hexadecimal digits.
        let block = said.split_whitespace().last();
        let block = block.and_then(|word| u64::from_str_radix(word, 16).ok());
        block.unwrap_or_else(|| panic!("an append said {said:?}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Each step may be missing if the making failed.
        attempt(&["nvme", "disconnect", "--nqn", NAME]);
        let _ = fs::remove_file(format!("{PORT}/subsystems/{NAME}"));
        for folder in [PORT, &format!("{SUBSYSTEM}/namespaces/1"), SUBSYSTEM] {
            let _ = fs::remove_dir(folder);
        }
    }
}
