// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device in mode `mq` has of its request queue: I/O schedulers, merging, time limits.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::guest::case::skip;
use crate::guest::command::attempt;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::fio::Fio;
use crate::guest::flash::{flash, rich};
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::sysfs::{self, DiskStats};
use crate::guest::task::Task;
use crate::guest::test_drive::TestDrives;
use crate::guest::trace::issued_during;
use crate::guest::verified::under_verified_io;
use crate::guest::wait::{Poll, wait_until};

cases! {
    a_clone_waits_for_memory_that_its_protection_information_wants,
    verified_io_goes_on_while_schedulers_take_turns,
    writes_that_touch_are_one_write_of_the_drive,
    a_request_that_takes_longer_than_its_time_limit_is_waited_for,
}

const MIB: u64 = 1 << 20;

/// Names in a file like "none [mq-deadline] bfq", and the one that is chosen.
#[track_caller]
fn schedulers(file: &str) -> (Vec<String>, String) {
    let text = sysfs::read(file).unwrap_or_else(|| panic!("cannot read {file}"));
    let bare = |word: &str| word.trim_matches(['[', ']']).to_owned();
    let chosen = text.split_whitespace().find(|word| word.starts_with('['));
    let chosen = chosen.unwrap_or_else(|| panic!("none is chosen in {text:?}"));
    (text.split_whitespace().map(bare).collect(), bare(chosen))
}

fn verified_io_goes_on_while_schedulers_take_turns() {
    for module in ["mq-deadline", "bfq", "kyber-iosched"] {
        // What is built in, or not there at all, is no module.
        let _ = attempt(&["modprobe", module]);
    }
    let drive = flash(0);
    let (all, _) = schedulers(&format!("/sys/block/{}/queue/scheduler", drive.name));
    if all.len() == 1 {
        skip("this kernel has no I/O scheduler");
    }
    let _module = Module::load();
    let to = format!("{},offset=1M,length=32M", drive.path);
    let device = Device::map_with("vol0", &to, &["--queue", "mq"]);
    let file = format!("/sys/block/{}/queue/scheduler", device.disk());
    assert_eq!(schedulers(&file).0, all);
    let turns = 2 * all.len() as u32;
    under_verified_io(&all.join(", "), device.path(), turns, |turn| {
        let wanted = &all[turn as usize % all.len()];
        fs::write(&file, wanted).unwrap_or_else(|why| panic!("{wanted} to {file}: {why}"));
        assert_eq!(&schedulers(&file).1, wanted);
        let before = DiskStats::of(device.disk());
        wait_until("the scheduler has had some I/O", || {
            let since = DiskStats::of(device.disk()).since(before);
            since.reads + since.writes > 100
        });
    });
}

fn writes_that_touch_are_one_write_of_the_drive() {
    const WRITES: u64 = 16;
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map_with("vol0", &drive.path, &["--queue", "mq"]);
    let before = DiskStats::of(device.disk());
    let issued = issued_during(&drive.name, || {
        // All of them are handed over in one call, so that the block layer holds them until the last has come.
        Fio::run(
            device.path(),
            "ioengine=libaio rw=write bs=4k size=64k iodepth=16 iodepth_batch=16",
        );
    });
    let writes: Vec<_> = issued
        .iter()
        .filter(|issued| issued.what.starts_with('W'))
        .map(|issued| (issued.sector, issued.sectors))
        .collect();
    assert_eq!(writes, [(0, WRITES * 8)]);
    let since = DiskStats::of(device.disk()).since(before);
    assert_eq!(
        (since.writes, since.merged_writes, since.write_bytes),
        (1, WRITES - 1, WRITES * 4096)
    );
}

fn a_request_that_takes_longer_than_its_time_limit_is_waited_for() {
    let _module = Module::load();
    let drive = flash(1);
    let lower = Dm::linear("lower", &drive.path, 16 * MIB);
    let pattern = Buffer::pattern(1, 4096);
    Direct::open(&drive.path).write(MIB, &pattern);
    let device = Device::map_with("vol0", &lower.path(), &["--queue", "mq"]);
    let limit = format!("/sys/block/{}/queue/io_timeout", device.disk());
    fs::write(&limit, "100").unwrap_or_else(|why| panic!("{limit}: {why}"));
    let file = Direct::open(device.path());
    lower.suspend();
    let read = Task::start(move || file.read(MIB, 4096)[..] == pattern[..]);
    read.waits();
    // Ten times as long as the limit.
    let early = Poll::for_at_most(Duration::from_secs(1)).until(|| (!read.goes_on()).then_some(()));
    lower.resume();
    assert!(read.end(), "the read gave other bytes");
    assert!(early.is_none(), "the read ended before the drive gave it");
    let stats = device.stats();
    assert_eq!((stats.errors("read"), stats.in_flight()), (0, Some(0)));
}

/// The drives of the module are not used, nor is what they can do: it lets clones fail for a while, of whatever device.
fn a_clone_waits_for_memory_that_its_protection_information_wants() {
    if !Path::new("/sys/kernel/debug/kprobes").exists() {
        skip("this kernel has no probes to have clones fail with");
    }
    let _module = Module::load();
    let device = Device::map_with("vol0", &rich().path, &["--queue", "mq"]);
    let pattern = Buffer::pattern(1, 64 << 10);
    let short = TestDrives::load("failing_clones=3");
    let file = Direct::open(device.path());
    file.write(0, &pattern);
    assert!(file.read(0, 64 << 10)[..] == pattern[..]);
    let left = sysfs::number("/sys/module/testdrive/parameters/failing_clones");
    assert_eq!(left, 0, "so many clones did not fail");
    drop(short);
    assert_eq!(device.stats().errors("write"), 0);
}
