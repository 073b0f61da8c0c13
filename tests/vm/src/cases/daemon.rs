// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shuntd` keeps the devices as its file wants them, whatever happens to drives, module, devices and itself.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::guest::case::figure;
use crate::guest::command::{attempt, run, run_words};
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::link::Link;
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::removal::Removed;
use crate::guest::shunt::list;
use crate::guest::shuntd::{Config, Daemon, devices, wait_for_devices};
use crate::guest::state::State;
use crate::guest::sysfs;
use crate::guest::task::Task;
use crate::guest::wait::wait_until;

cases! {
    a_missing_drive_keeps_no_device_back_and_its_device_comes_with_it,
    a_device_waits_for_a_loop_device_to_be_bound,
    a_lost_device_is_live_again_when_its_drive_is_back,
    what_somebody_else_changes_is_adopted_or_restored,
    a_bad_file_is_told_and_all_stays,
    a_live_device_does_not_follow_its_link,
    a_lost_device_takes_no_other_drive_that_has_its_link,
    there_is_one_and_apply_does_not_do_what_it_would_take_back,
    it_is_killed_a_hundred_times_under_verified_load,
    changes_that_were_missed_are_counted_and_made_up_for,
    the_module_is_loaded_anew_under_it,
}

fn a_missing_drive_keeps_no_device_back_and_its_device_comes_with_it() {
    let _module = Module::load();
    let (there, missing) = (flash(0).path, flash(1).name);
    let link = Link::to(&missing, "nvme-late");
    let removed = Removed::take(1);
    let config = Config::new(&format!(
        "[device.late]\nto = '{}'\n[device.vol0]\nto = {{ drive = '{there}', length = '8M' }}\n\
         [device.vol1]\nto = {{ drive = '{there}', offset = '8M', length = '8M' }}\n",
        link.path()
    ));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", &there), ("vol1", "live", &there)]);
    daemon.says(&format!("warning: late waits for {}", link.path()), 1);
    link.lead_to(&removed.bring_back().name);
    wait_for_devices(&[
        ("late", "live", link.path()),
        ("vol0", "live", &there),
        ("vol1", "live", &there),
    ]);
    let before = State::now();
    daemon.stop();
    assert_eq!(
        State::now(),
        before,
        "SIGTERM leaves the devices as they are"
    );
}

fn a_device_waits_for_a_loop_device_to_be_bound() {
    let _module = Module::load();
    run("modprobe loop");
    let file = "/run/loop-file";
    File::create(file)
        .and_then(|file| file.set_len(8 << 20))
        .expect("/run takes files");
    // What is not bound is there and has no size.
    let free = run("losetup --find").trim().to_owned();
    let bound = {
        let config = Config::new(&format!("[device.vol0]\nto = '{free}'\n"));
        let daemon = Daemon::start(&config);
        daemon.says(&format!("vol0 waits for {free}"), 1);
        let bound = Loop::bind(file, "");
        assert_eq!(bound.path(), free);
        wait_for_devices(&[("vol0", "live", &free)]);
        drop(daemon);
        bound
    };
    drop(bound);
    std::fs::remove_file(file).expect("the file is there");
}

fn a_lost_device_is_live_again_when_its_drive_is_back() {
    let _module = Module::load();
    let (drive, other) = (flash(1).name, flash(0).path);
    let link = Link::to(&drive, "nvme-lost");
    let path = link.path();
    let config = Config::new(&format!(
        "[device.vol0]\nto = ['{path}', {{ drive = '{other}', length = '8M' }}]\n"
    ));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", path)]);
    for round in 1..=3 {
        let removed = Removed::take(1);
        wait_for_devices(&[("vol0", "lost", path)]);
        daemon.says(&format!("vol0 waits for {path}"), round);
        link.lead_to(&removed.bring_back().name);
        wait_for_devices(&[("vol0", "live", path)]);
    }
    daemon.stop();
}

fn a_live_device_does_not_follow_its_link() {
    let _module = Module::load();
    let (first, second) = (flash(0), flash(1));
    let link = Link::to(&first.name, "nvme-copied");
    let config = Config::new(&format!(
        "[device.vol0]\nto = {{ drive = '{}', length = '8M' }}\npolicy = 'restore'\n\
         [device.vol1]\nto = '/dev/disk/by-id/nvme-never'\n",
        link.path()
    ));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", link.path())]);
    let before = State::now();
    link.lead_to(&second.name);
    daemon.says("vol0: its drive has another name now", 1);
    daemon.reload();
    daemon.says("vol0: its drive has another name now", 2);
    assert_eq!(State::now(), before);
    // Whatever else the file wants: what has to do with the drive waits, and is said.
    for edited in ["length = '16M' }", "length = '8M' }\nqueue = 'mq'"] {
        config.write(&format!(
            "[device.vol0]\nto = {{ drive = '{}', {edited}\npolicy = 'restore'\n\
             [device.vol1]\nto = '/dev/disk/by-id/nvme-never'\n",
            link.path()
        ));
        let said = daemon
            .log()
            .matches("vol0: its drive has another name now")
            .count();
        daemon.reload();
        daemon.says("vol0: its drive has another name now", said + 1);
        assert_eq!(State::now(), before, "{edited}");
        let planned = run_words(&["shunt", "plan", config.path()]);
        let numbers = |name: &str| sysfs::read(&format!("/sys/block/{name}/dev"));
        for name in [&first.name, &second.name] {
            let number = numbers(name).expect("a drive has numbers");
            assert!(planned.contains(&format!("({number})")), "{planned}");
        }
    }
    config.write(&format!(
        "[device.vol0]\nto = {{ drive = '{}', length = '8M' }}\n",
        link.path()
    ));
    daemon.reload();
    assert_eq!(State::now(), before);
    daemon.stop();
    let said = run_words(&["shunt", "apply", config.path()]);
    assert!(
        said.starts_with("retarget vol0: target /dev/disk/by-id/nvme-copied ("),
        "{said}"
    );
    assert_ne!(State::now(), before);
}

fn a_lost_device_takes_no_other_drive_that_has_its_link() {
    let _module = Module::load();
    let (drive, other) = (flash(1).name, flash(0).name);
    let link = Link::to(&drive, "nvme-slot");
    let path = link.path();
    let config = Config::new(&format!("[device.vol0]\nto = '{path}'\n"));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", path)]);
    let removed = Removed::take(1);
    wait_for_devices(&[("vol0", "lost", path)]);
    link.lead_to(&other);
    daemon.says("vol0: what has the name of its drive is another drive", 1);
    daemon.reload();
    daemon.says("vol0: what has the name of its drive is another drive", 2);
    wait_for_devices(&[("vol0", "lost", path)]);
    link.lead_to(&removed.bring_back().name);
    wait_for_devices(&[("vol0", "live", path)]);
    daemon.stop();
}

fn there_is_one_and_apply_does_not_do_what_it_would_take_back() {
    let _module = Module::load();
    let (path, other) = (flash(0).path, flash(1).path);
    let text = |path: &str| {
        format!("[device.vol0]\nto = {{ drive = '{path}', length = '8M' }}\npolicy = 'restore'\n")
    };
    let config = Config::new(&text(&path));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", &path)]);
    let second = attempt(&["shuntd", "--config", config.path(), "--metrics", "off"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(
        second.stderr.contains("a shuntd runs already"),
        "{second:?}"
    );

    let before = State::now();
    config.write(&text(&other));
    let ended = attempt(&["shunt", "apply", config.path()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("vol0: shuntd wants it otherwise and would take the change back"),
        "{ended:?}"
    );
    assert_eq!(State::now(), before);
    daemon.reload();
    wait_for_devices(&[("vol0", "live", &other)]);
    assert_eq!(run_words(&["shunt", "apply", config.path()]), "");
    daemon.stop();
    config.write(&text(&path));
    run_words(&["shunt", "apply", config.path()]);
    wait_for_devices(&[("vol0", "live", &path)]);
}

fn what_somebody_else_changes_is_adopted_or_restored() {
    let _module = Module::load();
    let (path, other) = (flash(0).path, flash(1).path);
    let text = |policy: &str| {
        format!("[device.vol0]\nto = {{ drive = '{path}', length = '8M' }}\npolicy = '{policy}'\n")
    };
    let config = Config::new(&text("adopt"));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", &path)]);
    let move_it = || {
        let to = format!("{other},length=8M");
        run_words(&["shunt", "retarget", "vol0", "--to", &to]);
    };
    move_it();
    daemon.says(
        "vol0: it was changed by somebody else and is left so (policy adopt)",
        1,
    );
    wait_for_devices(&[("vol0", "live", &other)]);
    daemon.reload();
    wait_for_devices(&[("vol0", "live", &path)]);
    run("shunt unmap vol0");
    daemon.says("vol0: it was unmapped by somebody else and stays so", 1);
    assert!(devices().is_empty());

    config.write(&text("restore"));
    daemon.reload();
    wait_for_devices(&[("vol0", "live", &path)]);
    for _ in 0..3 {
        move_it();
        wait_for_devices(&[("vol0", "live", &path)]);
        run("shunt unmap vol0");
        wait_for_devices(&[("vol0", "live", &path)]);
        run("shunt set vol0 --stats off");
        wait_until("the statistics are on again", || {
            list()[0]["stats"] == "full"
        });
    }
    daemon.stop();
}

fn a_bad_file_is_told_and_all_stays() {
    let _module = Module::load();
    let path = flash(0).path;
    let good = format!("[device.vol0]\nto = {{ drive = '{path}', length = '8M' }}\n");
    let config = Config::new(&good);
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", &path)]);
    let before = State::now();
    for (added, words) in [
        (
            "queu = 'mq'\n",
            "3:1: device vol0 has no key 'queu'; the nearest is 'queue'",
        ),
        ("queue = \n", "3:9: this is not TOML"),
        (
            "stats = 'off'\n[device.vol1]\nto = '/dev/shunt0'\n[device.vol2]\nto = '/dev/null'\n",
            "7:6: /dev/null is not a block device",
        ),
    ] {
        config.write(&format!("{good}{added}"));
        daemon.reload();
        daemon.says(&format!("error: {}:{words}", config.path()), 1);
        assert_eq!(State::now(), before);
    }
    config.write(&format!("{good}stats = 'off'\n"));
    daemon.reload();
    wait_until("the good file is taken", || list()[0]["stats"] == "off");
    daemon.stop();
}

fn it_is_killed_a_hundred_times_under_verified_load() {
    const ROUNDS: u64 = 100;
    let _module = Module::load();
    let path = flash(0).path;
    let config = Config::new(&format!(
        "[device.vol0]\nto = {{ drive = '{path}', length = '32M' }}\npolicy = 'restore'\n\
         [device.vol1]\nto = {{ drive = '{path}', offset = '32M', length = '8M' }}\n"
    ));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", &path), ("vol1", "live", &path)]);
    drop(daemon);
    let before = State::now();
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    let load = Task::start(move || {
        let options =
            "ioengine=io_uring rw=randwrite bs=4k iodepth=8 size=4M verify=crc32c verify_fatal=1";
        let mut runs = 0;
        while !told.load(Ordering::Relaxed) {
            // It ends with an error of its I/O or of what it reads again.
            Fio::run("/dev/shunt0", options);
            runs += 1;
        }
        runs
    });
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let daemon = Daemon::start(&config);
        // Now and then with something to do, and sooner or later in doing it.
        if round % 10 == 9 {
            run("shunt set vol0 --stats counters");
        }
        std::thread::sleep(Duration::from_millis(round % 25 * 2));
        drop(daemon);
        assert!(load.goes_on(), "the load ended with an error");
    }
    let taken = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    let runs = load.end();
    assert!(runs > 0);
    figure(&format!(
        "{ROUNDS} starts and kills in {taken:.1?}, {runs} verified runs meanwhile"
    ));
    let daemon = Daemon::start(&config);
    daemon.says("devices wanted by", 1);
    wait_until("all is as before", || State::now() == before);
    daemon.stop();
}

fn changes_that_were_missed_are_counted_and_made_up_for() {
    let _module = Module::load();
    let (path, other) = (flash(0).path, flash(1).path);
    let config = Config::new(&format!(
        "[device.vol0]\nto = {{ drive = '{path}', length = '8M' }}\npolicy = 'restore'\n"
    ));
    let daemon = Daemon::start_with(&config, &["--receive-buffer", "8K"]);
    wait_for_devices(&[("vol0", "live", &path)]);
    // It hears nothing while it is stopped, and there is room for a few changes only.
    daemon.signal(Signal::SIGSTOP);
    for round in 0..20 {
        let stats = ["off", "counters"][round % 2];
        run_words(&["shunt", "set", "vol0", "--stats", stats]);
    }
    let to = format!("{other},length=8M");
    run_words(&["shunt", "retarget", "vol0", "--to", &to]);
    daemon.signal(Signal::SIGCONT);
    daemon.says("changes were missed; reading the devices anew", 1);
    wait_for_devices(&[("vol0", "live", &path)]);
    // What it measures is set after the table.
    wait_until("the stats mode is restored", || {
        list()[0]["stats"] == "full"
    });
    daemon.stop();
}

fn the_module_is_loaded_anew_under_it() {
    let path = flash(0).path;
    let module = Module::load();
    let config = Config::new(&format!(
        "[device.vol0]\nto = {{ drive = '{path}', length = '8M' }}\n"
    ));
    let daemon = Daemon::start(&config);
    wait_for_devices(&[("vol0", "live", &path)]);
    let mut module = Some(module);
    for round in 1..=3 {
        // It is not unloaded while a device exists.
        run("shunt unmap vol0");
        drop(module.take());
        daemon.says("the shunt module is not loaded; waiting for it", round);
        module = Some(Module::load());
        wait_for_devices(&[("vol0", "live", &path)]);
    }
    daemon.stop();
    drop(config);
}
