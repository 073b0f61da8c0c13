// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device moves to other drives while it is busy: no I/O is lost or fails, and a refused move changes nothing.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use shunt::{Client, DeviceChange, Selector, TargetSpec};

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::events::Events;
use crate::guest::flash::{BIG_BLOCKS, flash};
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, MODES, QUEUES};
use crate::guest::state::{State, refused_without_change};
use crate::guest::sysfs::{self, DiskStats};
use crate::guest::verified::under_verified_io;
use crate::guest::wait::{Poll, wait_until};

cases! {
    verified_io_goes_on_through_500_retargets,
    verified_io_of_a_file_system_goes_on_through_500_retargets,
    verified_io_goes_on_through_retargets_in_mode_counters,
    verified_io_goes_on_through_retargets_in_mode_off,
    verified_io_of_a_joined_device_goes_on_through_retargets,
    io_follows_the_device_from_drive_to_drive,
    a_device_is_shown_whatever_table_it_gets_meanwhile,
    a_longer_table_grows_the_device,
    the_old_drive_is_free_at_once,
    each_retarget_is_told_once,
    a_retarget_that_cannot_be_is_refused,
    what_the_driver_of_a_drive_has_switched_off_is_not_asked_of_the_next,
    a_table_that_leads_back_to_the_device_is_refused,
    a_table_that_leads_back_over_disks_of_others_is_refused,
    of_two_devices_that_would_stand_on_each_other_at_once_one_stays,
}

const MIB: u64 = 1 << 20;

/// Two devices that have the same bytes, since they stand on the same ones.
fn twins() -> [Dm; 2] {
    let drive = flash(0);
    ["twin0", "twin1"].map(|name| Dm::linear(name, &drive.path, 32 * MIB))
}

/// Moves vol0 from the first of the twins to the other and back, again and again, under verified I/O on `path`. It starts
/// no program for that, so that the moves follow one another.
#[track_caller]
fn through_retargets(what: &str, path: &str, twins: &[Dm; 2], moves: u32) {
    let drive = flash(0).name;
    let ios = || {
        let stats = DiskStats::of(&drive);
        stats.reads + stats.writes
    };
    let mut client = Client::connect().expect("the module is loaded");
    let changes = [1, 0].map(|twin: usize| DeviceChange::Retarget {
        targets: vec![TargetSpec::whole(twins[twin].path())],
        stripe: None,
    });
    let mut busy = 0;
    under_verified_io(what, path, moves, |number| {
        let before = ios();
        if number == 0 {
            wait_until("the load is under way", || ios() > before);
        }
        let change = &changes[number as usize % changes.len()];
        if let Err(why) = client.change_device(&Selector::name("vol0"), change) {
            panic!("retarget {number}: {why}");
        }
        // I/O gets its turn before the next.
        let at_work = Poll::for_at_most(Duration::from_millis(5));
        busy += u32::from(at_work.until(|| (ios() > before).then_some(())).is_some());
    });
    // The load begins anew from time to time.
    assert!(busy > moves / 3, "{what}: only {busy} retargets met I/O");
}

fn verified_io_goes_on_through_500_retargets() {
    let _module = Module::load();
    let twins = twins();
    for queue in QUEUES {
        let device = Device::map_with("vol0", &twins[0].path(), &["--queue", queue]);
        through_retargets(queue, device.path(), &twins, 500);
        assert_eq!(device.now()["targets"][0]["path"], twins[0].path());
        assert_eq!(device.now()["queue"], queue);
    }
}

fn verified_io_of_a_file_system_goes_on_through_500_retargets() {
    let _module = Module::load();
    let twins = twins();
    for queue in QUEUES {
        let device = Device::map_with("vol0", &twins[0].path(), &["--queue", queue]);
        run(&format!("mkfs.ext4 -q -F {}", device.path()));
        let mount = Mount::ext4(device.path());
        let file = mount.folder().join("file").display().to_string();
        through_retargets(&format!("ext4, {queue}"), &file, &twins, 500);
        drop(mount);
        run(&format!("e2fsck -f -n {}", device.path()));
    }
}

fn verified_io_goes_on_through_retargets(mode: &str) {
    let _module = Module::load();
    let twins = twins();
    let device = Device::map_with("vol0", &twins[0].path(), &["--stats", mode]);
    through_retargets(mode, device.path(), &twins, 99);
    assert_eq!(device.now()["targets"][0]["path"], twins[1].path());
    assert_eq!(device.now()["stats"], mode);
}

fn verified_io_goes_on_through_retargets_in_mode_counters() {
    verified_io_goes_on_through_retargets("counters");
}

fn verified_io_goes_on_through_retargets_in_mode_off() {
    verified_io_goes_on_through_retargets("off");
}

/// The same bytes as one target, as two joined, and as three joined.
fn verified_io_of_a_joined_device_goes_on_through_retargets() {
    let _module = Module::load();
    let twins = twins();
    let [one, other] = [twins[0].path(), twins[1].path()];
    let tables = [
        vec![format!("{one},length=5M"), format!("{one},offset=5M")],
        vec![other.clone()],
        vec![
            format!("{other},length=3M"),
            format!("{one},offset=3M,length=4M"),
            format!("{other},offset=7M"),
        ],
    ];
    let device = Device::map("vol0", &one);
    under_verified_io("joined", device.path(), 60, |number| {
        let table = &tables[number as usize % tables.len()];
        let words: Vec<&str> = table.iter().flat_map(|to| ["--to", to]).collect();
        device.order("retarget", &words);
    });
}

/// While the device is suspended its bytes are copied to the other drive, so that a write that is lost, comes too late
/// or goes to the drive that was left is missed.
fn io_follows_the_device_from_drive_to_drive() {
    let _module = Module::load();
    for mode in MODES {
        let places = [0, 1].map(|number| format!("{},offset=1M,length=8M", flash(number).path));
        let device = Device::map_with("vol0", &places[0], mode);
        let what = format!("copied, {}", mode.join(" "));
        under_verified_io(&what, device.path(), 6, |number| {
            let (from, to) = (number % 2, (number + 1) % 2);
            device.order("suspend", &[]);
            let bytes = Direct::open_to_read(&flash(from).path).read(MIB, 8 << 20);
            Direct::open(&flash(to).path).write(MIB, &bytes);
            device.retarget(&places[to as usize]);
            device.order("resume", &[]);
            // The drive that was left has nothing that is of use any more.
            Direct::open(&flash(from).path)
                .write(MIB, &Buffer::pattern(u64::from(number), 8 << 20));
        });
    }
}

fn a_longer_table_grows_the_device() {
    let _module = Module::load();
    let (small, large) = (flash(1), flash(0));
    let device = Device::map("vol0", &small.path);
    let events = Events::listen();
    events.present();
    device.retarget(&large.path);
    assert_eq!(device.now()["size_bytes"], large.bytes);
    let size = format!("/sys/block/{}/size", device.disk());
    assert_eq!(sysfs::number(&size) * 512, large.bytes);
    assert_eq!(events.next()["device"]["size_bytes"], large.bytes);
    let pattern = Buffer::pattern(1, 4096);
    Direct::open(device.path()).write(large.bytes - 4096, &pattern);
    assert!(Direct::open_to_read(&large.path).read(large.bytes - 4096, 4096)[..] == pattern[..]);
}

fn the_old_drive_is_free_at_once() {
    let _module = Module::load();
    let (old, new) = (flash(1), flash(0));
    for mode in MODES {
        let device = Device::map_with("vol0", &old.path, mode);
        device.retarget(&new.path);
        let mut alone = OpenOptions::new();
        alone
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_EXCL.bits());
        drop(alone.open(&old.path).expect("nobody has the old drive"));
        assert!(sysfs::names(&format!("/sys/block/{}/holders", old.name)).is_empty());
        assert_eq!(
            sysfs::names(&format!("/sys/block/{}/slaves", device.disk())),
            [new.name.clone()]
        );
    }
}

fn each_retarget_is_told_once() {
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},length=8M", flash(0).path));
    let events = Events::listen();
    events.present();
    for number in [1, 0, 1] {
        let drive = flash(number).path;
        device.retarget(&format!("{drive},length=8M"));
        let event = events.next();
        assert_eq!(event["event"], "changed");
        assert_eq!(event["device"], device.now());
        assert_eq!(event["device"]["targets"][0]["path"], drive);
    }
}

fn a_retarget_that_cannot_be_is_refused() {
    let _module = Module::load();
    let (drive, other, big) = (flash(1), flash(0), flash(BIG_BLOCKS));
    let held = flash(2);
    let _holder = Dm::linear("holder", &held.path, 8 * MIB);
    let _neighbour = Device::map("neighbour", &format!("{},length=8M", other.path));
    let device = Device::map("vol0", &format!("{},length=64M", drive.path));
    let file = Direct::open(device.path());
    let pattern = Buffer::pattern(1, 4096);
    file.write(MIB, &pattern);
    let shorter = format!("{},offset=8M,length=63M", other.path);
    let overlapping = format!("{},offset=4M,length=64M", other.path);
    for (to, said) in [
        (shorter.as_str(), "66060288"),
        ("/dev/nothing", "/dev/nothing"),
        ("/dev/null", "/dev/null"),
        (&held.path, &held.path),
        (&big.path, "logical block"),
        (&overlapping, "shunt0"),
    ] {
        let line = refused_without_change(&["retarget", "vol0", "--to", to]);
        assert!(line.contains(said), "{to}: {line}");
        assert!(file.read(MIB, 4096)[..] == pattern[..]);
    }
    refused_without_change(&["retarget", "vol1", "--to", &other.path]);
    // The good target does not make up for the bad one.
    let beside = format!("{},offset=8M,length=64M", other.path);
    refused_without_change(&["retarget", "vol0", "--to", &beside, "--to", "/dev/nothing"]);
    file.write(MIB, &Buffer::pattern(2, 4096));
    file.flush().expect("a flush works");
    device.retarget(&beside);
}

/// A file of tmpfs has its space freed, but no range of it zeroed, which the loop driver learns when it is first asked.
fn what_the_driver_of_a_drive_has_switched_off_is_not_asked_of_the_next() {
    let _module = Module::load();
    const FILES: [&str; 2] = ["/run/one", "/run/two"];
    for queue in QUEUES {
        let drives = FILES.map(|file| {
            run(&format!("truncate --size 16M {file}"));
            Loop::bind(file, "")
        });
        let device = Device::map_with("vol0", drives[0].path(), &["--queue", queue]);
        for drive in &drives {
            run(&format!("blkdiscard --force --zeroout {}", drive.path()));
        }
        device.retarget(drives[1].path());
        device.unmap();
    }
    for file in FILES {
        fs::remove_file(file).expect("nobody has it");
    }
}

fn a_table_that_leads_back_to_the_device_is_refused() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let line = refused_without_change(&["retarget", "vol0", "--to", device.path()]);
    assert!(line.contains("leads back"), "{line}");
    let middle = Device::map("middle", device.path());
    let top = Device::map("top", middle.path());
    for above in [&middle, &top] {
        let line = refused_without_change(&["retarget", "vol0", "--to", above.path()]);
        assert!(line.contains(above.path()), "{line}");
    }
    Direct::open(top.path()).read(0, 4096);
    top.unmap();
    middle.unmap();
}

/// What it forwards would come back to it, for ever. `shunt` looks before it asks; others that speak to the kernel need not.
fn a_table_that_leads_back_over_disks_of_others_is_refused() {
    let _module = Module::load();
    for mode in QUEUES {
        // It promises no more than a device of dm can.
        let base = Dm::linear("base", &flash(0).path, 64 * MIB);
        let device = Device::map_with("vol0", &base.path(), &["--queue", mode]);
        let is_refused = |over: &Dm| {
            let change = DeviceChange::Retarget {
                targets: [flash(1).path, over.path()].map(TargetSpec::whole).to_vec(),
                stripe: None,
            };
            let before = State::now();
            let mut client = Client::connect().expect("the module is loaded");
            let changed = client.change_device(&Selector::name("vol0"), &change);
            let why = changed.expect_err("it leads back").to_string();
            assert!(why.contains("leads back"), "{}, {mode}: {why}", over.path());
            assert_eq!(State::now(), before);
        };
        let middle = Dm::linear("middle", device.path(), 32 * MIB);
        is_refused(&middle);
        let above = Device::map_with("above", &middle.path(), &["--queue", mode]);
        let top = Dm::linear("top", above.path(), 32 * MIB);
        is_refused(&top);
        Direct::open(&top.path()).read(0, 4096);
    }
}

/// The first has looked at its new drives before the second moves, and moves after it. A bio would go round for ever.
fn of_two_devices_that_would_stand_on_each_other_at_once_one_stays() {
    let _module = Module::load();
    let base = |name, number| Dm::linear(name, &flash(number).path, 64 * MIB);
    let (first_base, second_base, slow) = (base("base0", 0), base("base1", 1), base("slow", 1));
    let first = Device::map("first", &first_base.path());
    let second = Device::map("second", &second_base.path());
    let held = Device::map("held", &slow.path());
    let over_first = Dm::linear("over0", first.path(), 64 * MIB);
    let over_second = Dm::linear("over1", second.path(), 64 * MIB);
    let targets = [over_second.path(), held.path().to_owned()].map(TargetSpec::whole);
    let change = DeviceChange::Retarget {
        targets: targets.to_vec(),
        stripe: None,
    };
    slow.suspend();
    let changed = thread::scope(|scope| {
        let change = scope.spawn(|| {
            let mut client = Client::connect().expect("the module is loaded");
            let patience = client.set_timeout(Duration::from_secs(60));
            patience.expect("a minute is allowed");
            client.change_device(&Selector::name("first"), &change)
        });
        wait_until("its last drive is asked", || {
            held.stats().in_flight() == Some(1)
        });
        second.retarget(&over_first.path());
        slow.resume();
        change.join().expect("the change ends")
    });
    let why = changed.expect_err("it leads back").to_string();
    assert!(why.contains("leads back"), "{why}");
    Direct::open(second.path()).read(0, 4096);
    second.retarget(&second_base.path());
}

fn a_device_is_shown_whatever_table_it_gets_meanwhile() {
    const SHOWS: u32 = 12_000;
    let _module = Module::load();
    let (one, other) = (flash(0).path, flash(1).path);
    let _device = Device::map("vol0", &format!("{one},length=64M"));
    let mut long = Vec::new();
    for number in 0..64 {
        let mut spec = TargetSpec::whole(other.clone());
        spec.offset = number * MIB;
        spec.length = Some(MIB);
        long.push(spec);
    }
    let mut short = TargetSpec::whole(one);
    short.length = Some(64 * MIB);
    let done = AtomicBool::new(false);
    let name = Selector::name("vol0");
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let mut client = Client::connect().expect("loaded");
            let mut changes = 0;
            while !done.load(Ordering::Relaxed) {
                for targets in [long.clone(), vec![short.clone()]] {
                    let change = DeviceChange::Retarget {
                        targets,
                        stripe: None,
                    };
                    client.change_device(&name, &change).expect("a retarget");
                    changes += 1;
                }
            }
            changes
        });
        let mut client = Client::connect().expect("loaded");
        let refused = (0..SHOWS).filter_map(|_| client.device(&name).err());
        let refused: Vec<_> = refused.collect();
        done.store(true, Ordering::Relaxed);
        let changes = changes.join().expect("the changes end");
        let (count, why) = (refused.len(), refused.first());
        assert!(
            why.is_none(),
            "{count} refused beside {changes} changes: {why:?}"
        );
        assert!(changes > 20, "only {changes} changes");
    });
}
