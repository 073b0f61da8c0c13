// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each worker of a round has done so far, for whoever is to find out why it failed.

use std::fmt::Display;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::debug_kernel;
use crate::random::order::Answer;

/// How long a command may take beyond its own time-out.
const MARGIN: Duration = Duration::from_secs(10);

/// The journal of a round.
#[derive(Clone)]
pub(super) struct Journal(Arc<Mutex<Pages>>);

struct Pages {
    seed: u64,
    begun: Instant,
    /// By worker.
    lines: Vec<Vec<String>>,
    /// Until when the order of a worker has to have ended.
    due: Vec<Option<Instant>>,
    orders: u64,
    refused: u64,
}

/// The journal of the round that goes on.
static CURRENT: Mutex<Option<Journal>> = Mutex::new(None);

impl Journal {
    /// Of a round that begins.
    pub(super) fn begin(seed: u64, workers: usize) -> Self {
        let journal = Self(Arc::new(Mutex::new(Pages {
            seed,
            begun: Instant::now(),
            lines: vec![Vec::new(); workers],
            due: vec![None; workers],
            orders: 0,
            refused: 0,
        })));
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(journal.clone());
        journal
    }

    /// A worker begins something that may wait for so long.
    pub(super) fn begins(&self, worker: usize, what: impl Display, wait: Duration) {
        let mut pages = self.pages();
        let ms = pages.begun.elapsed().as_millis();
        pages.lines[worker].push(format!("{ms:>6} ms  {what}"));
        pages.due[worker] = Some(Instant::now() + debug_kernel::limit(wait + MARGIN));
        pages.orders += 1;
    }

    /// It ended so.
    pub(super) fn ended(&self, worker: usize, how: &Answer, why: &str) {
        let mut pages = self.pages();
        pages.refused += u64::from(matches!(how, Answer::Refused(_)));
        let ms = pages.begun.elapsed().as_millis();
        if let Some(line) = pages.lines[worker].last_mut() {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            line.push_str(&format!(" -> {how}{why} ({ms} ms)"));
        }
        let due = pages.due[worker].take();
        drop(pages);
        let in_time = due.is_none_or(|due| Instant::now() <= due);
        assert!(in_time, "worker {worker}: that took longer than it may");
    }

    /// Something else that is worth a line.
    pub(super) fn notes(&self, worker: usize, what: impl Display) {
        let mut pages = self.pages();
        let ms = pages.begun.elapsed().as_millis();
        pages.lines[worker].push(format!("{ms:>6} ms  {what}"));
    }

    /// Looks after the workers until they are `done`: none may hang.
    #[track_caller]
    pub(super) fn watch(&self, mut done: impl FnMut() -> bool) {
        while !done() {
            thread::sleep(Duration::from_millis(20));
            let late = |due: &Option<Instant>| due.is_some_and(|due| Instant::now() > due);
            let late = self.pages().due.iter().position(late);
            if let Some(worker) = late {
                // The console log gets where everybody waits.
                let _ = fs::write("/proc/sysrq-trigger", "w");
                panic!("worker {worker}: its last command does not end");
            }
        }
    }

    /// How many orders there were, and how many of them were refused.
    pub(super) fn orders(&self) -> [u64; 2] {
        let pages = self.pages();
        [pages.orders, pages.refused]
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the round that goes on, on standard error.
pub(super) fn tell() {
    let current = CURRENT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(journal) = current else { return };
    let pages = journal.pages();
    for (worker, lines) in pages.lines.iter().enumerate() {
        eprintln!("worker {worker}:");
        for line in lines {
            eprintln!("  {line}");
        }
    }
    eprint!("seed {}: ", pages.seed);
}
