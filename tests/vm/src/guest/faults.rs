// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults that the debug kernel injects: allocations of the module that fail, I/O of a drive that fails. Ended on drop.

use std::fs;
use std::ops::Range;
use std::path::Path;

use super::case::skip;
use super::command::{Ended, attempt};
use super::flash::Flash;
use super::sysfs;

const DEBUG: &str = "/sys/kernel/debug";

/// Where allocations of objects and of pages can be made to fail.
const ALLOCATIONS: [&str; 2] = ["failslab", "fail_page_alloc"];

/// A function of the kernel in which no allocation fails, whoever calls it: the scan for partitions prints a backtrace if
/// it gets no memory, and goes without partitions.
const SPARED: &str = "bdev_disk_changed";

/// More faults than are ever injected; what is left of them tells whether one was.
const MANY: u64 = 1_000_000;

#[track_caller]
fn set(file: &str, value: &str) {
    let path = format!("{DEBUG}/{file}");
    fs::write(&path, value).unwrap_or_else(|why| panic!("{path}: {why}"));
}

#[track_caller]
fn set_for_all(file: &str, value: &str) {
    for kind in ALLOCATIONS {
        set(&format!("{kind}/{file}"), value);
    }
}

/// Skips the case where no faults can be injected; to be called before anything is set up.
pub(crate) fn needed() {
    if !Path::new(DEBUG).join(ALLOCATIONS[0]).exists() {
        skip("this kernel injects no faults");
    }
}

/// Makes allocations fail that are made on behalf of the loaded module.
pub(crate) struct FailedAllocations(());

impl FailedAllocations {
    /// Prepares it; the module must be loaded.
    #[track_caller]
    pub(crate) fn prepare() -> Self {
        let modules = fs::read_to_string("/proc/modules").expect("/proc is mounted");
        let words: Vec<&str> = modules
            .lines()
            .find(|line| line.starts_with("shunt "))
            .expect("the module is loaded")
            .split(' ')
            .collect();
        let start = u64::from_str_radix(words[5].trim_start_matches("0x"), 16);
        let start = start.expect("a module has an address");
        let end = start + words[1].parse::<u64>().expect("a module has a size");
        let spared = symbol(SPARED);
        for (file, value) in [
            ("verbose", "0"),
            ("ignore-gfp-wait", "N"),
            ("stacktrace-depth", "32"),
            ("require-start", &start.to_string()),
            ("require-end", &end.to_string()),
            ("reject-start", &spared.start.to_string()),
            ("reject-end", &spared.end.to_string()),
            ("times", &MANY.to_string()),
        ] {
            set_for_all(file, value);
        }
        Self(())
    }

    /// From now on each of them fails, whichever task needs it.
    #[track_caller]
    pub(crate) fn all() -> Self {
        let prepared = Self::prepare();
        set_for_all("interval", "1");
        set_for_all("probability", "100");
        prepared
    }

    /// How many have failed.
    #[track_caller]
    pub(crate) fn count(&self) -> u64 {
        ALLOCATIONS.len() as u64 * MANY - left()
    }

    /// Runs a program for which allocation number `number` of the module fails, counted from 1. Gives how it ended, or
    /// none if it made fewer.
    #[track_caller]
    pub(crate) fn at(&self, number: u32, words: &[&str]) -> Option<Ended> {
        let before = left();
        // The count is of the task alone, and stays with it.
        let script = format!("echo {number} > /proc/self/fail-nth; exec \"$@\"");
        let ended = attempt(&[&["sh", "-c", &script, "sh"], words].concat());
        if left() != before {
            return Some(ended);
        }
        assert_eq!(ended.code, Some(0), "without a fault: {ended:?}");
        None
    }
}

/// Where the code of a function of the kernel is: up to the symbol that follows.
#[track_caller]
fn symbol(name: &str) -> Range<u64> {
    let text = fs::read_to_string("/proc/kallsyms").expect("/proc is mounted");
    let parse = |line: &str| -> Option<(u64, bool)> {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((address, words.nth(1)? == name))
    };
    let symbols: Vec<_> = text.lines().filter_map(parse).collect();
    let found = symbols.iter().find(|(_, is_it)| *is_it);
    let (start, _) = *found.unwrap_or_else(|| panic!("the kernel has no {name}"));
    let after = symbols.iter().map(|(address, _)| *address);
    let end = after.filter(|address| *address > start).min();
    start..end.expect("it is not the last one")
}

fn left() -> u64 {
    ALLOCATIONS
        .iter()
        .map(|kind| sysfs::number(&format!("{DEBUG}/{kind}/times")))
        .sum()
}

impl Drop for FailedAllocations {
    fn drop(&mut self) {
        set_for_all("probability", "0");
        set_for_all("require-start", "0");
        set_for_all("require-end", &u64::MAX.to_string());
        set_for_all("reject-start", "0");
        set_for_all("reject-end", "0");
    }
}

/// Makes some of the I/O of a drive fail.
pub(crate) struct FailedIo {
    file: String,
}

impl FailedIo {
    /// Lets so many of a hundred fail.
    #[track_caller]
    pub(crate) fn of(drive: &Flash, percent: u32) -> Self {
        for (file, value) in [
            ("verbose", "0"),
            ("times", "-1"),
            ("interval", "1"),
            ("probability", &percent.to_string()),
        ] {
            set(&format!("fail_make_request/{file}"), value);
        }
        let file = format!("/sys/block/{}/make-it-fail", drive.name);
        fs::write(&file, "1").unwrap_or_else(|why| panic!("{file}: {why}"));
        Self { file }
    }
}

impl Drop for FailedIo {
    fn drop(&mut self) {
        // A drive that has gone fails by itself.
        let _ = fs::write(&self.file, "0");
        set("fail_make_request/probability", "0");
    }
}
