// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each statistics mode measures what it says and no more.

use super::stats::{KNOWN, grown, send_known_io};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::sysfs::DiskStats;

cases! {
    full_is_what_a_device_gets_unasked,
    counters_counts_operations_and_bytes_alone,
    off_counts_nothing_and_forwards_all_the_same,
}

fn with_mode(mode: &str, work: impl FnOnce(&Device)) {
    let _module = Module::load();
    let device = Device::map_with(
        "vol0",
        &format!("{},offset=1M,length=32M", flash(0).path),
        &["--stats", mode],
    );
    assert_eq!(device.shown()["stats"], mode);
    work(&device);
}

fn full_is_what_a_device_gets_unasked() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    assert_eq!(device.shown()["stats"], "full");
    assert_eq!(device.stats().in_flight(), Some(0));
}

fn counters_counts_operations_and_bytes_alone() {
    with_mode("counters", |device| {
        let before = device.stats();
        send_known_io(device.path());
        let after = device.stats();
        assert_eq!(grown(&before, &after), KNOWN);
        assert_eq!(after.in_flight().unwrap_or(0), 0);
        for (op, ..) in KNOWN {
            assert_eq!(
                (after.in_buckets(op), after.latency_sum(op)),
                (0, 0),
                "latency of {op}s"
            );
        }
        assert_eq!(
            DiskStats::of(device.disk()),
            DiskStats::default(),
            "/proc/diskstats"
        );
    });
}

fn off_counts_nothing_and_forwards_all_the_same() {
    with_mode("off", |device| {
        let before = DiskStats::of(&flash(0).name);
        send_known_io(device.path());
        let below = DiskStats::of(&flash(0).name).since(before);
        assert_eq!(
            (below.reads, below.read_bytes, below.flushes),
            (7, 7 * 4096, 3),
            "what the drive got"
        );
        let stats = device.stats();
        for (op, ..) in KNOWN {
            assert_eq!(
                (stats.ios(op), stats.bytes(op), stats.in_buckets(op)),
                (0, 0, 0),
                "{op}s"
            );
        }
        assert_eq!(stats.in_flight().unwrap_or(0), 0);
        assert_eq!(
            DiskStats::of(device.disk()),
            DiskStats::default(),
            "/proc/diskstats"
        );
    });
}
