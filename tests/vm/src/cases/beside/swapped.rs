// SPDX-License-Identifier: MIT OR Apache-2.0
//! A row of the matrix: swap on a device, from which a program reads back what it has in memory, through every change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::row::{copy, end_by_force};
use crate::guest::case::step;
use crate::guest::cgroup::Cgroup;
use crate::guest::command::{attempt, run, run_words};
use crate::guest::module::Module;
use crate::guest::null_blk::NullDrive;
use crate::guest::shunt::{Device, refused};
use crate::guest::swap::Swap;
use crate::guest::sysfs;

const MIB: u32 = 64;
const BYTES: u64 = (MIB as u64) << 20;

/// What the program has in memory, which is more than the group may have.
const DATA: &str = "/run/swapped";

/// The device has the swap.
#[track_caller]
pub(super) fn on(queue: &str) {
    let module = Module::load();
    let drive = NullDrive::make_named("drive0", MIB);
    let spare = NullDrive::make_named("spare", MIB);
    let less = format!("{},length={}", drive.path(), BYTES - (1 << 20));
    let device = Device::map_with("vol0", &less, &["--queue", queue]);
    let swap = Swap::on(device.path());
    let group = Cgroup::with("+memory", "swapped");
    // A hard limit would have the kernel kill the program while the swap is suspended.
    group.set("memory.high", "8M");
    run(&format!(
        "dd if=/dev/urandom of={DATA} bs=1M count=20 status=none"
    ));
    let wanted = run(&format!("sha256sum {DATA}"));
    let wanted = wanted.split_whitespace().next();

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let line = format!("dd if={DATA} bs=20M iflag=fullblock status=none | sha256sum");
            let words = group.words(&line);
            let words = words.each_ref().map(String::as_str);
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds < 2 {
                let sum = run_words(&words);
                assert_eq!(
                    sum.split_whitespace().next(),
                    wanted,
                    "what came back from swap"
                );
                rounds += 1;
            }
        });
        step("suspend and resume");
        for _ in 0..5 {
            device.order("suspend", &[]);
            device.order("resume", &[]);
        }
        step("growth by a retarget");
        device.retarget(&format!("{},length={BYTES}", drive.path()));
        let mut from = drive.path();
        for to in [spare.path(), drive.path()] {
            step("move to another drive");
            device.order("suspend", &[]);
            copy(from, to, BYTES);
            device.retarget(&format!("{to},length={BYTES}"));
            device.order("resume", &[]);
            from = to;
        }
        step("forced unmap of swap");
        assert!(refused(&["unmap", "vol0", "--force"]).contains("swap"));
        step("what comes back from swap");
        done.store(true, Ordering::Relaxed);
        load.join().expect("it is as it was");
    });
    let most = sysfs::read(&format!("{}/memory.swap.peak", group.folder()));
    let most: u64 = most.and_then(|text| text.parse().ok()).unwrap_or(0);
    assert!(most > 8 << 20, "at most {most} bytes were in swap");

    step("loss of the drive");
    drive.take_out();
    assert_eq!(attempt(&["swapoff", device.path()]).code, Some(0));
    drop(swap);
    end_by_force(vec![device], &[]);
    std::fs::remove_file(DATA).expect("it is there");
    drop((group, spare, module));
}
