// SPDX-License-Identifier: MIT OR Apache-2.0
//! The statistics are what was sent, to the operation and the byte.

use std::thread;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::partition::Partition;
use crate::guest::shunt::{Device, Stats};
use crate::guest::sysfs::DiskStats;
use crate::guest::wait::wait_until;

cases! {
    counts_and_bytes_are_those_of_what_was_sent,
    each_operation_is_in_one_bucket_of_its_histogram,
    counts_agree_with_fio_under_load_from_two_cpus,
    diskstats_agree_with_the_statistics,
    held_io_is_in_flight_and_finished_io_is_not,
    io_on_a_partition_counts_for_the_device,
    figures_of_two_devices_are_kept_apart,
}

const MIB: u64 = 1 << 20;
const OPS: [&str; 5] = ["read", "write", "flush", "discard", "write_zeroes"];

/// Sends 7 reads of 4 KiB, 5 writes of 8 KiB, 3 flushes, 2 discards of 1 MiB and 4 zeroings of 64 KiB.
pub(super) fn send_known_io(path: &str) {
    let device = Direct::open(path);
    for index in 0..7 {
        device.read(index * 4096, 4096);
    }
    for index in 0..5 {
        device.write(index * 8192, &Buffer::pattern(index, 8192));
    }
    for _ in 0..3 {
        device.flush().expect("a flush works");
    }
    for index in 0..2 {
        run(&format!(
            "blkdiscard --force --offset {} --length 1M {path}",
            (4 + index) * MIB
        ));
    }
    for index in 0..4 {
        run(&format!(
            "blkdiscard --force --zeroout --offset {} --length 64K {path}",
            (8 + index) * MIB
        ));
    }
}

/// Operations and bytes of each kind that [`send_known_io`] sends.
pub(super) const KNOWN: [(&str, u64, u64); 5] = [
    ("read", 7, 7 * 4096),
    ("write", 5, 5 * 8192),
    ("flush", 3, 0),
    ("discard", 2, 2 * MIB),
    ("write_zeroes", 4, 4 * 65536),
];

/// Operations and bytes of each kind between two readings.
pub(super) fn grown(before: &Stats, after: &Stats) -> Vec<(&'static str, u64, u64)> {
    let grown = |op| {
        (
            op,
            after.ios(op) - before.ios(op),
            after.bytes(op) - before.bytes(op),
        )
    };
    OPS.into_iter().map(grown).collect()
}

fn mapped(work: impl FnOnce(&Device)) {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=1M,length=32M", drive.path));
    work(&device);
}

fn counts_and_bytes_are_those_of_what_was_sent() {
    mapped(|device| {
        let before = device.stats();
        send_known_io(device.path());
        assert_eq!(grown(&before, &device.stats()), KNOWN);
    });
}

fn each_operation_is_in_one_bucket_of_its_histogram() {
    mapped(|device| {
        send_known_io(device.path());
        let stats = device.stats();
        for op in OPS {
            assert_eq!(stats.in_buckets(op), stats.ios(op), "{op}s in buckets");
            assert!(
                stats.latency_sum(op) > stats.ios(op) * 100,
                "{op}s took no time: {} ns",
                stats.latency_sum(op)
            );
        }
    });
}

fn counts_agree_with_fio_under_load_from_two_cpus() {
    mapped(|device| {
        let before = device.stats();
        let load = |cpu: u32, half: &str| {
            let options = "ioengine=io_uring rw=randrw bs=4k iodepth=8 number_ios=3000 size=16M";
            Fio::run(
                device.path(),
                &format!("{options} cpus_allowed={cpu} offset={half}"),
            )
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| load(0, "0"));
            let other = load(1, "16M");
            (one.join().expect("fio works"), other)
        });
        let after = device.stats();
        for op in ["read", "write"] {
            let sent = (one.ios(op) + other.ios(op), one.bytes(op) + other.bytes(op));
            assert_eq!(
                (
                    after.ios(op) - before.ios(op),
                    after.bytes(op) - before.bytes(op)
                ),
                sent,
                "{op}s and their bytes"
            );
        }
        assert_eq!(after.in_flight(), Some(0));
    });
}

fn diskstats_agree_with_the_statistics() {
    mapped(|device| {
        let before = (device.stats(), DiskStats::of(device.disk()));
        send_known_io(device.path());
        let disk = DiskStats::of(device.disk()).since(before.1);
        let grown = grown(&before.0, &device.stats());
        let [read, write, flush, discard, zeroes] = grown[..] else {
            panic!("five operations")
        };
        assert_eq!((disk.reads, disk.read_bytes), (read.1, read.2));
        assert_eq!((disk.discards, disk.discard_bytes), (discard.1, discard.2));
        // The block layer counts a zeroing as a write, and so does it with the flush of a disk without a request queue.
        assert_eq!(
            (disk.writes + disk.flushes, disk.write_bytes),
            (write.1 + zeroes.1 + flush.1, write.2 + zeroes.2)
        );
        assert_eq!(disk.in_flight, 0);
    });
}

fn held_io_is_in_flight_and_finished_io_is_not() {
    let _module = Module::load();
    let drive = flash(1);
    let lower = Dm::linear("lower", &drive.path, drive.bytes);
    let device = Device::map("vol0", &lower.path());
    assert_eq!(device.stats().in_flight(), Some(0));
    let before = device.stats();
    lower.suspend();
    thread::scope(|scope| {
        for index in 0..3 {
            let path = device.path();
            scope.spawn(move || Direct::open(path).read(index * MIB, 4096));
        }
        wait_until("three reads are in flight", || {
            device.stats().in_flight() == Some(3)
        });
        assert_eq!(DiskStats::of(device.disk()).in_flight, 3);
        lower.resume();
    });
    let after = device.stats();
    assert_eq!(after.in_flight(), Some(0));
    assert_eq!(after.ios("read") - before.ios("read"), 3);
    assert_eq!(DiskStats::of(device.disk()).in_flight, 0);
}

fn io_on_a_partition_counts_for_the_device() {
    mapped(|device| {
        let part = Partition::create(device.path(), MIB, 16 * MIB);
        let before = device.stats();
        let file = Direct::open(&part.path());
        file.write(0, &Buffer::pattern(1, 8192));
        file.read(0, 4096);
        let after = device.stats();
        let expected = [("read", 1, 4096), ("write", 1, 8192)];
        assert_eq!(grown(&before, &after)[..2], expected);
        assert_eq!(after.in_flight(), Some(0));
    });
}

fn figures_of_two_devices_are_kept_apart() {
    mapped(|device| {
        let other = Device::map("vol1", &flash(1).path);
        let before = other.stats();
        send_known_io(device.path());
        let after = other.stats();
        assert!(
            grown(&before, &after)
                .iter()
                .all(|(_, ios, bytes)| (*ios, *bytes) == (0, 0))
        );
    });
}
