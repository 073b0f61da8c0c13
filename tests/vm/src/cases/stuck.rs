// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is stuck stops nothing else: a drive that does not answer holds up its own device alone, every wait ends in time or
//! by a signal, and what waited goes on when the drive answers.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::{major, minor};

use crate::guest::background::{Background, succeeds_within, within};
use crate::guest::command::{run, run_words};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::removal::Removed;
use crate::guest::shunt::{Device, PATIENT, QUEUES, json, refusal, refused};
use crate::guest::shuntd::{Config, Daemon, wait_for_devices};
use crate::guest::task::Task;
use crate::guest::wait::wait_until;

cases! {
    a_command_that_waits_for_a_drive_is_refused_in_time_and_nothing_has_changed,
    a_command_that_waits_ends_with_a_signal,
    a_device_whose_drive_is_stuck_holds_up_no_other,
    a_forced_unmap_returns_in_time_and_the_rest_goes_when_the_drive_answers,
    a_forced_unmap_ends_a_change_that_waits,
    commands_that_wait_for_a_device_that_is_taken_away_end,
    a_map_over_a_stuck_drive_holds_up_nobody,
    commands_that_no_drive_answers_leave_room_for_those_of_others,
    a_drive_that_is_lost_while_a_command_waits_for_another_is_told,
    a_resume_does_not_wait_for_a_device_above_device_mapper,
    a_resume_does_not_wait_for_a_device_above_a_loop_device,
    a_thaw_that_a_stuck_drive_holds_up_holds_up_no_command,
    a_queue_setting_that_waits_does_not_keep_a_device_from_its_resume,
    the_daemon_maps_what_answers_and_ends_when_it_is_told,
}

const MIB: u64 = 1 << 20;

/// Longest time for a command that waits for no drive, or is done with its own time-out.
const SOON: Duration = Duration::from_secs(15);

/// Longest time for what goes on once a drive answers.
const GOES_ON: Duration = Duration::from_secs(20);

/// A drive that can be made to hold back its I/O.
#[track_caller]
fn drive() -> Dm {
    Dm::linear("drive", &flash(0).path, 64 * MIB)
}

/// Has the drive hold back a read of the device, which waits for it then.
#[track_caller]
fn stick(drive: &Dm, device: &str) -> Background {
    drive.suspend();
    let mut read = Background::read(device);
    read.waits();
    assert!(read.goes_on(), "the drive answers");
    read
}

/// What `shunt show` says, soon.
#[track_caller]
fn shown(name: &str) -> serde_json::Value {
    json(&succeeds_within(SOON, &["shunt", "show", name, "--json"]))["device"].clone()
}

/// Whether a refusal tells of one operation that the drive has not ended.
fn blames(line: &str, drive: &Dm) -> bool {
    let node = std::fs::metadata(drive.path()).expect("the drive has a node");
    let number = format!("{}:{}", major(node.rdev()), minor(node.rdev()));
    let names_it = line.contains(&drive.path()) || line.contains(&number);
    let counts = line
        .split(|c: char| !c.is_ascii_digit())
        .any(|number| number == "1");
    names_it && counts
}

fn a_command_that_waits_for_a_drive_is_refused_in_time_and_nothing_has_changed() {
    let _module = Module::load();
    for queue in QUEUES {
        let drive = drive();
        let device = Device::map_with("vol0", &drive.path(), &["--queue", queue]);
        let mut read = stick(&drive, device.path());
        let before = shown("vol0");
        let other = format!("{},length=64M", flash(1).path);
        for words in [
            &["suspend", "vol0"][..],
            &["retarget", "vol0", "--to", &other],
        ] {
            let ended = within(SOON, &[&["shunt"], words].concat());
            let line = refusal(&ended, words);
            assert!(blames(&line, &drive), "{line}");
            assert_eq!(shown("vol0"), before);
        }
        // These may have nothing to wait for.
        for words in [
            &["set", "vol0", "--stats", "off"][..],
            &["set", "vol0", "--read-only"],
            &["resize", "vol0"],
        ] {
            let before = shown("vol0");
            let ended = within(SOON, &[&["shunt"], words].concat());
            if ended.code != Some(0) {
                let line = refusal(&ended, words);
                assert!(blames(&line, &drive), "{line}");
                assert_eq!(shown("vol0"), before);
            }
        }
        drive.resume();
        read.succeeds_in(GOES_ON);
        succeeds_within(SOON, &["shunt", "set", "vol0", "--read-write"]);
        succeeds_within(SOON, &["shunt", "suspend", "vol0"]);
        succeeds_within(SOON, &["shunt", "resume", "vol0"]);
        succeeds_within(SOON, &["shunt", "retarget", "vol0", "--to", &other]);
        let pattern = Buffer::pattern(1, 4096);
        Direct::open(device.path()).write(0, &pattern);
        assert!(Direct::open(&flash(1).path).read(0, 4096)[..] == pattern[..]);
    }
}

fn a_command_that_waits_ends_with_a_signal() {
    let _module = Module::load();
    for (queue, signal) in [
        ("bio", Signal::SIGTERM),
        ("mq", Signal::SIGINT),
        ("bio", Signal::SIGKILL),
    ] {
        let drive = drive();
        let device = Device::map_with("vol0", &drive.path(), &["--queue", queue]);
        let mut read = stick(&drive, device.path());
        let mut suspend =
            Background::start(&[&["shunt", "suspend", "vol0"], &PATIENT[..]].concat());
        // It has asked once it waits for the answer.
        suspend.settles();
        suspend.signal(signal);
        suspend.ends_in(SOON);
        drive.resume();
        read.succeeds_in(GOES_ON);
        // All of it, or nothing.
        wait_until("the device is settled", || {
            ["live", "suspended"]
                .iter()
                .any(|state| shown("vol0")["state"] == *state)
        });
        succeeds_within(SOON, &["shunt", "resume", "vol0"]);
        Direct::open(device.path()).read(0, 4096);
        succeeds_within(SOON, &["shunt", "suspend", "vol0"]);
        succeeds_within(SOON, &["shunt", "resume", "vol0"]);
    }
}

fn a_device_whose_drive_is_stuck_holds_up_no_other() {
    let _module = Module::load();
    for queue in QUEUES {
        let drive = drive();
        let device = Device::map_with("vol0", &drive.path(), &["--queue", queue]);
        let other = flash(1).path;
        let another = Device::map("vol1", &format!("{other},length=16M"));
        let mut read = stick(&drive, device.path());
        let mut suspend =
            Background::start(&[&["shunt", "suspend", "vol0"], &PATIENT[..]].concat());
        suspend.settles();
        let elsewhere = format!("{other},offset=32M,length=16M");
        let more = format!("{other},offset=64M,length=16M");
        for words in [
            &["list"][..],
            &["show", "vol0"],
            &["caps", "vol0"],
            &["stats", "vol0"],
            &["map", "vol2", "--to", &more],
            &["set", "vol2", "--stats", "off"],
            &["suspend", "vol2"],
            &["resume", "vol2"],
            &["retarget", "vol2", "--to", &elsewhere],
            &["resize", "vol2"],
            &["unmap", "vol2"],
            &["unmap", "vol1", "--force"],
        ] {
            succeeds_within(SOON, &[&["shunt"], words].concat());
            assert!(
                suspend.goes_on(),
                "shunt {} came too late to tell",
                words.join(" ")
            );
        }
        another.assume_gone();
        suspend.signal(Signal::SIGTERM);
        suspend.ends_in(SOON);
        drive.resume();
        read.succeeds_in(GOES_ON);
        succeeds_within(GOES_ON, &["shunt", "resume", "vol0"]);
    }
}

fn a_forced_unmap_returns_in_time_and_the_rest_goes_when_the_drive_answers() {
    let module = Module::load();
    for queue in QUEUES {
        let references = module.references();
        let drive = drive();
        let device = Device::map_with("vol0", &drive.path(), &["--queue", queue]);
        let mut read = stick(&drive, device.path());
        succeeds_within(SOON, &["shunt", "unmap", "vol0", "--force"]);
        device.assume_gone();
        // Its name is free, the drive is not: that still has I/O of it.
        let other = format!("{},length=16M", flash(1).path);
        succeeds_within(SOON, &["shunt", "map", "vol0", "--to", &other]);
        let ended = within(SOON, &["shunt", "map", "again", "--to", &drive.path()]);
        refusal(&ended, &["map", "again"]);
        succeeds_within(SOON, &["shunt", "unmap", "vol0"]);
        drive.resume();
        read.ends_in(GOES_ON);
        wait_until("the rest has gone", || module.references() == references);
        let again = Device::map("again", &drive.path());
        Direct::open(again.path()).read(0, 4096);
    }
}

fn a_forced_unmap_ends_a_change_that_waits() {
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},length=16M", flash(1).path));
    let stuck = drive();
    stuck.suspend();
    let to = stuck.path();
    let retarget = ["shunt", "retarget", "vol0", "--to", &to];
    let mut retarget = Background::start(&[&retarget[..], &PATIENT[..]].concat());
    retarget.settles();
    assert!(retarget.goes_on(), "the drive answers");
    succeeds_within(SOON, &["shunt", "unmap", "vol0", "--force"]);
    device.assume_gone();
    refusal(&retarget.ends_in(SOON), &["retarget", "vol0"]);
    stuck.resume();
}

fn commands_that_wait_for_a_device_that_is_taken_away_end() {
    const ROUNDS: usize = 3;
    let _module = Module::load();
    for _ in 0..ROUNDS {
        let drive = drive();
        let device = Device::map("vol0", &drive.path());
        let mut read = stick(&drive, device.path());
        let mut waiting: Vec<Background> = (0..6)
            .map(|_| {
                let suspend = ["shunt", "suspend", "vol0"];
                let mut one = Background::start(&[&suspend[..], &PATIENT[..]].concat());
                one.settles();
                one
            })
            .collect();
        succeeds_within(SOON, &["shunt", "unmap", "vol0", "--force"]);
        device.assume_gone();
        // Whoever had it last does not wait for what its drive still has.
        for one in &mut waiting {
            refusal(&one.ends_in(SOON), &["suspend", "vol0"]);
        }
        drive.resume();
        read.ends_in(GOES_ON);
    }
}

fn a_map_over_a_stuck_drive_holds_up_nobody() {
    let _module = Module::load();
    for queue in QUEUES {
        let drive = drive();
        drive.suspend();
        let path = drive.path();
        let words = ["shunt", "map", "vol0", "--to", &path, "--queue", queue];
        let mut map = Background::start(&[&words[..], &PATIENT].concat());
        map.settles();
        let other = format!("{},length=16M", flash(1).path);
        succeeds_within(SOON, &["shunt", "map", "vol1", "--to", &other]);
        succeeds_within(SOON, &["shunt", "list"]);
        succeeds_within(SOON, &["shunt", "unmap", "vol1"]);
        drive.resume();
        // The partition table of a drive that answers can be read.
        map.succeeds_in(GOES_ON);
        succeeds_within(GOES_ON, &["shunt", "unmap", "vol0"]);
        // One that never answers is refused in time, or mapped and unmapped all the same.
        drive.suspend();
        let ended = within(SOON, &words);
        let listed = succeeds_within(SOON, &["shunt", "list", "--json"]).contains("vol0");
        assert_eq!(listed, ended.code == Some(0), "{ended:?}");
        if listed {
            succeeds_within(SOON, &["shunt", "unmap", "vol0", "--force"]);
        }
        drive.resume();
        let fresh = Device::map_with("vol0", &path, &["--queue", queue]);
        Direct::open(fresh.path()).read(0, 4096);
    }
}

fn commands_that_no_drive_answers_leave_room_for_those_of_others() {
    let _module = Module::load();
    let drive = drive();
    drive.suspend();
    let target = |number: u64| format!("{},offset={}K,length=64K", drive.path(), 64 * number);
    for number in 0..60 {
        let name = format!("vol{number}");
        let why = refused(&["map", &name, "--timeout", "0.01", "--to", &target(number)]);
        assert!(why.contains("does not answer"), "{why}");
    }
    let tasks = run("ps --no-headers -e -o comm");
    let waiting = tasks.lines().filter(|task| task.contains("shunt_task"));
    let waiting = waiting.count();
    assert!((1..=20).contains(&waiting), "{waiting} tasks wait for it");
    let other = format!("{},length=16M", flash(1).path);
    succeeds_within(SOON, &["shunt", "map", "other", "--to", &other]);
    succeeds_within(SOON, &["shunt", "unmap", "other"]);
    drive.resume();
    Direct::open(Device::map("vol0", &target(0)).path()).read(0, 4096);
    drop(drive);
}

fn a_drive_that_is_lost_while_a_command_waits_for_another_is_told() {
    let _module = Module::load();
    for queue in QUEUES {
        let stuck = drive();
        let lost = format!("{},length=16M", flash(1).path);
        let device = Device::map_with("vol0", &stuck.path(), &["--to", &lost, "--queue", queue]);
        let events = Events::listen();
        events.present();
        let mut read = stick(&stuck, device.path());
        let mut suspend =
            Background::start(&[&["shunt", "suspend", "vol0"], &PATIENT[..]].concat());
        suspend.settles();
        let removed = Removed::take(1);
        let event = events.next();
        assert_eq!(
            (&event["event"], &event["device"]["name"]),
            (&"lost".into(), &"vol0".into())
        );
        assert_eq!(shown("vol0")["state"], "lost");
        stuck.resume();
        read.ends_in(GOES_ON);
        suspend.ends_in(GOES_ON);
        succeeds_within(SOON, &["shunt", "unmap", "vol0"]);
        device.assume_gone();
        drop(removed);
    }
}

/// `resume` of a device below, beside a forced unmap of one above that waits for I/O which the lower one holds back.
#[track_caller]
fn resume_beside_a_forced_unmap(lower: &Device, upper: Device) {
    lower.order("suspend", &[]);
    let mut read = Background::read(upper.path());
    read.waits();
    let mut gone = Background::start(&["shunt", "unmap", upper.name(), "--force"]);
    gone.settles();
    succeeds_within(SOON, &["shunt", "resume", lower.name()]);
    assert_eq!(shown(lower.name())["state"], "live");
    gone.succeeds_in(GOES_ON);
    upper.assume_gone();
    read.ends_in(GOES_ON);
    Direct::open(lower.path()).read(0, 4096);
}

fn a_resume_does_not_wait_for_a_device_above_device_mapper() {
    let _module = Module::load();
    for queue in QUEUES {
        let lower = Device::map_with("lower", &flash(0).path, &["--queue", queue]);
        let between = Dm::linear("between", lower.path(), 64 * MIB);
        let upper = Device::map_with("upper", &between.path(), &["--queue", queue]);
        resume_beside_a_forced_unmap(&lower, upper);
        wait_until("nobody has the drive above open", || {
            run("dmsetup info -c --noheadings -o open between").trim() == "0"
        });
    }
}

fn a_resume_does_not_wait_for_a_device_above_a_loop_device() {
    let _module = Module::load();
    for queue in QUEUES {
        let lower = Device::map_with("lower", &flash(0).path, &["--queue", queue]);
        let between = Loop::bind(lower.path(), "--direct-io=on");
        let upper = Device::map_with("upper", between.path(), &["--queue", queue]);
        resume_beside_a_forced_unmap(&lower, upper);
    }
}

/// Who sets a limit of a queue may hold a lock of it while it waits for I/O that the device holds back.
/// A file system lies on the first drive alone; a read of the second one is why the freeze is given up.
fn a_thaw_that_a_stuck_drive_holds_up_holds_up_no_command() {
    const FS: u64 = 24 * MIB;
    let _module = Module::load();
    for queue in QUEUES {
        let first = Dm::linear("first", &flash(0).path, 32 * MIB);
        let second = Dm::linear("second", &flash(1).path, 32 * MIB);
        let to = second.path();
        let device = Device::map_with("vol0", &first.path(), &["--to", &to, "--queue", queue]);
        run(&format!("mkfs.ext4 -q -F {} {}k", device.path(), FS / 1024));
        let mount = Mount::ext4(device.path());
        // It keeps reads, and takes the flush of the freeze.
        run("modprobe dm_delay");
        let path = flash(1).path;
        second.reload(&format!(
            "0 65536 delay {path} 0 100000 {path} 0 0 {path} 0 0\n"
        ));
        let from = format!("if={}", device.path());
        let read = [
            "of=/dev/null",
            "bs=1M",
            "skip=32",
            "count=1",
            "iflag=direct",
        ];
        let mut read = Background::start(&[&["dd", &from], &read[..]].concat());
        read.waits();
        let suspend = ["shunt", "suspend", "vol0", "--freeze", "--timeout", "8"];
        let mut suspend = Background::start(&suspend);
        wait_until("the file system is frozen", || {
            assert!(suspend.goes_on(), "{:?}", suspend.ended());
            let from = format!("if={}", flash(0).path);
            let copy = [
                "of=/run/head.img",
                "bs=1M",
                "count=24",
                "iflag=direct",
                "status=none",
            ];
            run_words(&[&["dd", &from], &copy[..]].concat());
            let header = run_words(&["dumpe2fs", "-h", "/run/head.img"]);
            !header.contains("needs_recovery")
        });
        // ext4 writes its superblock as it is thawed.
        first.suspend();
        assert!(suspend.goes_on(), "the second drive answers");
        refusal(&suspend.ends_in(SOON), &["suspend", "vol0"]);
        assert_eq!(shown("vol0")["state"], "live");
        succeeds_within(SOON, &["shunt", "set", "vol0", "--stats", "full"]);
        first.resume();
        // It ends what it keeps.
        second.suspend();
        second.resume();
        read.succeeds_in(GOES_ON);
        let file = mount.folder().join("file");
        let written = Task::start(move || std::fs::write(&file, "x")).end();
        written.expect("the file system goes on");
        drop(mount);
    }
}

fn a_queue_setting_that_waits_does_not_keep_a_device_from_its_resume() {
    let _module = Module::load();
    for (file, value) in [
        ("scheduler", "mq-deadline"),
        ("read_ahead_kb", "256"),
        ("nr_requests", "64"),
        ("max_sectors_kb", "64"),
    ] {
        let device = Device::map_with("vol0", &flash(0).path, &["--queue", "mq"]);
        device.order("suspend", &[]);
        let mut write = Background::write(device.path());
        write.waits();
        let line = format!("echo {value} > /sys/block/{}/queue/{file}", device.disk());
        let mut set = Background::start(&["sh", "-c", &line]);
        set.waits();
        assert_eq!(shown("vol0")["state"], "suspended", "{file}");
        succeeds_within(SOON, &["shunt", "resume", "vol0"]);
        assert_eq!(shown("vol0")["state"], "live", "{file}");
        write.succeeds_in(GOES_ON);
        set.succeeds_in(GOES_ON);
    }
}

fn the_daemon_maps_what_answers_and_ends_when_it_is_told() {
    let _module = Module::load();
    let drive = drive();
    let other = flash(1).path;
    let config = Config::new(&format!(
        "[device.vol0]\nto = '{}'\n[device.vol1]\nto = {{ drive = '{other}', length = '16M' }}\n",
        drive.path()
    ));
    drive.suspend();
    let daemon = Daemon::start(&config);
    wait_until("the device on the drive that answers is there", || {
        json(&succeeds_within(SOON, &["shunt", "list", "--json"]))["devices"]
            .as_array()
            .is_some_and(|devices| devices.iter().any(|device| device["name"] == "vol1"))
    });
    daemon.stop();
    let more = format!("{other},offset=32M,length=16M");
    succeeds_within(SOON, &["shunt", "map", "vol2", "--to", &more]);
    drive.resume();
    let daemon = Daemon::start(&config);
    wait_for_devices(&[
        ("vol0", "live", &drive.path()),
        ("vol1", "live", &other),
        ("vol2", "live", &other),
    ]);
    // It comes back to what was stuck by itself.
    run_words(&["shunt", "unmap", "vol0"]);
    daemon.stop();
    drive.suspend();
    let daemon = Daemon::start(&config);
    daemon.says("vol0", 1);
    drive.resume();
    wait_for_devices(&[
        ("vol0", "live", &drive.path()),
        ("vol1", "live", &other),
        ("vol2", "live", &other),
    ]);
    daemon.stop();
    drop(config);
}
