// SPDX-License-Identifier: MIT OR Apache-2.0
//! I/O goes on between changes of a device that follow one another as fast as they can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shunt::{Client, DeviceChange, Selector, TargetSpec};

use crate::guest::case::figure;
use crate::guest::command::run;
use crate::guest::debug_kernel;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, QUEUES};

cases! {
    no_io_waits_long_for_retargets_that_follow_one_another,
    no_io_of_a_file_system_waits_long_for_retargets_that_follow_one_another,
}

const LENGTH: u64 = 32 << 20;

/// 32 at a time.
const LOAD: &str = "ioengine=io_uring rw=randrw bs=4k iodepth=32 size=8M time_based runtime=4";

/// What an I/O may take. It takes some 0.1 s; what loses its turn time and again takes seconds.
const LONG: Duration = Duration::from_secs(1);

/// Where vol0 is.
fn place() -> TargetSpec {
    TargetSpec {
        length: Some(LENGTH),
        ..TargetSpec::whole(flash(0).path)
    }
}

/// Maps vol0 there.
#[track_caller]
fn map(queue: &str) -> Device {
    let to = format!("{},length={LENGTH}", flash(0).path);
    Device::map_with("vol0", &to, &["--queue", queue])
}

/// Retargets vol0 to where it is until `done`, with no gap between two; how often.
fn retargets(done: &AtomicBool) -> u32 {
    let mut client = Client::connect().expect("the module is loaded");
    let change = DeviceChange::Retarget {
        targets: vec![place()],
        stripe: None,
    };
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        if let Err(why) = client.change_device(&Selector::name("vol0"), &change) {
            panic!("retarget {number}: {why}");
        }
        number += 1;
    }
    number
}

/// Runs a load on `path` while vol0 is retargeted to where it is.
#[track_caller]
fn under_retargets(what: &str, path: &str) {
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    let (load, number) = thread::scope(|scope| {
        let retargets = scope.spawn(|| retargets(&done));
        let load = scope.spawn(|| Fio::run(path, LOAD)).join();
        done.store(true, Ordering::Relaxed);
        (load, retargets.join())
    });
    let load = load.expect("no I/O fails");
    let number = number.expect("no retarget fails");
    let longest = load.longest_ns("read").max(load.longest_ns("write"));
    let longest = Duration::from_nanos(longest);
    figure(&format!(
        "{what}: {number} retargets and {} I/Os in {:.1} s, the longest of which took {} ms",
        load.ios("read") + load.ios("write"),
        begun.elapsed().as_secs_f64(),
        longest.as_millis()
    ));
    assert!(number > 20, "only {number} retargets met I/O");
    assert!(
        longest < debug_kernel::limit(LONG),
        "{what}: an I/O took {longest:?}"
    );
}

fn no_io_waits_long_for_retargets_that_follow_one_another() {
    let _module = Module::load();
    for queue in QUEUES {
        let device = map(queue);
        under_retargets(queue, device.path());
    }
}

fn no_io_of_a_file_system_waits_long_for_retargets_that_follow_one_another() {
    let _module = Module::load();
    for queue in QUEUES {
        let device = map(queue);
        run(&format!("mkfs.ext4 -q -F {}", device.path()));
        let mount = Mount::ext4(device.path());
        let file = mount.folder().join("file").display().to_string();
        under_retargets(&format!("ext4, {queue}"), &file);
    }
}
