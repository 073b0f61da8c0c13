// SPDX-License-Identifier: MIT OR Apache-2.0
//! A suspended device holds its I/O and fails none of it.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::guest::command::{command, run, run_words};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, MODES, refused};
use crate::guest::sysfs::DiskStats;
use crate::guest::task::{Task, waits_for_io_of};
use crate::guest::trace::issued_during;
use crate::guest::wait::{Poll, wait_until};

cases! {
    io_waits_and_goes_on_in_its_order,
    suspend_waits_for_what_is_in_flight,
    to_suspend_or_resume_twice_is_to_do_it_once,
    a_suspended_device_is_shown_and_told_of,
    a_frozen_file_system_is_clean_on_the_drive_and_goes_on_after_resume,
    a_retarget_while_suspended_takes_what_waits_to_the_new_drive,
    a_suspended_device_is_unmapped,
    a_suspended_device_whose_partitions_are_being_read_is_in_use,
    io_that_may_not_wait_is_told_to_try_again,
    io_that_may_not_wait_is_taken_into_a_request_queue,
}

const MIB: u64 = 1 << 20;

fn io_waits_and_goes_on_in_its_order() {
    const WRITES: u64 = 8;
    let _module = Module::load();
    let drive = flash(0);
    for mode in MODES {
        let device = Device::map_with("vol0", &drive.path, mode);
        device.order("suspend", &[]);
        // In no order that a sort would bring about, and with gaps, so that none are merged.
        let place = |number: u64| (number * 5 % WRITES) * MIB;
        let before = DiskStats::of(&drive.name);
        let waiting: Vec<Task<()>> = (0..WRITES)
            .map(|number| {
                let path = device.path().to_owned();
                let file = Direct::open(&path);
                let task = Task::start(move || {
                    file.write(place(number), &Buffer::pattern(number, 4096));
                });
                task.waits();
                task
            })
            .collect();
        assert_eq!(DiskStats::of(&drive.name).since(before).writes, 0);
        let issued = issued_during(&drive.name, || {
            device.order("resume", &[]);
            waiting.into_iter().for_each(Task::end);
        });
        let mut sectors: Vec<u64> = issued.iter().map(|request| request.sector).collect();
        let mut wanted: Vec<u64> = (0..WRITES).map(|n| place(n) / 512).collect();
        // Each processor has a request queue of its own, and they go on side by side.
        if device.now()["queue"] == "mq" {
            sectors.sort_unstable();
            wanted.sort_unstable();
        }
        assert_eq!(sectors, wanted);
        let below = Direct::open_to_read(&drive.path);
        for number in 0..WRITES {
            assert!(below.read(place(number), 4096)[..] == Buffer::pattern(number, 4096)[..]);
        }
    }
}

fn suspend_waits_for_what_is_in_flight() {
    let _module = Module::load();
    let drive = flash(1);
    for mode in MODES {
        let lower = Dm::linear("lower", &drive.path, 16 * MIB);
        let device = Device::map_with("vol0", &lower.path(), mode);
        let file = Direct::open(device.path());
        lower.suspend();
        let read = Task::start(move || file.read(0, 4096).len());
        read.waits();
        let suspend = Task::start(|| run("shunt suspend vol0 --timeout 60"));
        let too_early =
            Poll::for_at_most(Duration::from_secs(1)).until(|| (!suspend.goes_on()).then_some(()));
        lower.resume();
        read.end();
        suspend.end();
        assert!(
            too_early.is_none(),
            "with {mode:?} it was suspended while a read was in flight"
        );
        device.order("resume", &[]);
    }
}

fn to_suspend_or_resume_twice_is_to_do_it_once() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    device.order("resume", &[]);
    for _ in 0..3 {
        for _ in 0..2 {
            device.order("suspend", &[]);
            assert_eq!(device.now()["state"], "suspended");
        }
        for _ in 0..2 {
            device.order("resume", &[]);
            assert_eq!(device.now()["state"], "live");
        }
    }
    Direct::open(device.path()).read(0, 4096);
}

fn a_suspended_device_is_shown_and_told_of() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let events = Events::listen();
    events.present();
    for (verb, state) in [("suspend", "suspended"), ("resume", "live")] {
        device.order(verb, &[]);
        let event = events.next();
        assert_eq!(
            (&event["event"], &event["device"]),
            (&"changed".into(), &device.now())
        );
        assert_eq!(event["device"]["state"], state);
    }
}

fn a_frozen_file_system_is_clean_on_the_drive_and_goes_on_after_resume() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},length=32M", drive.path));
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let mut file = File::create(mount.folder().join("file")).expect("the file system takes files");
    let bytes = Buffer::pattern(1, 1 << 20);
    file.write_all(&bytes).expect("a write works");
    device.order("suspend", &["--freeze"]);
    // What is on the drive now is a file system that was left in order, with the file.
    let copy = "/run/frozen.img";
    run(&format!(
        "dd if={} of={copy} bs=1M count=32 iflag=direct status=none",
        drive.path
    ));
    run(&format!("e2fsck -f -n {copy}"));
    let found = run_words(&["debugfs", "-R", "stat /file", copy]);
    assert!(found.contains("Size: 1048576"), "{found}");
    let writer = Task::start(move || {
        file.write_all(&[1; 4096]).expect("a write works");
        file.sync_all().expect("fsync works");
    });
    writer.waits();
    assert!(writer.goes_on());
    device.order("resume", &[]);
    writer.end();
    drop(mount);
    run(&format!("e2fsck -f -n {}", device.path()));
    std::fs::remove_file(copy).expect("the copy was made");
}

fn a_retarget_while_suspended_takes_what_waits_to_the_new_drive() {
    let _module = Module::load();
    let (old, new) = (flash(0), flash(1));
    let untouched = Buffer::pattern(7, 4096);
    Direct::open(&old.path).write(MIB, &untouched);
    for mode in MODES {
        let device = Device::map_with("vol0", &format!("{},length=64M", old.path), mode);
        device.order("suspend", &[]);
        let file = Direct::open(device.path());
        let write = Task::start(move || file.write(MIB, &Buffer::pattern(1, 4096)));
        write.waits();
        device.retarget(&format!("{},length=64M", new.path));
        assert_eq!(device.now()["state"], "suspended");
        assert!(write.goes_on());
        device.order("resume", &[]);
        write.end();
        let found = |path: &str| Direct::open_to_read(path).read(MIB, 4096);
        assert!(found(&new.path)[..] == Buffer::pattern(1, 4096)[..]);
        assert!(found(&old.path)[..] == untouched[..]);
    }
}

fn a_suspended_device_is_unmapped() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &drive.path);
    device.order("suspend", &[]);
    device.unmap();
    Device::map("vol0", &drive.path).unmap();
}

/// Reads 4096 bytes at 0 past the page cache, if that can be done without waiting; prints what came of it.
const READ_AT_ONCE: &str = "
import errno, mmap, os, sys
file = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
try:
    print(os.preadv(file, [mmap.mmap(-1, 4096)], 0, os.RWF_NOWAIT))
except OSError as error:
    print(errno.errorcode[error.errno])
";

fn read_at_once(device: &Device) -> String {
    let printed = run_words(&["python3", "-c", READ_AT_ONCE, device.path()]);
    printed.trim().to_owned()
}

fn a_suspended_device_whose_partitions_are_being_read_is_in_use() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let path = device.path().to_owned();
    device.order("suspend", &[]);
    let reader = command(&["blockdev", "--rereadpt", &path]).spawn();
    let mut reader = reader.expect("blockdev runs");
    wait_until("the partition table is being read", || {
        waits_for_io_of(reader.id(), &path)
    });
    let line = refused(&["unmap", "vol0"]);
    assert!(line.contains("open"), "{line}");
    device.order("resume", &[]);
    assert!(reader.wait().expect("it is our child").success());
}

fn io_that_may_not_wait_is_told_to_try_again() {
    let _module = Module::load();
    for mode in &MODES[..3] {
        let device = Device::map_with("vol0", &flash(0).path, mode);
        assert_eq!(read_at_once(&device), "4096");
        device.order("suspend", &[]);
        assert_eq!(read_at_once(&device), "EAGAIN");
        device.order("resume", &[]);
        assert_eq!(read_at_once(&device), "4096");
    }
}

/// There is room for it in the queue, so its submitter need not wait; only its end comes late.
fn io_that_may_not_wait_is_taken_into_a_request_queue() {
    let _module = Module::load();
    let device = Device::map_with("vol0", &flash(0).path, &["--queue", "mq"]);
    assert_eq!(read_at_once(&device), "4096");
    device.order("suspend", &[]);
    let read = command(&["python3", "-c", READ_AT_ONCE, device.path()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    wait_until("the read waits for its end", || {
        waits_for_io_of(read.id(), device.path())
    });
    device.order("resume", &[]);
    let read = read.wait_with_output().expect("a child can be waited for");
    assert_eq!(read.stdout, b"4096\n");
}
