// SPDX-License-Identifier: MIT OR Apache-2.0
//! A read-only device takes no write and no command that may be one, a read-only drive makes no writable device, and
//! everybody says the same of who may write.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, MODES, QUEUES};
use crate::guest::state::refused_without_change;
use crate::guest::sysfs;

cases! {
    a_read_only_device_is_read_and_not_written,
    a_read_only_drive_takes_a_read_only_device_alone,
    whoever_had_the_device_open_before_writes_no_more,
    no_nvme_command_passes_a_read_only_device,
    no_scsi_command_passes_a_read_only_device,
    what_a_user_makes_read_only_is_shown_and_kept_so,
    a_drive_that_becomes_read_only_is_not_written,
    a_writable_device_does_not_move_to_a_read_only_drive,
}

const MIB: u64 = 1 << 20;

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

/// The block layer refuses what a program writes to a device that is read-only, but not what a file system or dm does.
fn whoever_had_the_device_open_before_writes_no_more() {
    let _module = Module::load();
    let drive = flash(0);
    let pattern = Buffer::pattern(3, 4096);
    for mode in MODES {
        let device = Device::map_with("vol0", &format!("{},length=1M", drive.path), mode);
        let above = Dm::linear("above", device.path(), MIB);
        let file = Direct::open(&above.path());
        file.write(0, &pattern);
        let is_refused = || {
            let refused = file.try_write(0, &Buffer::zeroed(4096));
            assert_eq!(errno(refused), Some(Errno::EIO), "with {mode:?}");
            file.flush().expect("a flush changes nothing");
            assert!(file.read(0, 4096)[..] == pattern[..]);
        };
        device.order("set", &["--read-only"]);
        is_refused();
        device.order("set", &["--read-write"]);
        file.write(0, &pattern);
        let protected = Protected::new(device.path());
        is_refused();
        drop(protected);
        file.write(0, &pattern);
    }
}

/// Nobody but the driver of the drive knows which of its commands write, and that lets root give all of them.
fn no_nvme_command_passes_a_read_only_device() {
    let _module = Module::load();
    let drive = flash(0);
    let pattern = Buffer::pattern(4, 4096);
    Direct::open(&drive.path).write(0, &pattern);
    std::fs::write("/run/block", [1; 512]).expect("/run takes files");
    let write = |path: &str| {
        let place = ["--start-block=0", "--block-count=0", "--data-size=512"];
        let words = [&["nvme", "write", path, "--data=/run/block"][..], &place].concat();
        attempt(&words)
    };
    let are_refused = |device: &Device| {
        let path = device.path();
        let zero = "--start-block=0 --block-count=0 --namespace-id=1";
        for order in [
            format!("nvme write-zeroes {path} {zero}"),
            format!("nvme id-ctrl {path}"),
        ] {
            let ended = attempt(&order.split(' ').collect::<Vec<_>>());
            let said = ended.stdout + &ended.stderr;
            assert_ne!(ended.code, Some(0), "{order}: {said}");
            assert!(said.contains("Read-only file system"), "{order}: {said}");
        }
        assert_ne!(write(path).code, Some(0));
        assert!(
            Direct::open_to_read(&drive.path).read(0, 4096)[..] == pattern[..],
            "a command has written"
        );
    };
    for queue in QUEUES {
        let device = Device::map_with("vol0", &drive.path, &["--read-only", "--queue", queue]);
        are_refused(&device);
        drop(device);
        let device = Device::map_with("vol0", &drive.path, &["--queue", queue]);
        device.order("set", &["--read-only"]);
        are_refused(&device);
        device.order("set", &["--read-write"]);
        let protected = Protected::new(device.path());
        are_refused(&device);
        drop(protected);
        let protected = Protected::new(&drive.path);
        are_refused(&device);
        drop(protected);
        // The device that may be written passes it.
        assert_eq!(write(device.path()).code, Some(0));
        assert!(Direct::open_to_read(&drive.path).read(0, 512)[..] == [1; 512]);
        Direct::open(&drive.path).write(0, &pattern);
    }
}

/// Writes ones to the first block of a SCSI disk that is open for reading, by WRITE(10) in an SG_IO.
const WRITE_BY_COMMAND: &str = "
import ctypes, fcntl, os, struct, sys
parts = [ctypes.create_string_buffer(bytes, len(bytes))
    for bytes in (b'\\1' * 512, bytes.fromhex('2a000000000000000100'), bytes(32))]
begin = 'iiBBHIPPPIIiP'
head = bytearray(struct.pack(begin + 'BBBBHHiII', 83, -2, 10, 32, 0, 512, *map(ctypes.addressof, parts), 20000, *[0] * 12))
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x2285, head)
sys.exit(head[struct.calcsize(begin)])
";

fn no_scsi_command_passes_a_read_only_device() {
    let _module = Module::load();
    let disk = ScsiDebug::load("dev_size_mb=16");
    let write = |path: &str| attempt(&["python3", "-c", WRITE_BY_COMMAND, path]);
    let first = || Direct::open_to_read(disk.path()).read(0, 512)[0];
    for queue in QUEUES {
        Direct::open(disk.path()).write(0, &Buffer::zeroed(512));
        let device = Device::map_with("vol0", disk.path(), &["--read-only", "--queue", queue]);
        let ended = write(device.path());
        assert_ne!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(first(), 0, "a command has written");
        device.order("set", &["--read-write"]);
        let ended = write(device.path());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(first(), 1);
    }
}

/// What `blockdev --getro` says, which `shunt show` has to say too.
#[track_caller]
fn is_read_only(device: &Device) -> bool {
    let said = run(&format!("blockdev --getro {}", device.path()));
    let is_read_only = said.trim() == "1";
    assert_eq!(device.now()["read_only"], is_read_only);
    is_read_only
}

fn what_a_user_makes_read_only_is_shown_and_kept_so() {
    let _module = Module::load();
    for queue in QUEUES {
        let device = Device::map_with("vol0", &flash(0).path, &["--queue", queue]);
        let file = Direct::open(device.path());
        assert!(!is_read_only(&device));
        run(&format!("blockdev --setro {}", device.path()));
        assert!(is_read_only(&device));
        let refused = file.try_write(0, &Buffer::zeroed(4096));
        assert_eq!(errno(refused), Some(Errno::EPERM));
        device.order("set", &["--read-write"]);
        assert!(!is_read_only(&device));
        file.write(0, &Buffer::zeroed(4096));
        // It takes two to allow writes, and the command speaks for both.
        run(&format!("blockdev --setro {}", device.path()));
        device.order("set", &["--read-only"]);
        run(&format!("blockdev --setrw {}", device.path()));
        assert!(is_read_only(&device));
        device.order("set", &["--read-write"]);
        assert!(!is_read_only(&device));
    }
}

fn a_drive_that_becomes_read_only_is_not_written() {
    let _module = Module::load();
    let (drive, other) = (flash(0), flash(1));
    let pattern = Buffer::pattern(5, 4096);
    let below = Direct::open(&drive.path);
    for mode in MODES {
        below.write(0, &pattern);
        let (first, second) = (
            format!("{},length=1M", drive.path),
            format!("{},length=1M", other.path),
        );
        let one = Device::map_with("vol0", &first, mode);
        {
            let file = Direct::open(one.path());
            let _protected = Protected::new(&drive.path);
            let refused = file.try_write(0, &Buffer::zeroed(4096));
            assert_eq!(errno(refused), Some(Errno::EIO), "with {mode:?}");
            assert!(file.read(0, 4096)[..] == pattern[..]);
            one.order("set", &["--read-only"]);
            let line = refused_without_change(&["set", "vol0", "--read-write"]);
            assert!(line.contains("read-only"), "{line}");
        }
        one.order("set", &["--read-write"]);
        drop(one);
        let joined = [mode, &["--to", &second]].concat();
        let joined = Device::map_with("vol0", &first, &joined);
        let file = Direct::open(joined.path());
        let _protected = Protected::new(&drive.path);
        for (offset, length) in [(0, 4096), (MIB - 4096, 8192)] {
            let refused = file.try_write(offset, &Buffer::zeroed(length));
            assert_eq!(errno(refused), Some(Errno::EIO), "with {mode:?}");
        }
        // The other drive takes what is its own.
        file.write(MIB, &pattern);
        assert!(below.read(0, 4096)[..] == pattern[..]);
    }
}

fn a_writable_device_does_not_move_to_a_read_only_drive() {
    let _module = Module::load();
    let (drive, other) = (flash(0), flash(1));
    let to = format!("{},length=16M", other.path);
    for queue in QUEUES {
        let from = format!("{},length=16M", drive.path);
        let device = Device::map_with("vol0", &from, &["--queue", queue]);
        let _protected = Protected::new(&other.path);
        let line = refused_without_change(&["retarget", "vol0", "--to", &to]);
        assert!(line.contains("read-only"), "{line}");
        drop(device);
        let device = Device::map_with("vol0", &from, &["--read-only", "--queue", queue]);
        device.retarget(&to);
        let line = refused_without_change(&["set", "vol0", "--read-write"]);
        assert!(line.contains("read-only"), "{line}");
    }
}

/// The error of what was refused.
fn errno<T>(ended: io::Result<T>) -> Option<Errno> {
    Some(Errno::from_raw(ended.err()?.raw_os_error()?))
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
