// SPDX-License-Identifier: MIT OR Apache-2.0
//! Persistent reservations of a drive can be made through a device that is all of it.

use crate::guest::case::skip;
use crate::guest::command::{attempt, run_words};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::nvmet::Namespace;
use crate::guest::shunt::{Device, QUEUES};

cases! {
    reservations_of_a_whole_device_are_those_of_its_drive,
    a_device_that_is_part_of_a_drive_has_no_reservations,
    a_read_only_device_shows_reservations_and_changes_none,
}

/// Gives an order of linux/pr.h to a device, with what it takes; or prints what it has: keys, then key and type of the
/// reservation, 0 if there is none.
pub(crate) const PR: &str = "
import ctypes, fcntl, os, struct, sys
ORDERS = {'register': (0x401870c8, 'QQII'), 'reserve': (0x401070c9, 'QII'), 'release': (0x401070ca, 'QII'),
    'preempt': (0x401870cb, 'QQII'), 'clear': (0x401070cd, 'QII')}
device = os.open(sys.argv[1], os.O_RDONLY)
if sys.argv[2] != 'show':
    code, form = ORDERS[sys.argv[2]]
    fcntl.ioctl(device, code, struct.pack(form, *map(int, sys.argv[3:])))
else:
    room = (ctypes.c_uint64 * 4)()
    keys = bytearray(struct.pack('IIQ', 0, 4, ctypes.addressof(room)))
    fcntl.ioctl(device, 0xc01070ce, keys)
    held = bytearray(16)
    fcntl.ioctl(device, 0x801070cf, held)
    key, _, kind = struct.unpack('QII', held)
    print(*room[:struct.unpack('IIQ', keys)[1]], '/', key, kind)
";

#[track_caller]
fn pr(path: &str, words: &[&str]) -> String {
    let said = run_words(&[&["python3", "-c", PR, path], words].concat());
    said.trim().to_owned()
}

/// A drive that can be reserved.
fn drive() -> Namespace {
    let drive = Namespace::reservable(&flash(0).path);
    drive.unwrap_or_else(|| skip("this kernel has no NVMe target"))
}

fn reservations_of_a_whole_device_are_those_of_its_drive() {
    let drive = drive();
    let _module = Module::load();
    for queue in QUEUES {
        let device = Device::map_with("vol0", drive.path(), &["--queue", queue]);
        let show = |words: &[&str]| {
            pr(device.path(), words);
            let shown = pr(drive.path(), &["show"]);
            assert_eq!(pr(device.path(), &["show"]), shown, "{queue}, {words:?}");
            shown
        };
        assert_eq!(show(&["register", "0", "5", "0", "0"]), "5 / 0 0");
        assert_eq!(show(&["reserve", "5", "1", "0"]), "5 / 5 1");
        assert_eq!(show(&["release", "5", "1", "0"]), "5 / 0 0");
        assert_eq!(show(&["reserve", "5", "2", "0"]), "5 / 5 2");
        assert_eq!(show(&["clear", "5", "0", "0"]), "/ 0 0");
    }
}

fn a_device_that_is_part_of_a_drive_has_no_reservations() {
    let drive = drive();
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},length=8M", drive.path()));
    let ended = attempt(&["python3", "-c", PR, device.path(), "show"]);
    assert_ne!(ended.code, Some(0));
    // EOPNOTSUPP
    assert!(ended.stderr.contains("[Errno 95]"), "{}", ended.stderr);
}

fn a_read_only_device_shows_reservations_and_changes_none() {
    let drive = drive();
    let _module = Module::load();
    pr(drive.path(), &["register", "0", "5", "0", "0"]);
    for queue in QUEUES {
        let device = Device::map_with("vol0", drive.path(), &["--read-only", "--queue", queue]);
        for words in [
            &["register", "5", "6", "0", "0"][..],
            &["reserve", "5", "1", "0"],
            &["release", "5", "1", "0"],
            &["preempt", "5", "5", "1", "0"],
            &["clear", "5", "0", "0"],
        ] {
            let ended = attempt(&[&["python3", "-c", PR, device.path()], words].concat());
            // EROFS
            let refused = ended.stderr.contains("[Errno 30]");
            assert!(refused, "{words:?}: {}", ended.stderr);
        }
        assert_eq!(pr(device.path(), &["show"]), "5 / 0 0");
    }
    pr(drive.path(), &["clear", "5", "0", "0"]);
}
