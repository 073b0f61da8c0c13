// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one case in a process of its own: a panic is a failure with its message and
//! place. Where panics unwind, its fixtures undo what they did; else the guest is booted anew after it.

use std::fs;
use std::panic::{self, PanicHookInfo};
use std::process::{self, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cases;

/// Longest time for one case.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// Exit code of a case that cannot run here.
pub(crate) const SKIPPED: i32 = 3;

/// Ends the case as skipped; to be called before anything is set up.
pub(crate) fn skip(why: &str) -> ! {
    eprintln!("{why}");
    process::exit(SKIPPED)
}

/// Where the case is, if it has steps.
static STEP: Mutex<&str> = Mutex::new("");

/// Says what is tried from here on: a failure is told with it.
pub(crate) fn step(what: &'static str) {
    *STEP.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

/// File whose last lines a failure is told with, if there is one.
static LOG: Mutex<Option<&'static str>> = Mutex::new(None);

/// Most lines of it.
const LOG_LINES: usize = 40;

/// Has a failure from here on told with the last lines of this log.
pub(crate) fn show_on_failure(log: &'static str) {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(log);
}

/// What opens a line with a figure, among a case's words.
const FIGURE: &str = "figure: ";

/// Shows a figure that the case measured beside its verdict.
pub(crate) fn figure(text: &str) {
    println!("{FIGURE}{text}");
}

/// The figures among a case's words.
pub(super) fn figures(said: &str) -> Vec<String> {
    let lines = said.lines().filter_map(|line| line.strip_prefix(FIGURE));
    lines.map(str::to_owned).collect()
}

/// Runs the case of this full name; its words are on standard error.
pub(crate) fn run(name: &str) -> ExitCode {
    let Some(case) = cases::all().find(|case| case.full_name() == name) else {
        eprintln!("there is no case {name}");
        return ExitCode::FAILURE;
    };
    panic::set_hook(Box::new(|info| {
        let step = *STEP.lock().unwrap_or_else(PoisonError::into_inner);
        if !step.is_empty() {
            eprint!("{step}: ");
        }
        say_in_a_line(info);
        say_log();
    }));
    match panic::catch_unwind(case.run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn say_log() {
    let Some(log) = *LOG.lock().unwrap_or_else(PoisonError::into_inner) else {
        return;
    };
    let text = fs::read_to_string(log).unwrap_or_else(|why| why.to_string());
    let lines: Vec<_> = text.lines().collect();
    eprintln!("the end of {log}:");
    for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
        eprintln!("    {line}");
    }
}

/// Says on standard error what panicked, and where.
pub(super) fn say_in_a_line(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words");
    let place = info
        .location()
        .map(|place| format!(" ({}:{})", place.file(), place.line()))
        .unwrap_or_default();
    eprintln!("{text}{place}");
}
