// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures are true: they agree with what fio measured on its own, with what was sent, and with /proc/diskstats.

use std::fs;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::guest::case::figure;
use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::fio::Fio;
use crate::guest::flash::{ZONE, flash, zoned};
use crate::guest::module::Module;
use crate::guest::null_blk::NullBlk;
use crate::guest::shunt::{Device, QUEUES, json};
use crate::guest::stream::op;
use crate::guest::sysfs;
use crate::guest::wait::wait_until;
use crate::guest::zones;

cases! {
    the_histogram_agrees_with_the_latency_log_of_fio,
    the_latency_of_a_drive_that_is_known_is_found_in_sum_and_histogram,
    flushes_discards_and_zeroings_are_counted_one_by_one,
    what_is_done_to_zones_is_counted_and_is_no_flush,
    each_error_is_counted_under_its_name,
    sizes_are_those_of_what_was_sent,
    diskstats_and_iostat_agree_on_counts_bytes_and_time_under_load,
    the_peak_is_what_was_in_flight_at_once,
}

const MIB: u64 = 1 << 20;

/// How many I/Os fio logs.
const LOGGED: usize = 200_000;

/// The statistics of `vol0` since some moment; mapping it alone makes the kernel look for partitions.
struct Since {
    before: Value,
    now: Value,
}

impl Since {
    /// From now on.
    #[track_caller]
    fn now() -> Self {
        let before = json(&run("shunt stats vol0 --json"));
        let now = before.clone();
        Self { before, now }
    }

    /// Reads the statistics again.
    #[track_caller]
    fn read(&mut self) {
        self.now = json(&run("shunt stats vol0 --json"));
    }

    /// How much a figure of an operation grew.
    #[track_caller]
    fn grown(&self, name: &str, figure: &str) -> u64 {
        let of = |stats| number(&op(stats, "vol0", name)[figure]);
        of(&self.now) - of(&self.before)
    }

    /// How much the sum of the latencies of an operation grew, in ns.
    #[track_caller]
    fn latency_sum(&self, name: &str) -> u64 {
        let of = |stats| number(&op(stats, "vol0", name)["latency_ns"]["sum"]);
        of(&self.now) - of(&self.before)
    }

    /// What the buckets of a histogram of an operation grew by: bound and count.
    #[track_caller]
    fn buckets(&self, name: &str, histogram: &str) -> Vec<(u64, u64)> {
        let before = buckets(&self.before, name, histogram);
        let count_before = |le| before.iter().find(|(other, _)| *other == le);
        let grown = buckets(&self.now, name, histogram)
            .into_iter()
            .map(|(le, count)| (le, count - count_before(le).map_or(0, |(_, count)| *count)));
        grown.filter(|(_, count)| *count > 0).collect()
    }
}

#[track_caller]
fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[track_caller]
fn buckets(stats: &Value, name: &str, histogram: &str) -> Vec<(u64, u64)> {
    let buckets = op(stats, "vol0", name)[histogram]["buckets"].as_array();
    let pair = |bucket: &Value| (number(&bucket["le"]), number(&bucket["count"]));
    let buckets = buckets.expect("it has buckets");
    buckets.iter().map(pair).collect()
}

fn total(buckets: &[(u64, u64)]) -> u64 {
    buckets.iter().map(|(_, count)| count).sum()
}

/// One operation after another, each timed by fio and by the device. fio's time of each holds the device's and the way
/// there and back: call, submission, interrupt, wake-up, all of it slow under emulation. So with d the device's quantiles,
/// f fio's, both as they truly are, and a the mean that fio adds:
///
/// - d(q) is not above f(q), and what the device reports is at most an eighth above d(q);
/// - at most a share s of the operations had more than a / s added (Markov), so f(q - s) is not above d(q) + a / s.
fn the_histogram_agrees_with_the_latency_log_of_fio() {
    // Completions come by another way than the submitter's, as those of a drive do.
    let drive = NullBlk::load("irqmode=1 submit_queues=1");
    let _module = Module::load();
    let device = Device::map("vol0", drive.path());
    let mut stats = Since::now();
    let fio = Fio::run(
        device.path(),
        &format!(
            "ioengine=psync rw=randrw bs=4k number_ios={LOGGED} size=1G clocksource=clock_gettime \
             write_lat_log=/tmp/truth log_avg_msec=0"
        ),
    );
    stats.read();
    let mut logged = logged("/tmp/truth_lat.1.log");
    assert_eq!(logged.iter().map(Vec::len).sum::<usize>(), LOGGED);
    for (name, logged) in ["read", "write"].into_iter().zip(&mut logged) {
        let count = logged.len() as u64;
        assert_eq!(fio.ios(name), count, "fio logged each {name}");
        assert_eq!(stats.grown(name, "ios"), count, "{name}s");
        let buckets = stats.buckets(name, "latency_ns");
        assert_eq!(total(&buckets), count, "{name}s in buckets");

        logged.sort_unstable();
        let ours = stats.latency_sum(name);
        let theirs: u64 = logged.iter().sum();
        assert!(
            ours <= theirs,
            "{name}s took {ours} ns in the device, {theirs} for fio"
        );
        let added = (theirs - ours) as f64 / count as f64;
        for (quantile, share) in [(0.5, 0.1), (0.9, 0.05), (0.99, 0.005), (0.999, 0.0005)] {
            let said = reached(&buckets, quantile);
            let above = at(logged, quantile);
            assert!(
                said as f64 <= above as f64 * 1.125,
                "{quantile} of {name}s: {said} ns, for fio {above} ns"
            );
            let below = at(logged, quantile - share);
            assert!(
                below as f64 <= said as f64 + added / share,
                "{quantile} of {name}s: {said} ns, for fio {below} ns at {}, which adds {added:.0} ns on average",
                quantile - share
            );
        }
        shown_quantiles_are_those_of_the_buckets(&stats.now, name);
        figure(&format!(
            "{count} {name}s, of {:.0} ns on average in the device; fio adds {added:.0} ns",
            ours as f64 / count as f64
        ));
    }
}

#[track_caller]
fn shown_quantiles_are_those_of_the_buckets(stats: &Value, name: &str) {
    let all = buckets(stats, name, "latency_ns");
    let shown = &op(stats, "vol0", name)["latency_ns"]["quantiles"];
    for (share, word) in [
        (0.5, "p50"),
        (0.9, "p90"),
        (0.99, "p99"),
        (0.999, "p99.9"),
        (1.0, "max"),
    ] {
        assert_eq!(
            number(&shown[word]),
            reached(&all, share),
            "{word} of {name}s"
        );
    }
}

/// fio's latencies in ns: of reads, then of writes.
#[track_caller]
fn logged(path: &str) -> [Vec<u64>; 2] {
    let text = fs::read_to_string(path).unwrap_or_else(|why| panic!("{path}: {why}"));
    let mut logged = [Vec::new(), Vec::new()];
    for line in text.lines() {
        let mut fields = line.split(',').map(|field| field.trim().parse::<u64>());
        match (fields.nth(1), fields.next()) {
            (Some(Ok(nanos)), Some(Ok(direction @ 0..=1))) => {
                logged[direction as usize].push(nanos);
            }
            _ => panic!("{line:?} in {path}"),
        }
    }
    logged
}

/// The value in sorted ones that the share is reached at.
fn at(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.max(1) - 1]
}

/// The bound of the bucket that the share is reached in.
#[track_caller]
fn reached(buckets: &[(u64, u64)], share: f64) -> u64 {
    let rank = (total(buckets) as f64 * share).ceil() as u64;
    let mut seen = 0;
    let found = buckets.iter().find(|(_, count)| {
        seen += count;
        seen >= rank
    });
    found.expect("the buckets hold them all").0
}

/// fio's own time is a part of what it logs, so its log cannot tell a latency from half of it. A drive that ends nothing
/// before its time is a bound from below, and the clock around one operation after the other is one from above.
fn the_latency_of_a_drive_that_is_known_is_found_in_sum_and_histogram() {
    const LATENCY: u64 = 20_000_000;
    const READS: u64 = 50;
    let _module = Module::load();
    let drive = NullBlk::load(&format!("queue_mode=2 irqmode=2 completion_nsec={LATENCY}"));
    for queue in QUEUES {
        let device = Device::map_with("vol0", drive.path(), &["--queue", queue]);
        let file = Direct::open_to_read(device.path());
        wait_until("nobody looks for partitions", || {
            device.stats().in_flight() == Some(0)
        });
        let before = device.stats();
        let begun = Instant::now();
        for index in 0..READS {
            file.read(index * 4096, 4096);
        }
        let elapsed = begun.elapsed().as_nanos() as u64;
        let after = device.stats();
        assert_eq!(after.ios("read") - before.ios("read"), READS);
        let sum = after.latency_sum("read") - before.latency_sum("read");
        assert!(
            (READS * LATENCY..=elapsed).contains(&sum),
            "{READS} reads of {LATENCY} ns in {elapsed} ns took {sum} ns"
        );
        let known = before.buckets("read");
        let mut bounds = [0, 0];
        for (bound, count) in after.buckets("read") {
            let old = known.iter().find(|(known, _)| *known == bound);
            let count = count - old.map_or(0, |(_, count)| *count);
            assert!(
                count == 0 || bound >= LATENCY,
                "{count} reads took {bound} ns or less"
            );
            // No bucket is wider than an eighth of where it begins.
            bounds[0] += count * (bound - bound / 9);
            bounds[1] += count * bound;
        }
        assert!(
            (bounds[0]..=bounds[1]).contains(&sum),
            "the histogram has {bounds:?} ns, the sum is {sum} ns"
        );
    }
}

fn flushes_discards_and_zeroings_are_counted_one_by_one() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let mut stats = Since::now();
    let file = Direct::open(device.path());
    for _ in 0..300 {
        file.flush().expect("a flush works");
    }
    let trims = Fio::run(device.path(), "rw=randtrim bs=64k number_ios=500 size=64M");
    for index in 0..10 {
        let offset = (80 + index) * MIB;
        run(&format!(
            "blkdiscard --force --zeroout --offset {offset} --length 64K {}",
            device.path()
        ));
    }
    stats.read();
    let counted = |name| (stats.grown(name, "ios"), stats.grown(name, "bytes"));
    assert_eq!(counted("flush"), (300, 0));
    assert_eq!(counted("discard"), (trims.ios("trim"), trims.bytes("trim")));
    assert_eq!(trims.ios("trim"), 500);
    assert_eq!(counted("write_zeroes"), (10, 10 * 65_536));
    for name in ["flush", "discard", "write_zeroes"] {
        let in_buckets = total(&stats.buckets(name, "latency_ns"));
        assert_eq!(in_buckets, stats.grown(name, "ios"), "{name}s in buckets");
        assert_eq!(stats.grown(name, "errors"), 0, "{name}s failed");
    }
}

fn what_is_done_to_zones_is_counted_and_is_no_flush() {
    let _module = Module::load();
    let device = Device::map("vol0", &zoned(0).path);
    let path = device.path();
    let mut stats = Since::now();
    for (verb, zones) in [("open", 2), ("close", 2), ("finish", 3), ("reset", 5)] {
        zones::order(verb, path, 1, zones, ZONE.0);
    }
    stats.read();
    let counted = |name| (stats.grown(name, "ios"), stats.grown(name, "bytes"));
    assert_eq!(counted("zone"), (2 + 2 + 3 + 5, 0));
    assert_eq!(total(&stats.buckets("zone", "latency_ns")), 12);
    assert_eq!(
        [counted("flush"), counted("write"), counted("discard")],
        [(0, 0); 3]
    );
}

fn each_error_is_counted_under_its_name() {
    let _module = Module::load();
    let bad = 4096..4104;
    let broken = Dm::with_bad_sectors("broken", &flash(0), bad.clone());
    let device = Device::map("vol0", &broken.path());
    let mut stats = Since::now();
    let file = Direct::open(device.path());
    for _ in 0..70 {
        let failed = file.try_read(bad.start * 512, 512).map(|_| ());
        failed.expect_err("a bad sector");
        file.read(0, 512);
    }
    for _ in 0..40 {
        let failed = file.try_write(bad.start * 512, &Buffer::zeroed(512));
        failed.expect_err("a bad sector");
    }
    stats.read();
    for (name, ios, errors) in [("read", 140, 70), ("write", 40, 40)] {
        assert_eq!(stats.grown(name, "ios"), ios, "{name}s");
        assert_eq!(stats.grown(name, "errors"), errors, "{name}s that failed");
        let by = &op(&stats.now, "vol0", name)["errors_by"];
        assert_eq!(*by, serde_json::json!({"EIO": errors}), "errors of {name}s");
    }
    let none = &op(&stats.now, "vol0", "flush")["errors_by"];
    assert_eq!(*none, serde_json::json!({}));
    let table = run("shunt stats vol0");
    assert!(
        table.contains("70 EIO") && table.contains("40 EIO"),
        "{table}"
    );
}

fn sizes_are_those_of_what_was_sent() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let mut stats = Since::now();
    let file = Direct::open(device.path());
    for (bytes, times) in [(512, 3), (1024, 2), (1536, 4), (4096, 5), (65_536, 6)] {
        for _ in 0..times {
            file.read(0, bytes);
        }
    }
    stats.read();
    // A bucket holds the sizes above the bound of the one before, up to its own.
    let expected = [(512, 3), (1024, 2), (2048, 4), (4096, 5), (65_536, 6)];
    assert_eq!(stats.buckets("read", "sizes"), expected);
}

/// Count, bytes and milliseconds of reads, then of writes, in /proc/diskstats.
#[track_caller]
fn disk_stats(disk: &str) -> [[u64; 3]; 2] {
    let path = format!("/sys/block/{disk}/stat");
    let text = sysfs::read(&path).unwrap_or_else(|| panic!("cannot read {path}"));
    let fields: Vec<u64> = text
        .split_whitespace()
        .map(|field| field.parse().expect("figures are numbers"))
        .collect();
    [0, 4].map(|first| [fields[first], fields[first + 2] * 512, fields[first + 3]])
}

/// What iostat shows of a disk since it is there, with these options.
#[track_caller]
fn iostat(options: &str, disk: &str) -> Value {
    let said = run(&format!("iostat {options} -o JSON {disk}"));
    let said: Value = serde_json::from_str(&said).expect("iostat says JSON");
    let disks = said["sysstat"]["hosts"][0]["statistics"][0]["disk"].as_array();
    let found = disks
        .into_iter()
        .flatten()
        .find(|of| of["disk_device"] == disk);
    found
        .unwrap_or_else(|| panic!("no {disk} in {said}"))
        .clone()
}

fn diskstats_and_iostat_agree_on_counts_bytes_and_time_under_load() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    thread::scope(|scope| {
        for cpu in 0..2 {
            let path = device.path();
            scope.spawn(move || {
                let options =
                    "ioengine=io_uring rw=randrw bs=4k iodepth=8 number_ios=4000 size=32M";
                Fio::run(
                    path,
                    &format!("{options} cpus_allowed={cpu} offset={}M", cpu * 32),
                )
            });
        }
    });
    let stats = json(&run("shunt stats vol0 --json"));
    let disk = disk_stats(device.disk());
    let (totals, means) = (iostat("-dk", device.disk()), iostat("-x", device.disk()));
    for (name, [ios, bytes, millis]) in ["read", "write"].into_iter().zip(disk) {
        let figures = op(&stats, "vol0", name);
        let (total, mean) = match name {
            "read" => (&totals["kB_read"], &means["r_await"]),
            _ => (&totals["kB_wrtn"], &means["w_await"]),
        };
        assert_eq!(number(total), bytes / 1024, "{name}s in KiB, by iostat");
        let shown = mean.as_f64().expect("a mean is a number");
        assert_eq!(number(&figures["ios"]), ios, "{name}s");
        assert_eq!(number(&figures["bytes"]), bytes, "bytes of {name}s");
        let ours = number(&figures["latency_ns"]["sum"]) as f64 / 1e6;
        assert!(
            (ours - millis as f64).abs() <= 1.0,
            "{name}s took {ours} ms, by diskstats {millis} ms"
        );
        // It has two places after the point, and what it divides was cut to whole ms.
        let mean = ours / ios as f64;
        assert!(
            (shown - mean).abs() <= 0.005 + 1.0 / ios as f64,
            "a {name} took {mean} ms on average, by iostat {shown} ms"
        );
    }
}

fn the_peak_is_what_was_in_flight_at_once() {
    let _module = Module::load();
    let drive = flash(1);
    let lower = Dm::linear("lower", &drive.path, drive.bytes);
    let device = Device::map("vol0", &lower.path());
    Direct::open(device.path()).read(0, 4096);
    lower.suspend();
    thread::scope(|scope| {
        for index in 0..5 {
            let path = device.path();
            scope.spawn(move || Direct::open(path).read(index * MIB, 4096));
        }
        wait_until("five reads are in flight", || in_flight("read") == 5);
        lower.resume();
    });
    let stats = json(&run("shunt stats vol0 --json"));
    assert_eq!(op(&stats, "vol0", "read")["in_flight"], 0);
    assert_eq!(op(&stats, "vol0", "read")["peak"], 5);
    assert_eq!(op(&stats, "vol0", "write")["peak"], 0);
}

fn in_flight(name: &str) -> u64 {
    let stats = json(&run("shunt stats vol0 --json"));
    number(&op(&stats, "vol0", name)["in_flight"])
}
