// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drive that brings the guest this program, the module and `shunt`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use super::parts::Parts;
use super::{Result, because};

const MIB: u64 = 1 << 20;

/// The root image hands over to this one. No udevd runs in the guest: libdevmapper has to make its nodes itself.
const INIT: &str = "#!/bin/sh
export PATH=/payload/bin:$PATH DM_DISABLE_UDEV=1
shunt-bench guest
exec poweroff -f
";

/// An image file; removed on drop.
pub(super) struct Payload {
    folder: PathBuf,
}

impl Payload {
    /// Makes the image.
    pub(super) fn make(parts: &Parts) -> Result<Self> {
        let folder = parts.work.join(format!("payload-{}", process::id()));
        let payload = Self { folder };
        let tree = payload.folder.join("tree");
        let bin = tree.join("bin");
        payload.clear();
        fs::create_dir_all(&bin).map_err(because(bin.display()))?;
        let mut bytes = 0;
        let kublk = parts.kublk.as_ref();
        let files = [
            (Path::new("/proc/self/exe"), bin.join("shunt-bench")),
            (&parts.cli, bin.join("shunt")),
            (&parts.module, tree.join("shunt.ko")),
        ];
        for (from, to) in files
            .into_iter()
            .chain(kublk.map(|kublk| (kublk.as_path(), bin.join("kublk"))))
        {
            bytes += fs::copy(from, &to).map_err(because(from.display()))?;
        }
        let init = tree.join("init");
        fs::write(&init, INIT)
            .and_then(|()| fs::set_permissions(&init, fs::Permissions::from_mode(0o755)))
            .map_err(because(init.display()))?;
        let image = payload.image();
        File::create(&image)
            .and_then(|file| file.set_len(bytes + bytes / 4 + 8 * MIB))
            .map_err(because(image.display()))?;
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-F", "-O", "^has_journal", "-d"])
            .args([&tree, &image])
            .output()
            .map_err(because("mkfs.ext4 (run this by scripts/bench)"))?;
        match made.status.success() {
            true => Ok(payload),
            false => Err(format!(
                "mkfs.ext4 of the payload failed: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            )),
        }
    }

    /// The image file.
    pub(super) fn image(&self) -> PathBuf {
        self.folder.join("payload.ext4")
    }

    /// A folder for what belongs to the same guest.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn clear(&self) {
        // A folder that is not there is what this is for.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.clear();
    }
}
