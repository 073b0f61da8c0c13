// SPDX-License-Identifier: MIT OR Apache-2.0
//! `suspend --freeze` has stopped every file system that stands on the device, or says what it could not stop; and what
//! it stopped goes on with the resume, whatever somebody else did meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Stdio};

use crate::guest::command::{attempt, command, run, run_with_input, run_words};
use crate::guest::direct::Buffer;
use crate::guest::dm::Dm;
use crate::guest::flash::{Flash, flash};
use crate::guest::module::Module;
use crate::guest::mount::{Mount, append};
use crate::guest::partition::Partition;
use crate::guest::shunt::{Device, QUEUES};
use crate::guest::state::refused_without_change;
use crate::guest::task::Task;
use crate::guest::wait::wait_until;

cases! {
    a_file_system_on_a_partition_is_frozen,
    a_file_system_on_a_device_of_dm_is_frozen,
    a_file_system_on_an_array_of_md_is_frozen,
    a_file_system_on_a_device_of_ours_is_frozen,
    a_device_that_is_suspended_already_is_not_said_to_be_frozen,
    a_freeze_does_not_wait_for_a_device_above_that_is_suspended,
    what_somebody_else_has_thawed_is_live_and_can_be_frozen_and_mounted_again,
    what_cannot_be_frozen_is_named_and_nothing_stays_frozen,
}

const MIB: u64 = 1 << 20;

/// Where the file system of a case lies on its drive.
const PLACE: (u64, u64) = (4 * MIB, 24 * MIB);

/// Makes a file system on a device and writes a file that is not on the drive yet.
fn with_file(device: &str) -> Mount {
    run(&format!("mkfs.ext4 -q -F {device}"));
    let mount = Mount::ext4(device);
    let file = File::create(mount.folder().join("file"));
    let mut file = file.expect("the file system takes files");
    let bytes = Buffer::pattern(1, 1 << 20);
    file.write_all(&bytes).expect("a write works");
    mount
}

/// Sees that a file system that begins there on the drive was left in order. Gives a copy of it.
#[track_caller]
fn is_stopped(drive: &Flash, offset: u64) -> &'static str {
    let copy = "/run/frozen.img";
    run(&format!(
        "dd if={} of={copy} bs=1M skip={} count={} iflag=direct status=none",
        drive.path,
        offset / MIB,
        PLACE.1 / MIB
    ));
    let header = run_words(&["dumpe2fs", "-h", copy]);
    assert!(!header.contains("needs_recovery"), "it was not frozen");
    copy
}

/// Sees that a file system is in order, and has the file of [`with_file`].
#[track_caller]
fn is_clean(drive: &Flash, offset: u64) {
    let copy = is_stopped(drive, offset);
    let found = run_words(&["debugfs", "-R", "stat /file", copy]);
    assert!(found.contains("Size: 1048576"), "{found}");
}

/// Freezes the device, sees that the file system at `offset` of the drive is clean, and that it goes on after.
#[track_caller]
fn is_frozen(device: &Device, drive: &Flash, offset: u64, mount: &Mount) {
    let file = mount.folder().join("file");
    device.order("suspend", &["--freeze"]);
    is_clean(drive, offset);
    let writer = Task::start(move || append(&file));
    writer.waits();
    device.order("resume", &[]);
    writer.end().expect("a write works");
}

/// What stands on a device is frozen with it: `stand_on` gives the node of it, and what has to stay until the end, the topmost
/// first.
#[track_caller]
fn is_frozen_with_it<Layers>(stand_on: impl Fn(&Device) -> (String, Layers)) {
    let _module = Module::load();
    let drive = flash(0);
    for queue in QUEUES {
        let to = format!("{},length=32M", drive.path);
        let device = Device::map_with("vol0", &to, &["--queue", queue]);
        let (node, layers) = stand_on(&device);
        let mount = with_file(&node);
        is_frozen(&device, &drive, PLACE.0, &mount);
        drop(mount);
        drop(layers);
    }
}

fn a_file_system_on_a_partition_is_frozen() {
    is_frozen_with_it(|device| {
        let part = Partition::create(device.path(), PLACE.0, PLACE.1);
        (part.path(), part)
    });
}

fn a_file_system_on_a_device_of_dm_is_frozen() {
    is_frozen_with_it(|device| {
        let part = Partition::create(device.path(), PLACE.0, PLACE.1);
        let lower = Dm::linear("lower", &part.path(), PLACE.1);
        let upper = Dm::linear("upper", &lower.path(), PLACE.1);
        (upper.path(), (upper, lower, part))
    });
}

fn a_file_system_on_a_device_of_ours_is_frozen() {
    is_frozen_with_it(|device| {
        let part = format!("{},offset={},length={}", device.path(), PLACE.0, PLACE.1);
        let upper = Device::map("vol1", &part);
        (upper.path().to_owned(), upper)
    });
}

/// An array of one device; stopped on drop.
struct Array(&'static str);

impl Array {
    fn of(device: &str) -> Self {
        let node = "/dev/md7";
        let line = format!("mdadm --create {node} --run --level=1 --raid-devices=2 --metadata=1.0");
        run(&format!("{line} --bitmap=none {device} missing"));
        Self(node)
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // If it cannot go, the module says so.
        let _ = attempt(&["mdadm", "--stop", self.0]);
    }
}

fn a_file_system_on_an_array_of_md_is_frozen() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},length=28M", drive.path));
    // The superblock of this format lies at the end.
    let array = Array::of(device.path());
    let mount = with_file(array.0);
    is_frozen(&device, &drive, 0, &mount);
    drop(mount);
    drop(array);
    run(&format!("wipefs --quiet --all {}", device.path()));
}

fn a_device_that_is_suspended_already_is_not_said_to_be_frozen() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},length=24M", drive.path));
    let mount = with_file(device.path());
    device.order("suspend", &[]);
    let line = refused_without_change(&["suspend", "vol0", "--freeze"]);
    assert!(line.contains("resume it first"), "{line}");
    device.order("resume", &[]);
    // Nothing counts as frozen, so it can be; and twice is once.
    for _ in 0..2 {
        device.order("suspend", &["--freeze"]);
        device.order("suspend", &["--freeze"]);
        device.order("suspend", &[]);
        is_stopped(&drive, 0);
        device.order("resume", &[]);
        append(&mount.folder().join("file")).expect("a write works");
    }
}

fn a_freeze_does_not_wait_for_a_device_above_that_is_suspended() {
    let _module = Module::load();
    let lower = Device::map("vol0", &format!("{},length=24M", flash(0).path));
    let upper = Device::map("vol1", lower.path());
    let mount = with_file(upper.path());
    upper.order("suspend", &[]);
    let line = refused_without_change(&["suspend", "vol0", "--freeze"]);
    assert!(
        line.contains(upper.disk()) && line.contains("suspended"),
        "{line}"
    );
    upper.order("resume", &[]);
    append(&mount.folder().join("file")).expect("a write works");
}

fn what_somebody_else_has_thawed_is_live_and_can_be_frozen_and_mounted_again() {
    let _module = Module::load();
    let drive = flash(0);
    for queue in QUEUES {
        let to = format!("{},length=24M", drive.path);
        let device = Device::map_with("vol0", &to, &["--queue", queue]);
        let mount = with_file(device.path());
        device.order("suspend", &["--freeze"]);
        let folder = mount.folder().display().to_string();
        let thaw = Task::start(move || attempt(&["fsfreeze", "--unfreeze", &folder]));
        // ext4 writes its superblock then, which waits.
        wait_until("the file system is being thawed", || {
            let all = run("ps -e -o stat=,comm=");
            let mut all = all.lines();
            all.any(|line| line.starts_with('D') && line.ends_with("fsfreeze"))
        });
        device.order("resume", &[]);
        let ended = thaw.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(device.now()["state"], "live");
        append(&mount.folder().join("file")).expect("a write works");
        // A later freeze freezes, and a file system can be mounted.
        device.order("suspend", &["--freeze"]);
        is_stopped(&drive, 0);
        device.order("resume", &[]);
        drop(mount);
        drop(Mount::ext4(device.path()));
    }
}

/// A program that has a device for itself; ended on drop.
struct Program(Child);

impl Program {
    fn holding(device: &str) -> Self {
        let hold = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL); print('held', flush=True); sys.stdin.read()";
        let mut child = command(&["python3", "-c", hold, device]);
        let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().expect("python3 runs");
        let mut said = [0; 4];
        let out = child.stdout.as_mut().expect("stdout is piped");
        std::io::Read::read_exact(out, &mut said).expect("it has the device");
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn what_cannot_be_frozen_is_named_and_nothing_stays_frozen() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},length=64M", drive.path));
    let table = "label: dos\nstart=4M,size=24M\nstart=32M,size=16M\n";
    run_with_input(&["sfdisk", "--quiet", device.path()], table);
    let [first, second] = ["p1", "p2"].map(|part| format!("{}{part}", device.path()));
    wait_until("the partitions have nodes", || {
        fs::exists(&second).is_ok_and(|there| there)
    });
    let mount = with_file(&first);
    let is_refused = |name: &str| {
        let line = refused_without_change(&["suspend", "vol0", "--freeze"]);
        let name = name.trim_start_matches("/dev/");
        assert!(line.contains(name) && line.contains("frozen"), "{line}");
        append(&mount.folder().join("file")).expect("a write works");
    };
    {
        let _program = Program::holding(&second);
        is_refused(&second);
    }
    run(&format!("mkswap {second}"));
    run(&format!("swapon {second}"));
    is_refused(&second);
    run(&format!("swapoff {second}"));
    {
        let lower = Dm::linear("lower", &second, 16 * MIB);
        let _program = Program::holding(&lower.path());
        is_refused("dm-");
    }
    device.order("suspend", &["--freeze"]);
    is_stopped(&drive, PLACE.0);
    device.order("resume", &[]);
    drop(mount);
    run(&format!("wipefs --quiet --all {}", device.path()));
    run(&format!("blockdev --rereadpt {}", device.path()));
}
