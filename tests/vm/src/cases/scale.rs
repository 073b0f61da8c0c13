// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thousand devices: mapping them takes longer than what is done with them, so it is done once.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::guest::case::figure;
use crate::guest::command::run_words;
use crate::guest::debug_kernel;
use crate::guest::module::Module;
use crate::guest::null_blk::NullBlk;
use crate::guest::scrape::{ADDRESS, ask, connect, scrape};
use crate::guest::shuntd::{Config, Daemon};
use crate::guest::stream::Samples;
use crate::guest::sysfs;
use crate::guest::wait::{Poll, wait_until};

cases! {
    a_thousand_devices_are_mapped_from_a_file_heard_without_loss_and_scraped,
}

const COUNT: usize = 1000;

fn a_thousand_devices_are_mapped_from_a_file_heard_without_loss_and_scraped() {
    let drive = NullBlk::load("gb=4 memory_backed=0");
    let _module = Module::load();
    let text = |last: &str| -> String {
        let devices = (0..COUNT).map(|number| {
            let stats = if number + 1 == COUNT { last } else { "full" };
            let path = drive.path();
            format!(
                "[device.vol{number}]\nto = {{ drive = '{path}', offset = '{number}M', length = '1M' }}\nstats = '{stats}'\n"
            )
        });
        devices.collect()
    };
    let config = Config::new(&text("full"));
    let begun = Instant::now();
    let daemon = Daemon::start_with(&config, &["--metrics", ADDRESS]);
    let mapped = Poll::for_at_most(Duration::from_secs(120))
        .until(|| (daemon.log().matches("info: map vol").count() == COUNT).then_some(()));
    let mapped = mapped
        .map(|()| begun.elapsed())
        .expect("1,000 devices are mapped in 120 s");
    let timed = |words: &[&str]| {
        let begun = Instant::now();
        (run_words(words), begun.elapsed())
    };
    let (said, planned) = timed(&["shunt", "plan", config.path()]);
    assert_eq!(said, "");
    config.write(&text("off"));
    let (said, applied) = timed(&["shunt", "apply", config.path()]);
    assert_eq!(said, format!("set vol{}: stats full -> off\n", COUNT - 1));
    // What the change made it do, it has done; nothing wakes it after that.
    wait_until("the daemon has heard of it", || {
        daemon
            .log()
            .contains("left so (policy adopt): stats off -> full")
    });
    let wakes =
        || daemon.status("voluntary_ctxt_switches") + daemon.status("nonvoluntary_ctxt_switches");
    // It writes that before it has looked whether there is more to do, and goes to sleep after it.
    let mut before = wakes();
    wait_until("the daemon is at rest", || {
        std::thread::sleep(Duration::from_secs(1));
        std::mem::replace(&mut before, wakes()) == before
    });
    std::thread::sleep(Duration::from_secs(3));
    let woken = wakes() - before;
    let (memory, peak) = (daemon.status("VmRSS"), daemon.status("VmHWM"));
    figure(&format!(
        "{COUNT} devices: mapped in {mapped:.1?}, plan {planned:.2?}, apply of one change {applied:.2?}, \
         shuntd {memory} KiB (at most {peak}), woken {woken} times in 3 s at rest"
    ));
    assert_eq!(woken, 0, "something wakes the daemon");
    assert!(memory < 64 << 10, "{memory} KiB");
    let limit = debug_kernel::limit(Duration::from_secs(20));
    assert!(planned < limit && applied < limit, "not within {limit:?}");
    hear_without_loss();
    scrape_beside_stuck_readers(&daemon);
    daemon.stop();
}

/// Listens to the samples of all devices, one a second, with the buffer that a socket has if it asks for nothing.
/// The kernel doubles what is asked for, so half of it is.
#[track_caller]
fn hear_without_loss() {
    const ROUNDS: u32 = 5;
    let default = sysfs::number("/proc/sys/net/core/rmem_default");
    let samples = Samples::listen("1", &["--receive-buffer", &(default / 2).to_string()]);
    let deadline = Instant::now() + debug_kernel::limit(Duration::from_secs(30));
    let begun = Instant::now();
    let mut heard: BTreeMap<u64, u32> = BTreeMap::new();
    let mut messages = 0;
    // A round comes in several messages, each about some of the devices.
    while heard.len() < COUNT || heard.values().any(|times| *times < ROUNDS) {
        let sample = samples.until("sample", |sample| sample["seq"].is_u64());
        let lost = (&sample["overruns"], &sample["dropped"]);
        assert_eq!(lost, (&0.into(), &0.into()));
        for device in sample["devices"].as_array().into_iter().flatten() {
            *heard
                .entry(device["id"].as_u64().expect("an id"))
                .or_default() += 1;
        }
        messages += 1;
        assert!(Instant::now() < deadline, "{heard:?}");
    }
    figure(&format!(
        "{ROUNDS} rounds of {COUNT} devices heard in {:.1?}, in {messages} pieces, none lost in a buffer of {default} bytes",
        begun.elapsed()
    ));
}

/// Scrapes while others hold connections to the daemon and take nothing.
#[track_caller]
fn scrape_beside_stuck_readers(daemon: &Daemon) {
    let before = daemon.status("VmHWM");
    let begun = Instant::now();
    scrape(connect());
    let alone = begun.elapsed();
    // One says nothing, the others take nothing of an answer that is longer than what is buffered.
    let silent = connect();
    let stuck: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stuck = connect();
            ask(&mut stuck);
            stuck
        })
        .collect();
    let begun = Instant::now();
    let text = scrape(connect());
    let took = begun.elapsed();
    let infos = text
        .lines()
        .filter(|line| line.starts_with("shunt_device_info{"));
    assert_eq!(infos.count(), COUNT);
    drop((silent, stuck));
    figure(&format!(
        "{COUNT} devices: scraped in {alone:.2?}, {took:.2?} beside 5 stuck readers, {} KiB of text, shuntd at most {} KiB ({before} before)",
        text.len() / 1024,
        daemon.status("VmHWM"),
    ));
    // Prometheus gives up after ten.
    let limit = debug_kernel::limit(Duration::from_secs(10));
    assert!(took < limit, "{took:?}");
}
