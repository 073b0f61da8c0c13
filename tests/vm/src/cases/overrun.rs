// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a listener that does not keep up, or that there is no room for, is told.

use serde_json::Value;

use crate::guest::command::run;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, json};
use crate::guest::stream::{Samples, number, op};
use crate::guest::ynl::Ynl;

cases! {
    a_listener_that_slept_a_minute_under_load_is_told_and_ends_with_the_kernels_totals,
    samples_that_could_not_be_sent_are_counted,
}

fn a_listener_that_slept_a_minute_under_load_is_told_and_ends_with_the_kernels_totals() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let before = json(&run("shunt stats vol0 --json"));
    // A quarter of the 6,000 samples are more than this buffer holds: a guest that is slow makes fewer.
    let samples = Samples::listen("0.01", &["vol0", "--receive-buffer", "1M"]);
    samples.until("sample", |sample| number(sample).is_some());
    samples.stop();
    let fio = Fio::run(
        device.path(),
        "ioengine=io_uring rw=randrw bs=4k iodepth=8 time_based runtime=60 rate_iops=500,500",
    );
    samples.wake();
    samples.until("overrun", |sample| sample["overruns"].as_u64() > Some(0));
    // It has caught up when what it tells is what the kernel has, in every figure of reads and writes.
    let kernel = json(&run("shunt stats vol0 --json"));
    let caught_up = samples.until("sample with the kernel's totals", |sample| {
        ["read", "write"]
            .iter()
            .all(|name| op(sample, "vol0", name) == op(&kernel, "vol0", name))
    });
    for name in ["read", "write"] {
        let ios = |sample| op(sample, "vol0", name)["ios"].as_u64().expect("a number");
        let told = ios(&caught_up) - ios(&before);
        assert_eq!(told, fio.ios(name), "{name}s that fio did");
    }
}

fn samples_that_could_not_be_sent_are_counted() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    let samples = Samples::listen("0.05", &["vol0"]);
    let sample = samples.until("sample", |sample| number(sample).is_some());
    assert_eq!(sample["dropped"], 0);
    let mut deaf = Ynl::start();
    deaf.hear_nothing_of("stats");
    let dropped = |sample: &Value| sample["dropped"].as_u64();
    let first = samples.until("sample that tells of a loss", |sample| {
        dropped(sample) > Some(0)
    });
    // Each is counted, and each has its number.
    let second = samples.until("sample that tells of another", |sample| {
        dropped(sample) > dropped(&first)
    });
    assert!(number(&second) > number(&first));
    assert!(dropped(&second) < number(&second));
}
