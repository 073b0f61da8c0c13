// SPDX-License-Identifier: MIT OR Apache-2.0
//! A read-only device takes no write, and a read-only drive makes no writable device.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::state::refused_without_change;
use crate::guest::sysfs;

cases!("read_only":
    a_read_only_device_is_read_and_not_written,
    a_read_only_drive_takes_a_read_only_device_alone,
);

fn a_read_only_device_is_read_and_not_written() {
    let _module = Module::load();
    let drive = flash(0);
    let pattern = Buffer::pattern(1, 4096);
    Direct::open(&drive.path).write(0, &pattern);
    let device = Device::map_with("vol0", &drive.path, &["--read-only"]);
    assert_read_only(&device, &pattern);
    assert!(
        Direct::open_to_read(&drive.path).read(0, 4096)[..] == pattern[..],
        "a refused write reached the drive"
    );
}

fn a_read_only_drive_takes_a_read_only_device_alone() {
    let _module = Module::load();
    let drive = flash(1);
    let pattern = Buffer::pattern(2, 4096);
    Direct::open(&drive.path).write(0, &pattern);
    let _protected = Protected::new(&drive.path);
    let line = refused_without_change(&["map", "vol0", "--to", &drive.path]);
    assert!(
        line.contains(&drive.path) && line.contains("read-only"),
        "{line}"
    );
    let device = Device::map_with("vol0", &drive.path, &["--read-only"]);
    assert_read_only(&device, &pattern);
}

#[track_caller]
fn assert_read_only(device: &Device, held: &Buffer) {
    assert_eq!(device.shown()["read_only"], true);
    assert_eq!(
        sysfs::number(&format!("/sys/block/{}/ro", device.disk())),
        1
    );
    assert!(
        Direct::open_to_read(device.path()).read(0, held.len())[..] == held[..],
        "it reads other bytes"
    );
    let refused = write_to(device.path())
        .expect_err("a write is refused")
        .raw_os_error()
        .map(Errno::from_raw);
    assert!(
        matches!(refused, Some(Errno::EPERM | Errno::EACCES | Errno::EROFS)),
        "refused with {refused:?}"
    );
}

/// Opening a read-only disk to write may be refused, else the write is.
fn write_to(path: &str) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&[0; 4096], 0)?;
    file.sync_all()
}

/// A drive that is set read-only; writable again on drop.
struct Protected<'a>(&'a str);

impl<'a> Protected<'a> {
    fn new(path: &'a str) -> Self {
        run(&format!("blockdev --setro {path}"));
        Self(path)
    }
}

impl Drop for Protected<'_> {
    fn drop(&mut self) {
        run(&format!("blockdev --setrw {}", self.0));
    }
}
