// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a case must not leave: devices, files in their place, mounts, the module, complaints of the kernel. Asked by `init` after each case.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::mount::MOUNTS;
use super::system;
use crate::complaint::is_complaint;

/// Names of what is still there and should not be. What a whole system has is its own.
pub(crate) fn leftovers() -> Vec<String> {
    let mut left = Vec::new();
    if system::runs() {
        return left;
    }
    for module in ["shunt", "testdrive"] {
        if Path::new("/sys/module").join(module).exists() {
            left.push(format!("the loaded module {module}"));
        }
    }
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bound_loop = entry.path().join("loop/backing_file").exists();
        if name.starts_with("shunt") || name.starts_with("dm-") || bound_loop {
            left.push(name);
        }
    }
    // A write to a node that is gone makes a file of its name, and no later device gets a node.
    let is_file = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let files = fs::read_dir("/dev").into_iter().flatten().flatten();
    left.extend(
        files
            .filter(is_file)
            .map(|entry| format!("the file {}", entry.path().display())),
    );
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    left.extend(
        mounts
            .lines()
            .filter(|line| line.contains(MOUNTS))
            .map(|line| format!("the mount {line:?}")),
    );
    left
}

/// The kernel log from some moment on.
pub(crate) struct KernelLog {
    file: File,
}

impl KernelLog {
    /// The log from now on.
    pub(crate) fn from_now() -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file })
    }

    /// Lines that mean a bug.
    pub(crate) fn complaints(mut self) -> Vec<String> {
        let mut found = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.file.read(&mut record) {
                Ok(length) => {
                    // "priority,sequence,time,flags;text", then lines with what belongs to it
                    let text = String::from_utf8_lossy(&record[..length]);
                    let line = text
                        .lines()
                        .next()
                        .and_then(|line| line.split_once(';'))
                        .map_or("", |(_, line)| line);
                    if is_complaint(line) {
                        found.push(line.to_owned());
                    }
                }
                // Records were overwritten before they were read: go on with the oldest.
                Err(why) if why.raw_os_error() == Some(nix::errno::Errno::EPIPE as i32) => {}
                Err(_) => return found,
            }
        }
    }
}
