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

/// Begins to look for leaks: of what the kernel lost by itself until now, nothing is said any more.
pub(super) fn forget_leaks() {
    if !runs() {
        return;
    }
    match leaks() {
        // It was in use before: by a system that mapped devices as it came up.
        Ok(report) if report.contains("[shunt]") => tell(&report),
        Ok(_) => {}
        Err(why) => tell(&why),
    }
    if let Err(why) = fs::write(LEAKS, "clear") {
        tell(&format!("BUG: {LEAKS}: {why}"));
    }
}

/// Puts what was leaked since [`forget_leaks`] into the kernel log, where it counts as a complaint.
pub(super) fn look_for_leaks() {
    if !runs() {
        return;
    }
    thread::sleep(YOUNG);
    match leaks() {
        Ok(report) if report.is_empty() => tell("kmemleak: nothing found"),
        Ok(report) => tell(&report),
        Err(why) => tell(&why),
    }
}

/// What nothing refers to.
fn leaks() -> Result<String, String> {
    let scanned = (0..2).try_for_each(|_| fs::write(LEAKS, "scan"));
    let found = scanned.and_then(|()| fs::read_to_string(LEAKS));
    found.map_err(|why| format!("BUG: no scan for leaks: {LEAKS}: {why}"))
}

/// Puts lines into the kernel log, and so on the console, which is the only way to tell.
pub(super) fn tell(lines: &str) {
    let Ok(mut log) = fs::OpenOptions::new().write(true).open("/dev/kmsg") else {
        return;
    };
    for line in lines.lines() {
        let _ = log.write_all(line.as_bytes());
    }
}
