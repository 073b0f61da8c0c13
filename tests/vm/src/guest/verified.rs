// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verified I/O that goes on while something is changed again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::case::figure;
use super::fio::Fio;

/// Random sizes, 32 at a time, each block with its checksum; read back in between and at the end.
const VERIFIED: &str = "ioengine=io_uring rw=randwrite bsrange=512-64k iodepth=32 size=8M \
                        verify=crc32c verify_fatal=1 verify_backlog=128";

/// Runs verified I/O on `path` again and again until there were enough `changes` meanwhile; shows how long the
/// longest I/O took.
#[track_caller]
pub(crate) fn under_verified_io(what: &str, path: &str, changes: u32, change: impl FnMut(u32)) {
    let longest = while_verified(path, changes, change);
    let longest_ms = longest / 1_000_000;
    figure(&format!(
        "{what}: {changes} changes, the longest I/O took {longest_ms} ms"
    ));
    assert!(longest < 10_000_000_000, "an I/O took {longest} ns");
}

/// As [`under_verified_io`], without a word; gives how long the longest I/O took, in ns.
#[track_caller]
pub(crate) fn while_verified(path: &str, changes: u32, mut change: impl FnMut(u32)) -> u64 {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut longest = 0;
            let mut seed = 1;
            while !done.load(Ordering::Relaxed) {
                // With another seed, what the last run wrote is not taken for what this one wrote.
                let run = Fio::run(path, &format!("{VERIFIED} randseed={seed}"));
                longest = longest
                    .max(run.longest_ns("read"))
                    .max(run.longest_ns("write"));
                seed += 1;
            }
            longest
        });
        for number in 0..changes {
            assert!(!load.is_finished(), "the load ended before its time");
            change(number);
        }
        done.store(true, Ordering::Relaxed);
        load.join().expect("verified I/O neither fails nor differs")
    })
}
