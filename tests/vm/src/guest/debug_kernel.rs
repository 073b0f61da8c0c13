// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs on the kernel that looks for bugs: it is slower, and it can tell what memory nothing refers to any more.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

const LEAKS: &str = "/sys/kernel/debug/kmemleak";

/// How many times as long as a stock kernel it may take.
pub(crate) const SLOWNESS: u32 = 5;

/// kmemleak spares what is younger, and reports what two scans in a row found alike.
const YOUNG: Duration = Duration::from_secs(6);

/// Whether it is the kernel that runs.
pub(crate) fn runs() -> bool {
    Path::new(LEAKS).exists()
}

/// A limit on the time of something, for the kernel that runs.
pub(crate) fn limit(limit: Duration) -> Duration {
    limit * if runs() { SLOWNESS } else { 1 }
}

/// Puts what was leaked since the boot into the kernel log, where it counts as a complaint.
pub(super) fn look_for_leaks() {
    if !runs() {
        return;
    }
    thread::sleep(YOUNG);
    let scanned = (0..2).try_for_each(|_| fs::write(LEAKS, "scan"));
    let found = scanned.and_then(|()| fs::read_to_string(LEAKS));
    let report = match found {
        Ok(report) if report.is_empty() => "kmemleak: nothing found".to_owned(),
        Ok(report) => report,
        Err(why) => format!("BUG: no scan for leaks: {LEAKS}: {why}"),
    };
    let Ok(mut log) = fs::OpenOptions::new().write(true).open("/dev/kmsg") else {
        return;
    };
    for line in report.lines() {
        // The console is the only way to tell.
        let _ = log.write_all(line.as_bytes());
    }
}
