// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples come while somebody listens; a loss is told and made good; listeners do not disturb each other or the I/O.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::guest::command::{attempt_as_nobody, run, run_words};
use crate::guest::direct::Direct;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, json};
use crate::guest::stream::{Samples, number, op};
use crate::guest::wait::wait_until;

cases! {
    samples_follow_one_another_and_agree_with_the_figures_asked_for,
    without_a_listener_no_sample_is_made,
    a_hundred_listeners_hear_the_same,
    a_listener_that_is_killed_under_load_leaves_nothing_behind,
    anybody_may_listen_but_only_root_changes_the_interval,
    a_device_that_goes_and_comes_anew_is_followed,
    a_recorded_run_is_drawn,
}

fn samples_follow_one_another_and_agree_with_the_figures_asked_for() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let samples = Samples::listen("0.05", &["vol0"]);
    assert_eq!(
        number(&samples.next()),
        None,
        "the figures asked for come first"
    );
    let mut last = None;
    for _ in 0..10 {
        let sample = samples.next();
        let seq = number(&sample).expect("a sample has a number");
        assert!(
            last.is_none_or(|last| seq == last + 1),
            "{seq} after {last:?}"
        );
        last = Some(seq);
        assert_eq!(
            (&sample["overruns"], &sample["dropped"]),
            (&0.into(), &0.into())
        );
    }
    let file = Direct::open(device.path());
    for index in 0..100 {
        file.read(index * 4096, 4096);
    }
    let asked = json(&run("shunt stats vol0 --json"));
    let wanted = op(&asked, "vol0", "read");
    samples.until("sample with the same reads", |sample| {
        op(sample, "vol0", "read") == wanted
    });
}

/// The number moves by as many rounds as there were with a listener, and by none without.
fn without_a_listener_no_sample_is_made() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    let heard = {
        let samples = Samples::listen("0.01", &[]);
        let heard = samples.until("sample", |sample| number(sample) >= Some(5));
        number(&heard).expect("it has one")
    };
    // The round that finds nobody ends the rounds; one may have been under way.
    let again = || {
        let samples = Samples::listen("0.01", &[]);
        let first = samples.until("sample", |sample| number(sample).is_some());
        (number(&first).expect("it has one"), samples)
    };
    let (before, samples) = again();
    assert!(before > heard);
    samples.kill();
    drop(samples);
    let quiet = Duration::from_secs(2);
    let reads = Fio::run(
        &flash(1).path,
        &format!("rw=randread bs=4k time_based runtime={}", quiet.as_secs()),
    );
    assert!(reads.ios("read") > 0, "time passed");
    let (after, _samples) = again();
    // 2 s hold 200 rounds of 10 ms. What is made between the last sample that was seen and the end of its listener, and
    // before the next one's first look, is a few.
    assert!(
        after - before < 50,
        "{} samples were made while nobody listened for 2 s",
        after - before
    );
}

fn a_hundred_listeners_hear_the_same() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let listeners: Vec<Samples> = (0..100)
        .map(|_| Samples::listen("0.5", &["vol0"]))
        .collect();
    for listener in &listeners {
        listener.until("sample", |sample| number(sample).is_some());
    }
    let file = Direct::open(device.path());
    for index in 0..50 {
        file.read(index * 4096, 4096);
    }
    let kernel = json(&run("shunt stats vol0 --json"));
    let wanted = op(&kernel, "vol0", "read");
    let heard: Vec<Value> = listeners
        .iter()
        .map(|listener| {
            listener.until("sample with all reads", |sample| {
                number(sample).is_some() && op(sample, "vol0", "read") == wanted
            })
        })
        .collect();
    for sample in &heard {
        assert_eq!(
            (&sample["overruns"], &sample["dropped"]),
            (&0.into(), &0.into())
        );
    }
    // What has the same number is the same message.
    for pair in heard
        .windows(2)
        .filter(|pair| pair[0]["seq"] == pair[1]["seq"])
    {
        assert_eq!(pair[0], pair[1]);
    }
}

fn a_listener_that_is_killed_under_load_leaves_nothing_behind() {
    let module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let before = module.references();
    let other = Samples::listen("0.01", &["vol0"]);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            Fio::run(
                device.path(),
                "ioengine=io_uring rw=randread bs=4k iodepth=4 time_based runtime=4",
            )
        });
        for _ in 0..20 {
            let victim = Samples::listen("0.01", &["vol0", "--receive-buffer", "16K"]);
            victim.until("sample", |sample| number(sample).is_some());
            // It dies with messages half taken and more on their way.
            victim.stop();
            other.next();
            victim.kill();
        }
        load.join().expect("fio works");
    });
    let lost = other.until("sample", |sample| number(sample).is_some());
    assert_eq!(
        lost["dropped"], 0,
        "the death of one is no loss for another"
    );
    drop(other);
    wait_until("no listener holds the module", || {
        module.references() == before
    });
}

fn anybody_may_listen_but_only_root_changes_the_interval() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    let root = Samples::listen("0.05", &["vol0"]);
    root.until("sample", |sample| number(sample).is_some());
    // It ends by itself: the reader of its output goes after three lines.
    let line = "shunt stats vol0 --watch 7 --json | head -n 3";
    let ended = attempt_as_nobody(&["sh", "-c", line]);
    assert_eq!(ended.stdout.lines().count(), 3, "{ended:?}");
    let told: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.contains("samples come every"))
        .collect();
    assert_eq!(
        told,
        ["shunt: samples come every 0.05 s and not every 7 s; root can change that"],
        "{ended:?}"
    );
}

fn a_device_that_goes_and_comes_anew_is_followed() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let _other = Device::map("vol1", &flash(1).path);
    Direct::open(device.path()).read(0, 4096);
    let samples = Samples::listen("0.05", &[]);
    let count = |sample: &Value| sample["devices"].as_array().map(Vec::len);
    let generation = |sample: &Value| sample["devices"][0]["generation"].as_u64();
    let old = generation(&samples.until("sample", |sample| count(sample) == Some(2)));
    device.unmap();
    samples.until("sample without it", |sample| count(sample) == Some(1));
    let _device = Device::map("vol0", &flash(0).path);
    let anew = samples.until("sample with it", |sample| count(sample) == Some(2));
    assert_ne!(generation(&anew), old);
    let only_opened = op(&anew, "vol0", "write");
    assert_eq!(only_opened["ios"], 0);
}

fn a_recorded_run_is_drawn() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let file = "/tmp/heat.svg";
    let words = [
        "shunt",
        "stats",
        "vol0",
        "--watch",
        "0.1",
        "--for",
        "2",
        "--heatmap",
        file,
    ];
    thread::scope(|scope| {
        scope.spawn(|| Fio::run(device.path(), "rw=randrw bs=4k time_based runtime=8"));
        wait_until("fio writes", || device.stats().ios("write") > 0);
        assert_eq!(run_words(&words).trim(), file);
    });
    let svg = std::fs::read_to_string(file).expect("the file is there");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">read: ") && svg.contains(">write: "));
    std::fs::remove_file(file).expect("it can go");
}
