// SPDX-License-Identifier: MIT OR Apache-2.0
//! The units of packaging/, installed and enabled, on a system that systemd has brought up. `guest/system.rs` says what is
//! configured there.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::guest::case::figure;
use crate::guest::command::run;
use crate::guest::hot::Hot;
use crate::guest::scrape::{connect, sample, scrape};
use crate::guest::shunt::{list, show};
use crate::guest::sysfs;
use crate::guest::system::{CONFIG, LATE, MOUNTED, PRESENT, device};
use crate::guest::unit::Unit;
use crate::guest::wait::wait_until;

cases! {
    file_systems_find_their_devices_though_a_drive_is_missing,
    a_device_comes_when_its_drive_is_plugged_in,
    a_reload_ends_when_what_the_file_says_now_is_done,
    the_daemon_has_two_capabilities_and_a_filter_on_its_calls,
    a_daemon_that_is_killed_comes_back_to_the_same_devices,
    a_daemon_that_hangs_is_replaced_by_the_watchdog,
    a_daemon_that_is_stopped_leaves_its_devices,
}

const DAEMON: Unit = Unit("shuntd.service");

/// The names of the live devices, each with the number of its disk, which no other disk has until the next boot.
#[track_caller]
fn live() -> BTreeMap<String, u64> {
    let live = list()
        .into_iter()
        .filter(|device| device["state"] == "live");
    let named = live.map(|device| {
        let name = device["name"].as_str().expect("a device has a name");
        let id = &device["id"];
        (
            name.to_owned(),
            sysfs::number(&format!("/sys/block/shunt{id}/diskseq")),
        )
    });
    named.collect()
}

/// Writes and reads a file on the file system of the first device.
#[track_caller]
fn use_file_system() {
    let file = format!("{MOUNTED}/file");
    fs::write(&file, "kept").expect("the file system takes a file");
    run(&format!("sync {file}"));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "kept");
}

fn file_systems_find_their_devices_though_a_drive_is_missing() {
    for unit in ["local-fs.target", "shunt-ready.target"] {
        Unit(unit).wait_until_active();
    }
    let mut names: Vec<_> = (0..PRESENT).map(|number| format!("vol{number}")).collect();
    names.sort();
    wait_until("the devices that have a drive are there", || {
        live().into_keys().eq(names.iter().cloned())
    });
    let source = run(&format!("findmnt --noheadings --output=SOURCE {MOUNTED}"));
    let disk = show("vol0")["path"]
        .as_str()
        .expect("it has a path")
        .to_owned();
    assert_eq!(source.trim(), disk);
    use_file_system();

    let moment = |unit: &'static str| Unit(unit).number("ActiveEnterTimestampMonotonic");
    let (ready, mounted) = (moment(DAEMON.0), moment("srv-vol0.mount"));
    let local = moment("local-fs.target");
    assert!(mounted < local, "{mounted} {local}");
    let seconds = |moment| moment as f64 / 1e6;
    figure(&format!(
        "since the boot: shuntd ready {:.1} s, mounted {:.1} s, local-fs.target {:.1} s",
        seconds(ready),
        seconds(mounted),
        seconds(local)
    ));
    assert_eq!(run("systemctl --failed --quiet --no-legend"), "");
    let log = run("journalctl --boot --no-pager --output=cat");
    assert!(!log.contains("ordering cycle"), "{log}");
    let log = run("journalctl --boot --no-pager --output=cat --priority=warning --unit=shuntd");
    assert!(log.contains(LATE), "{log}");
}

fn a_device_comes_when_its_drive_is_plugged_in() {
    let before = live();
    assert!(!before.contains_key(LATE));
    let hot = Hot::plug(0);
    wait_until("the device is there", || live().contains_key(LATE));
    let mut after = live();
    after.remove(LATE);
    assert_eq!(after, before);
    let on = sysfs::names(&format!("/sys/block/shunt{}/slaves", show(LATE)["id"]));
    assert_eq!(on, [hot.drive().name.as_str()]);
    wait_until("udev has linked it", || {
        fs::exists(format!("/dev/shunt/by-name/{LATE}")).is_ok_and(|there| there)
    });
}

fn a_reload_ends_when_what_the_file_says_now_is_done() {
    let before = live();
    let text = fs::read_to_string(CONFIG).expect("it is there");
    for number in PRESENT..PRESENT + 3 {
        let name = format!("more{number}");
        let now = fs::read_to_string(CONFIG).expect("it is there");
        fs::write(CONFIG, now + &device(&name, number)).expect("/etc takes files");
        DAEMON.order("reload");
        assert!(live().contains_key(&name), "{name} was not mapped");
    }
    fs::write(CONFIG, "[device.").expect("/etc takes files");
    DAEMON.order("reload");
    assert_eq!(DAEMON.property("ActiveState"), "active");
    fs::write(CONFIG, text).expect("/etc takes files");
    DAEMON.order("reload");
    let mut after = live();
    after.retain(|name, _| !name.starts_with("more"));
    assert_eq!(after, before);
}

fn the_daemon_has_two_capabilities_and_a_filter_on_its_calls() {
    assert_eq!(DAEMON.property("Type"), "notify-reload");
    assert_eq!(DAEMON.property("WatchdogUSec"), "1min");
    let status = format!("/proc/{}/status", DAEMON.number("MainPID"));
    let status = fs::read_to_string(&status).expect("the daemon runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("there is no {name} in {status}"))
            .trim()
    };
    // CAP_NET_ADMIN and CAP_SYS_ADMIN.
    let allowed = format!("{:016x}", (1 << 12) | (1 << 21));
    for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
        assert_eq!(field(set), allowed, "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    let metrics = scrape(connect());
    assert_eq!(sample(&metrics, "shunt_module_loaded"), 1.0);
    let device = "shunt_device_state{device=\"vol0\",state=\"live\"}";
    assert_eq!(sample(&metrics, device), 1.0);
}

fn a_daemon_that_is_killed_comes_back_to_the_same_devices() {
    let before = live();
    let (process, restarts) = (DAEMON.number("MainPID"), DAEMON.number("NRestarts"));
    kill(Pid::from_raw(process as i32), Signal::SIGKILL).expect("it runs");
    wait_until("it runs again", || DAEMON.number("NRestarts") > restarts);
    DAEMON.wait_until_active();
    assert_ne!(DAEMON.number("MainPID"), process);
    assert_eq!(live(), before);
    use_file_system();
}

fn a_daemon_that_hangs_is_replaced_by_the_watchdog() {
    const LIMIT: u64 = 3_000_000;
    let folder = "/run/systemd/system/shuntd.service.d";
    fs::create_dir_all(folder).expect("/run takes folders");
    fs::write(
        format!("{folder}/watchdog.conf"),
        "[Service]\nWatchdogSec=3s\n",
    )
    .expect("and files");
    run("systemctl daemon-reload");
    DAEMON.order("restart");
    let before = live();
    let (process, restarts) = (DAEMON.number("MainPID"), DAEMON.number("NRestarts"));
    let begun = DAEMON.number("ActiveEnterTimestampMonotonic");
    wait_until("it has lived longer than the limit", || {
        DAEMON.number("WatchdogTimestampMonotonic") > begun + LIMIT
    });
    assert_eq!(DAEMON.number("MainPID"), process);
    kill(Pid::from_raw(process as i32), Signal::SIGSTOP).expect("it runs");
    use_file_system();
    wait_until("it runs again", || DAEMON.number("NRestarts") > restarts);
    DAEMON.wait_until_active();
    assert_ne!(DAEMON.number("MainPID"), process);
    assert_eq!(live(), before);
}

fn a_daemon_that_is_stopped_leaves_its_devices() {
    let before = live();
    DAEMON.order("stop");
    assert_eq!(DAEMON.property("Result"), "success");
    assert_eq!(live(), before);
    use_file_system();
    DAEMON.order("start");
    assert_eq!(live(), before);
}
