// SPDX-License-Identifier: MIT OR Apache-2.0
//! A command that gets no memory is refused whole: each allocation that the module makes for it fails in its turn, and
//! after each nothing has changed. I/O does not need memory to go on. What is leaked on the way shows in the scan at the end of the run.

use crate::guest::command::{run, run_words};
use crate::guest::direct::Direct;
use crate::guest::dm::Dm;
use crate::guest::faults::{FailedAllocations, FailedIo, needed};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, QUEUES, list, refusal};
use crate::guest::state::State;

// The longest first.
cases! {
    a_map_with_a_request_queue_without_memory_maps_nothing,
    a_map_of_several_targets_without_memory_maps_nothing,
    a_map_without_memory_maps_nothing,
    a_retarget_without_memory_leaves_the_table,
    io_goes_on_while_there_is_no_memory,
    a_change_without_memory_changes_nothing,
    an_unmap_without_memory_is_whole,
    io_that_fails_below_fails_above_and_is_counted,
}

/// Fails each allocation of a command in its turn, up to the one that it does not make. It must be refused and change
/// nothing, or be done whole, since it can do without; then `undo` undoes it.
#[track_caller]
fn fails_whole(words: &[&str], undo: impl Fn()) {
    let words = [&["shunt"], words].concat();
    let faults = FailedAllocations::prepare();
    let before = State::now();
    let mut refused = 0;
    for number in 1.. {
        let Some(ended) = faults.at(number, &words) else {
            break;
        };
        if ended.code == Some(0) {
            undo();
        } else {
            let line = refusal(&ended, &words[1..]);
            // Some functions of the kernel have other errors for it than that memory is short.
            assert!(line.contains("vol0"), "allocation {number}: {line}");
            refused += 1;
        }
        assert_eq!(State::now(), before, "after allocation {number} failed");
    }
    assert!(refused > 0, "{words:?} is never refused");
    undo();
    assert_eq!(State::now(), before);
}

fn map_fails_whole(words: &[&str]) {
    needed();
    let module = Module::load();
    let map = [&["map", "vol0", "--to"], words].concat();
    fails_whole(&map, || {
        run_words(&["shunt", "unmap", "vol0"]);
    });
    assert_eq!(module.references(), 0);
    assert!(list().is_empty());
}

fn a_map_without_memory_maps_nothing() {
    map_fails_whole(&[&flash(0).path]);
}

fn a_map_of_several_targets_without_memory_maps_nothing() {
    map_fails_whole(&[&flash(0).path, "--to", &flash(1).path, "--stripe", "64K"]);
}

fn a_map_with_a_request_queue_without_memory_maps_nothing() {
    map_fails_whole(&[&flash(0).path, "--queue", "mq"]);
}

fn a_retarget_without_memory_leaves_the_table() {
    needed();
    let _module = Module::load();
    let places = [0, 1].map(|number| format!("{},length=8M", flash(number).path));
    let rest = format!("{},offset=8M,length=8M", flash(1).path);
    for queue in QUEUES {
        let device = Device::map_with("vol0", &places[0], &["--queue", queue]);
        fails_whole(&["retarget", "vol0", "--to", &places[1]], || {
            device.retarget(&places[0]);
        });
        Direct::open(device.path()).read(0, 4096);
        device.unmap();
    }
    // Many can take the place of one, but not the other way round: a device does not shrink.
    let both = ["--to", &places[1], "--to", &rest].map(str::to_owned);
    let device = Device::map_with(
        "vol0",
        &places[0],
        &["--to", &format!("{},offset=8M,length=8M", flash(0).path)],
    );
    let words: Vec<&str> = ["retarget", "vol0"]
        .into_iter()
        .chain(both.iter().map(String::as_str))
        .collect();
    fails_whole(&words, || {
        device.order(
            "retarget",
            &[
                "--to",
                &places[0],
                "--to",
                &format!("{},offset=8M,length=8M", flash(0).path),
            ],
        );
    });
}

fn a_change_without_memory_changes_nothing() {
    needed();
    let _module = Module::load();
    for words in [&[][..], &["--queue", "mq"]] {
        let device = Device::map_with("vol0", &flash(0).path, words);
        fails_whole(&["suspend", "vol0"], || device.order("resume", &[]));
        fails_whole(&["set", "vol0", "--read-only"], || {
            device.order("set", &["--read-write"])
        });
        fails_whole(&["set", "vol0", "--stats", "off"], || {
            device.order("set", &["--stats", "full"])
        });
        fails_whole(&["resize", "vol0"], || ());
        Direct::open(device.path()).read(0, 4096);
    }
}

/// It may need memory for the notification, which it can do without.
fn an_unmap_without_memory_is_whole() {
    needed();
    let module = Module::load();
    let faults = FailedAllocations::prepare();
    for number in 1.. {
        let device = Device::map("vol0", &flash(0).path);
        let Some(ended) = faults.at(number, &["shunt", "unmap", "vol0"]) else {
            device.assume_gone();
            break;
        };
        match ended.code {
            Some(0) => device.assume_gone(),
            _ => device.unmap(),
        }
        assert!(list().is_empty());
        assert_eq!(module.references(), 0);
    }
}

fn io_that_fails_below_fails_above_and_is_counted() {
    needed();
    let _module = Module::load();
    let drive = flash(1);
    for words in [&[][..], &["--queue", "mq"]] {
        let device = Device::map_with("vol0", &drive.path, words);
        let before = device.stats();
        let file = Direct::open(device.path());
        let failing = FailedIo::of(&drive, 30);
        let failed = (0..200)
            .filter(|number| file.try_read(number * 4096, 4096).is_err())
            .count() as u64;
        // Commands do not depend on it.
        device.order("suspend", &[]);
        device.order("resume", &[]);
        drop(failing);
        let after = device.stats();
        assert!((20..120).contains(&failed), "{failed} of 200 failed");
        assert_eq!(after.errors("read") - before.errors("read"), failed);
        assert_eq!(after.ios("read") - before.ios("read"), 200);
        assert_eq!(after.in_flight(), Some(0));
        file.read(0, 4096);
    }
}

/// Forty writes in a row are merged to one request where there is a queue, and many of them are under way at once: more
/// than any reserve holds.
#[track_caller]
fn writes_without_memory(path: &str) {
    let faults = FailedAllocations::all();
    run(&format!(
        "fio --name=load --thread --filename={path} --rw=randwrite:40 --bs=4k --size=2M --direct=1 --ioengine=io_uring \
         --iodepth=128 --iodepth_batch_submit=128 --verify=crc32c"
    ));
    assert!(
        faults.count() > 50,
        "of {path} only {} failed",
        faults.count()
    );
}

fn io_goes_on_while_there_is_no_memory() {
    needed();
    let _module = Module::load();
    let parts = [0, 1].map(|number| format!("{},length=8M", flash(number).path));
    for words in [
        &[][..],
        &["--to", &parts[1]],
        &["--to", &parts[1], "--stripe", "4K"],
        &["--queue", "mq"],
        &["--to", &parts[1], "--stripe", "4K", "--queue", "mq"],
    ] {
        let device = Device::map_with("vol0", &parts[0], words);
        writes_without_memory(device.path());
        // A device above has a task carry out whole requests of ours within a submission to it.
        let above = Dm::linear("above", device.path(), 8 << 20);
        writes_without_memory(&above.path());
    }
}
