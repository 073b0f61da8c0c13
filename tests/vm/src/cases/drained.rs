// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once a command has taken a device off a drive, nothing that was on its way there reaches the drive any more.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::guest::case::skip;
use crate::guest::command::{command, run};
use crate::guest::direct::checksum;
use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, MODES};
use crate::guest::sysfs;
use crate::guest::test_drive::TestDrives;
use crate::guest::wait::wait_until;

cases!("drained":
    nothing_reaches_the_old_drive_after_a_retarget_while_its_queue_is_frozen_again_and_again,
    nothing_reaches_the_old_drive_after_a_retarget_though_a_cgroup_held_it_back,
    what_began_before_the_statistics_were_full_is_waited_for,
    a_forced_unmap_waits_for_what_the_drive_has,
);

const WRITTEN: u64 = 8 << 20;

/// Sees that what a drive stores does not change.
#[track_caller]
fn assert_still(path: &str, what: &str) {
    let before = checksum(path, 0..WRITTEN);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(checksum(path, 0..WRITTEN), before, "{what}: {path} changes");
}

#[track_caller]
fn wait_for_writes(disk: &str) {
    let writes = || sysfs::DiskStats::of(disk).writes;
    let before = writes();
    wait_until("writes are under way", || writes() > before + 100);
}

fn nothing_reaches_the_old_drive_after_a_retarget_while_its_queue_is_frozen_again_and_again() {
    let drives = TestDrives::load("");
    let both = [drives.drive(0), drives.drive(1)];
    let _module = Module::load();
    for mode in MODES {
        let device = Device::map_with("vol0", &both[0].path, mode);
        let _load = Load::write(device.path());
        wait_for_writes(&both[0].name);
        let done = AtomicBool::new(false);
        let turns = thread::scope(|scope| {
            let freezer = scope.spawn(|| {
                let mut turns = 0;
                while !done.load(Ordering::Relaxed) {
                    for drive in &both {
                        // A change of the scheduler freezes the queue.
                        for scheduler in ["mq-deadline", "none"] {
                            let file = format!("/sys/block/{}/queue/scheduler", drive.name);
                            if fs::write(file, scheduler).is_ok() {
                                turns += 1;
                            }
                        }
                    }
                }
                turns
            });
            let moves = thread::scope(|inner| {
                let mover = inner.spawn(|| {
                    for round in 0..5 {
                        let (old, new) = (&both[round % 2], &both[(round + 1) % 2]);
                        device.retarget(&new.path);
                        assert_still(&old.path, mode[1]);
                        wait_for_writes(&new.name);
                    }
                });
                mover.join()
            });
            done.store(true, Ordering::Relaxed);
            moves.expect("each retarget leaves the old drive alone");
            freezer.join().expect("a scheduler can be changed")
        });
        assert!(turns > 10, "the queues were frozen only {turns} times");
    }
}

/// A cgroup that may write so much to a disk; gone on drop.
struct Slow(String);

impl Slow {
    #[track_caller]
    fn make(disk: &str, bytes_a_second: u32) -> Self {
        let root = "/run/cgroup";
        if !Path::new(root).exists() {
            fs::create_dir(root).expect("/run takes folders");
            run(&format!("mount -t cgroup2 cgroup2 {root}"));
        }
        let group = Self(format!("{root}/slow"));
        if fs::write(format!("{root}/cgroup.subtree_control"), "+io").is_err() {
            skip("this kernel has no limit on the I/O of a cgroup");
        }
        fs::create_dir(&group.0).expect("a cgroup takes cgroups");
        let number = sysfs::read(&format!("/sys/block/{disk}/dev")).expect("a disk has a number");
        let limit = format!("{number} wbps={bytes_a_second}");
        fs::write(format!("{}/io.max", group.0), limit).expect("it takes a limit");
        group
    }

    /// Starts writing `count` MiB in it.
    #[track_caller]
    fn write(&self, path: &str, count: u32) -> Child {
        let text = format!(
            "echo $$ > {}/cgroup.procs; exec dd if=/dev/urandom of={path} bs=1M count={count} oflag=direct status=none",
            self.0
        );
        let child = command(&["sh", "-c", &text]).spawn();
        child.expect("sh runs")
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        // Without it, a later case that wants one fails.
        let _ = fs::remove_dir(&self.0);
    }
}

fn nothing_reaches_the_old_drive_after_a_retarget_though_a_cgroup_held_it_back() {
    let drives = TestDrives::load("");
    let (old, new) = (drives.drive(0), drives.drive(1));
    let _module = Module::load();
    let slow = Slow::make(&old.name, 2 << 20);
    for mode in MODES {
        let device = Device::map_with("vol0", &old.path, mode);
        let mut writer = slow.write(device.path(), 4);
        wait_until("the limit holds writes back", || {
            let waits = sysfs::read(&format!("/proc/{}/stat", writer.id()));
            waits.is_some_and(|stat| stat.contains(") D "))
        });
        device.retarget(&new.path);
        assert_still(&old.path, mode[1]);
        thread::sleep(Duration::from_millis(600));
        assert_still(&old.path, mode[1]);
        assert!(writer.wait().expect("it is our child").success());
    }
}

/// A disk whose writes take 0.1 s.
fn lazy() -> ScsiDebug {
    ScsiDebug::load("dev_size_mb=16 ndelay=100000000")
}

fn in_flight(disk: &ScsiDebug) -> u64 {
    let name = disk.path().trim_start_matches("/dev/");
    let text = sysfs::read(&format!("/sys/block/{name}/inflight")).unwrap_or_default();
    let numbers = text.split_whitespace();
    numbers
        .filter_map(|number| number.parse::<u64>().ok())
        .sum()
}

fn what_began_before_the_statistics_were_full_is_waited_for() {
    let _module = Module::load();
    let disk = lazy();
    for mode in [MODES[1], MODES[2]] {
        let device = Device::map_with("vol0", disk.path(), mode);
        let load = Load::write(device.path());
        wait_until("writes are on their way", || in_flight(&disk) > 4);
        load.pause();
        device.order("set", &["--stats", "full"]);
        device.order("suspend", &[]);
        assert_eq!(in_flight(&disk), 0, "{}", mode[1]);
        device.order("resume", &[]);
        drop(load);
    }
}

fn a_forced_unmap_waits_for_what_the_drive_has() {
    let _module = Module::load();
    let disk = lazy();
    for mode in MODES {
        let device = Device::map_with("vol0", disk.path(), mode);
        let load = Load::write(device.path());
        wait_until("writes are on their way", || in_flight(&disk) > 4);
        device.force_unmap();
        assert_eq!(in_flight(&disk), 0, "{}", mode[1]);
        load.fails();
    }
}
